"""SNS topics, who may publish to them, and who hears them.

Blind spots: the sandbox's SNS sends no mail and calls no URL, counts every subscription as confirmed, and encrypts
nothing with the topic's key.
"""

from __future__ import annotations

import json
from typing import Any, Final

from sandbox.plugins.aws.framework import (
    Call,
    Context,
    Inputs,
    ResourceType,
    compact,
    register,
    tag_map,
    tag_pairs,
)
from sandbox.plugins.aws.table import REGION, judged, refused, replace, tags, update
from sandbox.plugins.aws.tagging import retag
from sandbox.plugins.protocol import Plain, has_unknown

_FEEDBACK: Final = refused("the kit logs no deliveries: the sandbox makes none")
_FIFO: Final = refused("people and paging services cannot subscribe to a FIFO topic")

_PROTOCOLS: Final = (
    *("application", "email", "email-json", "firehose", "http", "https"),
    *("lambda", "sms", "sqs"),
)
"""SNS API reference, Subscribe."""

_TOPIC: Final = {
    "displayName": "DisplayName",
    "kmsMasterKeyId": "KmsMasterKeyId",
    "signatureVersion": "SignatureVersion",
}
"""Inputs that are attributes of a topic."""


@register
class Topic(ResourceType):
    """A standard topic."""

    token = "aws:sns/topic:Topic"  # noqa: S105 - a type token
    sdk = "sns.Topic"
    cfn = "AWS::SNS::Topic"
    inputs = {
        "name": judged("TopicName", autoname=256),
        "namePrefix": refused("the kit computes its names; use name"),
        "displayName": judged("DisplayName"),
        "kmsMasterKeyId": judged("KmsMasterKeyId"),
        "signatureVersion": judged("SignatureVersion", computed=True, encode=lambda number: str(number)),
        "policy": refused(
            "a policy here and a TopicPolicy resource undo one another; use aws.sns.TopicPolicy"
        ),
        "deliveryPolicy": refused("the kit keeps SNS's own retries"),
        "archivePolicy": _FIFO,
        "contentBasedDeduplication": _FIFO,
        "fifoThroughputScope": _FIFO,
        "fifoTopic": _FIFO,
        "maximumMessageSize": refused("alarms are small"),
        "tracingConfig": refused("the kit does not trace alarms"),
        **{
            f"{protocol}{kind}": _FEEDBACK
            for protocol in ("application", "firehose", "http", "lambda", "sqs")
            for kind in ("FailureFeedbackRoleArn", "SuccessFeedbackRoleArn", "SuccessFeedbackSampleRate")
        },
        **tags("Tags"),
        **REGION,
    }
    outputs = ("arn", "beginningArchiveTime", "owner")
    identity = ("name",)

    def request(self, ctx: Context, inputs: Inputs) -> list[Call]:
        """CreateTopic, which gives a topic of that name that is there already."""
        attributes = compact(**{wire: inputs.get(name) for name, wire in _TOPIC.items()})
        if "SignatureVersion" in attributes:
            attributes["SignatureVersion"] = str(attributes["SignatureVersion"])
        params = compact(
            Name=inputs.get("name"),
            Attributes=attributes or None,
            Tags=tag_pairs(inputs.get("tagsAll") or {}),
        )
        return [("sns", "CreateTopic", params)]

    def known(self, ctx: Context, inputs: Inputs) -> dict[str, Plain]:
        """The ARN follows from the name."""
        name = inputs.get("name")
        return {} if has_unknown(name) else {"arn": ctx.arn("sns", str(name)), "owner": ctx.account_id}

    def create(self, ctx: Context, inputs: Inputs) -> str:
        """The id is the ARN."""
        return str(ctx.send(self.request(ctx, inputs))["TopicArn"])

    def read(self, ctx: Context, resource_id: str, inputs: Inputs) -> dict[str, Plain] | None:
        """GetTopicAttributes."""
        sns = ctx.client("sns")
        found: dict[str, Any] = sns.get_topic_attributes(TopicArn=resource_id)["Attributes"]
        state: dict[str, Plain] = {
            "name": resource_id.rpartition(":")[2],
            "displayName": found.get("DisplayName"),
            "kmsMasterKeyId": found.get("KmsMasterKeyId"),
            "tagsAll": tag_map(sns.list_tags_for_resource(ResourceArn=resource_id)["Tags"]),
            "arn": resource_id,
            "beginningArchiveTime": "",
            "owner": found.get("Owner", ctx.account_id),
        }
        if found.get("SignatureVersion"):
            state["signatureVersion"] = int(found["SignatureVersion"])
        return state

    def update(self, ctx: Context, resource_id: str, old: Inputs, new: Inputs, changed: set[str]) -> None:
        """SetTopicAttributes, one at a time."""
        sns = ctx.client("sns")
        for name in changed & _TOPIC.keys():
            value = "" if new.get(name) is None else str(new[name])
            sns.set_topic_attributes(TopicArn=resource_id, AttributeName=_TOPIC[name], AttributeValue=value)
        retag(ctx, "sns", old, new, ResourceArn=resource_id)

    def delete(self, ctx: Context, resource_id: str, state: dict[str, Plain]) -> None:
        """DeleteTopic; its subscriptions go with it."""
        ctx.client("sns").delete_topic(TopicArn=resource_id)


@register
class TopicPolicy(ResourceType):
    """Who may publish to a topic. Every topic has a policy; this one stands in the default's place."""

    token = "aws:sns/topicPolicy:TopicPolicy"  # noqa: S105 - a type token
    sdk = "sns.TopicPolicy"
    cfn = "AWS::SNS::TopicPolicy"
    inputs = {
        "arn": replace(
            cfn="Topics",
            encode=lambda arn: [arn],
            required=True,
            source="a topic has one policy: another topic's is another resource (the official provider's ForceNew)",
        ),
        "policy": judged("PolicyDocument", required=True, json=True),
        **REGION,
    }
    outputs = ("owner",)
    identity = ("arn",)

    def request(self, ctx: Context, inputs: Inputs) -> list[Call]:
        """SetTopicAttributes."""
        params = compact(
            TopicArn=inputs.get("arn"), AttributeName="Policy", AttributeValue=inputs.get("policy")
        )
        return [("sns", "SetTopicAttributes", params)]

    def create(self, ctx: Context, inputs: Inputs) -> str:
        """The id is the topic's ARN."""
        ctx.send(self.request(ctx, inputs))
        return str(inputs["arn"])

    def read(self, ctx: Context, resource_id: str, inputs: Inputs) -> dict[str, Plain] | None:
        """GetTopicAttributes."""
        found = ctx.client("sns").get_topic_attributes(TopicArn=resource_id)["Attributes"]
        return {
            "arn": resource_id,
            "policy": found.get("Policy"),
            "owner": found.get("Owner", ctx.account_id),
        }

    def update(self, ctx: Context, resource_id: str, old: Inputs, new: Inputs, changed: set[str]) -> None:
        """SetTopicAttributes again."""
        ctx.send(self.request(ctx, new))

    def delete(self, ctx: Context, resource_id: str, state: dict[str, Plain]) -> None:
        """A topic cannot be without a policy: the owner alone gets its rights back, as at a topic's creation."""
        ctx.client("sns").set_topic_attributes(
            TopicArn=resource_id, AttributeName="Policy", AttributeValue=_owner_only(ctx, resource_id)
        )


def _owner_only(ctx: Context, topic: str) -> str:
    """The policy that SNS gives a new topic (SNS developer guide, "Default topic policy")."""
    actions = ("GetTopicAttributes", "SetTopicAttributes", "AddPermission", "RemovePermission", "DeleteTopic")
    return json.dumps(
        {
            "Version": "2008-10-17",
            "Id": "__default_policy_ID",
            "Statement": [
                {
                    "Sid": "__default_statement_ID",
                    "Effect": "Allow",
                    "Principal": {"AWS": "*"},
                    "Action": [
                        f"SNS:{each}"
                        for each in (*actions, "Subscribe", "ListSubscriptionsByTopic", "Publish")
                    ],
                    "Resource": topic,
                    "Condition": {"StringEquals": {"AWS:SourceOwner": ctx.account_id}},
                }
            ],
        }
    )


@register
class TopicSubscription(ResourceType):
    """Somebody who hears a topic."""

    token = "aws:sns/topicSubscription:TopicSubscription"  # noqa: S105 - a type token
    sdk = "sns.TopicSubscription"
    cfn = "AWS::SNS::Subscription"
    inputs = {
        "topic": judged("TopicArn", required=True),
        "protocol": judged("Protocol", required=True),
        "endpoint": judged("Endpoint", required=True),
        "confirmationTimeoutInMinutes": update(
            source="no property in AWS: only steers how long the provider waits", default=1
        ),
        "endpointAutoConfirms": update(
            source="no property in AWS: only steers whether the provider waits", default=False
        ),
        "rawMessageDelivery": judged("RawMessageDelivery", default=False),
        "deliveryPolicy": refused("the kit keeps SNS's own retries"),
        "filterPolicy": refused("who hears a topic of the kit's hears all of it"),
        "filterPolicyScope": refused("who hears a topic of the kit's hears all of it"),
        "redrivePolicy": refused("the kit has no queue for what was not delivered"),
        "replayPolicy": _FIFO,
        "subscriptionRoleArn": refused("the kit's alarms do not go to Firehose"),
        **REGION,
    }
    outputs = ("arn", "confirmationWasAuthenticated", "ownerId", "pendingConfirmation")
    identity = ("topic", "protocol", "endpoint")

    def problems(self, ctx: Context, inputs: Inputs) -> list[tuple[str, str]]:
        """AWS's schema has any text as a protocol; Subscribe's reference lists them."""
        given = inputs.get("protocol")
        if isinstance(given, str) and given not in _PROTOCOLS:
            return [("protocol", f"{given!r} is no protocol of SNS; allowed: {', '.join(_PROTOCOLS)}")]
        return []

    def request(self, ctx: Context, inputs: Inputs) -> list[Call]:
        """Subscribe; the ARN is asked for, since an unconfirmed subscription has none in the answer."""
        attributes = {"RawMessageDelivery": "true"} if inputs.get("rawMessageDelivery") else None
        params = compact(
            TopicArn=inputs.get("topic"),
            Protocol=inputs.get("protocol"),
            Endpoint=inputs.get("endpoint"),
            Attributes=attributes,
            ReturnSubscriptionArn=True,
        )
        return [("sns", "Subscribe", params)]

    def create(self, ctx: Context, inputs: Inputs) -> str:
        """The id is the subscription's ARN."""
        return str(ctx.send(self.request(ctx, inputs))["SubscriptionArn"])

    def read(self, ctx: Context, resource_id: str, inputs: Inputs) -> dict[str, Plain] | None:
        """GetSubscriptionAttributes."""
        found: dict[str, Any] = ctx.client("sns").get_subscription_attributes(SubscriptionArn=resource_id)[
            "Attributes"
        ]
        return {
            "topic": found["TopicArn"],
            "protocol": found.get("Protocol") or inputs.get("protocol"),
            "endpoint": found.get("Endpoint") or inputs.get("endpoint"),
            "rawMessageDelivery": _true(found.get("RawMessageDelivery")),
            "arn": resource_id,
            "confirmationWasAuthenticated": _true(found.get("ConfirmationWasAuthenticated")),
            "ownerId": found.get("Owner", ctx.account_id),
            "pendingConfirmation": _true(found.get("PendingConfirmation")),
        }

    def update(self, ctx: Context, resource_id: str, old: Inputs, new: Inputs, changed: set[str]) -> None:
        """SetSubscriptionAttributes."""
        if "rawMessageDelivery" in changed:
            ctx.client("sns").set_subscription_attributes(
                SubscriptionArn=resource_id,
                AttributeName="RawMessageDelivery",
                AttributeValue=str(bool(new.get("rawMessageDelivery"))).lower(),
            )

    def delete(self, ctx: Context, resource_id: str, state: dict[str, Plain]) -> None:
        """Unsubscribe."""
        ctx.client("sns").unsubscribe(SubscriptionArn=resource_id)


def _true(value: object) -> bool:
    return str(value).lower() == "true"
