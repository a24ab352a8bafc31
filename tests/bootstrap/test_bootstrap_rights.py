"""The deploy role's policies against three judges that were not written with them: what AWS's own resource schemas
say that each registered type needs, the calls that a real run made of the sandbox, and IAM's limits."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final

import botocore.session
import pytest

from bastide.bootstrap.actions import allowed, iam_action, refused
from bastide.bootstrap.rights import MAX_CHARACTERS, MAX_POLICIES, bound, policies, rights
from bastide.bootstrap.rights.identity import ATTACHED
from bastide.settings import Settings
from tests.bootstrap.aws_says import ROOT, handlers, registered

JOURNAL: Final = Path(__file__).parent / "calls-of-a-region.json"
"""Operations of one `up`, change and destroy of the sandbox stack, as the sandbox's journal had them; its `made` key
says how it was written."""

NOT_USED: Final = {
    r"acm-pca:.*": "certificates are public, not of a private CA of AWS",
    r"autoscaling:DescribeTags": "flow logs of a VPC, not of an Auto Scaling group",
    r"ec2:(AcceptAddressTransfer|AssociateAddress|DisassociateAddress)": "an address is a NAT gateway's alone",
    r"ec2:.*NatGatewayAddress": "a NAT gateway has one address",
    r"(amplify|apigateway|apprunner|appsync|bedrock-agentcore|cognito-idp|payments):.*": "a firewall guards the load "
    "balancer alone, which signs nobody in",
    r"ec2:.*VerifiedAccess.*": "a firewall guards the load balancer alone",
    r"ec2:DescribeIpamPools|elasticloadbalancing:Modify(CapacityReservation|IpPools)": "not set",
    r"elasticloadbalancing:((Create|Delete)WebACLAssociation|GetLoadBalancerWebACL)": "WAF asks for SetWebACL",
    r"elasticloadbalancing:(Dere|Re)gisterTargets": "on purpose: pods are registered by the controller",
    r"wafv2:(Get|Put)PermissionPolicy": "no rule group is shared",
    r"rds:(AddRoleTo|RemoveRoleFrom)DBInstance|rds:.*(Replica|Restore|AutomatedBackupsReplication).*": "not set",
    r"rds:Describe(DBCluster.*|DBInstanceAutomatedBackups|DBSnapshots|EngineDefaultParameters|Events)": "no restore",
    r"elasticache:(Create|Delete)CacheCluster|elasticache:CreateSnapshot": "nodes come with their group; no snapshots",
    r"elasticache:(ModifyReplicationGroupShardConfiguration|DescribeEngineDefaultParameters)": "one group of nodes",
    r"iam:(ListRoles|DescribeOrganization)": "roles are known by their names",
    r"logs:(CreateLogStream|PutLogEvents|GetLogDelivery|ListLogDeliveries|UpdateLogDelivery)": "the cache has no log",
    r"ec2:(Associate|Disassociate)SubnetCidrBlock": "no IPv6",
    r"ec2:(CreateVpcEncryptionControl|ModifyVpcTenancy|AttachVpnGateway|DetachVpnGateway)": "not set",
    r"eks:ActivateCertificateAuthority": "EKS rotates its CA by itself",
    r"firehose:.*|s3:REST\.PUT\.OBJECT": "log groups deliver nowhere else",
    r"iam:DeleteRolePermissionsBoundary": "on purpose: the bound is never taken off",
    r"logs:.*(DataProtection|Index|Resource)Polic(y|ies)|logs:PutBearerTokenAuthentication": "not set",
    r"logs:PutLogGroupDeletionProtection": "not set",
    r"route53:ListHostedZones": "the zone is given by its id",
    r"s3:.*(Metadata|Analytics|Metrics|IntelligentTiering|Website|CORS|Cors|Abac|Acl|Acceleration).*": "not set",
    r"s3:(PutAccelerateConfiguration|PutBucketNotification)|s3:.*Replication.*": "not set",
    r"s3:DeleteBucket(Encryption|Lifecycle)": "IAM has no such actions: the Put ones are asked for",
    r"s3:PutObjectLockConfiguration": "IAM's action is PutBucketObjectLockConfiguration",
    r"s3tables:.*": "no tables",
    r"sns:PutDataProtectionPolicy": "not set",
    r"secretsmanager:GetSecretValue": "on purpose: values that the store makes are put and not read",
    r"secretsmanager:(ReplicateSecretTo|RemoveRegionsFrom)\w+": "a region's secrets stay in it",
    r"vpc-lattice:.*|vpce:.*": "endpoints lead to AWS's services of the same region",
    r"s3:DeleteObject": "only where the stack is not protected: destroy empties the bucket",
    r"iam:PutRolePermissionsBoundary": "only where the stack has a bound",
}
"""What AWS's schemas name and the kit never does, with the reason."""

NOT_IN_SCHEMAS: Final = {
    "ec2:AttachInternetGateway": "AWS's schema has it in a type of its own (VPCGatewayAttachment)",
    "ec2:DetachInternetGateway": "the same",
    "ec2:ModifyLaunchTemplate": "the provider makes a new version the default one",
    "ec2:ModifySecurityGroupRules": "the provider changes a rule in place",
    "ec2:Describe*": "reads only",
    "eks:ListClusters": "read only",
    "elasticache:ResetCacheParameterGroup": "a parameter that is no longer set goes back to its family's value",
    "eks:ListNodegroups": "read only",
    "iam:ListInstanceProfilesForRole": "the provider looks before it deletes a role",
    "iam:UntagInstanceProfile": "tags change",
    "kms:Decrypt": "the stack's secrets, by Pulumi itself",
    "kms:Encrypt": "the same",
    "kms:GenerateDataKey": "state is written encrypted",
    "kms:GetPublicKey": "read only: by what engines verify their models",
    "s3:AbortMultipartUpload": "destroy empties a bucket without protection",
    "s3:DeleteObjectVersion": "the same",
    "s3:ListBucketMultipartUploads": "the same",
    "s3:ListBucketVersions": "the same",
    "s3:GetBucketLocation": "Pulumi's state",
    "s3:GetObject": "Pulumi's state",
    "s3:PutObject": "Pulumi's state",
    "cloudformation:GetResource": "read only",
    "secretsmanager:PutSecretValue": "the program fills a secret that has no value",
}
"""What is allowed and no schema of a registered type names, with the use."""


@pytest.fixture
def full(varied: Callable[..., Settings]) -> Settings:
    """A stack with every optional part."""
    pool = {"name": "p5", "instanceType": "p5.48xlarge", "size": 2}
    elastic = {
        "name": "g6e",
        "instanceType": "g6e.12xlarge",
        "size": {"min": 0, "max": 2},
        "provisioner": "karpenter",
        "fallbackInstanceTypes": ["g6e.24xlarge"],
    }
    return varied(
        certificates={"internal": True, "domain": "llm.example.com", "zoneId": "Z0123456789ABCDEFGHIJ"},
        gateway={"enabled": True},
        edge={"scheme": "public"},
        access={
            "breakGlass": {
                "trusted": ["arn:aws:iam::123456789012:role/oncall"],
                "notify": ["oncall@example.com"],
            }
        },
        cloud={"permissionsBoundary": "arn:aws:iam::123456789012:policy/boundary-bastide-sandbox-us-east-1"},
        pools=[pool, elastic],
    )


def documents(settings: Settings) -> list[dict[str, Any]]:
    return [json.loads(text) for text in policies(settings).values()]


def reason(action: str, table: dict[str, str]) -> str:
    return next((why for pattern, why in table.items() if re.fullmatch(pattern, action)), "")


def needed() -> dict[str, set[str]]:
    """Permissions that AWS names for the registered types, with where."""
    found: dict[str, set[str]] = {}
    for kind in set(registered().values()):
        for name, permissions in handlers()[kind].items():
            for each in permissions:
                found.setdefault(each, set()).add(f"{kind}.{name}")
    return found


def test_the_walk_sees_the_kits_types() -> None:
    kinds = set(registered().values())
    assert {"AWS::EKS::Cluster", "AWS::EKS::Nodegroup", "AWS::EC2::VPC", "AWS::S3::Bucket"} <= kinds
    assert len(kinds) > 25


def test_whatever_aws_says_that_a_registered_type_needs_is_allowed_or_explained(full: Settings) -> None:
    given = documents(full)
    lacking = {
        action: sorted(where)
        for action, where in needed().items()
        if not allowed(action, given) and not reason(action, NOT_USED)
    }
    assert lacking == {}


def test_an_explanation_is_there_only_for_what_is_not_allowed_and_is_named(full: Settings) -> None:
    named = needed()
    for pattern in NOT_USED:
        assert any(re.fullmatch(pattern, action) for action in named), pattern


def test_nothing_is_allowed_that_no_registered_type_needs(full: Settings) -> None:
    named = needed()
    unused = [
        (topic, right.sid, action)
        for topic, items in rights(full).items()
        for right in items
        for action in right.actions
        if not any(fnmatchcase(each, action) for each in named) and action not in NOT_IN_SCHEMAS
    ]
    assert unused == []


def test_only_reads_are_given_by_pattern(full: Settings) -> None:
    for items in rights(full).values():
        for right in items:
            for action in right.actions:
                if "*" in action:
                    assert re.fullmatch(r"\w+:(Get|List|Describe)\w+\*", action) or action in (
                        "ec2:Describe*",
                    ), action


def test_the_calls_of_a_real_run_are_allowed(settings: Settings) -> None:
    recorded = json.loads(JOURNAL.read_text())["operations"]
    assert len(recorded) > 60
    assert refused(recorded, settings) == []
    assert refused(["s3.PutObject", "iam.CreateUser", "s3.PutBucketEncryption"], settings) == [
        "iam.CreateUser"
    ]


def test_most_rights_to_change_something_were_used_by_the_real_run(settings: Settings) -> None:
    """The others are for changes that the run did not make; the schemas say that each has a use."""
    used = {iam_action(each) for each in json.loads(JOURNAL.read_text())["operations"]}
    reads = re.compile(r"\w+:(Get|List|Describe)")
    given = {
        action
        for items in rights(settings).values()
        for right in items
        for action in right.actions
        if not reads.match(action)
    }
    assert len(given & used) / len(given) > 0.5


def test_every_action_exists(full: Settings) -> None:
    """As an operation of AWS's API, or as a permission that AWS's schemas name."""
    session = botocore.session.get_session()
    known = {each for found in handlers().values() for permissions in found.values() for each in permissions}
    renamed = {"monitoring": "cloudwatch"}
    for service in (
        "ec2",
        "eks",
        "iam",
        "kms",
        "s3",
        "logs",
        "acm",
        "route53",
        "sns",
        "sqs",
        "events",
        "cloudwatch",
        "elasticache",
        "secretsmanager",
    ):
        model = session.get_service_model(service)
        signed = model.signing_name
        known |= {f"{renamed.get(signed, signed)}:{name}" for name in model.operation_names}
    known |= {f"cloudformation:{name}" for name in ("GetResource",)}
    # IAM's own names where the API's differ (S3 user guide, "Required permissions").
    known |= {"s3:ListBucketVersions", "s3:DeleteObjectVersion", "s3:ListBucketMultipartUploads"}
    known |= {"logs:DeleteLogDelivery", "logs:CreateLogDelivery"}
    for topic, items in rights(full).items():
        for right in items:
            for action in right.actions:
                assert any(fnmatchcase(each, action) for each in known), (topic, action)


def test_the_policies_fit_iams_limits(full: Settings) -> None:
    found = policies(full)
    assert len(found) <= MAX_POLICIES
    assert max(map(len, [*found.values(), bound(full)])) <= MAX_CHARACTERS
    assert all(not re.search(r"\s(?![\w-]+\")", text) or '" ' not in text for text in found.values())


def test_the_attached_policies_are_those_that_components_attach() -> None:
    text = "\n".join(path.read_text() for path in (ROOT / "components").glob("*.py"))
    text += "\n".join(path.read_text() for path in (ROOT / "bastide").glob("*.py"))
    assert {
        each for each in re.findall(r"\bAmazon[A-Z]\w+", text) if "Admin" not in each and "View" not in each
    } <= {
        *ATTACHED,
        *re.findall(r"\bAmazonEKS(?:ClusterAdmin|Admin|Edit|View)\w*", text),
    }
    for each in ATTACHED:
        assert each in text


OUT_OF_REACH: Final = (
    ("iam:PutRolePolicy", "arn:aws:iam::123456789012:role/deploy-bastide-sandbox-us-east-1"),
    ("iam:AttachRolePolicy", "arn:aws:iam::123456789012:role/deploy-bastide-sandbox-us-east-1"),
    ("iam:UpdateAssumeRolePolicy", "arn:aws:iam::123456789012:role/admin"),
    ("iam:PassRole", "arn:aws:iam::123456789012:role/admin"),
    ("iam:CreatePolicyVersion", "arn:aws:iam::123456789012:policy/boundary-bastide-sandbox-us-east-1"),
    ("s3:DeleteBucket", "arn:aws:s3:::state-bastide-sandbox-us-east-1-123456789012"),
    ("s3:PutBucketPolicy", "arn:aws:s3:::state-bastide-sandbox-us-east-1-123456789012"),
    ("s3:GetObject", "arn:aws:s3:::bastide-sandbox-us-east-1-models-123456789012/models/a/1.0.0/config.json"),
    ("s3:DeleteBucket", "arn:aws:s3:::somebody-elses"),
    ("eks:DeleteCluster", "arn:aws:eks:us-east-1:123456789012:cluster/other"),
    ("eks:DeleteCluster", "arn:aws:eks:eu-west-1:123456789012:cluster/bastide-sandbox-us-east-1"),
    ("logs:DeleteLogGroup", "arn:aws:logs:us-east-1:123456789012:log-group:/aws/eks/other/cluster"),
    ("kms:ScheduleKeyDeletion", "arn:aws:kms:eu-west-1:123456789012:key/x"),
    ("route53:ChangeResourceRecordSets", "arn:aws:route53:::hostedzone/ZOTHER"),
)


@pytest.mark.parametrize(("action", "resource"), OUT_OF_REACH)
def test_what_is_not_the_stacks_is_out_of_reach(full: Settings, action: str, resource: str) -> None:
    assert not _reached(full, action, resource)


@pytest.mark.parametrize(
    ("action", "resource"),
    [
        ("iam:PutRolePolicy", "arn:aws:iam::123456789012:role/bastide-sandbox-us-east-1-engine-chat"),
        ("s3:DeleteBucket", "arn:aws:s3:::bastide-sandbox-us-east-1-models-123456789012"),
        ("s3:PutObject", "arn:aws:s3:::state-bastide-sandbox-us-east-1-123456789012/.pulumi/meta.yaml"),
        ("eks:DeleteCluster", "arn:aws:eks:us-east-1:123456789012:cluster/bastide-sandbox-us-east-1"),
        ("eks:DeleteAddon", "arn:aws:eks:us-east-1:123456789012:addon/bastide-sandbox-us-east-1/coredns/ab"),
    ],
)
def test_what_is_the_stacks_is_reached(full: Settings, action: str, resource: str) -> None:
    assert _reached(full, action, resource)


def _reached(settings: Settings, action: str, resource: str) -> bool:
    return any(
        fnmatchcase(action, each_action) and fnmatchcase(resource, each_resource)
        for document in documents(settings)
        for statement in document["Statement"]
        for each_action in statement["Action"]
        for each_resource in statement["Resource"]
    )


def test_changing_what_has_no_name_asks_for_the_stacks_tags(full: Settings) -> None:
    for right in rights(full)["network"]:
        if set(right.actions) & {"ec2:DeleteVpc", "ec2:DeleteSubnet", "ec2:ModifyVpcEndpoint"}:
            assert right.conditions == {
                "StringEquals": {
                    "aws:ResourceTag/bastide:name": "bastide",
                    "aws:ResourceTag/bastide:environment": "sandbox",
                }
            }


def test_every_right_on_everything_has_a_condition(full: Settings) -> None:
    """But Cloud Control's read, which has none to give."""
    for items in rights(full).values():
        for right in items:
            if "*" in right.resources:
                assert right.conditions or right.sid == "AdoptedRead", right.sid


def test_rights_can_be_given_only_to_bounded_roles(full: Settings, settings: Settings) -> None:
    limit = full.cloud.permissions_boundary
    for right in rights(full)["identity"]:
        if set(right.actions) & {"iam:CreateRole", "iam:PutRolePolicy", "iam:AttachRolePolicy"}:
            assert right.conditions["StringEquals"] == {"iam:PermissionsBoundary": limit}
    assert "iam:PermissionsBoundary" not in json.dumps(documents(settings))


def test_a_role_is_passed_only_to_known_services(full: Settings) -> None:
    (given,) = [each for each in rights(full)["identity"] if "iam:PassRole" in each.actions]
    assert set(given.conditions["StringEquals"]["iam:PassedToService"]) == {
        "ec2.amazonaws.com",
        "eks.amazonaws.com",
        "pods.eks.amazonaws.com",
        "vpc-flow-logs.amazonaws.com",
    }


def test_the_bound_lets_no_role_make_identities_or_change_rights(full: Settings, settings: Settings) -> None:
    def actions(given: Settings) -> list[str]:
        return [action for each in json.loads(bound(given))["Statement"] for action in each["Action"]]

    def of_identity(given: Settings) -> set[str]:
        return {each for each in actions(given) if each.startswith(("iam:", "sts:", "organizations:"))}

    assert of_identity(settings) == {"iam:CreateServiceLinkedRole"}
    karpenter = {"iam:GetInstanceProfile", "iam:ListInstanceProfiles", "iam:PassRole"}
    assert of_identity(full) == {"iam:CreateServiceLinkedRole", *karpenter}
    for forbidden in ("s3:PutObject", "s3:DeleteObject", "kms:PutKeyPolicy", "eks:CreateAccessEntry"):
        assert not any(fnmatchcase(forbidden, each) for each in actions(full))


def test_a_small_stack_gets_no_rights_for_what_it_has_not(settings: Settings) -> None:
    assert "edge" not in policies(settings)
    text = json.dumps(documents(settings))
    assert not re.search(r"(sns|sqs|acm|route53|events):", text)


def test_the_public_half_of_an_adopted_signing_key_is_read_and_no_key_signs(
    full: Settings, varied: Callable[..., Settings]
) -> None:
    key = "arn:aws:kms:us-east-1:999999999999:key/1234abcd-12ab-34cd-56ef-1234567890ab"
    adopted = varied(modelStore={"signing": {"keyArn": key}})
    assert not _reached(full, "kms:GetPublicKey", key)
    assert _reached(adopted, "kms:GetPublicKey", key)
    assert not _reached(adopted, "kms:PutKeyPolicy", key)
    for settings in (full, adopted):
        assert not _reached(settings, "kms:Sign", key)
        assert not _reached(settings, "kms:Sign", "arn:aws:kms:us-east-1:123456789012:key/x")


def test_a_protected_stack_cannot_empty_its_bucket(varied: Callable[..., Settings]) -> None:
    protected = varied(protection=True)
    assert not _reached(
        protected,
        "s3:DeleteObjectVersion",
        "arn:aws:s3:::bastide-sandbox-us-east-1-models-123456789012/models/x",
    )
