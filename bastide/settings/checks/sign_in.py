"""Checks of the sign-in of callers: teams that there are, and rules that can ever decide."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from bastide.settings.checks.common import Check
from bastide.settings.errors import Problem, choices

if TYPE_CHECKING:
    from bastide.settings.root import Settings


def _rules(settings: Settings) -> Iterator[Problem]:
    wanted = settings.gateway.sign_in
    if wanted is None:
        return
    teams = [each.name for each in settings.teams]
    seen: dict[tuple[str, str], int] = {}
    for index, rule in enumerate(wanted.rules):
        path = f"gateway.signIn.rules[{index}]"
        if rule.team not in teams:
            yield Problem(
                f"{path}.team",
                f"{rule.team!r} is not one of teams{choices(rule.team, teams)}; a caller gets the class and the budget "
                "of a team",
            )
        before = seen.setdefault((rule.claim, rule.value), index)
        if before != index:
            yield Problem(
                path,
                f"the claim {rule.claim!r} with {rule.value!r} stands in rule {before} already, which decides; this "
                "one never would; remove one of them",
            )


CHECKS: tuple[Check, ...] = (_rules,)
