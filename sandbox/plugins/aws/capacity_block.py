"""Capacity Blocks for ML: bought, and never given back.

The official provider says the same: a reservation is valid for the duration of its offering and cannot be
deleted, so a destroy only forgets it.
"""

from __future__ import annotations

from sandbox.plugins.aws.capacity_reservation import ENDED
from sandbox.plugins.aws.framework import Call, Context, Inputs, ResourceType, compact, register, tag_map
from sandbox.plugins.aws.network import first
from sandbox.plugins.aws.table import REGION, judged, refused, replace, tags
from sandbox.plugins.aws.values import stamp
from sandbox.plugins.protocol import Plain


@register
class CapacityBlockReservation(ResourceType):
    """A bought block. AWS has no resource schema for it; the one of reservations judges what they share."""

    token = "aws:ec2/capacityBlockReservation:CapacityBlockReservation"  # noqa: S105 - a type token
    sdk = "ec2.CapacityBlockReservation"
    cfn = "AWS::EC2::CapacityReservation"
    inputs = {
        "capacityBlockOfferingId": replace(
            source="PurchaseCapacityBlock buys one offering, and a bought block cannot be changed",
            required=True,
        ),
        "instancePlatform": judged("InstancePlatform", required=True),
        "timeouts": refused("use the resource option custom_timeouts"),
        **tags(source="CreateTags on the reservation changes them in place"),
        **REGION,
    }
    outputs = (
        "arn",
        "availabilityZone",
        "createdDate",
        "ebsOptimized",
        "endDate",
        "endDateType",
        "instanceCount",
        "instanceType",
        "outpostArn",
        "placementGroupArn",
        "reservationType",
        "startDate",
        "tenancy",
    )

    def request(self, ctx: Context, inputs: Inputs) -> list[Call]:
        """PurchaseCapacityBlock."""
        params = compact(
            CapacityBlockOfferingId=inputs.get("capacityBlockOfferingId"),
            InstancePlatform=inputs.get("instancePlatform"),
            TagSpecifications=ctx.ec2_tags("capacity-reservation", inputs),
        )
        return [("ec2", "PurchaseCapacityBlock", params)]

    def create(self, ctx: Context, inputs: Inputs) -> str:
        """Returns the reservation's id."""
        return str(ctx.send(self.request(ctx, inputs))["CapacityReservation"]["CapacityReservationId"])

    def read(self, ctx: Context, resource_id: str, inputs: Inputs) -> dict[str, Plain] | None:
        """DescribeCapacityReservations. The offering is not told by EC2, so it stays as it was set."""
        found = first(
            ctx.client("ec2").describe_capacity_reservations(CapacityReservationIds=[resource_id])[
                "CapacityReservations"
            ]
        )
        if found is None or found["State"] in ENDED:
            return None
        return {
            "instancePlatform": found["InstancePlatform"],
            "tagsAll": tag_map(found.get("Tags")),
            "arn": found["CapacityReservationArn"],
            "availabilityZone": found["AvailabilityZone"],
            "createdDate": stamp(found["CreateDate"]),
            "ebsOptimized": found["EbsOptimized"],
            "endDate": stamp(found.get("EndDate")),
            "endDateType": found["EndDateType"],
            "instanceCount": found["TotalInstanceCount"],
            "instanceType": found["InstanceType"],
            "outpostArn": found.get("OutpostArn"),
            "placementGroupArn": found.get("PlacementGroupArn"),
            "reservationType": found["ReservationType"],
            "startDate": stamp(found["StartDate"]),
            "tenancy": found["Tenancy"],
        }

    def update(self, ctx: Context, resource_id: str, old: Inputs, new: Inputs, changed: set[str]) -> None:
        """Only tags change."""
        ctx.retag_ec2(resource_id, old, new)

    def delete(self, ctx: Context, resource_id: str, state: dict[str, Plain]) -> None:
        """Forgets the block, which stays, and is paid for, until it ends."""
        ctx.warn(
            f"the Capacity Block {resource_id} cannot be given back: it stays until {state.get('endDate')}"
        )
