"""The order in which an update takes nodes, with the test as the daemon that joins and drains them."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.sandbox_aws.conftest import Account
from tests.waits import until

OLD, NEW = "1.34.2-20251217", "1.34.6-20260415"


def group_of(aws: Account) -> dict[str, Any]:
    found: dict[str, Any] = aws.control.clusters()[0]["nodegroups"][0]
    return found


def join(aws: Account) -> None:
    aws.control.report_nodes([instance["id"] for instance in group_of(aws)["instances"]])


def started(aws: Account, size: int, **config: Any) -> None:
    """An ACTIVE cluster and group whose every node has joined."""
    subnets = aws.network()
    role = aws.role("cluster", "eks.amazonaws.com")
    aws("eks").create_cluster(
        name="one", version="1.34", roleArn=role, resourcesVpcConfig={"subnetIds": subnets}
    )
    aws.control.report_cluster("us-east-1", "one", "ACTIVE", "https://127.0.0.1:1", "YQ==", "1.34")
    aws.made["node_role"] = aws.role("node", "ec2.amazonaws.com")
    aws.pool(subnets, size, releaseVersion=OLD, updateConfig=config)
    until(lambda: len(group_of(aws)["instances"]) == size)
    join(aws)
    aws.wait_group("ACTIVE")


def carry_out(aws: Account, **given: Any) -> list[tuple[int, int, int, int]]:
    """Updates, drains what is asked and joins what comes; gives what was seen on the way: old nodes, new ones,
    draining ones, cordoned ones."""
    about = {"clusterName": "one", "nodegroupName": "gpu"}
    update = aws("eks").update_nodegroup_version(**about, releaseVersion=NEW, **given)["update"]["id"]
    seen: list[tuple[int, int, int, int]] = []

    def ended() -> bool:
        nodes = group_of(aws)["instances"]
        old = [node for node in nodes if node["kubelet"].startswith("v1.34.2")]
        draining = [node["id"] for node in nodes if node["drain"]]
        look = (len(old), len(nodes) - len(old), len(draining), sum(node["cordon"] for node in nodes))
        if not seen or seen[-1] != look:
            seen.append(look)
        join(aws)
        aws.control.report_drains(draining, {})
        found = aws("eks").describe_update(name="one", nodegroupName="gpu", updateId=update)["update"]
        return bool(found["status"] == "Successful")

    until(ended)
    assert aws.group()["releaseVersion"] == NEW
    return seen


def test_default_starts_new_nodes_first_and_cordons_every_old_one(reported_aws: Account) -> None:
    started(reported_aws, 3, maxUnavailable=1)
    seen = carry_out(reported_aws)
    assert max(draining for _, _, draining, _ in seen) == 1
    assert min(old + new for old, new, _, _ in seen) >= 3
    # One new node for each zone before the first old one drains, and no old one takes pods by then.
    first = next(look for look in seen if look[2])
    assert first == (3, 3, 1, 3)
    assert seen[-1][:2] in ((0, 3), (1, 3))


def test_minimal_ends_old_nodes_first_and_at_most_as_many_as_it_may(reported_aws: Account) -> None:
    started(reported_aws, 4, maxUnavailablePercentage=50, updateStrategy="MINIMAL")
    seen = carry_out(reported_aws)
    assert max(draining for _, _, draining, _ in seen) == 2
    assert max(old + new for old, new, _, _ in seen) == 4
    assert min(old + new - draining for old, new, draining, _ in seen) >= 2
    assert all(cordoned == draining for _, _, draining, cordoned in seen)


def test_a_drain_that_is_refused_says_why_and_goes_on_once_it_may(reported_aws: Account) -> None:
    aws = reported_aws
    started(aws, 1, maxUnavailable=1, updateStrategy="MINIMAL")
    [node] = group_of(aws)["instances"]
    aws("eks").update_nodegroup_version(clusterName="one", nodegroupName="gpu", releaseVersion=NEW)
    until(lambda: group_of(aws)["instances"][0]["drain"])
    aws.control.report_drains([], {node["id"]: "default/a: 429: no"})
    time.sleep(1)
    assert [i["InstanceId"] for i in aws.running()] == [node["id"]]
    aws.control.report_drains([node["id"]], {})
    until(lambda: [i["InstanceId"] for i in aws.running()] not in ([], [node["id"]]))
    join(aws)
    assert aws.wait_group("ACTIVE")["releaseVersion"] == NEW


def test_scale_in_waits_for_the_drain_and_takes_a_node_back_that_is_wanted_again(
    reported_aws: Account,
) -> None:
    aws = reported_aws
    started(aws, 2)
    about = {"clusterName": "one", "nodegroupName": "gpu"}
    aws("eks").update_nodegroup_config(**about, scalingConfig={"desiredSize": 1})
    until(lambda: any(node["drain"] for node in group_of(aws)["instances"]))
    assert len(aws.running()) == 2
    aws.wait_group("ACTIVE")
    aws("eks").update_nodegroup_config(**about, scalingConfig={"desiredSize": 2})
    until(lambda: not any(node["drain"] for node in group_of(aws)["instances"]))
    aws.wait_group("ACTIVE")
    aws("eks").update_nodegroup_config(**about, scalingConfig={"desiredSize": 1})
    leaving = until(lambda: [node["id"] for node in group_of(aws)["instances"] if node["drain"]])
    aws.control.report_drains(leaving, {})
    until(lambda: len(aws.running()) == 1)
    assert aws.running()[0]["InstanceId"] not in leaving


@pytest.mark.parametrize(("size", "percentage", "most"), [(10, 33, 3), (2, 10, 1), (4, 100, 4)])
def test_a_percentage_is_of_the_groups_size_and_at_least_one(size: int, percentage: int, most: int) -> None:
    from sandbox.aws.eks.rollout import at_once
    from sandbox.aws.eks.store import NodeGroup

    group = NodeGroup.__new__(NodeGroup)
    group.update_config = {"maxUnavailablePercentage": percentage}
    assert at_once(group, size) == most
