"""What EKS refuses of a node group's capacity: spot, blocks, reservations and placement groups.

Sources: EKS user guide, "Create a managed node group with Capacity Blocks for ML" and "Customize managed nodes
with launch templates"; EC2 user guide, "Placement groups".
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sandbox.aws.ec2 import placement, reservations
from sandbox.aws.eks import network
from sandbox.aws.errors import ApiError

BLOCK: Final = "CAPACITY_BLOCK"
SPOT: Final = "SPOT"

SCALED_IN_BEFORE_END: Final = timedelta(minutes=40)
"""EKS takes a block's nodes away this long before the block's end, 10 minutes before EC2 would."""


def _invalid(message: str) -> ApiError:
    return ApiError("InvalidParameterException", message)


def check(region: str, given: dict[str, Any], data: dict[str, Any]) -> None:
    """Refuses a capacity type that its launch template or its subnets contradict. `given` is CreateNodegroup's
    request, `data` the template's."""
    kind = given.get("capacityType") or "ON_DEMAND"
    market = (data.get("InstanceMarketOptions") or {}).get("MarketType")
    target = (data.get("CapacityReservationSpecification") or {}).get("CapacityReservationTarget") or {}
    found = network.subnets(region, given["subnets"])
    zones = sorted({subnet.availability_zone for subnet in found})
    if kind == BLOCK:
        _check_block(region, given, data, zones)
    elif market is not None:
        raise _invalid(
            f"Launch template should not specify market options ({market}) for the capacity type {kind}: the node "
            "group's capacity type says spot or on-demand, and capacity-block goes with CAPACITY_BLOCK."
        )
    elif target.get("CapacityReservationId"):
        if kind == SPOT:
            raise _invalid("A node group of capacity type SPOT cannot target a Capacity Reservation.")
        _check_zone(_reservation(region, target["CapacityReservationId"]), zones)
    _check_placement(region, data.get("Placement") or {}, zones)


def _check_block(region: str, given: dict[str, Any], data: dict[str, Any], zones: list[str]) -> None:
    if not given.get("launchTemplate"):
        raise _invalid("A node group of capacity type CAPACITY_BLOCK needs a custom launch template.")
    if (data.get("InstanceMarketOptions") or {}).get("MarketType") != reservations.BLOCK:
        raise _invalid(
            "A node group of capacity type CAPACITY_BLOCK needs a launch template whose InstanceMarketOptions have "
            "the MarketType capacity-block."
        )
    target = (data.get("CapacityReservationSpecification") or {}).get("CapacityReservationTarget") or {}
    if not target.get("CapacityReservationId"):
        raise _invalid(
            "A node group of capacity type CAPACITY_BLOCK needs a launch template whose "
            "CapacityReservationSpecification targets the CapacityReservationId of a Capacity Block."
        )
    if not data.get("InstanceType"):
        raise _invalid(
            "A node group of capacity type CAPACITY_BLOCK needs a launch template that names the InstanceType."
        )
    block = _reservation(region, target["CapacityReservationId"])
    if block.kind != reservations.BLOCK:
        raise _invalid(f"The Capacity Reservation {block.id} is no Capacity Block.")
    if block.instance_type != data["InstanceType"]:
        raise _invalid(
            f"The Capacity Block {block.id} is for {block.instance_type}, and the launch template names "
            f"{data['InstanceType']}."
        )
    if block.state() in ("expired", "cancelled"):
        raise _invalid(f"The Capacity Block {block.id} is {block.state()}.")
    _check_zone(block, zones)


def _reservation(region: str, reservation_id: str) -> reservations.Reservation:
    try:
        return reservations.find(network.ec2(region), reservation_id)
    except ApiError as error:
        raise _invalid(error.message) from None


def _check_zone(reservation: reservations.Reservation, zones: list[str]) -> None:
    if zones != [reservation.zone]:
        raise _invalid(
            f"The Capacity Reservation {reservation.id} is in {reservation.zone}: the node group's subnets must "
            f"be in that zone and no other; they are in {', '.join(zones)}."
        )


def _check_placement(region: str, place: dict[str, Any], zones: list[str]) -> None:
    if not place.get("GroupName") and not place.get("GroupId"):
        return
    try:
        group = placement.find(network.ec2(region), place.get("GroupName"), place.get("GroupId"))
    except ApiError as error:
        raise _invalid(error.message) from None
    if group.strategy == "cluster" and len(zones) > 1:
        raise _invalid(
            f"The cluster placement group {group.name} cannot span Availability Zones; the node group's subnets "
            f"are in {', '.join(zones)}."
        )


def block_ends(region: str, data: dict[str, Any]) -> bool:
    """Whether the block that a template targets is so near its end that EKS takes the nodes away."""
    target = (data.get("CapacityReservationSpecification") or {}).get("CapacityReservationTarget") or {}
    try:
        block = reservations.find(network.ec2(region), target.get("CapacityReservationId") or "")
    except ApiError:
        return False
    return block.end is not None and datetime.now(UTC) >= block.end - SCALED_IN_BEFORE_END
