from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.sandbox_aws.conftest import Account
from tests.waits import until

VIEW = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSViewPolicy"


def test_an_access_entry_lives_from_creation_to_deletion(aws: Account) -> None:
    aws.cluster()
    eks, role = aws("eks"), aws.role("team", "ec2.amazonaws.com")
    entry = eks.create_access_entry(clusterName="one", principalArn=role, kubernetesGroups=["viewers"])[
        "accessEntry"
    ]
    assert entry["username"] == "arn:aws:sts::123456789012:assumed-role/team/{{SessionName}}"
    eks.associate_access_policy(
        clusterName="one",
        principalArn=role,
        policyArn=VIEW,
        accessScope={"type": "namespace", "namespaces": ["web"]},
    )
    [associated] = eks.list_associated_access_policies(clusterName="one", principalArn=role)[
        "associatedAccessPolicies"
    ]
    assert associated["accessScope"] == {"type": "namespace", "namespaces": ["web"]}
    assert eks.list_access_entries(clusterName="one", associatedPolicyArn=VIEW)["accessEntries"] == [role]
    eks.update_access_entry(clusterName="one", principalArn=role, kubernetesGroups=[])
    assert (
        eks.describe_access_entry(clusterName="one", principalArn=role)["accessEntry"]["kubernetesGroups"]
        == []
    )
    eks.disassociate_access_policy(clusterName="one", principalArn=role, policyArn=VIEW)
    eks.delete_access_entry(clusterName="one", principalArn=role)
    with pytest.raises(ClientError, match="could not be found"):
        eks.describe_access_entry(clusterName="one", principalArn=role)


@pytest.mark.parametrize(
    ("given", "word"),
    [
        ({"principalArn": "arn:aws:iam::123456789012:role/absent"}, "invalid principal"),
        ({"principalArn": "arn:aws:sts::123456789012:assumed-role/team/me"}, "principalArn is invalid"),
        ({"kubernetesGroups": ["system:masters"]}, "cannot start with"),
        ({"type": "EC2_LINUX", "kubernetesGroups": ["x"]}, "leave both out"),
    ],
)
def test_an_access_entry_that_aws_would_refuse_is_refused(
    aws: Account, given: dict[str, Any], word: str
) -> None:
    aws.cluster()
    role = aws.role("team", "ec2.amazonaws.com")
    with pytest.raises(ClientError, match=word):
        aws("eks").create_access_entry(**{"clusterName": "one", "principalArn": role, **given})


def test_an_unknown_access_policy_is_refused(aws: Account) -> None:
    aws.cluster()
    role = aws.role("team", "ec2.amazonaws.com")
    aws("eks").create_access_entry(clusterName="one", principalArn=role)
    with pytest.raises(ClientError, match="policyArn is invalid"):
        aws("eks").associate_access_policy(
            clusterName="one", principalArn=role, policyArn=VIEW + "X", accessScope={"type": "cluster"}
        )


def test_a_cluster_without_the_api_mode_has_no_access_entries(aws: Account) -> None:
    aws.cluster(accessConfig={"authenticationMode": "CONFIG_MAP"})
    with pytest.raises(ClientError, match="authentication mode must be set"):
        aws("eks").create_access_entry(clusterName="one", principalArn=aws.made["role"])


def test_an_addon_takes_a_published_version_only(aws: Account) -> None:
    aws.cluster()
    eks = aws("eks")
    published = eks.describe_addon_versions(addonName="vpc-cni", kubernetesVersion="1.34")["addons"][0][
        "addonVersions"
    ]
    with pytest.raises(ClientError, match="Addon version specified is not supported"):
        eks.create_addon(clusterName="one", addonName="vpc-cni", addonVersion="v9.9.9-eksbuild.1")
    with pytest.raises(ClientError, match="Addon specified is not supported"):
        eks.create_addon(clusterName="one", addonName="vpc-cmi")
    with pytest.raises(ClientError, match="neither a JSON nor a YAML object"):
        eks.create_addon(clusterName="one", addonName="vpc-cni", configurationValues="{nope")
    older, newer = published[1]["addonVersion"], published[0]["addonVersion"]
    eks.create_addon(
        clusterName="one",
        addonName="vpc-cni",
        addonVersion=older,
        configurationValues='{"enableNetworkPolicy": "true"}',
    )
    until(lambda: eks.describe_addon(clusterName="one", addonName="vpc-cni")["addon"]["status"] == "ACTIVE")
    update = eks.update_addon(clusterName="one", addonName="vpc-cni", addonVersion=newer)["update"]["id"]
    until(
        lambda: (
            eks.describe_update(name="one", addonName="vpc-cni", updateId=update)["update"]["status"]
            == "Successful"
        )
    )
    addon = eks.describe_addon(clusterName="one", addonName="vpc-cni")["addon"]
    assert (addon["addonVersion"], addon["configurationValues"]) == (newer, '{"enableNetworkPolicy": "true"}')
    eks.delete_addon(clusterName="one", addonName="vpc-cni")
    until(lambda: eks.list_addons(clusterName="one")["addons"] == [])


def test_an_addon_that_runs_pods_waits_for_a_node(aws: Account) -> None:
    subnets = aws.cluster()
    eks = aws("eks")
    eks.create_addon(clusterName="one", addonName="coredns")
    eks.create_addon(clusterName="one", addonName="kube-proxy")
    until(
        lambda: eks.describe_addon(clusterName="one", addonName="kube-proxy")["addon"]["status"] == "ACTIVE"
    )
    assert eks.describe_addon(clusterName="one", addonName="coredns")["addon"]["status"] == "CREATING"
    aws.pool(subnets, 1)
    until(lambda: eks.describe_addon(clusterName="one", addonName="coredns")["addon"]["status"] == "ACTIVE")


def test_a_pod_identity_association_lives_from_creation_to_deletion(aws: Account) -> None:
    aws.cluster()
    eks, role, other = (
        aws("eks"),
        aws.role("reader", "pods.eks.amazonaws.com"),
        aws.role("other", "pods.eks.amazonaws.com"),
    )
    made = eks.create_pod_identity_association(
        clusterName="one", namespace="web", serviceAccount="app", roleArn=role
    )["association"]
    with pytest.raises(ClientError, match="Association already exists"):
        eks.create_pod_identity_association(
            clusterName="one", namespace="web", serviceAccount="app", roleArn=other
        )
    eks.update_pod_identity_association(clusterName="one", associationId=made["associationId"], roleArn=other)
    [listed] = eks.list_pod_identity_associations(clusterName="one", namespace="web")["associations"]
    assert listed["associationId"] == made["associationId"]
    assert aws.control.clusters()[0]["podIdentityAssociations"][0]["roleArn"] == other
    eks.delete_pod_identity_association(clusterName="one", associationId=made["associationId"])
    assert eks.list_pod_identity_associations(clusterName="one")["associations"] == []


def test_a_role_that_does_not_trust_pods_is_refused(aws: Account) -> None:
    aws.cluster()
    with pytest.raises(ClientError, match=r"does not let pods\.eks\.amazonaws\.com assume it"):
        aws("eks").create_pod_identity_association(
            clusterName="one", namespace="web", serviceAccount="app", roleArn=aws.made["node_role"]
        )
