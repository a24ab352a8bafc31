"""Looks at what should be there, and makes or mends it: one line for each part, the same in every mode."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Final


class Mode(Enum):
    """What a command may do."""

    APPLY = "apply"
    """Make what is missing and mend what can be mended safely."""
    DRY_RUN = "dry-run"
    """Change nothing, and say what APPLY would do."""
    CHECK = "check"
    """Change nothing; whatever is not right is a failure."""


class Condition(Enum):
    """How a part was found."""

    RIGHT = "right"
    ABSENT = "absent"
    WRONG = "wrong"


@dataclass(frozen=True)
class Found:
    """What a look found; `detail` says what there is, or what differs."""

    condition: Condition
    detail: str = ""


def right(detail: str = "") -> Found:
    """All as it should be."""
    return Found(Condition.RIGHT, detail)


def missing(detail: str = "") -> Found:
    """Not there."""
    return Found(Condition.ABSENT, detail)


def wrong(detail: str) -> Found:
    """There, and not as it should be."""
    return Found(Condition.WRONG, detail)


@dataclass(frozen=True)
class Part:
    """One thing that should be there. `mend` makes it where it is absent and corrects it where it is wrong;
    None where that is not safe, and then `advice` says what a person can do."""

    name: str
    look: Callable[[], Found]
    mend: Callable[[], None] | None
    needs: str = ""
    """Name of the part without which this one cannot even be looked at."""
    advice: str = ""


class Outcome(StrEnum):
    """How a part is after the command."""

    THERE = "is there"
    MADE = "made"
    MENDED = "mended"
    WOULD_MAKE = "would be made"
    WOULD_MEND = "would be mended"
    MISSING = "is missing"
    DIFFERS = "differs"


GOOD: Final = frozenset({Outcome.THERE, Outcome.MADE, Outcome.MENDED})
"""Outcomes after which nothing is left to do."""


@dataclass(frozen=True)
class Line:
    """One line of a report."""

    name: str
    outcome: Outcome
    detail: str = ""

    def __str__(self) -> str:
        return f"  {self.name:<54} {self.outcome:<15} {self.detail}".rstrip()


def settle(parts: Iterable[Part], mode: Mode, report: Callable[[Line], None]) -> list[Line]:
    """Goes through the parts in order and reports each as it is done."""
    done: dict[str, Line] = {}
    for part in parts:
        above = done[part.needs].outcome if part.needs else None
        if above in (Outcome.MISSING, Outcome.WOULD_MAKE):
            line = Line(part.name, above)
        else:
            line = _settle(part, part.look(), mode, new=above is Outcome.MADE)
        done[part.name] = line
        report(line)
    return list(done.values())


def _settle(part: Part, found: Found, mode: Mode, *, new: bool) -> Line:
    """`new` says that what the part belongs to was made just now: then nothing was wrong before."""
    if found.condition is Condition.RIGHT:
        return Line(part.name, Outcome.MADE if new else Outcome.THERE, found.detail)
    absent = found.condition is Condition.ABSENT
    if part.mend is None or mode is Mode.CHECK:
        # What can be mended is mended by the command itself.
        advice = "; ".join(each for each in (found.detail, "" if part.mend else part.advice) if each)
        return Line(part.name, Outcome.MISSING if absent else Outcome.DIFFERS, advice)
    if mode is Mode.DRY_RUN:
        return Line(part.name, Outcome.WOULD_MAKE if absent else Outcome.WOULD_MEND, found.detail)
    part.mend()
    if new:
        return Line(part.name, Outcome.MADE, part.look().detail)
    return Line(part.name, Outcome.MADE if absent else Outcome.MENDED, found.detail)


def all_good(lines: Iterable[Line], mode: Mode) -> bool:
    """Whether nothing is left for a person to do. A dry run is good when nothing stands in the way."""
    if mode is Mode.DRY_RUN:
        return all(each.outcome not in (Outcome.MISSING, Outcome.DIFFERS) for each in lines)
    return all(each.outcome in GOOD for each in lines)
