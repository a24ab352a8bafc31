"""Capacity reservations and bought blocks against the world."""

from __future__ import annotations

from typing import Any

import pytest

from tests.plugin_aws.conftest import Driver
from tests.plugin_aws.test_ec2_network import settled

RESERVATION = "aws:ec2/capacityReservation:CapacityReservation"
BLOCK = "aws:ec2/capacityBlockReservation:CapacityBlockReservation"

INPUTS: dict[str, Any] = {
    "availabilityZone": "us-east-1a",
    "instanceCount": 2,
    "instancePlatform": "Linux/UNIX",
    "instanceType": "p5.48xlarge",
    "instanceMatchCriteria": "targeted",
    "tags": {"pool": "p5"},
}


def state_of(ec2: Any, reservation: str) -> dict[str, Any]:
    [found] = ec2.describe_capacity_reservations(CapacityReservationIds=[reservation])["CapacityReservations"]
    return dict(found)


def test_a_reservation_lives_its_life_on_the_wire(driver: Driver, ec2: Any) -> None:
    made = driver.create(RESERVATION, **INPUTS)
    assert made.id.startswith("cr-")
    assert made.state["ownerId"] == "123456789012"
    assert settled(made)
    more = {**INPUTS, "instanceCount": 3, "tags": {"pool": "p5e"}}
    assert made.diff(**more).replaces == []
    made.update(**more)
    seen = state_of(ec2, made.id)
    assert (seen["TotalInstanceCount"], seen["Tags"]) == (3, [{"Key": "pool", "Value": "p5e"}])
    found = driver.find(RESERVATION, made.id)
    assert found is not None
    assert driver.failures(RESERVATION, **found[2]) == []
    for change in (
        {"instanceType": "p5e.48xlarge"},
        {"availabilityZone": "us-east-1b"},
        {"instanceMatchCriteria": "open"},
    ):
        assert made.diff(**{**more, **change}).replaces == list(change)
    ec2.modify_capacity_reservation(CapacityReservationId=made.id, InstanceCount=1)
    drift = made.refresh()
    assert drift is not None
    assert drift.properties == {"instanceCount": "update"}
    made.delete()
    assert state_of(ec2, made.id)["State"] == "cancelled"
    assert made.refresh() is None
    made.delete()


def test_a_reservation_that_aws_has_not_says_so(driver: Driver) -> None:
    with pytest.raises(Exception, match="not supported in your requested Availability Zone"):
        driver.create(RESERVATION, **{**INPUTS, "availabilityZone": "us-east-1z"})


@pytest.mark.parametrize(
    ("change", "path", "reason"),
    [
        ({"endDateType": "limited"}, "endDate", "limited needs an endDate"),
        ({"endDate": "2099-01-01T00:00:00Z"}, "endDate", "unlimited takes none"),
        ({"endDate": "soon", "endDateType": "limited"}, "endDate", "no RFC 3339 time"),
        ({"tenancy": "host"}, "tenancy", "dedicated, default"),
    ],
)
def test_mistakes_in_a_reservation_are_named(
    driver: Driver, change: dict[str, Any], path: str, reason: str
) -> None:
    failures = driver.failures(RESERVATION, **{**INPUTS, **change})
    assert any(where == path and reason in text for where, text in failures), failures


def test_a_block_is_bought_kept_and_only_forgotten(
    driver: Driver, ec2: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    offering = ec2.describe_capacity_block_offerings(
        InstanceType="p5.48xlarge", InstanceCount=2, CapacityDurationHours=48
    )["CapacityBlockOfferings"][0]
    inputs = {
        "capacityBlockOfferingId": offering["CapacityBlockOfferingId"],
        "instancePlatform": "Linux/UNIX",
        "tags": {"pool": "p5"},
    }
    made = driver.create(BLOCK, **inputs)
    assert (made.state["reservationType"], made.state["instanceCount"]) == ("capacity-block", 2)
    assert made.state["endDate"].endswith("T11:30:00Z")
    assert settled(made)
    made.update(**{**inputs, "tags": {"pool": "other"}})
    assert state_of(ec2, made.id)["Tags"] == [{"Key": "pool", "Value": "other"}]
    assert made.diff(**{**inputs, "capacityBlockOfferingId": "cb-1"}).replaces == ["capacityBlockOfferingId"]
    lines: list[str] = []
    monkeypatch.setattr(driver.provider, "log", lambda line, *a, **k: lines.append(line))
    made.delete()
    assert any("cannot be given back" in line for line in lines)
    assert state_of(ec2, made.id)["State"] == "active"
    with pytest.raises(Exception, match="was bought"):
        driver.create(BLOCK, **inputs)
