"""Pure comparisons of objects: what changed between inputs, what drifted in the cluster, what someone owns.

Nothing here asks the API server; every function takes plain values and returns new ones.
"""

from __future__ import annotations

import json
from typing import Any, Final

from sandbox.plugins.protocol import UNKNOWN, DiffKind, Plain, Unknown

Object = dict[str, Any]

SERVER_SET: Final = {
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "generation",
    "managedFields",
    "resourceVersion",
    "selfLink",
    "uid",
}
"""Metadata that only the API server writes (ObjectMeta's reference: "Read-only", "Populated by the
system")."""

LAST_APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"


def clean(value: Plain) -> Plain:
    """The value without nulls, which in an applied object would claim fields that nobody set."""
    if isinstance(value, dict):
        return {key: clean(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [clean(item) for item in value]
    return value


def without_unknown(value: Plain) -> Plain:
    """The value without the leaves that are not known yet; items of lists that are unknown go too."""
    if isinstance(value, dict):
        return {key: without_unknown(item) for key, item in value.items() if not isinstance(item, Unknown)}
    if isinstance(value, list):
        return [without_unknown(item) for item in value if not isinstance(item, Unknown)]
    return value


def merged(under: Plain, over: Plain) -> Plain:
    """`over` laid on `under`, mapping by mapping; lists are taken whole."""
    if isinstance(under, dict) and isinstance(over, dict):
        return {
            key: merged(under[key], over[key])
            if key in under and key in over
            else over.get(key, under.get(key))
            for key in under.keys() | over.keys()
        }
    return over


def changes(old: Plain, new: Plain, path: str = "") -> dict[str, DiffKind]:
    """Paths that differ, each with how; an unknown new value counts as a change."""
    if isinstance(new, Unknown):
        return {path: "update"}
    if isinstance(old, dict) and isinstance(new, dict):
        found: dict[str, DiffKind] = {}
        for key in sorted(old.keys() | new.keys()):
            below = _join(path, key)
            if key not in new:
                found[below] = "delete"
            elif key not in old:
                found[below] = "add"
            else:
                found |= changes(old[key], new[key], below)
        return found
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        found = {}
        for index, (before, after) in enumerate(zip(old, new, strict=True)):
            found |= changes(before, after, f"{path}[{index}]")
        return found
    return {} if old == new and isinstance(old, bool) == isinstance(new, bool) else {path: "update"}


def _join(path: str, key: str) -> str:
    plain = key.replace("_", "a").replace("-", "a").isalnum()
    step = key if plain else f'["{key}"]'
    return f"{path}.{step}" if path and plain else f"{path}{step}"


def drifted(given: Plain, desired: Plain, live: Plain) -> Plain:
    """The inputs as the cluster has them: `given` wherever applying it again would change nothing.

    `desired` is what the API server answers to a dry-run apply of `given` on top of `live`, so a value
    that the server only writes in another way ("1000m" for "1") or fills in by default is no drift.
    """
    if desired == live:
        return given
    if isinstance(given, dict) and isinstance(desired, dict) and isinstance(live, dict):
        return {
            key: drifted(item, desired.get(key), live[key]) if key in live else item
            for key, item in given.items()
            if key in live or key not in desired
        }
    if isinstance(given, list) and isinstance(desired, list) and isinstance(live, list):
        return _drifted_list(given, desired, live)
    return live


def _drifted_list(given: list[Plain], desired: list[Plain], live: list[Plain]) -> list[Plain]:
    if all(isinstance(item, dict) and "name" in item for item in [*given, *desired, *live]):
        wanted, there = ({item["name"]: item for item in items} for items in (desired, live))
        return [
            drifted(item, wanted.get(item["name"]), there[item["name"]])
            for item in given
            if item["name"] in there
        ]
    if len(given) == len(desired) == len(live):
        return [drifted(item, want, there) for item, want, there in zip(given, desired, live, strict=True)]
    return live


def owned_by_people(live: Object) -> Object:
    """The part of an object that somebody wrote, for an import: no defaults, no status, nothing of
    controllers.

    Follows `managedFields`
    (https://kubernetes.io/docs/reference/using-api/server-side-apply/#field-management): status writers
    name a subresource, and Kubernetes' own controllers are called kube-*.
    """
    meta = live["metadata"]
    tree: Object = {}
    for entry in meta.get("managedFields") or []:
        if not entry.get("subresource") and not entry["manager"].startswith("kube-"):
            tree = merged(tree, entry.get("fieldsV1") or {})
    found = _project(live, tree) if tree else {key: live[key] for key in live if key != "status"}
    kept = {key: item for key, item in (found.get("metadata") or {}).items() if key not in SERVER_SET}
    for key in ("name", "namespace"):
        if key in meta:
            kept[key] = meta[key]
    if "annotations" in kept:
        kept["annotations"] = {key: item for key, item in kept["annotations"].items() if key != LAST_APPLIED}
        if not kept["annotations"]:
            del kept["annotations"]
    return {**found, "apiVersion": live["apiVersion"], "kind": live["kind"], "metadata": kept}


def _project(value: Plain, tree: Object) -> Plain:
    steps = {key: below for key, below in tree.items() if key != "."}
    if not steps:
        return value
    if isinstance(value, dict):
        return {
            key[2:]: _project(value[key[2:]], below)
            for key, below in steps.items()
            if key.startswith("f:") and key[2:] in value
        }
    if isinstance(value, list):
        return [projected for item in value if (projected := _owned_item(item, steps)) is not None]
    return value


def _owned_item(item: Plain, steps: Object) -> Plain:
    for key, below in steps.items():
        wanted = json.loads(key[2:])
        if key.startswith("v:") and wanted == item:
            return item
        if (
            key.startswith("k:")
            and isinstance(item, dict)
            and all(item.get(name) == part for name, part in wanted.items())
        ):
            return {**wanted, **_project(item, below)}
    return None


def state_of(live: Object, inputs: Object, manager: str) -> Object:
    """What the engine keeps of a live object: no bookkeeping of the API server's that changes with every
    look.

    A Secret's content is kept only under the names that the inputs use, because the engine marks as
    secret what bears the name of a secret input, and would store the server's base64 of a `stringData` in
    the clear.
    """
    found = dict(live)
    meta = {
        key: item for key, item in live["metadata"].items() if key not in ("managedFields", "resourceVersion")
    }
    if live.get("kind") == "Secret":
        for key in ("data", "stringData"):
            found.pop(key, None)
            if key in inputs:
                found[key] = inputs[key]
        annotations = {
            key: item for key, item in (meta.get("annotations") or {}).items() if key != LAST_APPLIED
        }
        meta = {**meta, "annotations": annotations} if annotations else meta
    return {**found, "metadata": meta, "__fieldManager": manager}


def previewed(inputs: Object, old_state: Object | None = None) -> Object:
    """The state as far as a preview knows it: the uid of an object that does not exist yet is not known."""
    if old_state:
        return dict(merged(old_state, inputs))
    meta = inputs.get("metadata")
    return {**inputs, "metadata": {**meta, "uid": UNKNOWN} if isinstance(meta, dict) else UNKNOWN}
