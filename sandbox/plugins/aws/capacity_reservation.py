"""On-demand capacity reservations: instances of one type in one zone that are paid for until given back."""

from __future__ import annotations

from datetime import datetime

from sandbox.plugins.aws.framework import Call, Context, Inputs, ResourceType, compact, register, tag_map
from sandbox.plugins.aws.network import first
from sandbox.plugins.aws.table import REGION, judged, refused, replace, tags
from sandbox.plugins.aws.values import stamp
from sandbox.plugins.protocol import Plain, has_unknown

ENDED = ("cancelled", "expired")
"""States in which the official provider takes a reservation for gone."""


@register
class CapacityReservation(ResourceType):
    """A reservation."""

    token = "aws:ec2/capacityReservation:CapacityReservation"  # noqa: S105 - a type token
    sdk = "ec2.CapacityReservation"
    cfn = "AWS::EC2::CapacityReservation"
    inputs = {
        "availabilityZone": judged("AvailabilityZone", required=True),
        "instanceCount": judged("InstanceCount", required=True),
        "instancePlatform": judged("InstancePlatform", required=True),
        "instanceType": judged("InstanceType", required=True),
        "ebsOptimized": judged("EbsOptimized", default=False),
        "endDate": judged("EndDate"),
        "endDateType": judged("EndDateType", default="unlimited"),
        "ephemeralStorage": judged("EphemeralStorage", default=False),
        "instanceMatchCriteria": replace(
            cfn="InstanceMatchCriteria",
            source="the official provider replaces the reservation for it; AWS's resource schema would not",
            default="open",
        ),
        "outpostArn": refused("there is no Outpost in the sandbox"),
        "placementGroupArn": judged("PlacementGroupArn"),
        "tenancy": judged("Tenancy", default="default"),
        **tags(source="CreateTags on the reservation changes them in place"),
        **REGION,
    }
    outputs = ("arn", "ownerId")

    def problems(self, ctx: Context, inputs: Inputs) -> list[tuple[str, str]]:
        """An end needs its kind, and the other way round."""
        end, kind = inputs.get("endDate"), inputs.get("endDateType")
        if has_unknown(end) or has_unknown(kind):
            return []
        if (kind == "limited") != bool(end):
            return [
                ("endDate", f"endDateType is {kind!r}: limited needs an endDate, and unlimited takes none")
            ]
        try:
            if end:
                datetime.fromisoformat(str(end))
        except ValueError:
            return [("endDate", f"{end!r} is no RFC 3339 time, for example 2026-12-01T11:30:00Z")]
        return []

    def request(self, ctx: Context, inputs: Inputs) -> list[Call]:
        """CreateCapacityReservation."""
        params = compact(
            AvailabilityZone=inputs.get("availabilityZone"),
            InstanceCount=inputs.get("instanceCount"),
            InstancePlatform=inputs.get("instancePlatform"),
            InstanceType=inputs.get("instanceType"),
            EbsOptimized=inputs.get("ebsOptimized"),
            EndDate=inputs.get("endDate"),
            EndDateType=inputs.get("endDateType"),
            EphemeralStorage=inputs.get("ephemeralStorage"),
            InstanceMatchCriteria=inputs.get("instanceMatchCriteria"),
            PlacementGroupArn=inputs.get("placementGroupArn"),
            Tenancy=inputs.get("tenancy"),
            TagSpecifications=ctx.ec2_tags("capacity-reservation", inputs),
        )
        return [("ec2", "CreateCapacityReservation", params)]

    def create(self, ctx: Context, inputs: Inputs) -> str:
        """Returns the reservation's id."""
        return str(ctx.send(self.request(ctx, inputs))["CapacityReservation"]["CapacityReservationId"])

    def read(self, ctx: Context, resource_id: str, inputs: Inputs) -> dict[str, Plain] | None:
        """DescribeCapacityReservations; one that was cancelled or has expired is gone."""
        ec2 = ctx.client("ec2")
        found = first(
            ec2.describe_capacity_reservations(CapacityReservationIds=[resource_id])["CapacityReservations"]
        )
        if found is None or found["State"] in ENDED:
            return None
        return {
            "availabilityZone": found["AvailabilityZone"],
            "instanceCount": found["TotalInstanceCount"],
            "instancePlatform": found["InstancePlatform"],
            "instanceType": found["InstanceType"],
            "ebsOptimized": found["EbsOptimized"],
            "endDate": stamp(found.get("EndDate")),
            "endDateType": found["EndDateType"],
            "ephemeralStorage": found["EphemeralStorage"],
            "instanceMatchCriteria": found["InstanceMatchCriteria"],
            "placementGroupArn": found.get("PlacementGroupArn"),
            "tenancy": found["Tenancy"],
            "tagsAll": tag_map(found.get("Tags")),
            "arn": found["CapacityReservationArn"],
            "ownerId": found["OwnerId"],
        }

    def update(self, ctx: Context, resource_id: str, old: Inputs, new: Inputs, changed: set[str]) -> None:
        """Count and end by ModifyCapacityReservation, and tags."""
        if changed & {"instanceCount", "endDate", "endDateType"}:
            ctx.client("ec2").modify_capacity_reservation(
                CapacityReservationId=resource_id,
                **compact(
                    InstanceCount=new.get("instanceCount"),
                    EndDate=new.get("endDate"),
                    EndDateType=new.get("endDateType"),
                ),
            )
        ctx.retag_ec2(resource_id, old, new)

    def delete(self, ctx: Context, resource_id: str, state: dict[str, Plain]) -> None:
        """CancelCapacityReservation; one that ended by itself needs none."""
        if self.read(ctx, resource_id, {}) is not None:
            ctx.client("ec2").cancel_capacity_reservation(CapacityReservationId=resource_id)
