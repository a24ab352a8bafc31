"""Capacity reservations, capacity blocks among them: what is reserved, until when, and who runs in it.

A Capacity Block is a reservation of its own type that is bought and cannot be given back. Sources: EC2 user
guide, "Reserve compute capacity with On-Demand Capacity Reservations" and "Capacity Blocks for ML".
Not emulated: sharing, fleets, resource groups, future-dated on-demand reservations, prices.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sandbox.aws import catalogue
from sandbox.aws.ec2 import placement
from sandbox.aws.ec2.operations import additions, matching, operation, tags_given, tags_of
from sandbox.aws.errors import ApiError
from sandbox.aws.faults import ON_DEMAND, Faults
from sandbox.state import ACCOUNT_ID

BLOCK: Final = "capacity-block"
MAX_COUNT: Final = 1000
"""Instances of one reservation (API reference, CreateCapacityReservation: valid range 1 to 1000)."""

TERMINATED_BEFORE_END: Final = timedelta(minutes=30)
"""EC2 begins to end a block's instances this long before the block's end (EC2 user guide, "Capacity Blocks for
ML": "How Capacity Blocks work")."""

_FILTERS: Final = {
    "instance-type": "InstanceType",
    "availability-zone": "AvailabilityZone",
    "state": "State",
    "tenancy": "Tenancy",
    "instance-platform": "InstancePlatform",
    "instance-match-criteria": "InstanceMatchCriteria",
    "end-date-type": "EndDateType",
    "owner-id": "OwnerId",
    "placement-group-arn": "PlacementGroupArn",
}

_faults: list[Faults] = []
"""The table of capacity limits, which a reservation takes room from; set by `use_faults`."""


def use_faults(faults: Faults) -> None:
    """The fault table that reservations honour."""
    _faults[:] = [faults]


@dataclass(frozen=True)
class Offering:
    """A Capacity Block that can be bought."""

    id: str
    instance_type: str
    zone: str
    count: int
    start: datetime
    end: datetime


@dataclass(frozen=True)
class Reservation:
    """Reserved instances of one type in one zone. `kind`: default or capacity-block."""

    id: str
    instance_type: str
    platform: str
    zone: str
    count: int
    start: datetime
    end: datetime | None
    kind: str = "default"
    match: str = "open"
    tenancy: str = "default"
    ebs_optimized: bool = False
    ephemeral_storage: bool = False
    placement_group_arn: str | None = None
    offering: str | None = None
    cancelled: bool = False

    def state(self, moment: datetime | None = None) -> str:
        """EC2's state at a moment, now when none is given."""
        moment = moment or datetime.now(UTC)
        if self.cancelled:
            return "cancelled"
        if self.end is not None and moment >= self.end:
            return "expired"
        return "scheduled" if moment < self.start else "active"


def used_by(backend: Any, reservation_id: str) -> list[Any]:
    """The running instances in a reservation."""
    return [
        instance
        for instance in backend.all_instances()
        if instance.state_code in (0, 16)
        and getattr(instance, "capacity_reservation_id", None) == reservation_id
    ]


def document(backend: Any, reservation: Reservation) -> dict[str, Any]:
    """The API's CapacityReservation."""
    state = reservation.state()
    free = reservation.count - len(used_by(backend, reservation.id)) if state == "active" else 0
    return {
        "CapacityReservationId": reservation.id,
        "OwnerId": ACCOUNT_ID,
        "CapacityReservationArn": arn(backend, reservation.id),
        "AvailabilityZone": reservation.zone,
        "InstanceType": reservation.instance_type,
        "InstancePlatform": reservation.platform,
        "Tenancy": reservation.tenancy,
        "TotalInstanceCount": reservation.count if state in ("active", "scheduled") else 0,
        "AvailableInstanceCount": free,
        "EbsOptimized": reservation.ebs_optimized,
        "EphemeralStorage": reservation.ephemeral_storage,
        "State": state,
        "StartDate": reservation.start,
        "EndDate": reservation.end,
        "EndDateType": "limited" if reservation.end else "unlimited",
        "InstanceMatchCriteria": reservation.match,
        "CreateDate": reservation.start,
        "PlacementGroupArn": reservation.placement_group_arn,
        "ReservationType": reservation.kind,
        "Tags": tags_of(backend, reservation.id),
    }


def arn(backend: Any, reservation_id: str) -> str:
    """The reservation's ARN."""
    return f"arn:aws:ec2:{backend.region_name}:{ACCOUNT_ID}:capacity-reservation/{reservation_id}"


def find(backend: Any, reservation_id: str) -> Reservation:
    """The reservation, or what EC2 answers when there is none."""
    found = additions(backend).reservations.get(reservation_id)
    if found is None:
        raise ApiError(
            "InvalidCapacityReservationId.NotFound",
            f"The Capacity Reservation '{reservation_id}' does not exist.",
        )
    return found


def moment_of(value: Any) -> datetime | None:
    """A parsed time with its zone; EC2 reads one without as UTC."""
    if value is None:
        return None
    read = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    return read if read.tzinfo else read.replace(tzinfo=UTC)


def add(backend: Any, reservation: Reservation, tags: dict[str, str]) -> Reservation:
    """Keeps a new reservation."""
    additions(backend).reservations[reservation.id] = reservation
    backend.create_tags([reservation.id], tags)
    return reservation


def new_id() -> str:
    """As EC2 writes them."""
    return f"cr-{secrets.token_hex(9)[:17]}"


@operation("create_capacity_reservation")
def create(backend: Any, given: dict[str, Any]) -> dict[str, Any]:
    """Reserves at once, or answers that there is no such capacity."""
    for name in ("StartDate", "CommitmentDuration", "OutpostArn", "AvailabilityZoneId"):
        if given.get(name):
            raise ApiError(
                "InvalidParameterValue", f"the sandbox does not emulate {name} of CreateCapacityReservation"
            )
    kind, zone, count = given["InstanceType"], given.get("AvailabilityZone", ""), int(given["InstanceCount"])
    if zone not in catalogue.zones(backend.region_name, kind):
        raise ApiError(
            "Unsupported",
            f"Your requested instance type ({kind}) is not supported in your requested Availability Zone "
            f"({zone}).",
        )
    if not 1 <= count <= MAX_COUNT:
        raise ApiError("InvalidParameterValue", f"InstanceCount is {count}; allowed: 1 to {MAX_COUNT}.")
    if given.get("PlacementGroupArn"):
        group = placement.find(backend, str(given["PlacementGroupArn"]).rpartition("/")[2])
        if group.strategy != "cluster":
            raise ApiError(
                "InvalidParameterValue", f"The placement group '{group.name}' has not the strategy cluster."
            )
    room = _faults[0].room(kind, ON_DEMAND, taken(backend)) if _faults else None
    if room is not None and count > room:
        raise ApiError(
            "InsufficientInstanceCapacity",
            f"Insufficient capacity: {count} {kind} in {zone} cannot be reserved.",
        )
    tags = tags_given(given, "capacity-reservation")
    reservation = Reservation(
        id=new_id(),
        instance_type=kind,
        platform=given["InstancePlatform"],
        zone=zone,
        count=count,
        start=datetime.now(UTC),
        end=_end(given),
        match=given.get("InstanceMatchCriteria") or "open",
        tenancy=given.get("Tenancy") or "default",
        ebs_optimized=bool(given.get("EbsOptimized")),
        ephemeral_storage=bool(given.get("EphemeralStorage")),
        placement_group_arn=given.get("PlacementGroupArn"),
    )
    return {"CapacityReservation": document(backend, add(backend, reservation, tags))}


def _end(given: dict[str, Any]) -> datetime | None:
    end, kind = moment_of(given.get("EndDate")), given.get("EndDateType")
    if (kind == "limited") != (end is not None):
        raise ApiError(
            "InvalidParameterCombination", "EndDateType limited needs an EndDate, and unlimited takes none."
        )
    if end is not None and end <= datetime.now(UTC):
        raise ApiError("InvalidParameterValue", f"The EndDate {end.isoformat()} is not in the future.")
    return end


def taken(backend: Any) -> list[tuple[str, str]]:
    """Type and market of every instance that AWS has given away: running outside reservations, or reserved."""
    running = [
        (instance.instance_type, "spot" if instance.lifecycle == "spot" else ON_DEMAND)
        for instance in backend.all_instances()
        if instance.state_code in (0, 16) and not getattr(instance, "capacity_reservation_id", None)
    ]
    reserved = [
        (reservation.instance_type, ON_DEMAND)
        for reservation in additions(backend).reservations.values()
        if reservation.kind == "default" and reservation.state() == "active"
        for _ in range(reservation.count)
    ]
    return running + reserved


@operation("describe_capacity_reservations")
def describe(backend: Any, given: dict[str, Any]) -> dict[str, Any]:
    """Reservations by id and filters. EC2 shows ended ones for a while too."""
    ids = given.get("CapacityReservationIds") or list(additions(backend).reservations)
    found = [document(backend, find(backend, one)) for one in ids]
    return {"CapacityReservations": matching(found, given.get("Filters") or [], _FILTERS)}


@operation("modify_capacity_reservation")
def modify(backend: Any, given: dict[str, Any]) -> dict[str, Any]:
    """Another count, end or match; a Capacity Block cannot be modified."""
    reservation = _changeable(backend, given["CapacityReservationId"], "modify")
    if given.get("InstanceCount") is not None:
        count, used = int(given["InstanceCount"]), len(used_by(backend, reservation.id))
        if not max(1, used) <= count <= MAX_COUNT:
            raise ApiError(
                "InvalidParameterValue",
                f"InstanceCount is {count}; {used} instances run in the reservation, and {MAX_COUNT} is the "
                "most.",
            )
        room = _faults[0].room(reservation.instance_type, ON_DEMAND, taken(backend)) if _faults else None
        if room is not None and count - reservation.count > room:
            raise ApiError(
                "InsufficientInstanceCapacity",
                f"Insufficient capacity: {count} {reservation.instance_type} in {reservation.zone} cannot be "
                "reserved.",
            )
        reservation = replace(reservation, count=count)
    if given.get("EndDateType") or given.get("EndDate"):
        reservation = replace(reservation, end=_end(given))
    if given.get("InstanceMatchCriteria"):
        reservation = replace(reservation, match=given["InstanceMatchCriteria"])
    additions(backend).reservations[reservation.id] = reservation
    return {"Return": True}


@operation("cancel_capacity_reservation")
def cancel(backend: Any, given: dict[str, Any]) -> dict[str, Any]:
    """Gives the capacity back; instances in it run on, outside of it."""
    reservation = _changeable(backend, given["CapacityReservationId"], "cancel")
    for instance in used_by(backend, reservation.id):
        instance.capacity_reservation_id = None
    additions(backend).reservations[reservation.id] = replace(reservation, cancelled=True)
    return {"Return": True}


def _changeable(backend: Any, reservation_id: str, verb: str) -> Reservation:
    reservation = find(backend, reservation_id)
    if reservation.kind == BLOCK:
        raise ApiError(
            "InvalidCapacityReservationId.Malformed"
            if not reservation_id.startswith("cr-")
            else "OperationNotPermitted",
            f"You can't {verb} a Capacity Block: {reservation_id}.",
        )
    if reservation.state() != "active":
        raise ApiError(
            "InvalidCapacityReservationState",
            f"The Capacity Reservation '{reservation_id}' is {reservation.state()}: only an active one can "
            "change.",
        )
    return reservation


def choose(
    backend: Any, data: dict[str, Any], market: str, instance_type: str, zone: str, tenancy: str
) -> Reservation | None:
    """The reservation that a launch runs in: the one it targets, else an open one that matches, else none."""
    wanted = data.get("CapacityReservationSpecification") or {}
    target = wanted.get("CapacityReservationTarget") or {}
    if target.get("CapacityReservationResourceGroupArn"):
        raise ApiError("InvalidParameterValue", "the sandbox has no resource groups of Capacity Reservations")
    if target.get("CapacityReservationId"):
        return _targeted(backend, target["CapacityReservationId"], market, instance_type, zone, tenancy)
    preference = wanted.get("CapacityReservationPreference") or "open"
    if market == BLOCK or preference == "capacity-reservations-only":
        if market == BLOCK:
            raise ApiError(
                "InvalidParameterCombination",
                "The market type capacity-block needs the id of a Capacity Block.",
            )
    elif market != ON_DEMAND or preference == "none":
        return None
    for reservation in additions(backend).reservations.values():
        fits = (reservation.instance_type, reservation.zone, reservation.tenancy)
        if (
            reservation.kind == "default"
            and reservation.match == "open"
            and reservation.state() == "active"
            and fits == (instance_type, zone, tenancy)
            and len(used_by(backend, reservation.id)) < reservation.count
        ):
            return reservation
    if preference == "capacity-reservations-only":
        raise _exceeded(f"no open Capacity Reservation of {instance_type} in {zone} has room")
    return None


def _targeted(
    backend: Any, reservation_id: str, market: str, instance_type: str, zone: str, tenancy: str
) -> Reservation:
    reservation = find(backend, reservation_id)
    if (reservation.kind == BLOCK) != (market == BLOCK):
        raise ApiError(
            "InvalidParameterCombination",
            f"The Capacity Reservation '{reservation_id}' is of type {reservation.kind} and the market type is "
            f"{market}: a Capacity Block takes the market type capacity-block, and nothing else does.",
        )
    have = (reservation.instance_type, reservation.zone, reservation.tenancy)
    if have != (instance_type, zone, tenancy):
        raise ApiError(
            "InvalidParameterValue",
            f"The Capacity Reservation '{reservation_id}' is for {', '.join(have)} and does not match "
            f"{instance_type}, {zone}, {tenancy}.",
        )
    state = reservation.state()
    if state != "active" or (
        reservation.kind == BLOCK
        and reservation.end is not None
        and datetime.now(UTC) >= reservation.end - TERMINATED_BEFORE_END
    ):
        end = reservation.end.isoformat(timespec="seconds") if reservation.end else "never"
        raise ApiError(
            "InvalidCapacityReservationState",
            f"The Capacity Reservation '{reservation_id}' is {state} (start "
            f"{reservation.start.isoformat(timespec='seconds')}, end {end}): instances can be launched into it "
            "only while it is active, and into a Capacity Block until 30 minutes before its end.",
        )
    if len(used_by(backend, reservation_id)) >= reservation.count:
        raise _exceeded(f"{reservation_id} has {reservation.count} instances, and all are in use")
    return reservation


def _exceeded(why: str) -> ApiError:
    return ApiError(
        "ReservationCapacityExceeded",
        "The requested reservation does not have sufficient compatible and available capacity for this "
        f"request: {why}.",
    )


def end_blocks() -> None:
    """Ends the instances of blocks that are about to end, in every region, as EC2 does."""
    from moto.ec2.models import ec2_backends

    moment = datetime.now(UTC)
    for backend in list(ec2_backends[ACCOUNT_ID].values()):
        for reservation in additions(backend).reservations.values():
            end = reservation.end if reservation.kind == BLOCK else None
            if end is not None and moment >= end - TERMINATED_BEFORE_END:
                ids = [instance.id for instance in used_by(backend, reservation.id)]
                if ids:
                    backend.terminate_instances(ids)


def move_block(region: str, reservation_id: str, ends_in: float) -> None:
    """Moves a block's end, which nobody can on AWS: a test need not wait a day for it."""
    from moto.ec2.models import ec2_backends

    backend = ec2_backends[ACCOUNT_ID][region]
    block = find(backend, reservation_id)
    end = datetime.now(UTC) + timedelta(seconds=float(ends_in))
    additions(backend).reservations[block.id] = replace(block, end=end)
