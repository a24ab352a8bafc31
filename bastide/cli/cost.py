"""`bastide cost --stack NAME`: hours and dollars of a stack, before an `up`.

bastide cost --stack NAME                                      what its parts cost an hour, a day and a month
bastide cost report --stack NAME --url URL --key-file FILE     what each team spent through the gateway"""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from bastide.catalogues.prices import HOURS_A_MONTH
from bastide.cli import cost_report
from bastide.plans.costs import Estimate, Item, estimate
from bastide.settings import SettingsError, load_stack_file, stack_file


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `bastide cost`."""
    parser.add_argument(
        "what", nargs="?", choices=["report"], help="what teams spent, instead of what parts cost"
    )
    parser.add_argument("--stack", required=True, help="the stack, as in stacks/Pulumi.STACK.yaml")
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.add_argument(
        "--weights-gb", type=float, help="size of the largest model, for the time to bring up"
    )
    cost_report.add_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Runs `bastide cost`; returns the exit status."""
    if arguments.what == "report":
        return cost_report.run(arguments)
    if (given := cost_report.given(arguments)) is not None:
        print(f"error: {given} goes with `bastide cost report`", file=sys.stderr)
        return 2
    if arguments.weights_gb is not None and not 0 < arguments.weights_gb < 1e5:
        print(f"error: --weights-gb {arguments.weights_gb:g} is no size of a model: give GB", file=sys.stderr)
        return 2
    try:
        settings = load_stack_file(stack_file(arguments.stack))
    except SettingsError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    found = estimate(settings, weights_gb=arguments.weights_gb)
    print(json.dumps(_document(found), indent=2) if arguments.json else _table(found))
    return 0


def _table(found: Estimate) -> str:
    lines = [f"{'':34} {'':>18} {'each':>10} {'an hour':>10} {'a day':>11} {'a month':>13}  price of"]
    lines += [_row(each) for each in found.items if each.most]
    lines.append(f"{'total of what is priced':34} {'':>18} {'':>10} {_dollars(found.hourly)}")
    if found.hourly_most > found.hourly:
        lines.append(f"{'with every pool at its largest':34} {'':>18} {'':>10} {_dollars(found.hourly_most)}")
    lines += ["", "USD, list prices without taxes or discounts. Billed by use, and not in the total:"]
    lines += [f"  {each}" for each in found.by_use]
    lines += ["", "the first `up`:"]
    lines += [f"  {each.name:34} {each.seconds / 60:6.1f} min  {each.basis}" for each in found.phases]
    return "\n".join([*lines, "", found.line()])


def _row(item: Item) -> str:
    count = f"{item.start:,.10g}" if item.start == item.most else f"{item.start:,.10g} to {item.most:,.10g}"
    lead = f"{item.name:34} {count:>18}"
    if item.price is None or item.hourly is None:
        return f"{lead} {'unpriced':>10} {'':36}  {item.unit}: {item.note}"
    source = f"{item.unit}: {item.price.source}, {item.price.read}"
    note = f"; {item.note}" if item.note else ""
    return f"{lead} {item.price.usd:>10,.4g} {_dollars(item.hourly)}  {source}{note}"


def _dollars(hourly: float) -> str:
    return f"{hourly:>10,.2f} {hourly * 24:>11,.2f} {hourly * HOURS_A_MONTH:>13,.2f}"


def _document(found: Estimate) -> dict[str, Any]:
    return {
        "currency": "USD",
        "hourly": found.hourly,
        "daily": found.hourly * 24,
        "monthly": found.hourly * HOURS_A_MONTH,
        "hourlyMost": found.hourly_most,
        "items": [
            {
                "name": each.name,
                "unit": each.unit,
                "start": each.start,
                "most": each.most,
                "hourly": each.hourly,
                "price": None
                if each.price is None
                else {
                    "usd": each.price.usd,
                    "unit": each.price.unit,
                    "source": each.price.source,
                    "read": each.price.read,
                },
                "note": each.note,
            }
            for each in found.items
        ],
        "unpriced": [each.name for each in found.unpriced],
        "byUse": list(found.by_use),
        "bringUp": [
            {"name": each.name, "seconds": each.seconds, "basis": each.basis} for each in found.phases
        ],
        "bringUpHours": found.hours,
    }
