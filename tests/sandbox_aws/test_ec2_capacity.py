"""Placement groups, reservations, blocks and what a launch does with them, by boto3."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sandbox.aws.client import AwsError
from sandbox.daemon.lifecycle import fault_lines
from tests.sandbox_aws.conftest import Account
from tests.waits import until

LINUX = "Linux/UNIX"
P5 = "p5.48xlarge"


def launch(aws: Account, subnet: str, kind: str = P5, count: int = 1, **extra: Any) -> list[dict[str, Any]]:
    made = aws("ec2").run_instances(
        ImageId="ami-ekslinux", InstanceType=kind, MinCount=count, MaxCount=count, SubnetId=subnet, **extra
    )["Instances"]
    ids = [instance["InstanceId"] for instance in made]
    pages = aws("ec2").describe_instances(InstanceIds=ids)["Reservations"]
    return [instance for page in pages for instance in page["Instances"]]


def reserve(aws: Account, count: int = 2, kind: str = P5, zone: str = "us-east-1a", **extra: Any) -> str:
    return str(
        aws("ec2").create_capacity_reservation(
            InstanceType=kind, InstancePlatform=LINUX, AvailabilityZone=zone, InstanceCount=count, **extra
        )["CapacityReservation"]["CapacityReservationId"]
    )


def target(reservation: str) -> dict[str, Any]:
    return {"CapacityReservationTarget": {"CapacityReservationId": reservation}}


def reservation(aws: Account, reservation_id: str) -> dict[str, Any]:
    [found] = aws("ec2").describe_capacity_reservations(CapacityReservationIds=[reservation_id])[
        "CapacityReservations"
    ]
    return dict(found)


def offer(aws: Account, zone: str = "us-east-1a", later: bool = False, **given: Any) -> dict[str, Any]:
    asked = {"InstanceType": P5, "InstanceCount": 2, "CapacityDurationHours": 24, **given}
    found = aws("ec2").describe_capacity_block_offerings(**asked)["CapacityBlockOfferings"]
    here = [one for one in found if one["AvailabilityZone"] == zone]
    assert all(one["EndDate"].strftime("%H:%M") == "11:30" for one in here)
    return dict(max(here, key=lambda one: one["StartDate"]) if later else here[0])


def buy(aws: Account, **given: Any) -> dict[str, Any]:
    offering = offer(aws, **given)
    return dict(
        aws("ec2").purchase_capacity_block(
            CapacityBlockOfferingId=offering["CapacityBlockOfferingId"], InstancePlatform=LINUX
        )["CapacityReservation"]
    )


def test_a_placement_group_is_made_described_and_held_by_its_instances(aws: Account) -> None:
    ec2, [a, b] = aws("ec2"), aws.network("ab")
    made = ec2.create_placement_group(
        GroupName="near",
        Strategy="cluster",
        TagSpecifications=[{"ResourceType": "placement-group", "Tags": [{"Key": "x", "Value": "1"}]}],
    )["PlacementGroup"]
    assert made["GroupArn"].endswith(":placement-group/near")
    [seen] = ec2.describe_placement_groups(Filters=[{"Name": "tag:x", "Values": ["1"]}])["PlacementGroups"]
    assert (seen["GroupId"], seen["State"], seen["Strategy"]) == (made["GroupId"], "available", "cluster")
    with pytest.raises(ClientError, match=r"InvalidPlacementGroup\.Duplicate"):
        ec2.create_placement_group(GroupName="near", Strategy="cluster")
    [inside] = launch(aws, a, Placement={"GroupName": "near"})
    assert inside["Placement"]["GroupName"] == "near"
    with pytest.raises(ClientError, match="cannot span Availability Zones"):
        launch(aws, b, Placement={"GroupName": "near"})
    with pytest.raises(ClientError, match=r"InvalidPlacementGroup\.InUse"):
        ec2.delete_placement_group(GroupName="near")
    ec2.terminate_instances(InstanceIds=[inside["InstanceId"]])
    ec2.delete_placement_group(GroupName="near")
    with pytest.raises(ClientError, match=r"InvalidPlacementGroup\.Unknown"):
        ec2.describe_placement_groups(GroupNames=["near"])
    with pytest.raises(ClientError, match=r"InvalidPlacementGroup\.Unknown"):
        launch(aws, a, Placement={"GroupName": "near"})


def test_a_type_that_cannot_join_a_cluster_group_is_refused(aws: Account) -> None:
    [subnet] = aws.network("a")
    aws("ec2").create_placement_group(GroupName="near", Strategy="cluster")
    with pytest.raises(ClientError, match=r"not supported by the 't3\.medium' instance type"):
        launch(aws, subnet, "t3.medium", Placement={"GroupName": "near"})


def test_a_targeted_reservation_takes_what_it_has_and_no_more(aws: Account) -> None:
    a, b = aws.network("ab")
    one = reserve(aws, 1, InstanceMatchCriteria="targeted")
    [inside] = launch(aws, a, CapacityReservationSpecification=target(one))
    assert inside["CapacityReservationId"] == one
    assert "InstanceLifecycle" not in inside
    assert reservation(aws, one)["AvailableInstanceCount"] == 0
    refusals = (
        (a, P5, "ReservationCapacityExceeded"),
        (b, P5, "does not match"),
        (a, "p4d.24xlarge", "does not match"),
    )
    for subnet, kind, word in refusals:
        with pytest.raises(ClientError, match=word):
            launch(aws, subnet, kind, CapacityReservationSpecification=target(one))
    aws("ec2").cancel_capacity_reservation(CapacityReservationId=one)
    assert reservation(aws, one)["State"] == "cancelled"
    assert "CapacityReservationId" not in aws.running()[0]
    with pytest.raises(ClientError, match="is cancelled"):
        launch(aws, a, CapacityReservationSpecification=target(one))


def test_an_open_reservation_is_used_first_and_only_where_it_is_wanted(aws: Account) -> None:
    [subnet] = aws.network("a")
    one = reserve(aws, 1)
    none = {"CapacityReservationPreference": "none"}
    assert "CapacityReservationId" not in launch(aws, subnet, CapacityReservationSpecification=none)[0]
    spot = launch(aws, subnet, InstanceMarketOptions={"MarketType": "spot"})[0]
    assert (spot["InstanceLifecycle"], "CapacityReservationId" in spot) == ("spot", False)
    assert launch(aws, subnet)[0]["CapacityReservationId"] == one
    assert "CapacityReservationId" not in launch(aws, subnet)[0]
    with pytest.raises(ClientError, match="no open Capacity Reservation"):
        launch(
            aws,
            subnet,
            CapacityReservationSpecification={"CapacityReservationPreference": "capacity-reservations-only"},
        )


def test_markets_run_short_apart_and_a_reservation_keeps_its_room(aws: Account) -> None:
    [subnet] = aws.network("a")
    spot = {"InstanceMarketOptions": {"MarketType": "spot"}}
    aws.control.limit_capacity({"p5:spot": 0})
    with pytest.raises(ClientError, match="no Spot capacity"):
        launch(aws, subnet, **spot)
    launch(aws, subnet)
    aws.control.limit_capacity({"p5:on-demand": 2})
    with pytest.raises(ClientError, match="InsufficientInstanceCapacity"):
        reserve(aws, 2)
    one = reserve(aws, 1, InstanceMatchCriteria="targeted")
    with pytest.raises(ClientError, match="do not have sufficient"):
        launch(aws, subnet)
    launch(aws, subnet, CapacityReservationSpecification=target(one))
    launch(aws, subnet, **spot)


def test_a_reservation_changes_within_its_limits(aws: Account) -> None:
    [subnet] = aws.network("a")
    one, ec2 = reserve(aws, 2), aws("ec2")
    launch(aws, subnet, count=2)
    with pytest.raises(ClientError, match="2 instances run in the reservation"):
        ec2.modify_capacity_reservation(CapacityReservationId=one, InstanceCount=1)
    end = datetime.now(UTC) + timedelta(days=1)
    ec2.modify_capacity_reservation(
        CapacityReservationId=one, InstanceCount=3, EndDateType="limited", EndDate=end
    )
    seen = reservation(aws, one)
    assert (seen["TotalInstanceCount"], seen["AvailableInstanceCount"]) == (3, 1)
    assert seen["EndDateType"] == "limited"
    with pytest.raises(ClientError, match="not supported in your requested Availability Zone"):
        reserve(aws, zone="us-east-1z")


def test_a_block_is_bought_once_runs_its_own_market_and_cannot_be_given_back(aws: Account) -> None:
    [subnet] = aws.network("a")
    offering = offer(aws)
    ec2 = aws("ec2")
    given = {"CapacityBlockOfferingId": offering["CapacityBlockOfferingId"], "InstancePlatform": LINUX}
    block = ec2.purchase_capacity_block(**given)["CapacityReservation"]
    assert (block["State"], block["ReservationType"], block["TotalInstanceCount"]) == (
        "active",
        "capacity-block",
        2,
    )
    with pytest.raises(ClientError, match="was bought"):
        ec2.purchase_capacity_block(**given)
    one = {"CapacityReservationSpecification": target(block["CapacityReservationId"])}
    with pytest.raises(ClientError, match="takes the market type capacity-block"):
        launch(aws, subnet, **one)
    market = {"InstanceMarketOptions": {"MarketType": "capacity-block"}}
    with pytest.raises(ClientError, match="needs the id of a Capacity Block"):
        launch(aws, subnet, **market)
    aws.control.limit_capacity({"p5": 0})
    [inside] = launch(aws, subnet, **one, **market)
    assert inside["InstanceLifecycle"] == "capacity-block"
    for change in (ec2.cancel_capacity_reservation, ec2.modify_capacity_reservation):
        with pytest.raises(ClientError, match="a Capacity Block"):
            change(CapacityReservationId=block["CapacityReservationId"])


def test_a_block_outside_its_dates_takes_nobody_and_ends_its_instances(aws: Account) -> None:
    [subnet] = aws.network("a")
    later = buy(aws, later=True, StartDateRange=datetime.now(UTC) + timedelta(days=2))
    assert later["State"] == "scheduled"
    market = {"InstanceMarketOptions": {"MarketType": "capacity-block"}}
    with pytest.raises(ClientError, match="is scheduled"):
        launch(aws, subnet, CapacityReservationSpecification=target(later["CapacityReservationId"]), **market)
    block = buy(aws)["CapacityReservationId"]
    launch(aws, subnet, CapacityReservationSpecification=target(block), **market)
    assert len(aws.running()) == 1
    aws.control.move_block("us-east-1", block, ends_in=20 * 60)
    until(lambda: aws.running() == [])
    with pytest.raises(ClientError, match="until 30 minutes before its end"):
        launch(aws, subnet, CapacityReservationSpecification=target(block), **market)
    aws.control.move_block("us-east-1", block, ends_in=0)
    assert reservation(aws, block)["State"] == "expired"


@pytest.mark.parametrize(
    ("given", "word"),
    [
        ({"CapacityDurationHours": 30}, "24 to 336 by the day"),
        ({"CapacityDurationHours": 24 * 15}, "by the week"),
        ({"InstanceCount": 3}, "allowed: 1, 2, 4"),
        ({"InstanceType": "g6.48xlarge"}, "not sold as Capacity Blocks"),
    ],
)
def test_a_block_that_is_not_sold_is_refused(any_aws: Account, given: dict[str, Any], word: str) -> None:
    with pytest.raises(ClientError, match=word):
        offer(any_aws, **given)


def interfaces(cards: int, group: str, kind: str = "efa-only", **extra: Any) -> list[dict[str, Any]]:
    first = {"NetworkCardIndex": 0, "DeviceIndex": 0, "InterfaceType": "efa", "Groups": [group]}
    further = {
        "DeviceIndex": 1,
        "InterfaceType": kind,
        "Groups": [group],
        "DeleteOnTermination": True,
        **extra,
    }
    return [first, *({**further, "NetworkCardIndex": card} for card in range(1, cards))]


def via_template(aws: Account, subnet: str, nics: list[dict[str, Any]], kind: str = P5) -> dict[str, Any]:
    nics = [{**nic, "SubnetId": subnet} for nic in nics]
    [made] = aws("ec2").run_instances(
        ImageId="ami-ekslinux", InstanceType=kind, MinCount=1, MaxCount=1, NetworkInterfaces=nics
    )["Instances"]
    pages = aws("ec2").describe_instances(InstanceIds=[made["InstanceId"]])["Reservations"]
    return dict(pages[0]["Instances"][0])


def test_every_card_has_its_interface_and_those_without_ip_have_none(aws: Account) -> None:
    ec2, [subnet] = aws("ec2"), aws.network("a")
    group = ec2.create_security_group(GroupName="efa", Description="d", VpcId=aws.made["vpc"])["GroupId"]
    made = via_template(aws, subnet, interfaces(32, group))
    seen = made["NetworkInterfaces"]
    assert [(n["Attachment"]["NetworkCardIndex"], n["Attachment"]["DeviceIndex"]) for n in seen] == [
        (0, 0),
        *((card, 1) for card in range(1, 32)),
    ]
    assert [n["InterfaceType"] for n in seen] == ["efa", *["efa-only"] * 31]
    assert seen[0]["PrivateIpAddress"] == made["PrivateIpAddress"]
    assert all("PrivateIpAddress" not in n for n in seen[1:])
    assert all(n["Groups"][0]["GroupId"] == group for n in seen)
    assert [g["GroupId"] for g in made["SecurityGroups"]] == [group]
    ec2.terminate_instances(InstanceIds=[made["InstanceId"]])
    assert ec2.describe_network_interfaces()["NetworkInterfaces"] == []


def test_a_further_interface_stays_unless_it_was_told_to_go(aws: Account) -> None:
    ec2, [subnet] = aws("ec2"), aws.network("a")
    group = ec2.create_security_group(GroupName="efa", Description="d", VpcId=aws.made["vpc"])["GroupId"]
    made = via_template(aws, subnet, interfaces(2, group, DeleteOnTermination=False))
    ec2.terminate_instances(InstanceIds=[made["InstanceId"]])
    [left] = ec2.describe_network_interfaces()["NetworkInterfaces"]
    assert left["Status"] == "available"
    with pytest.raises(ClientError, match="has dependencies"):
        ec2.delete_subnet(SubnetId=subnet)


@pytest.mark.parametrize(
    ("kind", "cards", "change", "word"),
    [
        ("p4d.24xlarge", 5, {}, "takes 0 network interfaces on network card 4"),
        ("g6.xlarge", 1, {}, "takes 0 Elastic Fabric Adapters, and 1 are asked"),
        (P5, 2, {"NetworkCardIndex": 0, "DeviceIndex": 0}, "same card and device index"),
        (P5, 2, {"InterfaceType": "trunk"}, "none of interface, efa and efa-only"),
    ],
)
def test_interfaces_that_the_type_cannot_carry_are_refused(
    aws: Account, kind: str, cards: int, change: dict[str, Any], word: str
) -> None:
    [subnet] = aws.network("a")
    nics = interfaces(cards, "sg-1")
    nics[-1] |= change
    with pytest.raises(ClientError, match=word):
        via_template(aws, subnet, nics, kind)


def test_a_market_that_does_not_exist_is_refused_and_a_set_one_is_told(any_aws: Account) -> None:
    with pytest.raises(AwsError, match="'cheap' is no market; give for example p5:on-demand or p5:spot"):
        any_aws.control.limit_capacity({"p5:cheap": 1})
    with pytest.raises(AwsError, match="no such family or type"):
        any_aws.control.limit_capacity({"p9:spot": 1})
    lines = fault_lines({"capacity": {"p5": 2, "p5:spot": 0}, "error": {}})
    assert lines == ["AWS has 2 instances of p5 in a region", "AWS has 0 instances of p5 (spot) in a region"]
