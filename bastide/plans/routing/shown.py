"""The route table in words, cell by cell: what the text and the reviewers' page both show."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from bastide.plans.routing.document import amount
from bastide.plans.routing.notes import notes
from bastide.plans.routing.table import Candidate, Group, Route, Table
from bastide.settings import Settings
from bastide.settings.data_classes import CLASSES, DataClass
from bastide.settings.route_prices import MILLION
from bastide.settings.route_traffic import FAILURES, Failure

UNITS: Final = "USD for a million tokens (in: of prompts, out: of answers); context in tokens."
COLUMNS: Final = ("order", "share", "deployment", "where", "in", "out", "context")
"""Heads of `Row.cells`."""


@dataclass(frozen=True)
class Row:
    """One deployment that may answer: equal orders share the requests, a higher one is asked later."""

    order: int
    share: str
    deployment: str
    where: str
    input: str
    output: str
    context: str

    @property
    def cells(self) -> tuple[str, ...]:
        """As `COLUMNS` names them."""
        numbers = (self.input, self.output, self.context)
        return (str(self.order), self.share, self.deployment, self.where, *numbers)


@dataclass(frozen=True)
class Block:
    """What neighbouring classes get of a route, which is the same for each. Without rows they are refused."""

    classes: str
    rows: tuple[Row, ...]
    remarks: tuple[tuple[str, str], ...]
    """When and what then (`in an outage`, `then spare`), and who may not and why."""


@dataclass(frozen=True)
class ShownRoute:
    """A route with its classes, laxest first."""

    name: str
    about: str
    """Kind and lane, tries and times."""
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Source:
    """Where a deployment's price comes from, and what its provider promised (empty for one of the stack's own)."""

    deployment: str
    price: str
    agreement: str


@dataclass(frozen=True)
class ShownTeam:
    """Who may ask for what, and how much of it."""

    name: str
    data_class: str
    routes: str
    bounds: str


@dataclass(frozen=True)
class Shown:
    """All of it."""

    routes: tuple[ShownRoute, ...]
    sources: tuple[Source, ...]
    teams: tuple[ShownTeam, ...]
    notes: tuple[str, ...]


def shown(settings: Settings, found: Table) -> Shown:
    """The words for a table of these settings."""
    return Shown(
        routes=tuple(
            ShownRoute(each.settings.name, _about(each), tuple(_blocks(found, each)))
            for each in found.routes.values()
        ),
        sources=tuple(_source(found, name) for name in sorted(found.deployments)),
        teams=tuple(_teams(settings)),
        notes=tuple(notes(settings, found)),
    )


def _about(route: Route) -> str:
    wanted = route.settings
    lane = f", {wanted.its_lane} lane" if wanted.its_lane != "serving" else ""
    tries = wanted.retries.attempts + 1
    return (
        f"({wanted.kind}{lane}): {tries} {'try' if tries == 1 else 'tries'} of "
        f"{wanted.timeout_seconds:g} s each, within {wanted.client_timeout_seconds:g} s"
    )


def _blocks(found: Table, route: Route) -> Iterator[Block]:
    """Neighbouring classes whose groups differ in nothing but the class's name are one block."""
    collected: list[tuple[list[DataClass], Block]] = []
    for name in CLASSES:
        block = _block(found, route.groups[name])
        if collected and collected[-1][1] == block:
            collected[-1][0].append(name)
        else:
            collected.append(([name], block))
    for names, block in collected:
        yield Block(f"{', '.join(names)} data", block.rows, block.remarks)


def _block(found: Table, group: Group) -> Block:
    remarks = [
        (_FAILURES[failure], f"then {', '.join(each.partition('@')[0] for each in groups)}")
        for failure, groups in group.fallbacks.items()
    ]
    if group.candidates:
        remarks += _lost(found, group)
    remarks += [(f"not {name}", _such(group, why)) for name, why in group.refused.items()]
    return Block("", tuple(_row(group, each) for each in group.candidates), tuple(remarks))


_FAILURES: Final[dict[Failure, str]] = {
    "outage": "in an outage",
    "rateLimit": "at a rate limit",
    "contextTooLong": "too long a prompt",
    "contentPolicy": "refused for its content",
    "quality": "when all are regressed",
}


def _lost(found: Table, group: Group) -> Iterator[tuple[str, str]]:
    """Fallbacks that the class may not use."""
    wanted = found.routes[group.route].settings.fallbacks
    for name in dict.fromkeys(name for failure in FAILURES for name in wanted.of(failure)):
        other = found.routes[name].groups[group.data_class]
        if not other.candidates:
            yield f"no fallback to {name}", _such(group, other.why)


def _such(group: Group, why: str) -> str:
    """A reason without the class's name, which the block has above it."""
    return why.replace(f"{group.data_class} data", "such data")


def _row(group: Group, each: Candidate) -> Row:
    deployment = each.deployment
    level = sum(one.weight for one in group.candidates if one.order == each.order)
    return Row(
        order=each.order,
        share=f"{each.weight / level:.0%}" if level else "-",
        deployment=deployment.name if each.adapter is None else f"{deployment.name}/{each.adapter}",
        where=f"{deployment.region}, {'own' if deployment.hosting == 'self' else deployment.kind}",
        input=_million(deployment.price.input),
        output=_million(deployment.price.output),
        context=f"{deployment.context:,}",
    )


def _million(usd: Decimal) -> str:
    return amount((usd * MILLION).normalize())


def _source(found: Table, name: str) -> Source:
    deployment = found.deployments[name]
    agreement, promised = deployment.agreement, ""
    if agreement is not None:
        kept = "keeps nothing" if agreement.zero_retention else "keeps data"
        used = "may train on it" if agreement.trains_on_data else "does not train on it"
        promised = f"{kept}, {used}: {agreement.document}, {agreement.date.isoformat()}"
    return Source(name, deployment.price.source, promised)


def _teams(settings: Settings) -> Iterator[ShownTeam]:
    for team in settings.teams:
        bounds = [
            "no budget"
            if team.budget is None
            else f"{amount(team.budget.usd)} USD in {team.budget.duration}",
            *([f"{team.rpm:,} requests a minute"] if team.rpm else []),
            *([f"{team.tpm:,} tokens a minute"] if team.tpm else []),
        ]
        yield ShownTeam(team.name, team.data_class, ", ".join(team.routes), ", ".join(bounds))
