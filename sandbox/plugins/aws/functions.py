"""What a program may ask the provider without making anything: the SDK's `get_*` functions that the kit uses.

    @function("aws:eks/getClusters:getClusters", sdk="eks.get_clusters")
    def clusters(ctx, args): ...

A function returns every output of the SDK's result class; a test walks those classes. One that is not here is
refused by name.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from sandbox.plugins.aws.framework import Context
from sandbox.plugins.protocol import Plain

Body = Callable[[Context, dict[str, Plain]], dict[str, Plain]]


@dataclass(frozen=True)
class Function:
    """A function of the SDK's, and what answers it."""

    token: str
    sdk: str
    answer: Body


FUNCTIONS: Final[dict[str, Function]] = {}
"""Every function the plugin has, by token."""


def function(token: str, sdk: str) -> Callable[[Body], Body]:
    """Makes a function known to the plugin."""

    def register(body: Body) -> Body:
        if token in FUNCTIONS:
            raise ValueError(f"{token} is registered twice")
        FUNCTIONS[token] = Function(token, sdk, body)
        return body

    return register


def whole(names: tuple[str, ...], found: dict[str, Any]) -> dict[str, Plain]:
    """The outputs `names`, of which those that are not found are nothing."""
    unknown = found.keys() - set(names)
    if unknown:
        raise ValueError(f"no such outputs: {', '.join(sorted(unknown))}")
    return {name: found.get(name) for name in names}
