"""The sandbox's SimulatePrincipalPolicy says what IAM's evaluation logic says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sandbox.aws.iam_simulation import decide
from sandbox.state import aws_client
from tests.plugin_aws.conftest import REGION

TOPIC = "arn:aws:sns:us-east-1:123456789012:topic"


def text(*parts: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(parts)})


def allow(action: Any, resource: Any = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def when(operator: str, key: str, *values: str) -> dict[str, Any]:
    return {"Condition": {operator: {key: list(values)}}}


READ = allow("s3:Get*", "arn:aws:s3:::b/*")


@pytest.mark.parametrize(
    ("parts", "action", "resource", "context", "decision"),
    [
        ([READ], "s3:GetObject", "arn:aws:s3:::b/k", {}, "allowed"),
        ([READ], "S3:getobject", "arn:aws:s3:::b/k", {}, "allowed"),
        ([READ], "s3:PutObject", "arn:aws:s3:::b/k", {}, "implicitDeny"),
        ([READ], "s3:GetObject", "arn:aws:s3:::c/k", {}, "implicitDeny"),
        ([READ, {**READ, "Effect": "Deny"}], "s3:GetObject", "arn:aws:s3:::b/k", {}, "explicitDeny"),
        ([{"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}], "s3:GetObject", "x", {}, "allowed"),
        (
            [{"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}],
            "iam:GetRole",
            "x",
            {},
            "implicitDeny",
        ),
        ([{"Effect": "Allow", "Action": "*", "NotResource": "secret"}], "a:B", "secret", {}, "implicitDeny"),
        (
            [allow("a:B", **when("StringEquals", "aws:RequestedRegion", "r1", "r2"))],
            "a:B",
            "*",
            {"AWS:requestedregion": ["r2"]},
            "allowed",
        ),
        ([allow("a:B", **when("StringEquals", "k", "v"))], "a:B", "*", {"k": ["w"]}, "implicitDeny"),
        ([allow("a:B", **when("StringEquals", "k", "v"))], "a:B", "*", {}, "implicitDeny"),
        ([allow("a:B", **when("StringEqualsIfExists", "k", "v"))], "a:B", "*", {}, "allowed"),
        ([allow("a:B", **when("StringNotEquals", "k", "v"))], "a:B", "*", {"k": ["v"]}, "implicitDeny"),
        ([allow("a:B", **when("StringNotEquals", "k", "v"))], "a:B", "*", {}, "allowed"),
        (
            [allow("a:B", **when("StringLike", "k", "models/?/*"))],
            "a:B",
            "*",
            {"k": ["models/m/1"]},
            "allowed",
        ),
        ([allow("a:B", **when("Null", "k", "true"))], "a:B", "*", {}, "allowed"),
        ([allow("a:B", **when("Null", "k", "true"))], "a:B", "*", {"k": ["v"]}, "implicitDeny"),
        (
            [allow("a:B", **when("ForAllValues:StringEquals", "k", "x", "y"))],
            "a:B",
            "*",
            {"k": ["x", "z"]},
            "implicitDeny",
        ),
        (
            [allow("a:B", **when("ForAnyValue:StringEquals", "k", "x", "y"))],
            "a:B",
            "*",
            {"k": ["x", "z"]},
            "allowed",
        ),
        (
            [allow("a:B", **when("DateLessThan", "aws:CurrentTime", "2020"))],
            "a:B",
            "*",
            {"aws:CurrentTime": ["2019"]},
            "implicitDeny",
        ),
    ],
)
def test_a_request_is_decided(
    parts: list[dict[str, Any]], action: str, resource: str, context: dict[str, list[str]], decision: str
) -> None:
    assert decide([text(*parts)], None, action, resource, context) == decision


def test_a_boundary_takes_away_and_gives_nothing() -> None:
    assert decide([text(allow("s3:*"))], text(allow("ec2:*")), "s3:GetObject", "x", {}) == "implicitDeny"
    assert decide([], text(allow("s3:*")), "s3:GetObject", "x", {}) == "implicitDeny"
    assert decide([text(allow("s3:*"))], text(allow("s3:Get*")), "s3:GetObject", "x", {}) == "allowed"


@pytest.fixture
def role(aws_endpoint: str) -> Iterator[str]:
    iam = aws_client("iam", REGION, aws_endpoint)
    trust = text(
        {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
    )
    arn = iam.create_role(RoleName="simulated", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    iam.put_role_policy(RoleName="simulated", PolicyName="p", PolicyDocument=text(READ))
    own = iam.create_policy(PolicyName="simulated", PolicyDocument=text(allow("sns:Publish", TOPIC)))[
        "Policy"
    ]["Arn"]
    iam.attach_role_policy(RoleName="simulated", PolicyArn=own)
    yield str(arn)
    iam.detach_role_policy(RoleName="simulated", PolicyArn=own)
    iam.delete_policy(PolicyArn=own)
    iam.delete_role_policy(RoleName="simulated", PolicyName="p")
    iam.delete_role(RoleName="simulated")


def test_the_call_answers_for_inline_and_attached_policies(role: str, aws_endpoint: str) -> None:
    iam = aws_client("iam", REGION, aws_endpoint)
    found = iam.simulate_principal_policy(
        PolicySourceArn=role,
        ActionNames=["s3:GetObject", "sns:Publish"],
        ResourceArns=["arn:aws:s3:::b/k", TOPIC],
    )["EvaluationResults"]
    assert {(each["EvalActionName"], each["EvalResourceName"], each["EvalDecision"]) for each in found} == {
        ("s3:GetObject", "arn:aws:s3:::b/k", "allowed"),
        ("s3:GetObject", TOPIC, "implicitDeny"),
        ("sns:Publish", "arn:aws:s3:::b/k", "implicitDeny"),
        ("sns:Publish", TOPIC, "allowed"),
    }
    with pytest.raises(ClientError, match="cannot be found"):
        iam.simulate_principal_policy(PolicySourceArn=f"{role}-nobody", ActionNames=["s3:GetObject"])
