from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from sandbox.aws.client import AwsError
from sandbox.state import OPERATOR_ARN
from tests.sandbox_aws.conftest import Account
from tests.waits import until

ADMIN = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy"


def test_a_cluster_waits_for_its_control_plane(reported_aws: Account) -> None:
    aws = reported_aws
    subnets, role = aws.network(), aws.role("cluster", "eks.amazonaws.com")
    made = aws("eks").create_cluster(
        name="one", roleArn=role, resourcesVpcConfig={"subnetIds": subnets}, version="1.34"
    )
    assert made["cluster"]["status"] == "CREATING"
    assert "endpoint" not in made["cluster"]
    aws.control.report_cluster(
        "us-east-1", "one", "ACTIVE", "https://127.0.0.1:6443", "-----BEGIN CERTIFICATE-----\n"
    )
    cluster = aws("eks").describe_cluster(name="one")["cluster"]
    assert cluster["status"] == "ACTIVE"
    assert cluster["endpoint"] == "https://127.0.0.1:6443"
    assert cluster["certificateAuthority"]["data"].startswith("LS0tLS1CRUdJTi")


def test_a_deleted_cluster_is_there_until_its_control_plane_is_gone(reported_aws: Account) -> None:
    aws = reported_aws
    subnets, role = aws.network(), aws.role("cluster", "eks.amazonaws.com")
    aws("eks").create_cluster(name="one", roleArn=role, resourcesVpcConfig={"subnetIds": subnets})
    aws.control.report_cluster("us-east-1", "one", "ACTIVE", "https://127.0.0.1:1", "YQ==")
    aws("eks").delete_cluster(name="one")
    assert aws.cluster_status() == "DELETING"
    with pytest.raises(ClientError, match="has dependencies"):
        aws("ec2").delete_subnet(SubnetId=subnets[0])
    aws.control.report_cluster("us-east-1", "one", "DELETED")
    assert aws("eks").list_clusters()["clusters"] == []
    aws("ec2").delete_subnet(SubnetId=subnets[0])


def test_the_control_plane_of_an_unknown_cluster_is_refused(reported_aws: Account) -> None:
    with pytest.raises(AwsError, match="no cluster 'absent'"):
        reported_aws.control.report_cluster("us-east-1", "absent", "DELETED")


def test_the_creator_is_administrator_when_bootstrap_asks_for_it(aws: Account) -> None:
    aws.cluster()
    assert aws("eks").list_access_entries(clusterName="one")["accessEntries"] == [OPERATOR_ARN]
    policies = aws("eks").list_associated_access_policies(clusterName="one", principalArn=OPERATOR_ARN)
    assert [p["policyArn"] for p in policies["associatedAccessPolicies"]] == [ADMIN]


def test_nobody_is_administrator_when_bootstrap_is_off(aws: Account) -> None:
    aws.cluster(accessConfig={"authenticationMode": "API", "bootstrapClusterCreatorAdminPermissions": False})
    assert aws("eks").list_access_entries(clusterName="one")["accessEntries"] == []


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"version": "1.29"}, "unsupported Kubernetes version 1.29"),
        ({"roleArn": "arn:aws:iam::123456789012:role/absent"}, "does not exist"),
        ({"resourcesVpcConfig": {"subnetIds": ["subnet-0123456789abcdef0"]}}, "do not exist"),
        (
            {
                "encryptionConfig": [
                    {
                        "resources": ["secrets"],
                        "provider": {"keyArn": "arn:aws:kms:us-east-1:123456789012:key/x"},
                    }
                ]
            },
            "key",
        ),
        ({"computeConfig": {"enabled": True}}, "does not emulate computeConfig"),
    ],
)
def test_a_cluster_that_aws_would_refuse_is_refused(aws: Account, change: dict[str, Any], word: str) -> None:
    subnets, role = aws.network(), aws.role("cluster", "eks.amazonaws.com")
    with pytest.raises(ClientError, match=word):
        aws("eks").create_cluster(
            **{"name": "one", "roleArn": role, "resourcesVpcConfig": {"subnetIds": subnets}, **change}
        )
    assert aws("eks").list_clusters()["clusters"] == []


def test_a_role_that_does_not_trust_eks_is_refused(aws: Account) -> None:
    subnets, role = aws.network(), aws.role("wrong", "ec2.amazonaws.com")
    with pytest.raises(ClientError, match=r"does not let eks\.amazonaws\.com assume it"):
        aws("eks").create_cluster(name="one", roleArn=role, resourcesVpcConfig={"subnetIds": subnets})


def test_subnets_of_one_zone_are_refused(aws: Account) -> None:
    subnets, role = aws.network("aa"), aws.role("cluster", "eks.amazonaws.com")
    with pytest.raises(ClientError, match="two different AZs"):
        aws("eks").create_cluster(name="one", roleArn=role, resourcesVpcConfig={"subnetIds": subnets})


def test_configuration_changes_through_updates(aws: Account) -> None:
    aws.cluster()
    eks = aws("eks")
    update = eks.update_cluster_config(
        name="one", logging={"clusterLogging": [{"types": ["api", "audit"], "enabled": True}]}
    )["update"]
    assert update["type"] == "LoggingUpdate"
    until(lambda: eks.describe_update(name="one", updateId=update["id"])["update"]["status"] == "Successful")
    assert eks.describe_cluster(name="one")["cluster"]["logging"]["clusterLogging"][0]["types"] == [
        "api",
        "audit",
    ]
    with pytest.raises(ClientError, match="nothing to update"):
        eks.update_cluster_config(
            name="one", logging={"clusterLogging": [{"types": ["api"], "enabled": True}]}
        )
    with pytest.raises(ClientError, match="endpoint access cannot be false"):
        eks.update_cluster_config(name="one", resourcesVpcConfig={"endpointPublicAccess": False})


def test_a_version_goes_up_one_minor_at_a_time(aws: Account) -> None:
    aws.cluster()
    with pytest.raises(ClientError, match="one minor version up"):
        aws("eks").update_cluster_version(name="one", version="1.36")
    aws("eks").update_cluster_version(name="one", version="1.35")
    until(lambda: aws.cluster_status() == "ACTIVE")
    assert aws("eks").describe_cluster(name="one")["cluster"]["version"] == "1.35"


def test_a_protected_cluster_is_not_deleted(aws: Account) -> None:
    aws.cluster(deletionProtection=True)
    with pytest.raises(ClientError, match="deletion protection"):
        aws("eks").delete_cluster(name="one")


def test_tags_are_kept_for_the_cluster_and_what_is_in_it(aws: Account) -> None:
    aws.cluster(tags={"a": "1"})
    eks = aws("eks")
    addon = eks.create_addon(clusterName="one", addonName="vpc-cni", tags={"x": "1"})["addon"]["addonArn"]
    for arn in (eks.describe_cluster(name="one")["cluster"]["arn"], addon):
        eks.tag_resource(resourceArn=arn, tags={"b": "2"})
        eks.untag_resource(resourceArn=arn, tagKeys=["a", "x"])
        assert eks.list_tags_for_resource(resourceArn=arn)["tags"] == {"b": "2"}
