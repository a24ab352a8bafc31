"""The functions that read: each gives every output of the SDK's result class, as EKS has it."""

from __future__ import annotations

import importlib
from typing import Any

import pytest
from pulumi import _types

from sandbox.plugins.aws.functions import FUNCTIONS, Function
from sandbox.plugins.aws.provider import AwsProvider
from tests.plugin_aws.conftest import REGION, Driver
from tests.plugin_aws.eks_world import EksWorld

AwsProvider()  # registers the functions


@pytest.fixture(scope="module")
def world(aws_endpoint: str) -> EksWorld:
    return EksWorld(aws_endpoint, "fn")


@pytest.fixture(scope="module")
def cluster(world: EksWorld) -> str:
    name = world.cluster()
    world.eks.create_addon(clusterName=name, addonName="kube-proxy")
    world.eks.create_nodegroup(
        clusterName=name,
        nodegroupName="cpu",
        subnets=world.subnets,
        nodeRole=world.node_role,
        instanceTypes=["m7i.xlarge"],
        amiType="AL2023_x86_64_STANDARD",
        scalingConfig={"minSize": 0, "desiredSize": 0, "maxSize": 1},
        labels={"bastide.dev/pool": "cpu"},
    )
    world.await_status(
        lambda: world.eks.describe_nodegroup(clusterName=name, nodegroupName="cpu")["nodegroup"]
    )
    return name


def outputs(found: Function) -> set[str]:
    """The wire names of the SDK's result."""
    module_name, name = found.sdk.split(".")
    module = importlib.import_module(f"pulumi_aws.{module_name}.{name}")
    stem = "".join(part.capitalize() for part in name.split("_"))
    return set(_types.output_type_types(getattr(module, f"{stem}Result"))) or {
        wire for _, wire, _ in _types._py_properties(getattr(module, f"{stem}Result"))
    }


ARGS = {
    "eks.get_clusters": {},
    "eks.get_cluster": {"name": True},
    "eks.get_addon": {"clusterName": True, "addonName": "kube-proxy"},
    "eks.get_node_groups": {"clusterName": True},
    "eks.get_node_group": {"clusterName": True, "nodeGroupName": "cpu"},
}


@pytest.mark.parametrize("sdk", ARGS)
def test_a_function_gives_every_output_of_the_sdk(driver: Driver, cluster: str, sdk: str) -> None:
    (found,) = [each for each in FUNCTIONS.values() if each.sdk == sdk]
    args = {name: cluster if value is True else value for name, value in ARGS[sdk].items()}
    answer = driver.provider.invoke(found.token, args)
    assert answer.keys() == outputs(found)
    assert answer["region"] == REGION


def test_they_say_what_eks_says(driver: Driver, world: EksWorld, cluster: str) -> None:
    def ask(function: str, **args: str) -> dict[str, Any]:
        return driver.provider.invoke(f"aws:eks/{function}:{function}", args)

    seen = world.eks.describe_cluster(name=cluster)["cluster"]
    found = ask("getCluster", name=cluster)
    assert cluster in ask("getClusters")["names"]
    assert (found["version"], found["endpoint"]) == (seen["version"], seen["endpoint"])
    assert found["vpcConfig"]["vpcId"] == seen["resourcesVpcConfig"]["vpcId"]
    assert found["accessConfigs"] == [seen["accessConfig"]]
    assert found["upgradePolicies"] == [{"supportType": "EXTENDED"}]
    addon = world.eks.describe_addon(clusterName=cluster, addonName="kube-proxy")["addon"]
    assert (
        ask("getAddon", clusterName=cluster, addonName="kube-proxy")["addonVersion"] == addon["addonVersion"]
    )
    assert ask("getNodeGroups", clusterName=cluster)["names"] == ["cpu"]
    group = ask("getNodeGroup", clusterName=cluster, nodeGroupName="cpu")
    assert (group["version"], group["labels"]) == (seen["version"], {"bastide.dev/pool": "cpu"})


def test_a_cluster_that_is_not_there_is_said_by_its_name(driver: Driver, cluster: str) -> None:
    with pytest.raises(Exception, match="No cluster found for name: nobody"):
        driver.provider.invoke("aws:eks/getCluster:getCluster", {"name": "nobody"})


def test_a_function_that_the_plugin_lacks_is_refused_with_those_it_has(driver: Driver) -> None:
    with pytest.raises(
        Exception, match=r"does not have the function aws:ec2/getAmi:getAmi; it has: .*eks\.get_cluster"
    ):
        driver.provider.invoke("aws:ec2/getAmi:getAmi", {})
