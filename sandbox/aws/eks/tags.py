"""Tags of whatever in EKS has an ARN."""

from __future__ import annotations

from typing import Any

from sandbox.aws.eks.api import Call, operation
from sandbox.aws.errors import ApiError


def _tags(call: Call, arn: str) -> dict[str, str]:
    for cluster in call.store.clusters.values():
        inside: tuple[Any, ...] = (
            *cluster.nodegroups.values(),
            *cluster.addons.values(),
            *cluster.access.values(),
            *cluster.associations.values(),
        )
        for item in (cluster, *inside):
            if item.arn == arn and cluster.region == call.region:
                tags: dict[str, str] = item.tags
                return tags
    raise ApiError("NotFoundException", f"Resource was not found: {arn}", 404)


@operation("TagResource")
def tag(call: Call, given: dict[str, Any]) -> dict[str, Any]:
    """Adds or overwrites tags."""
    _tags(call, given["resourceArn"]).update(given["tags"])
    return {}


@operation("UntagResource")
def untag(call: Call, given: dict[str, Any]) -> dict[str, Any]:
    """Removes tags by key; keys that are not there are fine."""
    tags = _tags(call, given["resourceArn"])
    for key in given["tagKeys"]:
        tags.pop(key, None)
    return {}


@operation("ListTagsForResource")
def list_tags(call: Call, given: dict[str, Any]) -> dict[str, Any]:
    """Tags of one resource."""
    return {"tags": _tags(call, given["resourceArn"])}
