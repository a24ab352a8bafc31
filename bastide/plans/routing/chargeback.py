"""Who spent what: LiteLLM's rows of spend, summed by team, route, class and deployment, and held against the plan.

Spend of an engine of the stack must be tokens x plan price, because LiteLLM reckons by the prices that it was given
and by nothing else; where it is not, another price was in force then, or rows were changed. A hosted provider's
invoice is not seen here."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from bastide.plans.routing.deployments import Deployment

TOLERANCE: Final = Decimal("1e-6")
"""Part by which sums may differ: LiteLLM adds floating-point numbers."""

UNKNOWN: Final = "-"
"""Shown where a row does not say: a key without a team, or a group that is not of this table."""


class RowError(Exception):
    """A row that is no spend log of LiteLLM; the text says why."""


@dataclass(frozen=True)
class Row:
    """One request: `cached` answers cost nothing."""

    team: str
    route: str
    data_class: str
    deployment: str
    input_tokens: int
    output_tokens: int
    usd: Decimal
    cached: bool


@dataclass(frozen=True)
class Line:
    """A sum. `plan_usd` is what the plan's prices make of the tokens; None for what is not in the stack's table."""

    team: str
    route: str
    data_class: str
    deployment: str
    hosting: str
    requests: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    usd: Decimal = Decimal(0)
    plan_usd: Decimal | None = None

    @property
    def differs(self) -> bool:
        """Whether spend of the stack's own engines is not what the plan says."""
        if self.hosting != "self" or self.plan_usd is None:
            return False
        return abs(self.usd - self.plan_usd) > TOLERANCE * max(self.usd, self.plan_usd)


def row(raw: Mapping[str, Any], teams: Mapping[str, str]) -> Row | None:
    """A row of LiteLLM_SpendLogs, from its API or its table; None for what is no request to a model (failures, the
    gateway's own calls). `teams`: names by LiteLLM's ids. Raises RowError."""
    identity, group = str(raw.get("model_id") or ""), str(raw.get("model_group") or "")
    deployment, _, at = identity.partition("@")
    route, _, data_class = (at or group).partition("@")
    if str(raw.get("status") or "success") != "success" or not (at or group):
        return None
    team = str(raw.get("team_id") or "")
    return Row(
        teams.get(team) or _alias(raw) or team or UNKNOWN,
        route or UNKNOWN,
        data_class or UNKNOWN,
        deployment if at else UNKNOWN,
        _count(raw, "prompt_tokens"),
        _count(raw, "completion_tokens"),
        _usd(raw),
        str(raw.get("cache_hit") or "").lower() == "true",
    )


def _alias(raw: Mapping[str, Any]) -> str:
    metadata = raw.get("metadata") or {}
    if isinstance(metadata, str):
        try:
            metadata = json.loads(metadata)
        except ValueError:
            metadata = {}
    return str(metadata.get("user_api_key_team_alias") or "") if isinstance(metadata, Mapping) else ""


def _count(raw: Mapping[str, Any], key: str) -> int:
    given = raw.get(key, 0)
    try:
        found = int(given or 0)
    except (TypeError, ValueError):
        found = -1
    if found < 0:
        raise RowError(f"{key} {given!r} is no number of tokens")
    return found


def _usd(raw: Mapping[str, Any]) -> Decimal:
    given = raw.get("spend", 0)
    try:
        found = Decimal(str(given if given not in (None, "") else 0))
    except InvalidOperation:
        found = Decimal(-1)
    if not found.is_finite() or found < 0:
        raise RowError(f"spend {given!r} is no amount of USD")
    return found


def lines(rows: Iterable[Row], known: Mapping[str, Deployment]) -> list[Line]:
    """Sums, the dearest team first. `known`: the stack's deployments, whose prices the plan says."""
    found: dict[tuple[str, str, str, str], Line] = {}
    for each in rows:
        key = (each.team, each.route, each.data_class, each.deployment)
        deployment = known.get(each.deployment)
        line = found.get(key) or Line(
            *key,
            hosting=deployment.hosting if deployment else UNKNOWN,
            plan_usd=None if deployment is None else Decimal(0),
        )
        plan = line.plan_usd
        if deployment is not None and plan is not None and not each.cached:
            price = deployment.price
            plan += each.input_tokens * price.input + each.output_tokens * price.output
        found[key] = replace(
            line,
            requests=line.requests + 1,
            input_tokens=line.input_tokens + each.input_tokens,
            output_tokens=line.output_tokens + each.output_tokens,
            usd=line.usd + each.usd,
            plan_usd=plan,
        )
    totals = by_team(found.values())
    return sorted(found.values(), key=lambda line: (-totals[line.team], line.team, -line.usd, line.route))


def by_team(found: Iterable[Line]) -> dict[str, Decimal]:
    """USD of each team."""
    totals: dict[str, Decimal] = {}
    for line in found:
        totals[line.team] = totals.get(line.team, Decimal(0)) + line.usd
    return totals


def table(found: list[Line], budgets: Mapping[str, str]) -> str:
    """The report as people read it. `budgets`: what each team may spend, in words."""
    head = (
        f"{'team':20} {'route':16} {'class':13} {'deployment':20} {'requests':>9} {'tokens in':>12} "
        f"{'tokens out':>12} {'USD':>14} {'by the plan':>14}"
    )
    shown = [head]
    for line in found:
        plan = "-" if line.plan_usd is None else _money(line.plan_usd)
        mark = "  differs" if line.differs else ""
        shown.append(
            f"{line.team:20} {line.route:16} {line.data_class:13} {line.deployment:20} {line.requests:>9,} "
            f"{line.input_tokens:>12,} {line.output_tokens:>12,} {_money(line.usd):>14} {plan:>14}{mark}"
        )
    shown += ["", "teams"]
    for team, usd in by_team(found).items():
        budget = budgets.get(team)
        shown.append(f"  {team:20} {_money(usd):>14} USD{f' of {budget}' if budget else ''}")
    shown.append(f"  {'all':20} {_money(sum((each.usd for each in found), Decimal(0))):>14} USD")
    wrong = [each for each in found if each.differs]
    if wrong:
        shown += [
            "",
            f"{len(wrong)} sums of the stack's own engines are not tokens x plan price: another price was in force "
            "when they were made (compare `bastide plan routes` of that day), or rows were changed",
        ]
    return "\n".join(shown)


def _money(usd: Decimal) -> str:
    """Two digits of cents, and six significant ones where that would show nothing."""
    return f"{usd:,.4f}" if usd >= Decimal("0.01") or usd == 0 else f"{usd:.6g}"


def document(found: list[Line]) -> dict[str, Any]:
    """The report for programs; amounts are decimal strings of USD."""
    return {
        "currency": "USD",
        "lines": [
            {
                "team": each.team,
                "route": each.route,
                "class": each.data_class,
                "deployment": each.deployment,
                "hosting": each.hosting,
                "requests": each.requests,
                "inputTokens": each.input_tokens,
                "outputTokens": each.output_tokens,
                "usd": format(each.usd, "f"),
                "planUsd": None if each.plan_usd is None else format(each.plan_usd, "f"),
                "differs": each.differs,
            }
            for each in found
        ],
        "teams": {team: format(usd, "f") for team, usd in by_team(found).items()},
    }
