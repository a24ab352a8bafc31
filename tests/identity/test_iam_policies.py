"""Every policy that the kit makes: no wildcard where it matters, and nothing that the linter objects to."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, Final

import pytest

from bastide.bootstrap import rights
from bastide.identity.policies import statements, wildcards
from bastide.settings import read_stack_file
from tests.identity.iam_linter import LEFT_OUT, lint

sys.path.insert(0, str(Path(__file__).parents[1] / "components"))
from component_recording import STACKS, Recording, region_of, stack

POLICIES: Final = {
    ("aws:iam/role:Role", "assumeRolePolicy"): "trust",
    ("aws:iam/rolePolicy:RolePolicy", "policy"): "identity",
    ("aws:iam/policy:Policy", "policy"): "identity",
    ("aws:kms/key:Key", "policy"): "key",
    ("aws:s3/bucketPolicy:BucketPolicy", "policy"): "bucket",
    ("aws:sns/topicPolicy:TopicPolicy", "policy"): "topic",
    ("aws:sqs/queuePolicy:QueuePolicy", "policy"): "queue",
    ("aws:ec2/vpcEndpoint:VpcEndpoint", "policy"): "endpoint",
}
"""Where policies are, and of which kind."""

ACCOUNT: Final = "arn:aws:iam::123456789012"
ACCESS: Final = {
    "viewers": [f"{ACCOUNT}:role/viewers"],
    "breakGlass": {"trusted": [f"{ACCOUNT}:user/alice"], "notify": ["on-call@example.com"]},
}


ELASTIC: Final = {
    "name": "elastic",
    "instanceType": "g6.12xlarge",
    "fallbackInstanceTypes": ["g6.24xlarge"],
    "provisioner": "karpenter",
    "size": {"min": 0, "max": 2},
}
CONTROLLER: Final = "bastide-karpenter-access-controller-policy"


@pytest.fixture(scope="module")
def everything() -> Recording:
    """A region with everything that brings a policy."""
    return region_of(stack("sandbox", access=ACCESS, pools=[*stack_pools(), ELASTIC]))


def stack_pools() -> list[dict[str, Any]]:
    given: list[dict[str, Any]] = read_stack_file(STACKS / "Pulumi.sandbox.yaml")["pools"]
    return given


def kind_of(name: str, found: str) -> str:
    """Karpenter's rights are judged apart from those of other roles."""
    return "karpenter" if name == CONTROLLER else found


def policies(recording: Recording) -> list[tuple[str, str, str]]:
    return [
        (each.name, kind_of(each.name, POLICIES[each.type, key]), each.inputs[key])
        for each in recording.found
        for key in each.inputs
        if (each.type, key) in POLICIES
    ]


def test_no_policy_is_left_out(everything: Recording) -> None:
    for each in everything.found:
        for key, value in each.inputs.items():
            if each.type.startswith("aws:") and "policy" in key.lower() and '"Statement"' in str(value):
                assert (each.type, key) in POLICIES, f"{each.name}.{key} is a policy that nobody lints"
    kinds = {kind for _, kind, _ in policies(everything)}
    assert kinds >= {"trust", "identity", "key", "bucket", "topic", "queue", "karpenter"}


def test_karpenter_passes_the_role_of_its_nodes_alone(everything: Recording) -> None:
    """What the linter's findings about it were left out for."""
    (text,) = [text for name, _, text in policies(everything) if name == CONTROLLER]
    (given,) = [each for each in statements(text) if "iam:PassRole" in each.actions]
    assert given.resources == (f"{ACCOUNT}:role/bastide-sandbox-us-east-1-karpenter-node",)
    assert given.conditions == {"StringEquals": {"iam:PassedToService": ("ec2.amazonaws.com",)}}
    assert not [
        each for each in statements(text) if {"iam:CreateRole", "iam:PutRolePolicy"} & {*each.actions}
    ]


def test_the_linter_finds_nothing_in_any_policy(everything: Recording) -> None:
    found = {
        f"{name} ({kind})": said for name, kind, text in policies(everything) if (said := lint(text, kind))
    }
    assert found == {}


def test_no_policy_has_a_wildcard_on_sensitive_actions(everything: Recording) -> None:
    found = {
        name: said
        for name, kind, text in policies(everything)
        if kind != "endpoint" and (said := wildcards(text, "123456789012"))
    }
    assert found == {}


@pytest.mark.parametrize("name", ["sandbox", "prod-us-east-1"])
def test_the_deploy_roles_rights_are_known_actions_without_sensitive_wildcards(name: str) -> None:
    for topic, text in rights.policies(stack(name)).items():
        assert lint(text, "deploy") == (), topic
        assert wildcards(text) == [], topic


def allow(action: Any, resource: Any = "*", **more: Any) -> str:
    statement = {"Effect": "Allow", "Action": action, "Resource": resource, **more}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


@pytest.mark.parametrize(
    ("policy", "issue"),
    [
        (allow("s3:*"), "RESOURCE_STAR"),
        (allow("s3:GetObjct", "arn:aws:s3:::b/*"), "UNKNOWN_ACTION"),
        (allow("s3:GetObject", "arn:aws:s3:::b"), "RESOURCE_MISMATCH"),
        (allow(["iam:CreatePolicyVersion"], "arn:aws:iam::123456789012:policy/p"), "PRIVILEGE_ESCALATION"),
        (allow("sts:AssumeRole", f"{ACCOUNT}:role/x"), "CREDENTIALS_EXPOSURE"),
        (
            allow("s3:GetObject", "arn:aws:s3:::b/*", Condition={"StringEquals": {"s3:nothing": "x"}}),
            "UNKNOWN_COND",
        ),
        (
            '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:GetObject"}]}',
            "MALFORMED",
        ),
    ],
)
def test_the_linter_fails_on_a_bad_policy(policy: str, issue: str) -> None:
    assert any(said.startswith(issue) for said in lint(policy, "identity")), lint(policy, "identity")


def test_what_is_left_out_is_left_out_for_its_kind_only() -> None:
    key = allow("kms:Decrypt", Principal={"AWS": f"{ACCOUNT}:role/x"})
    assert lint(key, "key") == ()
    assert lint(allow("kms:Decrypt"), "identity") != ()
    assert LEFT_OUT["identity"] == {}


@pytest.mark.parametrize(
    ("policy", "said"),
    [
        (allow("*"), "allows *"),
        (allow("iam:*"), "allows iam:*"),
        (allow("s3:Get*"), "allows s3:Get*"),
        (allow("secretsmanager:GetSecretValu?"), "allows secretsmanager:GetSecretValu?"),
        (allow("kms:*", Principal={"AWS": "arn:aws:iam::999999999999:root"}), "allows kms:*"),
        (allow("sns:Publish", Principal="*"), "allows everybody"),
        ('{"Statement": {"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}}', "everything but iam:*"),
        (
            '{"Statement": {"Effect": "Allow", "Action": "s3:GetObject", "NotResource": "x"}}',
            "but some resources",
        ),
    ],
)
def test_a_wildcard_is_named(policy: str, said: str) -> None:
    [found] = wildcards(policy, "123456789012")
    assert said in found


@pytest.mark.parametrize(
    "policy",
    [
        allow("ec2:Describe*"),
        allow("s3:GetBucket*"),
        allow("logs:*"),
        allow(["kms:GenerateDataKey*", "kms:ReEncrypt*"]),
        allow("kms:*", Principal={"AWS": f"{ACCOUNT}:root"}),
        allow("s3:*").replace("Allow", "Deny"),
        allow("sns:Publish", Principal="*", Condition={"StringEquals": {"aws:SourceAccount": "1"}}),
    ],
)
def test_what_gives_nothing_away_is_left_alone(policy: str) -> None:
    assert wildcards(policy, "123456789012") == []


def test_a_statement_is_read_with_every_element_as_a_list() -> None:
    [read] = statements(
        {
            "Statement": {
                "Sid": "A",
                "Effect": "Allow",
                "Action": "s3:GetObject",
                "Resource": "x",
                "Principal": {"Service": "a", "AWS": ["b", "c"]},
                "Condition": {"Bool": {"aws:SecureTransport": False}},
            }
        }
    )
    assert read.actions == ("s3:GetObject",)
    assert read.principals == (("AWS", "b"), ("AWS", "c"), ("Service", "a"))
    assert read.conditions == {"Bool": {"aws:SecureTransport": ("false",)}}


@pytest.mark.parametrize(
    "text", ["[]", "{}", '{"Statement": [{"Effect": "Perhaps"}]}', '{"Statement": ["x"]}']
)
def test_what_is_no_policy_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"policy|Effect"):
        statements(text)
