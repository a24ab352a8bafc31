"""Whether a role may do what a run does, as IAM's own simulation says.

Blind spots of the simulation: service control policies of the organization, and session policies of the CI. A
sandbox stores policies and judges no request by them, so there the simulation says what an account would do.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from bastide.bootstrap.rights import rights
from bastide.bootstrap.rights.base import Right
from bastide.cli.preflight_line import FAIL, NOTE, OK, Line
from bastide.settings import Settings


def look(
    settings: Settings, stack: str, session: Any, principal: str, *, caller: bool = False
) -> Iterator[Line]:
    """One line for each topic of rights. `caller`: the principal is the one that would run, not one asked about by
    name; what it lacks stops no run in a sandbox."""
    iam = session.client("iam")
    if caller and settings.sandbox:
        yield from _in_a_sandbox(settings, stack, iam, principal)
        return
    for topic, items in rights(settings).items():
        try:
            denied = sorted({action for each in items for action in _denied(iam, principal, each)})
        except ClientError as error:
            yield _unasked(topic, principal, error)
            return
        except BotoCoreError as error:
            yield Line("rights", FAIL, f"IAM could not be asked: {error}")
            return
        if denied:
            yield Line(
                "rights",
                FAIL,
                f"{topic}: {principal} may not {', '.join(denied)}; `bastide bootstrap role --stack "
                f"{stack}` gives the deploy role these rights, and with --print prints them",
            )
        else:
            yield Line("rights", OK, f"{topic}: all of {sum(len(each.actions) for each in items)} actions")


def _in_a_sandbox(settings: Settings, stack: str, iam: Any, principal: str) -> Iterator[Line]:
    """What the caller lacks in one line, for nothing is stopped by it."""
    asked = lacks = 0
    for topic, items in rights(settings).items():
        for each in items:
            try:
                lacks += len(set(_denied(iam, principal, each)))
            except ClientError as error:
                yield _unasked(topic, principal, error)
                return
            asked += len(each.actions)
    if not lacks:
        yield Line("rights", OK, f"all of {asked} actions")
        return
    yield Line(
        "rights",
        NOTE,
        f"{principal} has policies for {asked - lacks} of {asked} actions; the sandbox judges no request by policies, "
        "so nothing here is stopped by it, and a real account would refuse the others; ask about the role that would "
        f"run there: `bastide bootstrap role --stack {stack}` makes it, and --rights ROLE_ARN names what it lacks",
    )


def _unasked(topic: str, principal: str, error: ClientError) -> Line:
    if error.response["Error"]["Code"] == "NoSuchEntity":
        return Line(
            "rights",
            FAIL,
            f"IAM knows no {principal}; give the ARN with the role's path, as `aws iam get-role --role-name NAME` "
            "tells it",
        )
    if error.response["Error"]["Code"] in ("AccessDenied", "AccessDeniedException"):
        return Line("rights", NOTE, "not looked at: the role may not ask (iam:SimulatePrincipalPolicy)")
    return Line("rights", FAIL, f"{topic}: IAM refuses the simulation: {error}")


def _denied(iam: Any, principal: str, right: Right) -> list[str]:
    """The actions of a right that IAM would deny, under the conditions that a run meets."""
    context = [
        {
            "ContextKeyName": key,
            "ContextKeyType": "string" if isinstance(value, str) else "stringList",
            "ContextKeyValues": [value] if isinstance(value, str) else list(value),
        }
        for operator, keys in right.conditions.items()
        # What must not be is not given: a negated operator and Null hold for a key that is not there.
        if "Not" not in operator and operator != "Null"
        for key, value in keys.items()
    ]
    answer = iam.simulate_principal_policy(
        PolicySourceArn=principal,
        ActionNames=[_literal(action) for action in right.actions],
        # A right's pattern stands for names of ours: any of them does.
        ResourceArns=[
            resource.replace("*", "preflight") if resource != "*" else "*" for resource in right.resources
        ],
        ContextEntries=context,
    )
    return [
        each["EvalActionName"] for each in answer["EvaluationResults"] if each["EvalDecision"] != "allowed"
    ]


_EXAMPLES: Final = {
    "ec2:Describe*": "ec2:DescribeVpcs",
    "kms:GenerateDataKey*": "kms:GenerateDataKey",
    "kms:ReEncrypt*": "kms:ReEncryptFrom",
    "s3:GetBucket*": "s3:GetBucketPolicy",
}
"""The simulation takes no wildcards: one action that each pattern means."""


def _literal(action: str) -> str:
    return _EXAMPLES.get(action, action.rstrip("*"))
