"""What the table says from a stack's state is what AWS itself holds, asked by boto3."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from bastide.identity.table import Resource, Row, managed_policies, table
from sandbox.state import aws_client
from tests.plugin_aws.conftest import REGION, Driver, Made
from tests.plugin_aws.eks_world import CLUSTER_ADMIN, EksWorld

CNI = "arn:aws:iam::aws:policy/AmazonEKS_CNI_Policy"
PREFIX = "table"


def document(*parts: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(parts)})


@pytest.fixture(scope="module")
def world(aws_endpoint: str) -> EksWorld:
    return EksWorld(aws_endpoint, PREFIX)


@pytest.fixture(scope="module")
def cluster(world: EksWorld) -> str:
    return world.cluster()


@pytest.fixture
def applied(aws_endpoint: str, world: EksWorld, cluster: str) -> Iterator[list[Resource]]:
    """A small stack, made by the plugin; its resources as the state has them."""
    driver, made = Driver(), list[tuple[str, Made]]()

    def create(token: str, name: str, /, **inputs: Any) -> Made:
        found = driver.create(token, name, **inputs)
        made.append((token, found))
        return found

    trust = document(
        {
            "Effect": "Allow",
            "Principal": {"Service": "pods.eks.amazonaws.com"},
            "Action": ["sts:AssumeRole", "sts:TagSession"],
            "Condition": {"StringEquals": {"aws:SourceAccount": "123456789012"}},
        }
    )
    role = create("aws:iam/role:Role", "pods", name=f"{PREFIX}-reader", assumeRolePolicy=trust)
    create(
        "aws:iam/rolePolicy:RolePolicy",
        "rights",
        role=f"{PREFIX}-reader",
        name="rights",
        policy=document(
            {"Effect": "Allow", "Action": ["s3:GetObject", "s3:ListBucket"], "Resource": "arn:aws:s3:::b/*"},
            {"Effect": "Deny", "Action": "s3:DeleteObject", "Resource": "*"},
        ),
    )
    create("aws:iam/rolePolicyAttachment:RolePolicyAttachment", "cni", role=f"{PREFIX}-reader", policyArn=CNI)
    create(
        "aws:eks/podIdentityAssociation:PodIdentityAssociation",
        "pods",
        clusterName=cluster,
        namespace="serving",
        serviceAccount="chat",
        roleArn=role.state["arn"],
    )
    entry = {"clusterName": cluster, "principalArn": world.node_role}
    create("aws:eks/accessEntry:AccessEntry", "people", **entry)
    create(
        "aws:eks/accessPolicyAssociation:AccessPolicyAssociation",
        "people",
        **entry,
        policyArn=CLUSTER_ADMIN,
        accessScope={"type": "cluster"},
    )
    key = {
        "Effect": "Allow",
        "Principal": {"Service": "logs.amazonaws.com"},
        "Action": "kms:Decrypt",
        "Resource": "*",
    }
    create("aws:kms/key:Key", "key", description=PREFIX, policy=document(key))
    topic = create("aws:sns/topic:Topic", "topic", name=PREFIX)
    send = {
        "Effect": "Allow",
        "Principal": {"Service": "cloudwatch.amazonaws.com"},
        "Action": "sns:Publish",
        "Resource": topic.id,
    }
    create("aws:sns/topicPolicy:TopicPolicy", "topic", arn=topic.id, policy=document(send))
    yield [Resource(token, {**each.inputs, **each.state}) for token, each in made]
    for _, each in reversed(made):
        each.delete()


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def held(endpoint: str, cluster: str) -> set[tuple[str, str, str, str]]:
    """(who, effect, action, resource), as AWS answers. On purpose by other code than the table's."""
    iam, eks, kms, sns = (aws_client(name, REGION, endpoint) for name in ("iam", "eks", "kms", "sns"))
    found: set[tuple[str, str, str, str]] = set()

    def spell(who: str, text: Any, star: str = "") -> None:
        parsed = json.loads(text) if isinstance(text, str) else text
        for part in listed(parsed["Statement"]):
            for action in listed(part["Action"]):
                for resource in listed(part["Resource"]):
                    found.add((who, part["Effect"], action, star if star and resource == "*" else resource))

    associations = eks.list_pod_identity_associations(clusterName=cluster)["associations"]
    for one in associations:
        full = eks.describe_pod_identity_association(clusterName=cluster, associationId=one["associationId"])
        arn, who = full["association"]["roleArn"], f"pods of {one['namespace']}/{one['serviceAccount']}"
        name = arn.rpartition("/")[2]
        found.add((who, "Allow", "take the role", arn))
        for inline in iam.list_role_policies(RoleName=name)["PolicyNames"]:
            spell(who, iam.get_role_policy(RoleName=name, PolicyName=inline)["PolicyDocument"])
        for attached in iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]:
            version = iam.get_policy(PolicyArn=attached["PolicyArn"])["Policy"]["DefaultVersionId"]
            policy = iam.get_policy_version(PolicyArn=attached["PolicyArn"], VersionId=version)
            spell(who, policy["PolicyVersion"]["Document"])
    for principal in eks.list_access_entries(clusterName=cluster)["accessEntries"]:
        about = {"clusterName": cluster, "principalArn": principal}
        for policy in eks.list_associated_access_policies(**about)["associatedAccessPolicies"]:
            name = policy["policyArn"].rpartition("/")[2]
            found.add((principal, "Allow", f"what {name} allows", f"Kubernetes {cluster}: everywhere"))
    for one in kms.list_keys()["Keys"]:
        about = kms.describe_key(KeyId=one["KeyId"])["KeyMetadata"]
        if about.get("Description") == PREFIX and about["KeyState"] == "Enabled":
            text = kms.get_key_policy(KeyId=one["KeyId"], PolicyName="default")["Policy"]
            spell("AWS service logs.amazonaws.com", text, one["KeyArn"])
    for one in sns.list_topics()["Topics"]:
        if one["TopicArn"].endswith(f":{PREFIX}"):
            text = sns.get_topic_attributes(TopicArn=one["TopicArn"])["Attributes"]["Policy"]
            spell("AWS service cloudwatch.amazonaws.com", text)
    return found


def short(rows: list[Row]) -> set[tuple[str, str, str, str]]:
    return {(row.principal, row.effect, row.action, row.resource) for row in rows}


def test_the_table_is_what_aws_holds(applied: list[Resource], aws_endpoint: str, cluster: str) -> None:
    iam = aws_client("iam", REGION, aws_endpoint)
    texts = {
        arn: json.dumps(iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"])
        for arn in managed_policies(applied)
        for version in [iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]]
    }
    rows = table(applied, texts)
    creator = (
        "arn:aws:iam::123456789012:user/sandbox-operator",
        "Allow",
        "what AmazonEKSClusterAdminPolicy allows",
    )
    # Made by boto3 and not by the stack, the cluster let its creator in.
    assert held(aws_endpoint, cluster) - short(rows) == {(*creator, f"Kubernetes {cluster}: everywhere")}
    assert short(rows) <= held(aws_endpoint, cluster)
    assert len(rows) > 15


def test_what_somebody_adds_behind_the_stacks_back_is_a_difference(
    applied: list[Resource], aws_endpoint: str, cluster: str
) -> None:
    before = short(table(applied))
    iam = aws_client("iam", REGION, aws_endpoint)
    more = document({"Effect": "Allow", "Action": "iam:PassRole", "Resource": "*"})
    iam.put_role_policy(RoleName=f"{PREFIX}-reader", PolicyName="more", PolicyDocument=more)
    try:
        assert ("pods of serving/chat", "Allow", "iam:PassRole", "*") in held(aws_endpoint, cluster) - before
    finally:
        iam.delete_role_policy(RoleName=f"{PREFIX}-reader", PolicyName="more")
