"""What a run leaves to be known after it: one line for each resource that was not done as a real cluster would.

`bastide sandbox status` shows it. A line has the resource's `urn` and one of: `reason` (its chart was not rendered),
`leftOut` (what of its chart was not installed), `unattended` (a custom resource whose controller does not run),
`unattendedOfChart` (how many of each such kind a release has).
"""

from __future__ import annotations

import fcntl
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from sandbox import state
from sandbox.plugins.protocol import Resource

NOT_RENDERED: Final = "not-rendered.jsonl"


def write(resource: Resource, entry: dict[str, Any] | None) -> None:
    """Puts this resource's line in place of its last one; with None there is nothing to be said any more."""
    path = state.home() / NOT_RENDERED
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        lines = [line for line in file if line.strip() and json.loads(line)["urn"] != resource.urn]
        if entry is not None:
            record = {
                "time": datetime.now(UTC).isoformat(timespec="seconds"),
                "stack": resource.stack,
                "urn": resource.urn,
                **entry,
            }
            lines.append(json.dumps(record) + "\n")
        file.seek(0)
        file.truncate()
        file.writelines(lines)


def is_custom(api_version: str) -> bool:
    """Whether a kind of this API is a CustomResourceDefinition's: Kubernetes' own groups have no dot, or end in
    .k8s.io (https://kubernetes.io/docs/reference/using-api/#api-groups); `.x-k8s.io` is not one of them."""
    group, slash, _ = api_version.partition("/")
    return bool(slash) and "." in group and not group.endswith(".k8s.io")


def custom(names: Mapping[str, Sequence[str]]) -> dict[str, int]:
    """How many custom resources of each kind are among a release's `resourceNames` (`Kind.group/group/version`)."""
    found: Counter[str] = Counter()
    for key, each in names.items():
        kind, dot, api = key.partition(".")
        if dot and is_custom(api):
            found[kind] += len(each)
    return dict(found)
