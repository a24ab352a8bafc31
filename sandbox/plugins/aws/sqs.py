"""SQS queues and their policies.

Blind spots: policies are kept and not evaluated; nothing is encrypted.
"""

from __future__ import annotations

from typing import Any

from sandbox.plugins.aws.framework import (
    Call,
    Context,
    Inputs,
    ResourceType,
    compact,
    is_gone,
    register,
    tag_changes,
)
from sandbox.plugins.aws.table import REGION, judged, refused, replace, tags
from sandbox.plugins.protocol import Plain, PluginError, Unknown, has_unknown

_FIFO = refused("nothing in the kit asks for order: use a standard queue")

_ATTRIBUTES = {
    "delaySeconds": "DelaySeconds",
    "kmsDataKeyReusePeriodSeconds": "KmsDataKeyReusePeriodSeconds",
    "kmsMasterKeyId": "KmsMasterKeyId",
    "maxMessageSize": "MaximumMessageSize",
    "messageRetentionSeconds": "MessageRetentionPeriod",
    "receiveWaitTimeSeconds": "ReceiveMessageWaitTimeSeconds",
    "sqsManagedSseEnabled": "SqsManagedSseEnabled",
    "visibilityTimeoutSeconds": "VisibilityTimeout",
}
"""Inputs and SQS's names of them; SQS takes and gives texts."""


@register
class Queue(ResourceType):
    """A standard queue."""

    token = "aws:sqs/queue:Queue"  # noqa: S105 - a type token
    sdk = "sqs.Queue"
    cfn = "AWS::SQS::Queue"
    inputs = {
        "contentBasedDeduplication": _FIFO,
        "deduplicationScope": _FIFO,
        "delaySeconds": judged("DelaySeconds", default=0),
        "fifoQueue": _FIFO,
        "fifoThroughputLimit": _FIFO,
        "kmsDataKeyReusePeriodSeconds": judged("KmsDataKeyReusePeriodSeconds", computed=True),
        "kmsMasterKeyId": judged("KmsMasterKeyId"),
        "maxMessageSize": judged("MaximumMessageSize", computed=True),
        "messageRetentionSeconds": judged("MessageRetentionPeriod", default=345600),
        "name": judged("QueueName", autoname=80),
        "namePrefix": refused(
            "the kit computes its names, so that ARNs are known at the first preview; use name"
        ),
        "policy": refused("a policy here and a QueuePolicy undo one another; use aws.sqs.QueuePolicy"),
        "receiveWaitTimeSeconds": judged("ReceiveMessageWaitTimeSeconds", default=0),
        "redriveAllowPolicy": refused("nothing in the kit has a dead-letter queue"),
        "redrivePolicy": refused("nothing in the kit has a dead-letter queue"),
        "sqsManagedSseEnabled": judged("SqsManagedSseEnabled", computed=True),
        "visibilityTimeoutSeconds": judged("VisibilityTimeout", default=30),
        **tags("Tags"),
        **REGION,
    }
    outputs = ("arn", "url")
    identity = ("name",)

    def request(self, ctx: Context, inputs: Inputs) -> list[Call]:
        """CreateQueue."""
        params = compact(
            QueueName=inputs.get("name"),
            Attributes=_attributes(inputs) or None,
            tags=inputs.get("tagsAll") or None,
        )
        return [("sqs", "CreateQueue", params)]

    def known(self, ctx: Context, inputs: Inputs) -> dict[str, Plain]:
        """The ARN follows from the name."""
        name = inputs.get("name")
        return {} if has_unknown(name) else {"arn": ctx.arn("sqs", str(name))}

    def create(self, ctx: Context, inputs: Inputs) -> str:
        """The id is the URL. A queue that is there is refused: CreateQueue would hand out somebody else's."""
        sqs = ctx.client("sqs")
        try:
            url = sqs.get_queue_url(QueueName=inputs["name"])["QueueUrl"]
        except Exception as error:
            if not _gone(error):
                raise
            return str(ctx.send(self.request(ctx, inputs))["QueueUrl"])
        raise PluginError(
            f"a queue {inputs['name']} is there already: import it as {url}, or choose another name"
        )

    def read(self, ctx: Context, resource_id: str, inputs: Inputs) -> dict[str, Plain] | None:
        """GetQueueAttributes and ListQueueTags."""
        sqs = ctx.client("sqs")
        try:
            found = sqs.get_queue_attributes(QueueUrl=resource_id, AttributeNames=["All"])["Attributes"]
        except Exception as error:
            if _gone(error):
                return None
            raise
        state = {name: _inward(found[wire]) for name, wire in _ATTRIBUTES.items() if wire in found}
        if "KmsMasterKeyId" not in found:
            state.pop("kmsDataKeyReusePeriodSeconds", None)
        return {
            **state,
            "name": found["QueueArn"].rpartition(":")[2],
            "arn": found["QueueArn"],
            "url": resource_id,
            "tagsAll": sqs.list_queue_tags(QueueUrl=resource_id).get("Tags", {}),
        }

    def update(self, ctx: Context, resource_id: str, old: Inputs, new: Inputs, changed: set[str]) -> None:
        """SetQueueAttributes with what changed."""
        sqs = ctx.client("sqs")
        attributes = _attributes({name: new.get(name, "") for name in changed if name in _ATTRIBUTES})
        if attributes:
            sqs.set_queue_attributes(QueueUrl=resource_id, Attributes=attributes)
        gone, added = tag_changes(old.get("tagsAll"), new.get("tagsAll"))
        if gone:
            sqs.untag_queue(QueueUrl=resource_id, TagKeys=gone)
        if added:
            sqs.tag_queue(QueueUrl=resource_id, Tags=added)

    def delete(self, ctx: Context, resource_id: str, state: dict[str, Plain]) -> None:
        """DeleteQueue. On AWS the name is free again after a minute."""
        try:
            ctx.client("sqs").delete_queue(QueueUrl=resource_id)
        except Exception as error:
            if not _gone(error):
                raise


@register
class QueuePolicy(ResourceType):
    """A queue's resource policy."""

    token = "aws:sqs/queuePolicy:QueuePolicy"  # noqa: S105 - a type token
    sdk = "sqs.QueuePolicy"
    cfn = "AWS::SQS::QueuePolicy"
    inputs = {
        "policy": judged("PolicyDocument", required=True, json=True),
        "queueUrl": replace(
            cfn="Queues",
            required=True,
            encode=lambda url: [url],
            source="SetQueueAttributes writes the policy of one queue: another queue is another policy",
        ),
        **REGION,
    }
    identity = ("queueUrl",)

    def request(self, ctx: Context, inputs: Inputs) -> list[Call]:
        """SetQueueAttributes."""
        params = compact(QueueUrl=inputs.get("queueUrl"), Attributes={"Policy": inputs.get("policy")})
        return [("sqs", "SetQueueAttributes", params)]

    def create(self, ctx: Context, inputs: Inputs) -> str:
        """The id is the queue's URL."""
        ctx.send(self.request(ctx, inputs))
        return str(inputs["queueUrl"])

    def read(self, ctx: Context, resource_id: str, inputs: Inputs) -> dict[str, Plain] | None:
        """GetQueueAttributes."""
        try:
            found = ctx.client("sqs").get_queue_attributes(QueueUrl=resource_id, AttributeNames=["Policy"])
        except Exception as error:
            if _gone(error):
                return None
            raise
        policy = found.get("Attributes", {}).get("Policy")
        return {"queueUrl": resource_id, "policy": policy} if policy else None

    def update(self, ctx: Context, resource_id: str, old: Inputs, new: Inputs, changed: set[str]) -> None:
        """SetQueueAttributes again."""
        ctx.send(self.request(ctx, new))

    def delete(self, ctx: Context, resource_id: str, state: dict[str, Plain]) -> None:
        """An empty policy is none."""
        try:
            ctx.client("sqs").set_queue_attributes(QueueUrl=resource_id, Attributes={"Policy": ""})
        except Exception as error:
            if not _gone(error):
                raise


def _gone(error: Exception) -> bool:
    return is_gone(error) or "NonExistentQueue" in str(error) or "QueueDoesNotExist" in type(error).__name__


def _attributes(inputs: Inputs) -> dict[str, Any]:
    return {
        wire: _outward(inputs[name]) for name, wire in _ATTRIBUTES.items() if inputs.get(name) is not None
    }


def _outward(value: Plain) -> Plain:
    if isinstance(value, Unknown):
        return value
    return str(value).lower() if isinstance(value, bool) else str(value)


def _inward(text: str) -> Plain:
    if text in ("true", "false"):
        return text == "true"
    return int(text) if text.isdigit() else text
