"""Whether a world has live nodes: a file in its folder, read when a cluster's control plane starts."""

from __future__ import annotations

from pathlib import Path

from sandbox.state import home


def _path(world: Path) -> Path:
    return world / "live-pods"


def enabled(world: Path | None = None) -> bool:
    """Whether clusters that are made in this world get live nodes."""
    return _path(world or home()).exists()


def turn(on: bool) -> None:
    """For clusters that come after it: one that runs keeps the nodes that it has."""
    home().mkdir(parents=True, exist_ok=True, mode=0o700)
    if on:
        _path(home()).touch()
    else:
        _path(home()).unlink(missing_ok=True)
