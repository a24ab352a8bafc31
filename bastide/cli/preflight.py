"""`bastide preflight --stack NAME`: what a run needs, looked at before it.

Each line has a result and, where it is not `ok`, what to do: the stack file, its unresolved digests, its secrets, the
commands, the credentials' account and administrator, the cluster's private endpoint as this machine sees it, and the
rights of the role. Nothing is changed.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator

from bastide.cli import preflight_aws, preflight_local
from bastide.cli.preflight_line import FAIL, Line
from bastide.settings import Settings, SettingsError, load_stack_file, stack_file


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `bastide preflight`."""
    parser.add_argument("--stack", required=True, help="stack, as in stacks/Pulumi.STACK.yaml")
    parser.add_argument(
        "--rights",
        nargs="?",
        const="",
        type=_role,
        metavar="ROLE_ARN",
        help="also ask IAM whether a role may do what a run does; without an ARN: the one signed in as",
    )


def _role(given: str) -> str:
    """The IAM role or user whose rights are asked for; '' is the caller's."""
    found = preflight_aws.principal(given)
    if found and not re.fullmatch(r"arn:[\w-]+:iam::\d{12}:(role|user)/[\w+=,.@/-]+", found, re.ASCII):
        raise argparse.ArgumentTypeError(
            f"{given!r} is no IAM role or user; give arn:aws:iam::<account>:role/<name>, or no ARN for the one "
            "signed in as"
        )
    return found


def run(arguments: argparse.Namespace) -> int:
    """Runs `bastide preflight`; 0 when no line failed, else 1."""
    try:
        settings = load_stack_file(stack_file(arguments.stack))
    except SettingsError as error:
        return _told(iter([Line("settings", FAIL, str(error))]))
    return _told(_lines(settings, arguments.stack, arguments.rights))


def _told(lines: Iterator[Line]) -> int:
    failed = 0
    for line in lines:
        print(line, flush=True)
        failed += line.result == FAIL
    print(f"\n{failed} of these would stop a run." if failed else "\nNothing here would stop a run.")
    return 1 if failed else 0


def _lines(settings: Settings, stack: str, rights: str | None) -> Iterator[Line]:
    """As they are found: some take seconds."""
    yield from preflight_local.look(settings, stack_file(stack))
    yield from preflight_aws.look(settings, stack, rights)
