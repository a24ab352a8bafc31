"""`bastide stack repair STACK`: makes a stack usable again after its run was killed."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from bastide.repair.stack import Stack, repair


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `bastide stack`."""
    actions = parser.add_subparsers(dest="action", required=True)
    fix = actions.add_parser("repair", help="lift a dead run's lock, and settle what it had under way")
    fix.add_argument("stack", help="the stack's name, as in `pulumi up --stack`")
    fix.add_argument("--id", action="append", default=[], metavar="URN=ID", help="the id of a resource")
    fix.add_argument("--absent", action="append", default=[], metavar="URN", help="was not made")
    fix.add_argument(
        "--lock-of-dead-host", action="store_true", help="lift a lock that another, lost host holds"
    )


def run(arguments: argparse.Namespace) -> int:
    """Runs `bastide stack`; returns the exit status."""
    pairs = [pair.rpartition("=") for pair in arguments.id]
    wrong = [pair for pair, (urn, _, _) in zip(arguments.id, pairs, strict=True) if not urn]
    if wrong:
        print(f"error: --id takes URN=ID, not {wrong[0]!r}; `pulumi stack export` lists the URNs")
        return 2
    return repair(
        Stack(arguments.stack, Path.cwd(), os.environ),
        ids={urn: value for urn, _, value in pairs},
        absent=frozenset(arguments.absent),
        lock_of_dead_host=arguments.lock_of_dead_host,
    )
