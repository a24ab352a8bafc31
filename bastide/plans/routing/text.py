"""The route table as people read it on a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bastide.plans.routing.shown import COLUMNS, UNITS, Block, Source, shown
from bastide.plans.routing.table import Table
from bastide.settings import Settings


def text(settings: Settings, table: Table) -> str:
    """Each route with its classes, deployments in order, fallbacks and refusals; then where prices and agreements
    stand, teams, and what to know."""
    found, lines = shown(settings, table), [UNITS]
    for route in found.routes:
        lines += ["", f"route {route.name} {route.about}", _line(COLUMNS)]
        for block in route.blocks:
            lines += _block(block)
    lines += ["", "prices and agreements"]
    for each in found.sources:
        lines += _source(each)
    if found.teams:
        lines += ["", "teams"]
        lines += [
            f"  {each.name:20} {each.data_class:13} {each.routes}; {each.bounds}" for each in found.teams
        ]
    if found.notes:
        lines += ["", "to know", *(f"  {each}" for each in found.notes)]
    return "\n".join(lines)


def _block(block: Block) -> Iterator[str]:
    yield f"  {block.classes}" if block.rows else f"  {block.classes}: refused"
    yield from (_line(each.cells) for each in block.rows)
    yield from (f"    {what}: {then}" for what, then in block.remarks)


def _line(cells: Sequence[str]) -> str:
    order, share, deployment, where, *numbers = cells
    return (
        f"    {order:>5} {share:>6}  {deployment:20} {where:24} {' '.join(f'{each:>9}' for each in numbers)}"
    )


def _source(source: Source) -> Iterator[str]:
    yield f"  {source.deployment:20} {source.price}"
    if source.agreement:
        yield f"  {'':20} {source.agreement}"
