"""Placement groups: made, described, deleted; and which instances may join one.

Source: EC2 user guide, "Placement groups for your Amazon EC2 instances". What is not emulated: a spread
group's limit of seven instances a zone, and that a cluster group may lack room for one more instance.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any, Final

from sandbox.aws import catalogue
from sandbox.aws.ec2.operations import additions, matching, operation, tags_given, tags_of
from sandbox.aws.errors import ApiError
from sandbox.state import ACCOUNT_ID

STRATEGIES: Final = ("cluster", "partition", "spread")
MAX_PARTITIONS: Final = 7
"""Partitions that a zone has at most (EC2 user guide, "Partition placement groups")."""

_FILTERS: Final = {
    "group-name": "GroupName",
    "group-arn": "GroupArn",
    "state": "State",
    "strategy": "Strategy",
    "spread-level": "SpreadLevel",
}


@dataclass(frozen=True)
class PlacementGroup:
    """A placement group."""

    id: str
    name: str
    arn: str
    strategy: str
    partitions: int | None
    spread_level: str | None


def _document(backend: Any, group: PlacementGroup) -> dict[str, Any]:
    return {
        "GroupId": group.id,
        "GroupName": group.name,
        "GroupArn": group.arn,
        "State": "available",
        "Strategy": group.strategy,
        "PartitionCount": group.partitions,
        "SpreadLevel": group.spread_level,
        "Tags": tags_of(backend, group.id),
    }


def find(backend: Any, name: str | None, group_id: str | None = None) -> PlacementGroup:
    """The group by name or id, or what EC2 answers when there is none."""
    for group in additions(backend).placement_groups.values():
        if name == group.name or (group_id and group_id == group.id):
            return group
    raise ApiError("InvalidPlacementGroup.Unknown", f"The Placement Group '{name or group_id}' is unknown.")


def members(backend: Any, group: PlacementGroup) -> list[Any]:
    """The instances in the group that have not ended."""
    return [
        instance
        for instance in backend.all_instances()
        if instance.state != "terminated" and instance.placement.group_name == group.name
    ]


def check_launch(backend: Any, group: PlacementGroup, instance_type: str, zone: str) -> None:
    """Refuses an instance that may not join: a type that cannot, or another zone than the cluster's."""
    supported = (catalogue.describe(instance_type) or {}).get("PlacementGroupInfo", {})
    if group.strategy not in supported.get("SupportedStrategies", STRATEGIES):
        raise ApiError(
            "InvalidParameterCombination",
            f"{group.strategy.capitalize()} placement groups are not supported by the '{instance_type}' "
            "instance type. Specify a supported instance type or change the placement group strategy, and "
            "try again.",
        )
    elsewhere = {instance.availability_zone for instance in members(backend, group)} - {zone}
    if group.strategy == "cluster" and elsewhere:
        raise ApiError(
            "InvalidParameterValue",
            f"The cluster placement group '{group.name}' has instances in {', '.join(sorted(elsewhere))}: it "
            f"cannot span Availability Zones, so none can be launched into {zone}.",
        )


@operation("create_placement_group")
def create(backend: Any, given: dict[str, Any]) -> dict[str, Any]:
    """A new group; its name is unique in the region."""
    name, strategy = given.get("GroupName"), given.get("Strategy")
    if not name or not strategy:
        raise ApiError("MissingParameter", "The request must contain the parameters groupName and strategy")
    if strategy not in STRATEGIES:
        raise ApiError(
            "InvalidParameterValue",
            f"Value ({strategy}) for parameter strategy is invalid; known here: {', '.join(STRATEGIES)}",
        )
    if name in additions(backend).placement_groups:
        raise ApiError("InvalidPlacementGroup.Duplicate", f"The Placement Group '{name}' already exists.")
    partitions, level = given.get("PartitionCount"), given.get("SpreadLevel")
    if partitions is not None and (strategy != "partition" or not 1 <= int(partitions) <= MAX_PARTITIONS):
        raise ApiError(
            "InvalidParameterCombination",
            f"PartitionCount is {partitions} and the strategy {strategy}: only partition takes one, of 1 to "
            f"{MAX_PARTITIONS}.",
        )
    if level is not None and (strategy != "spread" or level == "host"):
        raise ApiError(
            "InvalidParameterCombination",
            f"SpreadLevel is {level} and the strategy {strategy}: only spread takes one; host needs an Outpost.",
        )
    group = PlacementGroup(
        id=f"pg-{secrets.token_hex(9)[:17]}",
        name=name,
        arn=f"arn:aws:ec2:{backend.region_name}:{ACCOUNT_ID}:placement-group/{name}",
        strategy=strategy,
        # EC2's default is 2 (API reference, CreatePlacementGroup).
        partitions=int(partitions or 2) if strategy == "partition" else None,
        spread_level=(level or "rack") if strategy == "spread" else None,
    )
    tags = tags_given(given, "placement-group")
    additions(backend).placement_groups[name] = group
    backend.create_tags([group.id], tags)
    return {"PlacementGroup": _document(backend, group)}


@operation("describe_placement_groups")
def describe(backend: Any, given: dict[str, Any]) -> dict[str, Any]:
    """Groups by name, id and filters; an unknown name is an error, an unmatched filter is not."""
    known = additions(backend).placement_groups
    chosen = list(known.values())
    if given.get("GroupNames"):
        chosen = [find(backend, name) for name in given["GroupNames"]]
    if given.get("GroupIds"):
        chosen = [find(backend, None, group_id) for group_id in given["GroupIds"]]
    found = [_document(backend, group) for group in chosen]
    return {"PlacementGroups": matching(found, given.get("Filters") or [], _FILTERS)}


@operation("delete_placement_group")
def delete(backend: Any, given: dict[str, Any]) -> dict[str, Any]:
    """Takes the group away; refused while an instance or a reservation is in it."""
    group = find(backend, given.get("GroupName"))
    held = [
        *(instance.id for instance in members(backend, group)),
        *(
            reservation.id
            for reservation in additions(backend).reservations.values()
            if reservation.placement_group_arn == group.arn and reservation.state() == "active"
        ),
    ]
    if held:
        raise ApiError(
            "InvalidPlacementGroup.InUse",
            f"The placement group '{group.name}' is in use and may not be deleted: {', '.join(held)}.",
        )
    del additions(backend).placement_groups[group.name]
    backend.tags.pop(group.id, None)
    return {}
