"""EventBridge rules and where they send.

Blind spot: the sandbox has no CloudTrail, so that no rule sees a call.
"""

from __future__ import annotations

from typing import Any, Final

from sandbox.plugins.aws.framework import (
    Call,
    Context,
    Inputs,
    Named,
    ResourceType,
    compact,
    register,
    tag_map,
    tag_pairs,
)
from sandbox.plugins.aws.table import REGION, judged, refused, update
from sandbox.plugins.aws.table import replace as replaced
from sandbox.plugins.aws.table import tags as tag_table
from sandbox.plugins.aws.tagging import retag
from sandbox.plugins.aws.values import parts
from sandbox.plugins.protocol import Plain

_TARGET_ID: Final = "rule/target"
_DEFAULT_BUS: Final = refused("AWS's own events come by the account's default bus, which the kit uses alone")
_OTHER_TARGET: Final = refused("the kit's rules send to topics")


@register
class EventRule(Named):
    """A rule of the account's default bus."""

    token = "aws:cloudwatch/eventRule:EventRule"  # noqa: S105 - a type token
    sdk = "cloudwatch.EventRule"
    cfn = "AWS::Events::Rule"
    arn_form = ("events", "rule/{}")
    inputs = {
        "name": judged("Name", autoname=64),
        "namePrefix": refused("the kit computes its names; use name"),
        "description": judged("Description"),
        "eventPattern": judged("EventPattern", json=True),
        "state": judged("State", default="ENABLED"),
        "isEnabled": refused("the SDK deprecates it; use state"),
        "eventBusName": _DEFAULT_BUS,
        "forceDestroy": update(
            source="no property in AWS: only steers how the rule is deleted", default=False
        ),
        "roleArn": refused("a topic's own policy lets the rule in"),
        "scheduleExpression": refused("the kit's rules wait for events"),
        **tag_table("Tags"),
        **REGION,
    }
    outputs = ("arn",)
    identity = ("name",)

    def problems(self, ctx: Context, inputs: Inputs) -> list[tuple[str, str]]:
        """A rule without a pattern would wait for nothing."""
        if inputs.get("eventPattern") is None:
            return [("eventPattern", "a rule needs a pattern of the events that it waits for; give it")]
        return []

    def request(self, ctx: Context, inputs: Inputs) -> list[Call]:
        """PutRule, which makes and changes alike; tags only count when it makes."""
        params = compact(
            Name=inputs.get("name"),
            EventPattern=inputs.get("eventPattern"),
            State=inputs.get("state"),
            Description=inputs.get("description"),
            Tags=tag_pairs(inputs.get("tagsAll") or {}),
        )
        return [("events", "PutRule", params)]

    def read(self, ctx: Context, resource_id: str, inputs: Inputs) -> dict[str, Plain] | None:
        """DescribeRule."""
        events = ctx.client("events")
        found: dict[str, Any] = events.describe_rule(Name=resource_id)
        return {
            "name": found["Name"],
            "description": found.get("Description"),
            "eventPattern": found.get("EventPattern"),
            "state": found["State"],
            "tagsAll": tag_map(events.list_tags_for_resource(ResourceARN=found["Arn"])["Tags"]),
            "arn": found["Arn"],
        }

    def update(self, ctx: Context, resource_id: str, old: Inputs, new: Inputs, changed: set[str]) -> None:
        """PutRule again, and the tags by their own calls."""
        [(service, operation, params)] = self.request(ctx, new)
        ctx.send([(service, operation, {name: value for name, value in params.items() if name != "Tags"})])
        retag(ctx, "events", old, new, ResourceARN=self.arn(ctx, resource_id))

    def delete(self, ctx: Context, resource_id: str, state: dict[str, Plain]) -> None:
        """DeleteRule; its targets go first."""
        ctx.client("events").delete_rule(Name=resource_id)

    def dependants(self, ctx: Context, resource_id: str) -> list[str]:
        """The targets that keep AWS from deleting the rule."""
        found = ctx.client("events").list_targets_by_rule(Rule=resource_id)["Targets"]
        return [f"target {each['Id']}" for each in found]


@register
class EventTarget(ResourceType):
    """Where a rule sends what it sees."""

    token = "aws:cloudwatch/eventTarget:EventTarget"  # noqa: S105 - a type token
    sdk = "cloudwatch.EventTarget"
    cfn = "AWS::Events::Rule"
    inputs = {
        "rule": replaced(
            cfn="Name", required=True, source="a target belongs to its rule: PutTargets names the rule"
        ),
        "targetId": replaced(
            cfn="Targets/Id", source="PutTargets knows a target by its id: another id is another target"
        ),
        "arn": judged("Targets/Arn", required=True),
        "input": judged("Targets/Input"),
        "inputPath": judged("Targets/InputPath"),
        "roleArn": refused("a topic's own policy lets the rule in"),
        "eventBusName": _DEFAULT_BUS,
        "forceDestroy": update(
            source="no property in AWS: only steers how the target is deleted", default=False
        ),
        "deadLetterConfig": refused("the kit has no queue for what was not delivered"),
        "retryPolicy": refused("the kit keeps EventBridge's own retries: 24 hours"),
        "inputTransformer": refused("people get the whole event"),
        "appsyncTarget": _OTHER_TARGET,
        "batchTarget": _OTHER_TARGET,
        "ecsTarget": _OTHER_TARGET,
        "httpTarget": _OTHER_TARGET,
        "kinesisTarget": _OTHER_TARGET,
        "redshiftTarget": _OTHER_TARGET,
        "runCommandTargets": _OTHER_TARGET,
        "sagemakerPipelineTarget": _OTHER_TARGET,
        "sqsTarget": _OTHER_TARGET,
        **REGION,
    }
    identity = ("rule", "targetId")

    def problems(self, ctx: Context, inputs: Inputs) -> list[tuple[str, str]]:
        """The kit gives ids, so that an import finds its target."""
        if inputs.get("targetId") is None:
            return [("targetId", "the kit names its targets; give an id")]
        return []

    def request(self, ctx: Context, inputs: Inputs) -> list[Call]:
        """PutTargets, which makes and changes alike."""
        target = compact(
            Id=inputs.get("targetId"),
            Arn=inputs.get("arn"),
            Input=inputs.get("input"),
            InputPath=inputs.get("inputPath"),
        )
        return [("events", "PutTargets", {"Rule": inputs.get("rule"), "Targets": [target]})]

    def create(self, ctx: Context, inputs: Inputs) -> str:
        """The id is "rule/target", as imports take it."""
        ctx.send(self.request(ctx, inputs))
        return f"{inputs['rule']}/{inputs['targetId']}"

    def read(self, ctx: Context, resource_id: str, inputs: Inputs) -> dict[str, Plain] | None:
        """Looks among the rule's targets."""
        rule, target_id = parts(resource_id, "/", _TARGET_ID)
        for found in ctx.client("events").list_targets_by_rule(Rule=rule)["Targets"]:
            if found["Id"] == target_id:
                return {
                    "rule": rule,
                    "targetId": target_id,
                    "arn": found["Arn"],
                    "input": found.get("Input"),
                    "inputPath": found.get("InputPath"),
                }
        return None

    def update(self, ctx: Context, resource_id: str, old: Inputs, new: Inputs, changed: set[str]) -> None:
        """PutTargets again."""
        ctx.send(self.request(ctx, new))

    def delete(self, ctx: Context, resource_id: str, state: dict[str, Plain]) -> None:
        """RemoveTargets."""
        rule, target_id = parts(resource_id, "/", _TARGET_ID)
        ctx.client("events").remove_targets(Rule=rule, Ids=[target_id])
