"""What a log may say of an exception: its kind and the places in this package, never its message or those of its
causes, in which text of a request or a secret can stand (json, pydantic and clients quote what they were given)."""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import Final

PACKAGE: Final = Path(__file__).parent

MOST_PLACES: Final = 8
"""Innermost places that are named, enough to find the way through this package."""


def told(error: BaseException) -> str:
    """Kinds and places of an exception and of what caused it, outermost first: `KeyError at gateway.py:12 in _end`."""
    found: list[str] = []
    seen: set[int] = set()
    one: BaseException | None = error
    while one is not None and id(one) not in seen:
        seen.add(id(one))
        found.append(f"{type(one).__name__} at {_places(one)}")
        one = one.__cause__ or (None if one.__suppress_context__ else one.__context__)
    return ", from ".join(found)


def _places(error: BaseException) -> str:
    # Without the lines' text, which traceback would look up.
    stack = [
        (Path(frame.f_code.co_filename), line, frame.f_code.co_name)
        for frame, line in traceback.walk_tb(error.__traceback__)
    ]
    ours = [
        f"{path.relative_to(PACKAGE)}:{line} in {name}"
        for path, line, name in stack
        if path.is_relative_to(PACKAGE)
    ]
    if stack and not stack[-1][0].is_relative_to(PACKAGE):
        path, line, name = stack[-1]
        ours.append(f"{path.name}:{line} in {name}")
    return " < ".join(reversed(ours[-MOST_PLACES:])) or "an unknown place"
