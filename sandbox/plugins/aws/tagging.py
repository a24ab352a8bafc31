"""How the tags of something that exists change: each service has its own two calls, most of them of one form.

EC2's are `Context.retag_ec2`. A form that one type alone has stays with that type.
"""

from __future__ import annotations

from typing import Any

from sandbox.plugins.aws.framework import Context, Inputs, tag_changes, tag_map, tag_pairs


def retag(
    ctx: Context,
    service: str,
    old: Inputs,
    new: Inputs,
    calls: tuple[str, str] = ("UntagResource", "TagResource"),
    **resource: Any,
) -> None:
    """Brings tags from the old inputs' to the new ones', where the calls take `TagKeys` and pairs in `Tags`.

    `calls` take away and put on; `resource` is their parameter that says whose tags, as in `ResourceARN=arn`.
    """
    gone, added = tag_changes(old.get("tagsAll"), new.get("tagsAll"))
    untag, tag = calls
    if gone:
        ctx.send([(service, untag, {**resource, "TagKeys": gone})])
    if added:
        ctx.send([(service, tag, {**resource, "Tags": tag_pairs(added)})])


def retag_map(ctx: Context, service: str, arn: str, old: Inputs, new: Inputs) -> None:
    """The same where the calls take a map and write small letters: EKS and CloudWatch Logs."""
    gone, added = tag_changes(old.get("tagsAll"), new.get("tagsAll"))
    if gone:
        ctx.client(service).untag_resource(resourceArn=arn, tagKeys=gone)
    if added:
        ctx.client(service).tag_resource(resourceArn=arn, tags=added)


def retag_store(ctx: Context, arn: str, old: Inputs, new: Inputs) -> None:
    """The same for anything of RDS or ElastiCache; which of the two, the ARN says."""
    calls = ("RemoveTagsFromResource", "AddTagsToResource")
    retag(ctx, _service(arn), old, new, calls, ResourceName=arn)


def store_tags(ctx: Context, arn: str) -> dict[str, str]:
    """The tags of anything of RDS or ElastiCache."""
    return tag_map(ctx.client(_service(arn)).list_tags_for_resource(ResourceName=arn)["TagList"])


def _service(arn: str) -> str:
    return arn.split(":")[2]
