"""The programs behind live pods: the node agent and what starts its containers. Only live worlds need them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sandbox.toolchain import ToolsMissingError
from sandbox.toolchain.build import build, lock
from sandbox.toolchain.recipes import LIVEPOD, NODE


@dataclass(frozen=True)
class Programs:
    """Where they are."""

    node: Path
    livepod: Path


def ensure() -> Programs:
    """Builds them if they are missing (25 s on 2 cores where the control plane was built, minutes otherwise)."""
    if not (NODE.built.exists() and LIVEPOD.built.exists()):
        with lock():
            if not (NODE.built.exists() and LIVEPOD.built.exists()):
                build((NODE, LIVEPOD))
    return programs()


def programs() -> Programs:
    """The programs; raises `ToolsMissingError` where they were not built."""
    if not (NODE.built.exists() and LIVEPOD.built.exists()):
        raise ToolsMissingError("the node agent is not built: `bastide sandbox live on` builds it")
    return Programs(NODE.built, LIVEPOD.built)
