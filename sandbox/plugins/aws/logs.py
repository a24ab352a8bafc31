"""CloudWatch log groups.

Blind spots: the sandbox's log groups keep a retention but expire nothing, and encrypt nothing with their key.
"""

from __future__ import annotations

from sandbox.plugins.aws.framework import Call, Context, Inputs, Named, compact, register
from sandbox.plugins.aws.table import REGION, judged, refused, replace, tags, update
from sandbox.plugins.aws.tagging import retag_map
from sandbox.plugins.protocol import Plain, PluginError


@register
class LogGroup(Named):
    """A log group."""

    token = "aws:cloudwatch/logGroup:LogGroup"  # noqa: S105 - a type token
    sdk = "cloudwatch.LogGroup"
    cfn = "AWS::Logs::LogGroup"
    arn_form = ("logs", "log-group:{}")
    inputs = {
        "deletionProtectionEnabled": refused(
            "the sandbox's CloudWatch Logs has no PutLogGroupDeletionProtection; use Pulumi's own protect"
        ),
        "kmsKeyId": judged("KmsKeyId"),
        "logGroupClass": replace(
            cfn="LogGroupClass",
            default="STANDARD",
            source="CloudWatch Logs has no call that changes a group's class: only CreateLogGroup names it",
        ),
        "name": judged("LogGroupName", autoname=512),
        "namePrefix": refused("the kit computes its names; use name"),
        "retentionInDays": judged("RetentionInDays"),
        "skipDestroy": update(
            source="no property in AWS: only steers whether the group is deleted", default=False
        ),
        **tags("Tags"),
        **REGION,
    }
    outputs = ("arn",)
    identity = ("name",)

    def request(self, ctx: Context, inputs: Inputs) -> list[Call]:
        """CreateLogGroup, and the retention, which has a call of its own."""
        create = compact(
            logGroupName=inputs.get("name"),
            kmsKeyId=inputs.get("kmsKeyId"),
            logGroupClass=inputs.get("logGroupClass"),
            tags=inputs.get("tagsAll") or None,
        )
        calls: list[Call] = [("logs", "CreateLogGroup", create)]
        if inputs.get("retentionInDays"):
            retention = {"logGroupName": inputs.get("name"), "retentionInDays": inputs["retentionInDays"]}
            calls.append(("logs", "PutRetentionPolicy", retention))
        return calls

    def read(self, ctx: Context, resource_id: str, inputs: Inputs) -> dict[str, Plain] | None:
        """DescribeLogGroups, whose prefix finds longer names too."""
        logs = ctx.client("logs")
        pages = logs.get_paginator("describe_log_groups").paginate(logGroupNamePrefix=resource_id)
        found = next(
            (g for page in pages for g in page["logGroups"] if g["logGroupName"] == resource_id), None
        )
        if found is None:
            return None
        arn = found["arn"].removesuffix(":*")
        state = {
            "name": resource_id,
            "kmsKeyId": found.get("kmsKeyId"),
            "retentionInDays": found.get("retentionInDays"),
            "tagsAll": logs.list_tags_for_resource(resourceArn=arn)["tags"],
            "arn": arn,
        }
        if "logGroupClass" in found:
            state["logGroupClass"] = found["logGroupClass"]
        return state

    def update(self, ctx: Context, resource_id: str, old: Inputs, new: Inputs, changed: set[str]) -> None:
        """A group has a call for each property; the sandbox lacks the one for the key, and says so first."""
        if "kmsKeyId" in changed:
            raise PluginError(
                f"the key of the log group {resource_id} changes in place on AWS (AssociateKmsKey), and the "
                "sandbox's CloudWatch Logs has no such call: here, replace the group "
                "(pulumi up --target-replace URN)"
            )
        logs = ctx.client("logs")
        if "retentionInDays" in changed and new.get("retentionInDays"):
            logs.put_retention_policy(logGroupName=resource_id, retentionInDays=new["retentionInDays"])
        elif "retentionInDays" in changed:
            logs.delete_retention_policy(logGroupName=resource_id)
        retag_map(ctx, "logs", self.arn(ctx, resource_id), old, new)

    def delete(self, ctx: Context, resource_id: str, state: dict[str, Plain]) -> None:
        """DeleteLogGroup, unless the group is to be left."""
        if not state.get("skipDestroy"):
            ctx.client("logs").delete_log_group(logGroupName=resource_id)
