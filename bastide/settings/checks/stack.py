"""Checks of what concerns a stack as a whole."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from bastide.settings.checks.common import Check
from bastide.settings.errors import Problem

if TYPE_CHECKING:
    from bastide.settings.root import Settings


def _protection(settings: Settings) -> Iterator[Problem]:
    allowed = ("sandbox", "dev")
    if not settings.protection and settings.environment not in allowed:
        yield Problem(
            "protection",
            f"False is not allowed in environment {str(settings.environment)!r}; allowed off only in: "
            f"{', '.join(allowed)}; one `pulumi destroy` would delete keys, models and cluster; remove "
            "the line",
        )


def _tags(settings: Settings) -> Iterator[Problem]:
    for key in settings.tags:
        if key.lower().startswith(("aws:", "bastide:")):
            yield Problem(
                f"tags.{key}",
                f"{key!r} has a reserved prefix; 'aws:' is AWS's and 'bastide:' this kit's; rename it",
            )


CHECKS: Final[tuple[Check, ...]] = (_protection, _tags)
