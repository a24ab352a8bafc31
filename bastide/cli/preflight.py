"""`bastide preflight --stack NAME`: what a run needs, looked at before it.

Each line has a result and, where it is not `ok`, what to do: the stack file and its unresolved digests, the commands,
the credentials' account and administrator, the cluster's private endpoint as this machine sees it, and the rights of
the role. Nothing is changed.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

from bastide.cli import preflight_aws, preflight_local
from bastide.cli.preflight_line import FAIL, Line
from bastide.settings import Settings, SettingsError, load_stack_file


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `bastide preflight`."""
    parser.add_argument("--stack", required=True, help="stack, as in stacks/Pulumi.STACK.yaml")
    parser.add_argument(
        "--rights",
        nargs="?",
        const="",
        metavar="ROLE_ARN",
        help="also ask IAM whether a role may do what a run does; without an ARN: the one signed in as",
    )


def run(arguments: argparse.Namespace) -> int:
    """Runs `bastide preflight`; 0 when no line failed, else 1."""
    path = Path("stacks") / f"Pulumi.{arguments.stack}.yaml"
    try:
        settings = load_stack_file(path)
    except SettingsError as error:
        print(Line("settings", FAIL, str(error)))
        return 1
    failed = 0
    for line in _lines(settings, arguments.rights):
        print(line, flush=True)
        failed += line.result == FAIL
    print(f"\n{failed} of these would stop a run." if failed else "\nNothing here would stop a run.")
    return 1 if failed else 0


def _lines(settings: Settings, rights: str | None) -> Iterator[Line]:
    """As they are found: some take seconds."""
    yield from preflight_local.look(settings)
    yield from preflight_aws.look(settings, rights)
