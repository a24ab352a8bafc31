"""The route table as one file of HTML: for who signs that a class of data may go to a provider, and for paper.

It holds no script, asks no other host for anything, and says no date, so that two pages of the same stack are equal."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from bastide.plans.routing.shown import COLUMNS, UNITS, Shown, shown
from bastide.plans.routing.table import Table
from bastide.settings import Settings

_TEMPLATES: Final = Environment(
    loader=FileSystemLoader(Path(__file__).parent),
    # Sources and agreements are free text of a stack file. By hand: by a template's name, `.jinja` would mean no.
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)


def page(stack: str, settings: Settings, table: Table) -> str:
    """The page of a stack's table, with everything that `bastide plan routes` prints."""
    return rendered(stack, shown(settings, table))


def rendered(stack: str, found: Shown) -> str:
    """The page of these words; each is text, whatever it holds."""
    template = _TEMPLATES.get_template("route_table.html.jinja")
    return template.render(stack=stack, found=found, columns=COLUMNS, units=UNITS)
