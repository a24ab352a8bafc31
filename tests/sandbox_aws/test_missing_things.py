"""What names a thing that is not there is refused as AWS refuses it."""

from __future__ import annotations

import json

import pytest
from botocore.exceptions import ClientError

from sandbox.state import ACCOUNT_ID
from tests.sandbox_aws.conftest import Account

TRUST = json.dumps({"Version": "2012-10-17", "Statement": []})
ABSENT = f"arn:aws:iam::{ACCOUNT_ID}:policy/not-there"
VIEW_ONLY = "arn:aws:iam::aws:policy/job-function/ViewOnlyAccess"


def code(refused: pytest.ExceptionInfo[ClientError]) -> str:
    return str(refused.value.response["Error"]["Code"])


def test_a_boundary_has_to_exist_before_a_role_has_it(aws: Account) -> None:
    iam = aws("iam")
    with pytest.raises(ClientError, match=f"{ABSENT} does not exist") as refused:
        iam.create_role(RoleName="bound", AssumeRolePolicyDocument=TRUST, PermissionsBoundary=ABSENT)
    assert code(refused) == "NoSuchEntity"
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 404
    iam.create_role(RoleName="bound", AssumeRolePolicyDocument=TRUST, PermissionsBoundary=VIEW_ONLY)
    with pytest.raises(ClientError) as refused:
        iam.put_role_permissions_boundary(RoleName="bound", PermissionsBoundary=ABSENT)
    assert code(refused) == "NoSuchEntity"
    made = iam.create_policy(
        PolicyName="there",
        PolicyDocument=json.dumps(
            {"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "*", "Resource": "*"}]}
        ),
    )["Policy"]["Arn"]
    iam.put_role_permissions_boundary(RoleName="bound", PermissionsBoundary=made)
    bound = iam.get_role(RoleName="bound")["Role"]["PermissionsBoundary"]
    assert bound["PermissionsBoundaryArn"] == made


@pytest.mark.parametrize("region", ["us-east-1", "eu-west-1", "no-region-9"])
def test_a_private_zone_has_a_vpc_that_exists_in_its_region(aws: Account, region: str) -> None:
    route53, vpc = aws("route53"), aws("ec2").create_vpc(CidrBlock="10.99.0.0/16")["Vpc"]["VpcId"]
    named = vpc if region != "us-east-1" else "vpc-0123456789abcdef0"
    with pytest.raises(ClientError) as refused:
        route53.create_hosted_zone(
            Name="example.com",
            CallerReference="a",
            HostedZoneConfig={"PrivateZone": True},
            VPC={"VPCRegion": region, "VPCId": named},
        )
    assert code(refused) == "InvalidVPCId"
    assert route53.list_hosted_zones()["HostedZones"] == []
    route53.create_hosted_zone(
        Name="example.com",
        CallerReference="a",
        HostedZoneConfig={"PrivateZone": True},
        VPC={"VPCRegion": "us-east-1", "VPCId": vpc},
    )


def test_a_key_is_scheduled_for_deletion_by_its_arn(aws: Account) -> None:
    kms = aws("kms")
    key = kms.create_key()["KeyMetadata"]
    assert kms.schedule_key_deletion(KeyId=key["Arn"], PendingWindowInDays=7)["KeyId"] == key["Arn"]
    assert kms.describe_key(KeyId=key["KeyId"])["KeyMetadata"]["KeyState"] == "PendingDeletion"
    kms.cancel_key_deletion(KeyId=key["Arn"])
    assert kms.describe_key(KeyId=key["KeyId"])["KeyMetadata"]["KeyState"] == "Disabled"
    with pytest.raises(ClientError) as refused:
        kms.schedule_key_deletion(KeyId=key["Arn"][:-1] + "x", PendingWindowInDays=7)
    assert code(refused) == "NotFoundException"


@pytest.mark.parametrize(("count", "said"), [(1, "has 1 instance of p5"), (2, "has 2 instances of p5")])
def test_a_limit_is_told_in_good_english(count: int, said: str) -> None:
    from sandbox.daemon.lifecycle import fault_lines

    assert said in fault_lines({"capacity": {"p5": count}, "error": {}})[0]
