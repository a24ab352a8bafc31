"""Whether a role may do what a run does, as IAM's own simulation says.

Blind spots of the simulation: service control policies of the organization, and session policies of the CI.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from bastide.bootstrap.rights import rights
from bastide.bootstrap.rights.base import Right
from bastide.cli.preflight_line import FAIL, NOTE, OK, Line
from bastide.settings import Settings


def look(settings: Settings, session: Any, principal: str) -> Iterator[Line]:
    """One line for each topic of rights."""
    iam = session.client("iam")
    for topic, items in rights(settings).items():
        try:
            denied = sorted({action for each in items for action in _denied(iam, principal, each)})
        except ClientError as error:
            yield _unasked(topic, error)
            return
        except BotoCoreError as error:
            yield Line("rights", FAIL, f"IAM could not be asked: {error}")
            return
        if denied:
            yield Line(
                "rights",
                FAIL,
                f"{topic}: {principal} may not {', '.join(denied)}; `bastide bootstrap role --stack` prints the "
                "rights that it needs, and gives them",
            )
        else:
            yield Line("rights", OK, f"{topic}: all of {sum(len(each.actions) for each in items)} actions")


def _unasked(topic: str, error: ClientError) -> Line:
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
        for keys in right.conditions.values()
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
