"""RDS instances, their subnets and their parameters."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.plugins.protocol import PluginError
from sandbox.state import aws_client
from tests.plugin_aws.conftest import Driver, Made

INSTANCE = "aws:rds/instance:Instance"
SUBNETS = "aws:rds/subnetGroup:SubnetGroup"
PARAMETERS = "aws:rds/parameterGroup:ParameterGroup"


@pytest.fixture
def rds(aws_endpoint: str) -> Any:
    return aws_client("rds", "us-east-1", aws_endpoint)


@pytest.fixture(scope="session")
def subnets(aws_endpoint: str) -> list[str]:
    ec2 = aws_client("ec2", "us-east-1", aws_endpoint)
    vpc = ec2.create_vpc(CidrBlock="10.70.0.0/16")["Vpc"]["VpcId"]
    blocks = {"us-east-1a": "10.70.0.0/24", "us-east-1b": "10.70.1.0/24", "us-east-1c": "10.70.2.0/24"}
    return [
        ec2.create_subnet(VpcId=vpc, CidrBlock=block, AvailabilityZone=zone)["Subnet"]["SubnetId"]
        for zone, block in blocks.items()
    ]


def wanted(name: str, **changes: Any) -> dict[str, Any]:
    return {
        "identifier": name,
        "engine": "postgres",
        "engineVersion": "17",
        "instanceClass": "db.m7g.large",
        "allocatedStorage": 20,
        "storageType": "gp3",
        "storageEncrypted": True,
        "username": "somebody",
        "manageMasterUserPassword": True,
        "skipFinalSnapshot": True,
        "multiAz": True,
        "backupRetentionPeriod": 7,
        "performanceInsightsEnabled": True,
        "tags": {"a": "1"},
        **changes,
    }


def test_an_instance_lives_through_creation_update_refresh_and_deletion(
    driver: Driver, rds: Any, subnets: list[str]
) -> None:
    group = driver.create(SUBNETS, name="data", subnetIds=subnets)
    parameters = driver.create(
        PARAMETERS,
        name="data",
        family="postgres17",
        parameters=[{"name": "rds.force_ssl", "value": "1"}],
    )
    inputs = wanted("data", dbSubnetGroupName="data", parameterGroupName="data")
    assert driver.preview(INSTANCE, **inputs)["arn"] == "arn:aws:rds:us-east-1:123456789012:db:data"
    made = driver.create(INSTANCE, **inputs)
    assert made.state["address"].startswith("data.")
    assert made.state["engineVersionActual"].startswith("17.")
    assert made.state["resourceId"].startswith("db-")
    (secret,) = made.state["masterUserSecrets"]
    assert secret["secretArn"].startswith("arn:aws:secretsmanager:")
    assert made.diff(**inputs).properties == {}
    assert made.refresh().properties == {}

    made.update(**{**inputs, "backupRetentionPeriod": 14, "tags": {"b": "2"}, "applyImmediately": True})
    (found,) = rds.describe_db_instances(DBInstanceIdentifier="data")["DBInstances"]
    assert found["BackupRetentionPeriod"] == 14
    assert rds.list_tags_for_resource(ResourceName=found["DBInstanceArn"])["TagList"] == [
        {"Key": "b", "Value": "2"}
    ]
    rds.modify_db_instance(DBInstanceIdentifier="data", MultiAZ=False)
    assert made.refresh().properties == {"multiAz": "update"}

    for held, code in ((group, "still using it"), (parameters, "still members")):
        with pytest.raises(PluginError, match=code):
            held.driver.provider.delete(held.resource, held.id, held.state, held.inputs, 0.1)
    made.delete()
    assert made.refresh() is None
    for each in (group, parameters):
        each.delete()
        assert each.refresh() is None


@pytest.mark.parametrize(
    ("change", "effect"),
    [
        ({"identifier": "other"}, "replace"),
        ({"storageEncrypted": False}, "replace"),
        ({"kmsKeyId": "arn:aws:kms:us-east-1:123456789012:key/0"}, "replace"),
        ({"username": "another"}, "replace"),
        ({"dbName": "other"}, "replace"),
        ({"engineVersion": "18"}, "update"),
        ({"instanceClass": "db.m7g.xlarge"}, "update"),
        ({"multiAz": False}, "update"),
        ({"backupRetentionPeriod": 1}, "update"),
        ({"allocatedStorage": 30}, "update"),
        ({"deletionProtection": True}, "update"),
    ],
)
def test_what_a_change_does(driver: Driver, change: dict[str, Any], effect: str) -> None:
    inputs = wanted("judged")
    made = Made(driver, driver.resource(INSTANCE), "judged", driver.check(INSTANCE, **inputs), {})
    found = made.diff(**{**inputs, **change})
    assert list(found.properties) == list(change)
    assert bool(found.replaces) == (effect == "replace")


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"password": "hunter2hunter2"}, "password"),
        ({"skipFinalSnapshot": False}, "finalSnapshotIdentifier"),
        ({"manageMasterUserPassword": None}, "manageMasterUserPassword"),
        ({"maxAllocatedStorage": 10}, "maxAllocatedStorage"),
        ({"backupTarget": "outposts"}, "backupTarget"),
    ],
)
def test_what_is_refused_names_the_input(driver: Driver, change: dict[str, Any], path: str) -> None:
    assert path in [each for each, _ in driver.failures(INSTANCE, **wanted("refused", **change))]


def test_a_protected_instance_stays_and_an_open_one_leaves_its_snapshot(driver: Driver, rds: Any) -> None:
    inputs = wanted(
        "kept",
        deletionProtection=True,
        skipFinalSnapshot=False,
        finalSnapshotIdentifier="kept-final",
        tags=None,
    )
    made = driver.create(INSTANCE, **inputs)
    with pytest.raises(PluginError, match="protected"):
        made.delete()
    with pytest.raises(rds.exceptions.ClientError, match="Cannot delete protected"):
        rds.delete_db_instance(DBInstanceIdentifier="kept", SkipFinalSnapshot=True)
    made.update(**{**inputs, "deletionProtection": False, "applyImmediately": True})
    made.delete()
    assert rds.describe_db_snapshots(DBSnapshotIdentifier="kept-final")["DBSnapshots"]


def test_parameters_are_set_and_reset(driver: Driver, rds: Any) -> None:
    one, other = {"name": "log_statement", "value": "none"}, {"name": "rds.force_ssl", "value": "1"}
    inputs = {"name": "tuned", "family": "postgres17", "parameters": [one, other]}
    made = driver.create(PARAMETERS, **inputs)
    assert made.diff(**{**inputs, "parameters": [other, one]}).properties == {}
    assert made.refresh().properties == {}
    made.update(**{**inputs, "parameters": [other]})
    found = rds.describe_db_parameters(DBParameterGroupName="tuned")["Parameters"]
    assert [each["ParameterName"] for each in found] == ["rds.force_ssl"]
    assert made.diff(**{**inputs, "family": "postgres18"}).replaces == ["family"]
    made.delete()
    assert made.refresh() is None


def test_a_database_holds_its_subnets_and_groups(
    driver: Driver, subnets: list[str], aws_endpoint: str
) -> None:
    ec2 = aws_client("ec2", "us-east-1", aws_endpoint)
    vpc = ec2.describe_subnets(SubnetIds=subnets)["Subnets"][0]["VpcId"]
    group = ec2.create_security_group(GroupName="held", Description="held", VpcId=vpc)["GroupId"]
    network = driver.create(SUBNETS, name="held", subnetIds=subnets)
    made = driver.create(INSTANCE, **wanted("held", dbSubnetGroupName="held", vpcSecurityGroupIds=[group]))
    for call in (
        lambda: ec2.delete_subnet(SubnetId=subnets[0]),
        lambda: ec2.delete_security_group(GroupId=group),
    ):
        with pytest.raises(ec2.exceptions.ClientError, match="DependencyViolation"):
            call()
    made.delete()
    network.delete()
    ec2.delete_security_group(GroupId=group)
