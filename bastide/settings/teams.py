"""Settings of teams: whose keys they are, which class their data has, which routes they use, at what bounds."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from bastide.settings.base import Strict, matching
from bastide.settings.data_classes import HIGHEST, DataClass
from bastide.settings.route_prices import Usd
from bastide.settings.route_traffic import RouteName

TeamName = Annotated[
    str,
    matching(
        r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?",
        "is not a team's name; allowed: up to 63 lower-case letters, digits and inner hyphens; it is LiteLLM's team id "
        "and stands in every line of spend; rename it",
    ),
]

Duration = Annotated[
    str,
    matching(
        r"[1-9]\d{0,3}(s|m|h|d|w|mo)",
        "is not a duration that LiteLLM knows; allowed: a number and s, m, h, d, w or mo such as '30d' or '1mo'",
    ),
]

Member = Annotated[
    str,
    matching(
        r"[\w.@+|:/-]{1,200}",
        "is not a member; allowed: a subject or an e-mail address, as the identity provider says it",
    ),
]


class BudgetSettings(Strict):
    """Money that a team may spend in a span of time; at the number further requests are refused."""

    usd: Usd
    """USD in each span."""

    duration: Duration = "30d"
    """The span, after which it starts from 0 again."""


class TeamSettings(Strict):
    """One team. Keys belong to it and have no more than it has."""

    name: TeamName
    """Name of the team."""

    data_class: DataClass = HIGHEST
    """Class of its data. A request may raise it by header or metadata, and never lower it."""

    routes: tuple[RouteName, ...] = Field(min_length=1)
    """Routes that it may use."""

    budget: BudgetSettings | None = None
    """What it may spend; without one spend is counted and not bounded."""

    rpm: int | None = Field(None, ge=1)
    """Most requests a minute of all its keys together, over all pods of the gateway."""

    tpm: int | None = Field(None, ge=1)
    """Most tokens a minute of all its keys together, over all pods of the gateway."""

    members: tuple[Member, ...] = ()
    """People who sign in and belong to it; keys need none."""
