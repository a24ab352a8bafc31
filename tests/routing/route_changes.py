"""Changes to the stack of `routing_samples`, and the form of the tables of what a change contradicts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.routing.routing_samples import Raw

Change = Callable[[Raw], object]
Row = tuple[str, Change, str, str]
"""What contradicts itself, the change that does it, the path that is told, and words of the message."""


def route(index: int = 0, **changes: Any) -> Change:
    return lambda stack: stack["routes"][index].update(changes)


def fallbacks(index: int = 0, **changes: Any) -> Change:
    return lambda stack: stack["routes"][index].setdefault("fallbacks", {}).update(changes)


def provider(index: int, **changes: Any) -> Change:
    return lambda stack: stack["hosted"][index].update(changes)


def classes(name: str, **changes: Any) -> Change:
    return lambda stack: stack["dataClasses"].setdefault(name, {}).update(changes)


def team(index: int = 0, **changes: Any) -> Change:
    return lambda stack: stack["teams"][index].update(changes)


def edge(**changes: Any) -> Change:
    return lambda stack: stack.update(
        edge=changes,
        certificates={"internal": True, "domain": "llm.example.com", "zoneId": "Z0123456789ABCDEFGHIJ"},
    )


def engine(**changes: Any) -> Change:
    return lambda stack: stack["engines"][0].update(changes)


def several(*changes: Change) -> Change:
    def change(stack: Raw) -> None:
        for each in changes:
            each(stack)

    return change


def more(key: str, item: Raw) -> Change:
    return lambda stack: stack[key].append(item)


def without(key: str, index: int, inner: str) -> Change:
    return lambda stack: stack[key][index].pop(inner)
