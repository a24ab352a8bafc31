"""The route table as people read it."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Final

from bastide.plans.routing.document import amount
from bastide.plans.routing.notes import notes
from bastide.plans.routing.table import Candidate, Group, Route, Table
from bastide.settings import Settings
from bastide.settings.data_classes import CLASSES, DataClass
from bastide.settings.route_prices import MILLION
from bastide.settings.route_traffic import FAILURES, Failure

HEAD = f"    {'order':>5} {'share':>6}  {'deployment':20} {'where':24} {'in':>9} {'out':>9} {'context':>9}"


def text(settings: Settings, found: Table) -> str:
    """Each route with its classes, deployments in order, fallbacks and refusals; then teams, and what to know."""
    lines = ["USD for a million tokens (in: of prompts, out: of answers); context in tokens."]
    for route in found.routes.values():
        lines += ["", _title(route), HEAD, *_rows(found, route)]
    lines += _sources(found)
    if settings.teams:
        lines += ["", "teams"]
        lines += [f"  {each}" for each in _teams(settings)]
    said = notes(settings, found)
    if said:
        lines += ["", "to know", *(f"  {each}" for each in said)]
    return "\n".join(lines)


def _title(route: Route) -> str:
    wanted = route.settings
    lane = f", {wanted.its_lane} lane" if wanted.its_lane != "serving" else ""
    tries = wanted.retries.attempts + 1
    return (
        f"route {wanted.name} ({wanted.kind}{lane}): {tries} {'try' if tries == 1 else 'tries'} of "
        f"{wanted.timeout_seconds:g} s each, within {wanted.client_timeout_seconds:g} s"
    )


def _rows(found: Table, route: Route) -> Iterator[str]:
    """Classes that get the same are one block."""
    for classes, group in _alike(found, route):
        if not group.candidates:
            yield f"  {', '.join(classes)} data: refused"
        else:
            yield f"  {', '.join(classes)} data"
        yield from (_row(group, each) for each in group.candidates)
        for failure, groups in group.fallbacks.items():
            yield f"    {_FAILURES[failure]}: then {', '.join(each.partition('@')[0] for each in groups)}"
        if group.candidates:
            yield from _lost(found, group)
        for name, why in group.refused.items():
            yield f"    not {name}: {_such(group, why)}"


_FAILURES: Final[dict[Failure, str]] = {
    "outage": "in an outage",
    "rateLimit": "at a rate limit",
    "contextTooLong": "too long a prompt",
    "contentPolicy": "refused for its content",
    "quality": "when all are regressed",
}


def _lost(found: Table, group: Group) -> Iterator[str]:
    """Fallbacks that the class may not use."""
    wanted = found.routes[group.route].settings.fallbacks
    for name in dict.fromkeys(name for failure in FAILURES for name in wanted.of(failure)):
        other = found.routes[name].groups[group.data_class]
        if not other.candidates:
            yield f"    no fallback to {name}: {_such(group, other.why)}"


def _such(group: Group, why: str) -> str:
    """A reason without the class's name, which the block has above it."""
    return why.replace(f"{group.data_class} data", "such data")


def _alike(found: Table, route: Route) -> Iterator[tuple[list[DataClass], Group]]:
    """Neighbouring classes whose groups differ in nothing but the class's name."""
    collected: list[tuple[list[DataClass], Group]] = []
    for name in CLASSES:
        group = route.groups[name]
        if collected and _shown(found, collected[-1][1]) == _shown(found, group):
            collected[-1][0].append(name)
        else:
            collected.append(([name], group))
    yield from collected


def _shown(found: Table, group: Group) -> tuple[object, ...]:
    fallbacks = {k: [each.partition("@")[0] for each in v] for k, v in group.fallbacks.items()}
    refused = {name: _such(group, why) for name, why in group.refused.items()}
    return group.candidates, fallbacks, refused, tuple(_lost(found, group))


def _row(group: Group, each: Candidate) -> str:
    deployment = each.deployment
    level = sum(one.weight for one in group.candidates if one.order == each.order)
    share = f"{each.weight / level:.0%}" if level else "-"
    name = deployment.name if each.adapter is None else f"{deployment.name}/{each.adapter}"
    where = f"{deployment.region}, {'own' if deployment.hosting == 'self' else deployment.kind}"
    return (
        f"    {each.order:>5} {share:>6}  {name:20} {where:24} {_million(deployment.price.input):>9} "
        f"{_million(deployment.price.output):>9} {deployment.context:>9,}"
    )


def _million(usd: Decimal) -> str:
    return amount((usd * MILLION).normalize())


def _sources(found: Table) -> Iterator[str]:
    """Where prices come from, and what providers promised."""
    yield ""
    yield "prices and agreements"
    for name in sorted(found.deployments):
        deployment = found.deployments[name]
        yield f"  {name:20} {deployment.price.source}"
        agreement = deployment.agreement
        if agreement is not None:
            kept = "keeps nothing" if agreement.zero_retention else "keeps data"
            used = "may train on it" if agreement.trains_on_data else "does not train on it"
            yield f"  {'':20} {kept}, {used}: {agreement.document}, {agreement.date.isoformat()}"


def _teams(settings: Settings) -> Iterator[str]:
    for team in settings.teams:
        bounds = [
            "no budget"
            if team.budget is None
            else f"{amount(team.budget.usd)} USD in {team.budget.duration}",
            *([f"{team.rpm:,} requests a minute"] if team.rpm else []),
            *([f"{team.tpm:,} tokens a minute"] if team.tpm else []),
        ]
        yield f"{team.name:20} {team.data_class:13} {', '.join(team.routes)}; {', '.join(bounds)}"
