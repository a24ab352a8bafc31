"""What several checks share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from bastide.catalogues import instances
from bastide.settings.base import UnusableError
from bastide.settings.errors import Problem, choices

if TYPE_CHECKING:
    from bastide.settings.pools import PoolSettings
    from bastide.settings.root import Settings


Check = Callable[["Settings"], Iterator[Problem]]
"""Problems of whole settings."""

PoolCheck = Callable[["Settings", "PoolSettings", str], Iterator[Problem]]
"""Problems of one pool, whose path is given."""

RETENTION_DAYS: Final = (
    *(1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731),
    *(1096, 1827, 2192, 2557, 2922, 3288, 3653),
)
"""Retention periods that CloudWatch Logs takes (API reference, PutRetentionPolicy)."""


def usable(items: Iterator[Problem]) -> list[Problem]:
    """What a check gives before it meets a mistaken value."""
    found: list[Problem] = []
    with suppress(UnusableError):
        for item in items:
            found.append(item)
    return found


def retention(path: str, days: int) -> Iterator[Problem]:
    """A retention that CloudWatch Logs refuses."""
    if days not in RETENTION_DAYS:
        yield Problem(
            path,
            f"{days} is not a retention that CloudWatch Logs takes; allowed: "
            f"{', '.join(map(str, RETENTION_DAYS))}; "
            "choose one of them",
        )


def instance_type(path: str, given: str, allowed: list[str], kind: str) -> Iterator[Problem]:
    """A type that is not in the catalogue, or not of this kind of pool."""
    if given in allowed:
        return
    if given in instances.CATALOGUE:
        other = "no GPU" if kind == "GPU" else "GPUs, which would be paid for and not used"
        yield Problem(
            path, f"{given!r} has {other}; allowed in a {kind} pool: {', '.join(allowed)}; choose one"
        )
    else:
        yield Problem(
            path,
            f"{given!r} is not an instance type in the catalogue{choices(given, allowed)}; the "
            "catalogue says how "
            "many GPUs a node brings; choose one, or add the type to bastide/catalogues/instances.py",
        )


def max_size(path: str, size: int, most: int | None) -> Iterator[Problem]:
    """A maximum below the size."""
    if most is not None and most < size:
        yield Problem(
            f"{path}.maxSize",
            f"{most} is less than size {size}; allowed: {size} or more; raise it or lower size",
        )


def duplicates(path: str, kind: str, named: Iterable[str]) -> Iterator[Problem]:
    """Names that are there twice."""
    seen: dict[str, int] = {}
    for index, name in enumerate(named):
        if name in seen:
            yield Problem(
                f"{path}[{index}].name",
                f"{name!r} is the name of {path}[{seen[name]}] too; each {kind} is found by its name; "
                "rename one",
            )
        seen.setdefault(name, index)
