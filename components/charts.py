"""What Helm releases have in common; and the charts of this repository, as a release takes them."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[1]

MAX_HISTORY: Final = 10
"""Revisions that Helm keeps for a rollback; its own command line's default."""

NOT_PACKED: Final = "ci"
"""Folder of a chart that its .helmignore leaves out."""


def digest(folder: Path) -> str:
    """SHA-256 over the names and contents of a chart's files."""
    total = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        if path.is_file() and name.parts[0] != NOT_PACKED:
            content = path.read_bytes()
            total.update(f"{name.as_posix()}\n{len(content)}\n".encode() + content)
    return total.hexdigest()


def with_digest(chart: str, values: dict[str, Any]) -> dict[str, Any]:
    """The values, and the chart's digest among the `global` ones, which no template reads. The official Kubernetes
    provider looks at a local chart's version only (pulumi-kubernetes, pull request 2672): without the digest a
    changed template would not be rolled out.

    `chart` is relative to the program."""
    return {**values, "global": {"chartSha256": digest(ROOT / chart)}}
