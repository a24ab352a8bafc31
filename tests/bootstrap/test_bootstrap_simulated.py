"""The deploy role as IAM's simulation in the sandbox sees it: names, tags, region and services together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from bastide import names
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
GROUP = f"arn:aws:ec2:us-east-1:{ACCOUNT}:security-group/sg-1"
GROUP_RULE = f"arn:aws:ec2:us-east-1:{ACCOUNT}:security-group-rule/sgr-1"
CLOSED = f"{PREFIX}-default-closed"
STATE = {"aws:ResourceTag/bastide:purpose": "pulumi-state"}
ASKED = {"aws:RequestTag/bastide:name": "bastide", "aws:RequestTag/bastide:environment": "sandbox"}
ZONE = "arn:aws:route53:::hostedzone/Z0123456789ABCDEFGHIJ"
RECORD_TYPES = "route53:ChangeResourceRecordSetsRecordTypes"
RECORD_NAMES = "route53:ChangeResourceRecordSetsNormalizedRecordNames"
PROOF = {RECORD_TYPES: "CNAME", RECORD_NAMES: "_x1.llm.example.com"}
KEY = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/k"
BOUND = f"arn:aws:iam::{ACCOUNT}:policy/boundary-{PREFIX}"
HERE, ELSEWHERE = {"aws:RequestedRegion": "us-east-1"}, {"aws:RequestedRegion": "eu-west-1"}


@pytest.fixture
def deploy(world: Aws, varied: Callable[..., Settings]) -> Account:
    certificates = {"domain": "llm.example.com", "zoneId": "Z0123456789ABCDEFGHIJ"}
    account = connect(varied(cloud={"permissionsBoundary": BOUND}, certificates=certificates))
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
    # The key of Pulumi's state has the stack's tags too, and a purpose of its own.
    ("kms:PutKeyPolicy", KEY, OURS | STATE, False),
    ("kms:ScheduleKeyDeletion", KEY, OURS | STATE, False),
    ("kms:UntagResource", KEY, OURS | STATE, False),
    # Tags make a key the stack's: only a new one, which has no alias yet, gets them.
    ("kms:TagResource", KEY, ASKED, True),
    ("kms:TagResource", KEY, ASKED | {"kms:ResourceAliases": "alias/somebody-elses"}, False),
    ("kms:TagResource", KEY, OURS | {"kms:ResourceAliases": f"alias/{PREFIX}-models"}, True),
    ("ec2:AuthorizeSecurityGroupIngress", GROUP, OURS, True),
    ("ec2:AuthorizeSecurityGroupIngress", GROUP, THEIRS, False),
    ("ec2:AuthorizeSecurityGroupIngress", GROUP_RULE, HERE, True),
    ("ec2:AuthorizeSecurityGroupIngress", GROUP, HERE, False),
    # A group that was tagged as a closed default one may be anybody's: it is never opened, and keeps that name.
    ("ec2:CreateTags", GROUP, {"aws:RequestTag/Name": CLOSED}, True),
    ("ec2:CreateTags", GROUP, {"aws:RequestTag/Name": "mine"}, False),
    ("ec2:AuthorizeSecurityGroupIngress", GROUP, OURS | {"aws:ResourceTag/Name": CLOSED}, False),
    ("ec2:CreateTags", GROUP, OURS | {"aws:ResourceTag/Name": CLOSED, "aws:TagKeys": "Name"}, False),
    ("ec2:DeleteTags", GROUP, OURS | {"aws:ResourceTag/Name": CLOSED, "aws:TagKeys": "Name"}, False),
    ("ec2:CreateTags", GROUP, OURS | {"aws:ResourceTag/Name": CLOSED, "aws:TagKeys": "cost-center"}, True),
    ("ec2:CreateTags", GROUP, OURS | {"aws:ResourceTag/Name": "efa", "aws:TagKeys": "Name"}, True),
    ("ec2:CreateTags", GROUP_RULE, {"ec2:CreateAction": "AuthorizeSecurityGroupIngress"}, True),
    ("route53:ChangeResourceRecordSets", ZONE, PROOF, True),
    ("route53:ChangeResourceRecordSets", ZONE, PROOF | {RECORD_TYPES: "A"}, False),
    ("route53:ChangeResourceRecordSets", ZONE, PROOF | {RECORD_NAMES: "llm.example.com"}, False),
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
    assert _wrong(deploy, role_arn(deploy), CASES) == []


BOUNDED = [
    ("kms:Decrypt", KEY, OURS, True),
    ("kms:Decrypt", KEY, {}, False),
    ("kms:Decrypt", KEY, OURS | STATE, False),
    ("ec2:StopInstances", "*", HERE, False),
    ("ec2:ModifySnapshotAttribute", "*", HERE, False),
    ("logs:GetLogEvents", f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:other:*", HERE, False),
    ("s3:GetObject", f"arn:aws:s3:::state-{PREFIX}-{ACCOUNT}/.pulumi/stacks/x.json", {}, False),
    ("secretsmanager:GetSecretValue", "*", HERE, False),
]


def test_a_role_that_the_deploy_role_makes_for_itself_leads_nowhere(deploy: Account) -> None:
    """One that may do anything by its own policy, as whoever has the deploy role could make it."""
    iam = deploy.client("iam")
    name, everything = f"{PREFIX}-mine", {"Effect": "Allow", "Action": "*", "Resource": "*"}
    trust = {"Effect": "Allow", "Principal": {"AWS": role_arn(deploy)}, "Action": "sts:AssumeRole"}
    role = iam.create_role(
        RoleName=name,
        AssumeRolePolicyDocument=names.policy_document(trust),
        PermissionsBoundary=BOUND,
    )["Role"]["Arn"]
    iam.put_role_policy(RoleName=name, PolicyName="all", PolicyDocument=names.policy_document(everything))
    assert _wrong(deploy, role, BOUNDED) == []


def _wrong(deploy: Account, principal: str, cases: list[tuple[str, str, dict[str, str], bool]]) -> list[Any]:
    iam = deploy.client("iam")
    wrong = []
    for action, resource, context, expected in cases:
        entries = [
            {"ContextKeyName": key, "ContextKeyValues": [value], "ContextKeyType": "string"}
            for key, value in context.items()
        ]
        (found,) = iam.simulate_principal_policy(
            PolicySourceArn=principal,
            ActionNames=[action],
            ResourceArns=[resource],
            ContextEntries=entries,
        )["EvaluationResults"]
        if (found["EvalDecision"] == "allowed") is not expected:
            wrong.append((action, resource, context, found["EvalDecision"]))
    return wrong
