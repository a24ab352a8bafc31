"""ElastiCache groups, users and parameters."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.plugins.protocol import PluginError
from sandbox.state import aws_client
from tests.plugin_aws.conftest import Driver, Made

GROUP = "aws:elasticache/replicationGroup:ReplicationGroup"
SUBNETS = "aws:elasticache/subnetGroup:SubnetGroup"
PARAMETERS = "aws:elasticache/parameterGroup:ParameterGroup"
USER = "aws:elasticache/user:User"
USERS = "aws:elasticache/userGroup:UserGroup"


@pytest.fixture
def elasticache(aws_endpoint: str) -> Any:
    return aws_client("elasticache", "us-east-1", aws_endpoint)


@pytest.fixture(scope="module")
def subnets(aws_endpoint: str) -> list[str]:
    ec2 = aws_client("ec2", "us-east-1", aws_endpoint)
    vpc = ec2.create_vpc(CidrBlock="10.71.0.0/16")["Vpc"]["VpcId"]
    blocks = {"us-east-1a": "10.71.0.0/24", "us-east-1b": "10.71.1.0/24"}
    return [
        ec2.create_subnet(VpcId=vpc, CidrBlock=block, AvailabilityZone=zone)["Subnet"]["SubnetId"]
        for zone, block in blocks.items()
    ]


def wanted(name: str, **changes: Any) -> dict[str, Any]:
    return {
        "replicationGroupId": name,
        "description": "counters",
        "engine": "valkey",
        "engineVersion": "8.0",
        "nodeType": "cache.m7g.large",
        "numCacheClusters": 2,
        "automaticFailoverEnabled": True,
        "multiAzEnabled": True,
        "transitEncryptionEnabled": True,
        "atRestEncryptionEnabled": True,
        "applyImmediately": True,
        "tags": {"a": "1"},
        **changes,
    }


def iam_user(driver: Driver, name: str) -> Made:
    mode = {"type": "iam"}
    return driver.create(
        USER, userId=name, userName=name, engine="redis", accessString="on ~* +@all", authenticationMode=mode
    )


def nobody(driver: Driver, name: str) -> Made:
    return driver.create(
        USER,
        userId=name,
        userName="default",
        engine="redis",
        accessString="off ~* -@all",
        noPasswordRequired=True,
    )


def test_a_group_lives_with_its_users_subnets_and_parameters(
    driver: Driver, elasticache: Any, subnets: list[str]
) -> None:
    network = driver.create(SUBNETS, name="counters", subnetIds=subnets, description="private")
    parameters = driver.create(
        PARAMETERS,
        name="counters",
        family="valkey8",
        parameters=[{"name": "maxmemory-policy", "value": "noeviction"}],
    )
    people = [iam_user(driver, "counters"), nobody(driver, "counters-no")]
    users = driver.create(USERS, userGroupId="counters", engine="redis", userIds=["counters", "counters-no"])
    inputs = wanted(
        "counters", subnetGroupName="counters", parameterGroupName="counters", userGroupIds=["counters"]
    )
    assert driver.preview(GROUP, **inputs)["arn"].endswith(":replicationgroup:counters")
    made = driver.create(GROUP, **inputs)
    assert made.state["primaryEndpointAddress"].startswith("master.counters.")
    assert made.state["memberClusters"] == ["counters-001", "counters-002"]
    for each in (network, parameters, users, made, *people):
        assert each.diff(**each.inputs).properties == {}
        assert each.refresh().properties == {}

    for held, code in ((users, "is used by"), (parameters, "is in use"), (network, "in use by")):
        with pytest.raises(PluginError, match=code):
            held.driver.provider.delete(held.resource, held.id, held.state, held.inputs, 0.1)

    made.update(**{**inputs, "numCacheClusters": 3, "tags": {"b": "2"}, "nodeType": "cache.m7g.xlarge"})
    (found,) = elasticache.describe_replication_groups(ReplicationGroupId="counters")["ReplicationGroups"]
    assert len(found["MemberClusters"]) == 3
    assert found["CacheNodeType"] == "cache.m7g.xlarge"
    assert made.refresh().properties == {}
    elasticache.modify_replication_group(ReplicationGroupId="counters", ReplicationGroupDescription="other")
    assert made.refresh().properties == {"description": "update"}
    made.delete()
    assert made.refresh() is None
    for each in (users, *people, parameters, network):
        each.delete()
        assert each.refresh() is None


@pytest.mark.parametrize(
    ("change", "effect"),
    [
        ({"replicationGroupId": "other"}, "replace"),
        ({"atRestEncryptionEnabled": False}, "replace"),
        ({"subnetGroupName": "other"}, "replace"),
        ({"port": 6380}, "replace"),
        ({"nodeType": "cache.m7g.xlarge"}, "update"),
        ({"numCacheClusters": 3}, "update"),
        ({"engineVersion": "8.1"}, "update"),
        ({"userGroupIds": ["x"]}, "update"),
    ],
)
def test_what_a_change_does(driver: Driver, change: dict[str, Any], effect: str) -> None:
    inputs = wanted("judged")
    made = Made(driver, driver.resource(GROUP), "judged", driver.check(GROUP, **inputs), {})
    found = made.diff(**{**inputs, **change})
    assert list(found.properties) == list(change)
    assert bool(found.replaces) == (effect == "replace")


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"authToken": "a" * 32}, "authToken"),
        ({"automaticFailoverEnabled": False}, "multiAzEnabled"),
        ({"transitEncryptionEnabled": None}, "transitEncryptionEnabled"),
        ({"snapshotName": "old"}, "snapshotName"),
    ],
)
def test_what_is_refused_names_the_input(driver: Driver, change: dict[str, Any], path: str) -> None:
    assert path in [each for each, _ in driver.failures(GROUP, **wanted("refused", **change))]


def test_what_elasticache_refuses_is_refused(driver: Driver) -> None:
    mode = {"type": "iam"}
    with pytest.raises(PluginError, match="must be same for authentication type"):
        driver.create(
            USER, userId="one", userName="two", engine="redis", accessString="on", authenticationMode=mode
        )
    alone, off = iam_user(driver, "alone"), nobody(driver, "alone-no")
    with pytest.raises(PluginError, match="user name default"):
        driver.create(USERS, userGroupId="nodefault", engine="redis", userIds=["alone"])
    with pytest.raises(PluginError, match="authenticate only"):
        driver.create(USERS, userGroupId="open", engine="valkey", userIds=["alone", "alone-no"])
    with pytest.raises(PluginError, match="not found"):
        driver.create(GROUP, **wanted("lost", userGroupIds=["nobodys"]))
    with pytest.raises(PluginError, match="at least one replica"):
        driver.create(GROUP, **wanted("single", numCacheClusters=1))
    for each in (alone, off):
        each.delete()
    failures = driver.failures(
        USER, userId="x", userName="x", engine="redis", accessString="on", passwords=["p" * 16]
    )
    assert "passwords" in [path for path, _ in failures]


def test_parameters_and_users_change_in_place(driver: Driver, elasticache: Any) -> None:
    one, other = {"name": "maxmemory-policy", "value": "noeviction"}, {"name": "timeout", "value": "300"}
    inputs = {"name": "tuned", "family": "valkey8", "parameters": [one, other]}
    made = driver.create(PARAMETERS, **inputs)
    made.update(**{**inputs, "parameters": [one]})
    found = elasticache.describe_cache_parameters(CacheParameterGroupName="tuned", Source="user")[
        "Parameters"
    ]
    assert [each["ParameterName"] for each in found] == ["maxmemory-policy"]
    assert made.diff(**{**inputs, "family": "redis7"}).replaces == ["family"]
    made.delete()
    user = iam_user(driver, "changing")
    user.update(**{**user.inputs, "accessString": "on ~* +@read"})
    assert elasticache.describe_users(UserId="changing")["Users"][0]["AccessString"] == "on ~* +@read"
    user.delete()
    assert user.refresh() is None
