"""The deploy role as IAM's simulation in the sandbox sees it: names, tags, region and services together."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bastide.bootstrap.account import Account, connect
from bastide.bootstrap.parts import Mode
from bastide.bootstrap.role import bootstrap_role, boundary_arn, role_arn
from bastide.bootstrap.trust import Trust
from bastide.settings import Settings
from sandbox.aws.client import Aws

PREFIX = "bastide-sandbox-us-east-1"
ACCOUNT = "123456789012"
OURS = {"aws:ResourceTag/bastide:name": "bastide", "aws:ResourceTag/bastide:environment": "sandbox"}
THEIRS = OURS | {"aws:ResourceTag/bastide:environment": "prod"}
ROLE = f"arn:aws:iam::{ACCOUNT}:role/{PREFIX}-engine-chat"
VPC = f"arn:aws:ec2:us-east-1:{ACCOUNT}:vpc/vpc-1"
KEY = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/k"
BOUND = f"arn:aws:iam::{ACCOUNT}:policy/boundary-{PREFIX}"
HERE, ELSEWHERE = {"aws:RequestedRegion": "us-east-1"}, {"aws:RequestedRegion": "eu-west-1"}


@pytest.fixture
def deploy(world: Aws, varied: Callable[..., Settings]) -> Account:
    account = connect(varied(cloud={"permissionsBoundary": BOUND}))
    assert boundary_arn(account) == BOUND
    trust = Trust(principals=[f"arn:aws:iam::{ACCOUNT}:role/ci"])
    bootstrap_role(account, trust, Mode.APPLY, lambda _: None, lambda _: None)
    return account


CASES = [
    ("ec2:DeleteVpc", VPC, OURS, True),
    ("ec2:DeleteVpc", VPC, THEIRS, False),
    ("ec2:DeleteVpc", VPC, {}, False),
    ("ec2:CreateVpc", VPC, HERE, True),
    ("ec2:CreateVpc", VPC, ELSEWHERE, False),
    ("ec2:DescribeVpcs", "*", HERE, True),
    ("ec2:RunInstances", "*", HERE, False),
    ("kms:PutKeyPolicy", KEY, OURS, True),
    ("kms:PutKeyPolicy", KEY, THEIRS, False),
    ("kms:Decrypt", KEY, OURS, False),
    ("iam:CreateRole", ROLE, {"iam:PermissionsBoundary": BOUND}, True),
    ("iam:CreateRole", ROLE, {}, False),
    ("iam:PutRolePolicy", ROLE, {"iam:PermissionsBoundary": f"{BOUND}-other"}, False),
    (
        "iam:PutRolePolicy",
        ROLE.replace(PREFIX, "deploy-" + PREFIX),
        {"iam:PermissionsBoundary": BOUND},
        False,
    ),
    ("iam:DeleteRolePermissionsBoundary", ROLE, {}, False),
    ("iam:PassRole", ROLE, {"iam:PassedToService": "pods.eks.amazonaws.com"}, True),
    ("iam:PassRole", ROLE, {"iam:PassedToService": "lambda.amazonaws.com"}, False),
    ("s3:PutBucketPolicy", f"arn:aws:s3:::{PREFIX}-models-{ACCOUNT}", {}, True),
    ("s3:PutBucketPolicy", f"arn:aws:s3:::state-{PREFIX}-{ACCOUNT}", {}, False),
    ("s3:PutObject", f"arn:aws:s3:::state-{PREFIX}-{ACCOUNT}/.pulumi/stacks/x.json", {}, True),
    ("s3:PutObject", f"arn:aws:s3:::{PREFIX}-models-{ACCOUNT}/models/x", {}, False),
    ("eks:DeleteCluster", f"arn:aws:eks:us-east-1:{ACCOUNT}:cluster/{PREFIX}", {}, True),
    ("eks:DeleteCluster", f"arn:aws:eks:us-east-1:{ACCOUNT}:cluster/other", {}, False),
    ("iam:CreateUser", f"arn:aws:iam::{ACCOUNT}:user/x", {}, False),
]


def test_the_role_can_do_what_it_must_and_nothing_beside(deploy: Account) -> None:
    iam = deploy.client("iam")
    wrong = []
    for action, resource, context, expected in CASES:
        entries = [
            {"ContextKeyName": key, "ContextKeyValues": [value], "ContextKeyType": "string"}
            for key, value in context.items()
        ]
        (found,) = iam.simulate_principal_policy(
            PolicySourceArn=role_arn(deploy),
            ActionNames=[action],
            ResourceArns=[resource],
            ContextEntries=entries,
        )["EvaluationResults"]
        if (found["EvalDecision"] == "allowed") is not expected:
            wrong.append((action, resource, context, found["EvalDecision"]))
    assert wrong == []
