"""Capacity Blocks for ML: offerings and their purchase.

Sources: EC2 user guide, "Capacity Blocks for ML" (durations, sizes, that they end at 11:30 UTC). What differs:
AWS has few blocks and the sandbox has any; prices are left out; one that may start at once is active at once
(AWS: within 30 minutes) and nothing is paid.
"""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sandbox.aws import catalogue
from sandbox.aws.ec2 import reservations
from sandbox.aws.ec2.operations import additions, operation, tags_given
from sandbox.aws.errors import ApiError

FAMILIES: Final = ("p4d", "p4de", "p5", "p5e", "p5en", "p6-b200", "p6-b300", "trn1", "trn2")
"""Families that are sold as blocks (EC2 user guide, "Capacity Blocks for ML": supported platforms, 2026)."""

SIZES: Final = (1, 2, 4, 8, 16, 32, 64)
"""Numbers of instances that a block may have (the same place)."""

MAX_DAYS: Final = 182
MAX_DAYS_BY_DAY: Final = 14
"""1 to 14 days by the day, then by the week up to 182 days (the same place)."""

WEEKS_AHEAD: Final = 8
"""How far ahead a block may start (the same place)."""

_END_HOUR, _END_MINUTE = 11, 30


def _at_half_past_eleven(earliest: datetime) -> datetime:
    moment = earliest.replace(hour=_END_HOUR, minute=_END_MINUTE, second=0, microsecond=0)
    return moment if moment >= earliest else moment + timedelta(days=1)


@operation("describe_capacity_block_offerings")
def offerings(backend: Any, given: dict[str, Any]) -> dict[str, Any]:
    """What can be bought: in each zone that has the type, a block that starts at once and one at 11:30 UTC."""
    for name in ("UltraserverType", "UltraserverCount", "InstanceTypePreferences", "AllAvailabilityZones"):
        if given.get(name):
            raise ApiError(
                "InvalidParameterValue",
                f"the sandbox does not emulate {name} of DescribeCapacityBlockOfferings",
            )
    kind, count = given.get("InstanceType") or "", int(given.get("InstanceCount") or 0)
    days = _days(int(given["CapacityDurationHours"]))
    if kind.partition(".")[0] not in FAMILIES or catalogue.describe(kind) is None:
        raise ApiError(
            "InvalidParameterValue",
            f"{kind!r} is not sold as Capacity Blocks; families: {', '.join(FAMILIES)}",
        )
    if count not in SIZES:
        raise ApiError(
            "InvalidParameterValue", f"InstanceCount is {count}; allowed: {', '.join(map(str, SIZES))}"
        )
    now = datetime.now(UTC)
    first = reservations.moment_of(given.get("StartDateRange")) or now
    last = reservations.moment_of(given.get("EndDateRange"))
    if first > now + timedelta(weeks=WEEKS_AHEAD):
        raise ApiError(
            "InvalidParameterValue",
            f"StartDateRange is more than {WEEKS_AHEAD} weeks ahead: {first.isoformat()}",
        )
    starts = [now] if first <= now else []
    starts.append(_at_half_past_eleven(max(first, now)))
    found = []
    for zone in sorted(catalogue.zones(backend.region_name, kind)):
        for start in starts:
            end = _at_half_past_eleven(start + timedelta(days=days))
            if last is None or end <= last:
                offering = reservations.Offering(
                    f"cb-{secrets.token_hex(9)[:17]}", kind, zone, count, start, end
                )
                additions(backend).offerings[offering.id] = offering
                found.append(_document(offering))
    return {"CapacityBlockOfferings": found}


def _days(hours: int) -> int:
    days, rest = divmod(hours, 24)
    by_week = days > MAX_DAYS_BY_DAY
    if rest or not 1 <= days <= MAX_DAYS or (by_week and days % 7):
        raise ApiError(
            "InvalidParameterValue",
            f"CapacityDurationHours is {hours}; allowed: 24 to {24 * MAX_DAYS_BY_DAY} by the day, then by the "
            f"week up to {24 * MAX_DAYS}.",
        )
    return days


def _document(offering: reservations.Offering) -> dict[str, Any]:
    minutes = int((offering.end - offering.start).total_seconds() // 60)
    return {
        "CapacityBlockOfferingId": offering.id,
        "InstanceType": offering.instance_type,
        "AvailabilityZone": offering.zone,
        "InstanceCount": offering.count,
        "StartDate": offering.start,
        "EndDate": offering.end,
        "CapacityBlockDurationHours": minutes // 60,
        "CapacityBlockDurationMinutes": minutes,
        "Tenancy": "default",
    }


@operation("purchase_capacity_block")
def purchase(backend: Any, given: dict[str, Any]) -> dict[str, Any]:
    """Buys an offering; nobody gives it back."""
    name = given["CapacityBlockOfferingId"]
    offering = additions(backend).offerings.get(name)
    if offering is None:
        raise ApiError(
            "InvalidCapacityBlockOfferingId.NotFound",
            f"The Capacity Block offering '{name}' does not exist or was bought: ask for offerings anew.",
        )
    tags = tags_given(given, "capacity-reservation")
    reservation = reservations.Reservation(
        id=reservations.new_id(),
        instance_type=offering.instance_type,
        platform=given["InstancePlatform"],
        zone=offering.zone,
        count=offering.count,
        start=offering.start,
        end=offering.end,
        kind=reservations.BLOCK,
        match="targeted",
        offering=offering.id,
    )
    del additions(backend).offerings[name]
    added = reservations.document(backend, reservations.add(backend, reservation, tags))
    return {"CapacityReservation": added, "CapacityReservations": [added]}
