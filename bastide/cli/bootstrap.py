"""`bastide bootstrap state | role | quotas | zone | check`: what an account needs before the first `pulumi up`.

Each command looks first and makes only what is missing; run again, it changes nothing. --dry-run changes nothing
and says what would be done."""

from __future__ import annotations

import argparse
import json
import sys

from bastide.bootstrap.errors import BootstrapError
from bastide.bootstrap.parts import GOOD, Line, Mode, all_good
from bastide.bootstrap.trust import DEFAULT_AUDIENCE, Trust
from bastide.settings import Settings, SettingsError, load_stack_file, stack_file


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `bastide bootstrap`."""
    actions = parser.add_subparsers(dest="action", required=True)
    _action(actions, "state", "bucket and key of Pulumi's state and secrets")
    role = _action(actions, "role", "the role under which `pulumi up` runs, with the least rights")
    role.add_argument(
        "--principal", action="append", default=[], metavar="ARN", help="a role or user that may take it"
    )
    role.add_argument(
        "--oidc-provider", default="", metavar="ARN", help="OIDC provider of a CI that may take it"
    )
    role.add_argument(
        "--oidc-subject", action="append", default=[], metavar="SUBJECT", help="`sub` of its tokens"
    )
    role.add_argument(
        "--oidc-audience", default=DEFAULT_AUDIENCE, metavar="AUDIENCE", help="`aud` of its tokens"
    )
    role.add_argument("--print", action="store_true", help="print the policies as JSON; needs no credentials")
    quotas = _action(actions, "quotas", "quotas that the stack needs, against what the account has")
    quotas.add_argument("--request", action="store_true", help="ask AWS for what is too small, once")
    zone = _action(actions, "zone", "the DNS zone of the stack's names")
    zone.add_argument("--domain", required=True, help="such as llm.example.com")
    zone.add_argument("--private-vpc", default="", metavar="VPC", help="make it private to this VPC")
    check = _action(
        actions, "check", "all of it, changing nothing; fails where something is missing", dry=False
    )
    check.add_argument("--domain", default="", help="the zone's domain, if the stack has one")
    check.add_argument("--private-vpc", default="", metavar="VPC", help="the zone is private to this VPC")


def _action(
    actions: argparse._SubParsersAction[argparse.ArgumentParser], name: str, purpose: str, dry: bool = True
) -> argparse.ArgumentParser:
    found = actions.add_parser(name, help=purpose, description=purpose)
    found.add_argument("--stack", required=True, help="the stack, as in stacks/Pulumi.STACK.yaml")
    if dry:
        found.add_argument("--dry-run", action="store_true", help="change nothing, say what would be done")
    return found


def run(arguments: argparse.Namespace) -> int:
    """Runs `bastide bootstrap`; returns the exit status."""
    try:
        settings = _settings(arguments.stack)
        return _ACTIONS[arguments.action](arguments, settings)
    except (BootstrapError, SettingsError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def _settings(stack: str) -> Settings:
    return load_stack_file(stack_file(stack))


def _mode(arguments: argparse.Namespace) -> Mode:
    return Mode.DRY_RUN if arguments.dry_run else Mode.APPLY


def _print(line: Line) -> None:
    print(line)


def _verdict(lines: list[Line], mode: Mode) -> int:
    good = all_good(lines, mode)
    if mode is Mode.DRY_RUN:
        changes = sum(each.outcome.startswith("would") for each in lines)
        print(f"\ndry run: nothing was changed; {changes} would be" if changes else "\nnothing to do")
    return 0 if good else 1


def _state(arguments: argparse.Namespace, settings: Settings) -> int:
    from bastide.bootstrap.account import connect
    from bastide.bootstrap.state import bootstrap_state, commands

    account = connect(settings)
    mode = _mode(arguments)
    lines = bootstrap_state(account, mode, _print)
    status = _verdict(lines, mode)
    if status == 0:
        print("\nonce for this stack:")
        for each in commands(account, arguments.stack):
            print(f"  {each}")
    return status


def _role(arguments: argparse.Namespace, settings: Settings) -> int:
    from bastide.bootstrap.rights import bound, policies

    trust = Trust(
        arguments.principal, arguments.oidc_provider, arguments.oidc_subject, arguments.oidc_audience
    )
    if arguments.print:
        documents = {topic: json.loads(text) for topic, text in policies(settings).items()}
        documents["boundary"] = json.loads(bound(settings))
        if trust.given:
            documents["trust"] = json.loads(trust.document())
        print(json.dumps(documents, indent=2, sort_keys=True))
        return 0
    from bastide.bootstrap.account import connect
    from bastide.bootstrap.role import bootstrap_role, boundary_arn, role_arn

    account, mode = connect(settings), _mode(arguments)
    lines = bootstrap_role(account, trust, mode, _print, lambda line: print(f"    {line}"))
    status = _verdict(lines, mode)
    print(f"\nrole: {role_arn(account)}")
    if settings.cloud.permissions_boundary is None:
        print(
            "the stack's roles have no bound yet, so who runs `up` could make a role that may do anything; set in the "
            f"stack file, then run this again:\n  bastide:cloud:\n    permissionsBoundary: {boundary_arn(account)}"
        )
    return status


def _quotas(arguments: argparse.Namespace, settings: Settings) -> int:
    from bastide.bootstrap.account import connect
    from bastide.bootstrap.quotas import Room, ask, look

    account = connect(settings)
    answers = look(account)
    for each in answers:
        print(each)
    short = [each for each in answers if each.room is Room.SHORT]
    if arguments.request or arguments.dry_run:
        # Asking is all that it is told to do; whether there is room tells the command without these, and `check`.
        ask(account, answers, arguments.dry_run, print)
        return 1 if any(each.room is Room.UNKNOWN for each in answers) else 0
    if short:
        print(f"\n{len(short)} are too small: run it again with --request to ask for more")
    return 1 if any(each.room is not Room.ENOUGH for each in answers) else 0


def _zone(arguments: argparse.Namespace, settings: Settings) -> int:
    from bastide.bootstrap.account import connect
    from bastide.bootstrap.zone import bootstrap_zone, check_domain, name_servers

    check_domain(arguments.domain)
    account, mode = connect(settings), _mode(arguments)
    lines = bootstrap_zone(account, arguments.domain, arguments.private_vpc, mode, _print)
    status = _verdict(lines, mode)
    servers = [] if arguments.private_vpc else name_servers(account, arguments.domain)
    if servers:
        print(f"\nrecords for {arguments.domain} in its parent zone:")
        for each in servers:
            print(f"  {arguments.domain}. NS {each}.")
    return status


def _check(arguments: argparse.Namespace, settings: Settings) -> int:
    from bastide.bootstrap.account import connect
    from bastide.bootstrap.quotas import Room, look
    from bastide.bootstrap.role import bootstrap_role
    from bastide.bootstrap.state import bootstrap_state
    from bastide.bootstrap.zone import bootstrap_zone

    account = connect(settings)
    print("state")
    lines = bootstrap_state(account, Mode.CHECK, _print)
    print("role")
    lines += bootstrap_role(account, Trust(), Mode.CHECK, _print, lambda line: print(f"    {line}"))
    if arguments.domain:
        print("zone")
        lines += bootstrap_zone(account, arguments.domain, arguments.private_vpc, Mode.CHECK, _print)
    print("quotas")
    answers = look(account)
    for each in answers:
        print(each)
    bad = sum(each.outcome not in GOOD for each in lines) + sum(
        each.room is not Room.ENOUGH for each in answers
    )
    print(f"\n{len(lines) + len(answers) - bad} of {len(lines) + len(answers)} are right")
    return 1 if bad else 0


_ACTIONS = {"state": _state, "role": _role, "quotas": _quotas, "zone": _zone, "check": _check}
