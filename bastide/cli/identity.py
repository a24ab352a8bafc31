"""`bastide identity table`: who can do what on which resource, from the policies that a stack applied.

It reads the stack's state by `pulumi stack export`, and the texts of AWS managed policies from IAM where credentials
are there; without them those policies are named only.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from bastide.identity import table as identity_table
from bastide.settings import NoStackError, stack_file


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `bastide identity`."""
    actions = parser.add_subparsers(dest="action", required=True)
    table = actions.add_parser("table", help="print who can do what on which resource")
    where = table.add_mutually_exclusive_group(required=True)
    where.add_argument("--stack", help="the stack's name, as in `pulumi up --stack`")
    where.add_argument("--state", type=Path, metavar="FILE", help="what `pulumi stack export` wrote")
    table.add_argument("--json", action="store_true", help="JSON in the place of Markdown")
    table.add_argument("--named-only", action="store_true", help="do not read AWS managed policies' texts")


def run(arguments: argparse.Namespace) -> int:
    """Runs `bastide identity`; returns the exit status."""
    try:
        deployment = _state_file(arguments.state) if arguments.state else exported(arguments.stack)
        resources = identity_table.from_state(deployment)
    except StateError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if not resources:
        print("error: the stack has no resources: nothing was applied yet", file=sys.stderr)
        return 1
    wanted = [] if arguments.named_only else identity_table.managed_policies(resources)
    texts, problem = _texts(wanted)
    if problem:
        print(f"note: {problem}; AWS managed policies are named only", file=sys.stderr)
    rows = identity_table.table(resources, texts)
    if arguments.json:
        print(identity_table.as_json(rows))
    else:
        print(identity_table.as_markdown(rows, identity_table.key_names(resources)))
    return 0


class StateError(Exception):
    """The state cannot be had; the text says why and what to do."""


def exported(stack: str) -> dict[str, Any]:
    """The state of a stack, by the pulumi command in this folder. To Pulumi `ORGANIZATION/PROJECT/NAME` is a name
    too."""
    try:
        stack_file(re.sub(r"^[\w-]+/([\w-][\w.-]*/)?", "", stack))
    except NoStackError as error:
        raise StateError(f"{error}; or give --state FILE") from None
    try:
        done = subprocess.run(
            ["pulumi", "stack", "export", "--stack", stack], capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        raise StateError(
            "there is no `pulumi` command on the PATH; install Pulumi, or give --state FILE"
        ) from None
    if done.returncode != 0:
        reason = (done.stderr or done.stdout).strip().splitlines()[-1:] or ["it says nothing"]
        raise StateError(
            f"`pulumi stack export --stack {stack}` failed: {reason[0].removeprefix('error: ')}; run it in the "
            "repository with the stack's backend, or give --state FILE"
        )
    return _parsed(done.stdout, f"what `pulumi stack export --stack {stack}` printed")


def _state_file(path: Path) -> dict[str, Any]:
    try:
        return _parsed(path.read_text(), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise StateError(f"{path} cannot be read: {error}; give what `pulumi stack export` wrote") from None


def _parsed(text: str, what: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError as error:
        raise StateError(f"{what} is no JSON ({error}); give what `pulumi stack export` wrote") from None
    if not isinstance(found, dict) or "deployment" not in found:
        raise StateError(f"{what} is no state of a stack: it has no `deployment`")
    return found


def _texts(arns: list[str]) -> tuple[dict[str, str], str]:
    """Texts of managed policies by ARN, and why they cannot be had."""
    if not arns:
        return {}, ""
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError

    found: dict[str, str] = {}
    try:
        iam = boto3.session.Session().client("iam")
        for arn in arns:
            version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
            document = iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"]
            found[arn] = document if isinstance(document, str) else json.dumps(document)
    except (BotoCoreError, ClientError, ValueError) as error:  # ValueError: an AWS_ENDPOINT_URL that is none
        return found, f"IAM could not be asked ({error})"
    return found, ""
