"""The control plane: private, encrypted, logged, administered by name."""

from __future__ import annotations

import json

from component_recording import Recording, region_of, stack


def test_the_endpoint_is_private_unless_a_setting_says_otherwise(sandbox: Recording, prod: Recording) -> None:
    for recording in (sandbox, prod):
        config = recording.one("eks/cluster:Cluster").inputs["vpcConfig"]
        assert config["endpointPrivateAccess"] is True
        assert config["endpointPublicAccess"] is False
        assert "publicAccessCidrs" not in config


def test_a_public_endpoint_is_open_to_the_listed_blocks_only() -> None:
    cluster = {
        "adminPrincipals": ["arn:aws:iam::123456789012:role/admin"],
        "publicEndpoint": True,
        "publicEndpointCidrs": ["203.0.113.0/24"],
    }
    config = region_of(stack("sandbox", cluster=cluster)).one("eks/cluster:Cluster").inputs["vpcConfig"]
    assert config["endpointPublicAccess"] is True
    assert config["publicAccessCidrs"] == ["203.0.113.0/24"]


def test_the_api_server_is_reached_by_https_from_inside_the_vpc_before_anything_needs_it(
    prod: Recording,
) -> None:
    cluster = prod.one("eks/cluster:Cluster")
    assert cluster.inputs["vpcConfig"]["securityGroupIds"] == ["bastide-cluster-api-id"]
    (rule,) = [
        each
        for each in prod.of(":SecurityGroupIngressRule")
        if each.inputs["securityGroupId"] == "bastide-cluster-api-id"
    ]
    assert (rule.inputs["cidrIpv4"], rule.inputs["fromPort"], rule.inputs["toPort"]) == (
        "10.32.0.0/16",
        443,
        443,
    )
    assert prod.reaches(cluster, rule)


def test_network_policies_are_enforced_by_the_cni(prod: Recording) -> None:
    found = {each.inputs["addonName"]: each.inputs.get("configurationValues") for each in prod.of(":Addon")}
    assert json.loads(found.pop("vpc-cni")) == {"enableNetworkPolicy": "true"}
    assert not any(found.values())


def test_administrators_are_access_entries_and_the_creator_gets_nothing(sandbox: Recording) -> None:
    access = sandbox.one("eks/cluster:Cluster").inputs["accessConfig"]
    assert access == {"authenticationMode": "API", "bootstrapClusterCreatorAdminPermissions": False}
    entry = sandbox.one(":AccessEntry")
    assert entry.inputs["principalArn"] == "arn:aws:iam::123456789012:user/sandbox-operator"
    policy = sandbox.one(":AccessPolicyAssociation")
    assert policy.inputs["policyArn"].endswith("/AmazonEKSClusterAdminPolicy")
    assert policy.inputs["accessScope"] == {"type": "cluster"}


def test_secrets_are_encrypted_with_a_key_of_ours_that_rotates(sandbox: Recording) -> None:
    encryption = sandbox.one("eks/cluster:Cluster").inputs["encryptionConfig"]
    assert encryption["resources"] == ["secrets"]
    assert encryption["provider"]["keyArn"].endswith("bastide-cluster-secrets-key")
    # KMS rotates no key that signs.
    encrypting = [each for each in sandbox.of("kms/key:Key") if each.inputs.get("keyUsage") != "SIGN_VERIFY"]
    assert len(encrypting) > 2
    assert all(each.inputs["enableKeyRotation"] for each in encrypting)


def test_every_control_plane_log_is_on_before_the_cluster_is_there(sandbox: Recording) -> None:
    cluster = sandbox.one("eks/cluster:Cluster")
    assert set(cluster.inputs["enabledClusterLogTypes"]) == {
        "api",
        "audit",
        "authenticator",
        "controllerManager",
        "scheduler",
    }
    (group,) = [each for each in sandbox.of(":LogGroup") if each.inputs["name"].startswith("/aws/eks/")]
    assert group.inputs["name"] == f"/aws/eks/{cluster.inputs['name']}/cluster"
    assert sandbox.reaches(cluster, group)


def test_addons_have_the_pinned_versions(sandbox: Recording) -> None:
    found = {each.inputs["addonName"]: each.inputs["addonVersion"] for each in sandbox.of(":Addon")}
    assert found == stack("sandbox").cluster.addons.named()


def test_eks_itself_refuses_to_delete_a_protected_cluster_and_never_extends_support(
    sandbox: Recording, prod: Recording
) -> None:
    for recording, protected in ((sandbox, False), (prod, True)):
        inputs = recording.one("eks/cluster:Cluster").inputs
        assert inputs["deletionProtection"] is protected
        assert inputs["upgradePolicy"] == {"supportType": "STANDARD"}
