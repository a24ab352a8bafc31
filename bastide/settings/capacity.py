"""Settings of where a pool's instances come from."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import Field, PlainSerializer, PlainValidator, Tag, WithJsonSchema

from bastide.settings.base import Strict, matching
from bastide.settings.pool_size import MOST_NODES
from bastide.settings.variants import by_kind

ReservationId = Annotated[
    str,
    matching(
        r"cr-[0-9a-f]{8,17}",
        "is not the id of a capacity reservation; allowed: 'cr-' and 8 to 17 hexadecimal digits; `aws ec2 "
        "describe-capacity-reservations` lists them",
    ),
]

ResourceGroupArn = Annotated[
    str,
    matching(
        r"arn:aws:resource-groups:[a-z0-9-]+:\d{12}:group/[\w.-]{1,300}",
        "is not the ARN of a resource group; allowed: "
        "arn:aws:resource-groups:<region>:<account>:group/<name>; `aws resource-groups list-groups` prints "
        "them",
    ),
]


def _time(value: Any) -> datetime:
    try:
        found = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise ValueError(
            "is not a UTC time; allowed: a date, a time and a Z in quotes, such as '2026-12-01T11:30:00Z'; "
            "`aws ec2 describe-capacity-reservations` prints a block's StartDate and EndDate so"
        )
    return found.astimezone(UTC)


def _written(value: datetime) -> str:
    return value.strftime("%Y-%m-%dT%H:%M:%SZ")


UtcTime = Annotated[
    datetime,
    PlainValidator(_time),
    PlainSerializer(_written),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]


class OnDemand(Strict):
    """Instances as they are asked for, for as long as they run; AWS may have none at the moment."""

    kind: Literal["onDemand"] = "onDemand"
    """Ordinary instances without a term."""


class Spot(Strict):
    """Instances at a lower price that AWS takes back with two minutes' notice."""

    kind: Literal["spot"]
    """Spare capacity."""

    on_demand_fallback: int = Field(0, ge=0, le=MOST_NODES)
    """On-demand nodes that the pool has besides its Spot ones, always: what keeps serving when AWS takes all
    Spot nodes back. An engine of the serving lane needs at least 1."""

    also_instance_types: tuple[str, ...] = ()
    """Further types that Spot nodes may have, with the same GPUs: the more, the rarer AWS has none of them."""


class Reservation(Strict):
    """Instances in an on-demand capacity reservation, and in nothing else: without room in it none starts."""

    kind: Literal["reservation"]
    """A capacity reservation that the account has."""

    id: ReservationId | None = None
    """Id of the reservation. Give exactly one of id and resourceGroupArn."""

    resource_group_arn: ResourceGroupArn | None = None
    """ARN of a resource group of reservations."""


class Block(Strict):
    """A capacity block for ML: instances bought ahead for a time."""

    kind: Literal["block"]
    """A capacity block that the account has bought."""

    reservation_id: ReservationId
    """Id of the block's capacity reservation."""

    zone: str
    """Zone that the block is in; the pool's only one."""

    start: UtcTime
    """When the block begins, in UTC: '2026-12-01T11:30:00Z'. Before it the pool has no nodes."""

    end: UtcTime
    """When the block ends, in UTC. EKS takes its nodes away 40 minutes before."""


Capacity = Annotated[
    Annotated[OnDemand, Tag("onDemand")]
    | Annotated[Spot, Tag("spot")]
    | Annotated[Reservation, Tag("reservation")]
    | Annotated[Block, Tag("block")],
    by_kind("onDemand"),
]
"""Where a pool's instances come from."""
