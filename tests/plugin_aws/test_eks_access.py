from __future__ import annotations

from typing import Any

import pytest

from tests.plugin_aws.conftest import Driver
from tests.plugin_aws.eks_world import CLUSTER_ADMIN, VIEW, EksWorld

ENTRY = "aws:eks/accessEntry:AccessEntry"
ASSOCIATION = "aws:eks/accessPolicyAssociation:AccessPolicyAssociation"
IDENTITY = "aws:eks/podIdentityAssociation:PodIdentityAssociation"
ADDON = "aws:eks/addon:Addon"


@pytest.fixture(scope="module")
def world(aws_endpoint: str) -> EksWorld:
    return EksWorld(aws_endpoint, "acc")


@pytest.fixture(scope="module")
def cluster(world: EksWorld) -> str:
    return world.cluster()


def test_access_entry_changes_groups_in_place_and_principal_by_replacement(
    driver: Driver, world: EksWorld, cluster: str
) -> None:
    inputs = {"clusterName": cluster, "principalArn": world.pod_role, "kubernetesGroups": ["viewers", "a"]}
    made = driver.create(ENTRY, **inputs, tags={"a": "1"})
    assert made.id == f"{cluster}:{world.pod_role}"
    assert made.diff(**inputs, tags={"a": "1"}).properties == {}
    assert made.refresh().properties == {}
    assert made.diff(**{**inputs, "principalArn": world.node_role}, tags={"a": "1"}).replaces == [
        "principalArn"
    ]
    diff = made.diff(**inputs, tags={"a": "1"}, type="EC2_LINUX")
    assert diff.replaces == ["type"]
    assert diff.delete_before_replace

    made.update(**{**inputs, "kubernetesGroups": ["editors"], "userName": "pod"}, tags={"b": "2"})
    about = {"clusterName": cluster, "principalArn": world.pod_role}
    entry = world.eks.describe_access_entry(**about)["accessEntry"]
    assert (entry["kubernetesGroups"], entry["username"], entry["tags"]) == (["editors"], "pod", {"b": "2"})

    world.eks.update_access_entry(**about, kubernetesGroups=["intruders"])
    assert made.refresh().properties == {"kubernetesGroups": "update"}
    found = driver.find(ENTRY, made.id)
    assert found is not None
    assert found[2]["kubernetesGroups"] == ["intruders"]
    made.delete()
    assert made.refresh() is None
    made.delete()


def test_reserved_group_is_refused_with_the_reason(driver: Driver, world: EksWorld, cluster: str) -> None:
    with pytest.raises(Exception, match="system:masters"):
        driver.create(
            ENTRY, clusterName=cluster, principalArn=world.pod_role, kubernetesGroups=["system:masters"]
        )


def test_access_policy_keeps_its_association_when_the_scope_changes(
    driver: Driver, world: EksWorld, cluster: str
) -> None:
    entry = driver.create(ENTRY, clusterName=cluster, principalArn=world.pod_role)
    base = {"clusterName": cluster, "principalArn": world.pod_role, "policyArn": CLUSTER_ADMIN}
    made = driver.create(ASSOCIATION, **base, accessScope={"type": "cluster"})
    assert made.id == f"{cluster}#{world.pod_role}#{CLUSTER_ADMIN}"
    assert made.refresh().properties == {}
    assert made.diff(**{**base, "policyArn": VIEW}, accessScope={"type": "cluster"}).replaces == ["policyArn"]
    scope = {"type": "namespace", "namespaces": ["bastide-serving"]}
    assert made.diff(**base, accessScope=scope).replaces == []
    made.update(**base, accessScope=scope)
    about = {"clusterName": cluster, "principalArn": world.pod_role}
    [seen] = world.eks.list_associated_access_policies(**about)["associatedAccessPolicies"]
    assert seen["accessScope"] == scope
    found = driver.find(ASSOCIATION, made.id)
    assert found is not None
    assert found[2]["accessScope"] == scope
    [(path, reason)] = driver.failures(ASSOCIATION, **base, accessScope={"type": "pod"})
    assert path == "accessScope.type"
    assert "namespace, cluster" in reason
    world.eks.disassociate_access_policy(**about, policyArn=CLUSTER_ADMIN)
    assert made.refresh() is None
    made.delete()
    entry.delete()


def test_pod_identity_changes_its_role_in_place_and_its_account_by_replacement(
    driver: Driver, world: EksWorld, cluster: str
) -> None:
    base: dict[str, Any] = {
        "clusterName": cluster,
        "namespace": "bastide-serving",
        "serviceAccount": "engine",
    }
    made = driver.create(IDENTITY, **base, roleArn=world.pod_role, tags={"a": "1"})
    assert made.id == f"{cluster},{made.state['associationId']}"
    assert made.state["associationArn"].startswith("arn:aws:eks:us-east-1:")
    assert made.refresh().properties == {}
    diff = made.diff(**{**base, "serviceAccount": "other"}, roleArn=world.pod_role, tags={"a": "1"})
    assert diff.replaces == ["serviceAccount"]
    other = world.role("pod-two", "pods.eks.amazonaws.com")
    assert made.diff(**base, roleArn=other, tags={"a": "1"}).properties == {"roleArn": "update"}
    made.update(**base, roleArn=other, disableSessionTags=True, tags={"b": "2"})
    about = {"clusterName": cluster, "associationId": made.state["associationId"]}
    seen = world.eks.describe_pod_identity_association(**about)["association"]
    assert (seen["roleArn"], seen["disableSessionTags"], seen["tags"]) == (other, True, {"b": "2"})
    found = driver.find(IDENTITY, made.id)
    assert found is not None
    assert found[2]["serviceAccount"] == "engine"
    world.eks.delete_pod_identity_association(**about)
    assert made.refresh() is None
    made.delete()


def test_pod_identity_with_a_role_that_does_not_trust_pods_is_refused(
    driver: Driver, world: EksWorld, cluster: str
) -> None:
    with pytest.raises(Exception, match="CreatePodIdentityAssociation"):
        driver.create(
            IDENTITY, clusterName=cluster, namespace="a", serviceAccount="b", roleArn=world.node_role
        )


def test_add_on_takes_a_version_of_its_cluster_and_changes_in_place(
    driver: Driver, world: EksWorld, cluster: str
) -> None:
    offered = world.eks.describe_addon_versions(addonName="vpc-cni", kubernetesVersion="1.34")["addons"][0]
    newest, older = (one["addonVersion"] for one in offered["addonVersions"][:2])
    base = {"clusterName": cluster, "addonName": "vpc-cni"}
    made = driver.create(ADDON, **base, addonVersion=older, tags={"a": "1"})
    assert made.id == f"{cluster}:vpc-cni"
    assert made.refresh().properties == {}
    assert made.diff(**{**base, "addonName": "coredns"}, addonVersion=older).replaces == ["addonName"]
    role = {"roleArn": world.pod_role, "serviceAccount": "aws-node"}
    made.update(
        **base,
        addonVersion=newest,
        configurationValues='{"enableNetworkPolicy": "true"}',
        podIdentityAssociations=[role],
        resolveConflictsOnUpdate="OVERWRITE",
        tags={"a": "1"},
    )
    seen = world.eks.describe_addon(**base)["addon"]
    assert seen["addonVersion"] == newest
    assert seen["configurationValues"] == '{"enableNetworkPolicy": "true"}'
    assert made.refresh().properties == {}
    found = driver.find(ADDON, made.id)
    assert found is not None
    assert found[2]["podIdentityAssociations"] == [role]
    made.delete()
    assert made.refresh() is None
    made.delete()


def test_add_on_mistakes_are_refused_with_what_is_allowed(driver: Driver, cluster: str) -> None:
    base = {"clusterName": cluster, "addonName": "vpc-cni"}
    [(path, reason)] = driver.failures(ADDON, **base, resolveConflictsOnUpdate="FORCE")
    assert path == "resolveConflictsOnUpdate"
    assert "NONE, OVERWRITE, PRESERVE" in reason
    [(path, reason)] = driver.failures(ADDON, **base, resolveConflictsOnCreate="PRESERVE")
    assert "NONE, OVERWRITE" in reason
    [(path, reason)] = driver.failures(ADDON, **base, addonVerion="v1")
    assert "did you mean 'addonVersion'" in reason
    with pytest.raises(Exception, match="is not supported"):
        driver.create(ADDON, **base, addonVersion="v0.0.1-eksbuild.1")
