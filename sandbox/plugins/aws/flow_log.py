"""FlowLog: a VPC's record of who talked to whom."""

from __future__ import annotations

from typing import Any, Final

from sandbox.plugins.aws.framework import Context, Inputs, ResourceType, compact, register, tag_map
from sandbox.plugins.aws.network import first
from sandbox.plugins.aws.table import REGION, judged, refused, replace, tags
from sandbox.plugins.protocol import Plain, PluginError

_RESOURCES: Final = {"vpcId": "VPC", "subnetId": "Subnet"}
_RESOURCE_SOURCE: Final = (
    "the SDK spells AWS's ResourceId and ResourceType, both create-only, as one input a type"
)


@register
class FlowLog(ResourceType):
    """The flow log of a VPC or a subnet, to CloudWatch or S3."""

    token = "aws:ec2/flowLog:FlowLog"  # noqa: S105 - a type token
    sdk = "ec2.FlowLog"
    cfn = "AWS::EC2::FlowLog"
    inputs = {
        "vpcId": replace(cfn="ResourceId", source=_RESOURCE_SOURCE),
        "subnetId": replace(cfn="ResourceId", source=_RESOURCE_SOURCE),
        "trafficType": judged("TrafficType"),
        "iamRoleArn": judged("DeliverLogsPermissionArn"),
        "logDestination": judged("LogDestination"),
        "logDestinationType": judged("LogDestinationType", default="cloud-watch-logs"),
        "logFormat": judged("LogFormat", computed=True),
        "maxAggregationInterval": judged("MaxAggregationInterval", default=600),
        "destinationOptions": judged(
            "DestinationOptions",
            fields={
                "fileFormat": judged("FileFormat", default="plain-text"),
                "hiveCompatiblePartitions": judged("HiveCompatiblePartitions"),
                "perHourPartition": judged("PerHourPartition"),
            },
        ),
        "deliverCrossAccountRole": refused("the kit's logs stay in its account"),
        "tagFieldSpecifications": refused("the kit tells flows by subnet and group, not by tag fields"),
        "eniId": refused("the kit logs whole networks, not single interfaces"),
        "regionalNatGatewayId": refused("the kit has no regional NAT gateway"),
        "transitGatewayAttachmentId": refused("the kit does not join networks"),
        "transitGatewayId": refused("the kit does not join networks"),
        **tags(),
        **REGION,
    }
    outputs = ("arn",)

    def problems(self, ctx: Context, inputs: Inputs) -> list[tuple[str, str]]:
        """One resource, a traffic type, and what each destination needs."""
        found = []
        given = [name for name in _RESOURCES if inputs.get(name) is not None]
        if len(given) != 1:
            found.append(
                ("vpcId", f"a flow log has one resource, and this has {len(given)}: vpcId or subnetId")
            )
        if inputs.get("trafficType") is None:
            found.append(("trafficType", "trafficType is missing: ACCEPT, REJECT or ALL"))
        if inputs.get("logDestination") is None:
            found.append(
                ("logDestination", "logDestination is missing: the ARN of a log group or of a bucket")
            )
        if inputs.get("logDestinationType") == "cloud-watch-logs" and inputs.get("iamRoleArn") is None:
            found.append(
                ("iamRoleArn", "iamRoleArn is missing: CloudWatch needs a role that may write the log")
            )
        return found

    def request(self, ctx: Context, inputs: Inputs) -> list[tuple[str, str, dict[str, Any]]]:
        """CreateFlowLogs for the one resource."""
        which = next((name for name in _RESOURCES if inputs.get(name) is not None), "vpcId")
        options = inputs.get("destinationOptions") or {}
        return [
            (
                "ec2",
                "CreateFlowLogs",
                compact(
                    ResourceIds=[inputs.get(which)],
                    ResourceType=_RESOURCES[which],
                    TrafficType=inputs.get("trafficType"),
                    DeliverLogsPermissionArn=inputs.get("iamRoleArn"),
                    LogDestination=inputs.get("logDestination"),
                    LogDestinationType=inputs.get("logDestinationType"),
                    LogFormat=inputs.get("logFormat"),
                    MaxAggregationInterval=inputs.get("maxAggregationInterval"),
                    DestinationOptions=compact(
                        FileFormat=options.get("fileFormat"),
                        HiveCompatiblePartitions=options.get("hiveCompatiblePartitions"),
                        PerHourPartition=options.get("perHourPartition"),
                    )
                    or None,
                    TagSpecifications=ctx.ec2_tags("vpc-flow-log", inputs),
                ),
            )
        ]

    def create(self, ctx: Context, inputs: Inputs) -> str:
        """Returns the flow log's id; EC2 answers a refusal with success and a list of the unsuccessful."""
        answer = ctx.send(self.request(ctx, inputs))
        if answer.get("Unsuccessful"):
            error = answer["Unsuccessful"][0]["Error"]
            raise PluginError(f"AWS refused CreateFlowLogs: {error.get('Message')} ({error.get('Code')})")
        return str(answer["FlowLogIds"][0])

    def read(self, ctx: Context, resource_id: str, inputs: Inputs) -> dict[str, Plain] | None:
        """As EC2 describes it."""
        log = first(ctx.client("ec2").describe_flow_logs(FlowLogIds=[resource_id])["FlowLogs"])
        if log is None:
            return None
        which = "subnetId" if log["ResourceId"].startswith("subnet-") else "vpcId"
        seen = {
            which: log["ResourceId"],
            "trafficType": log["TrafficType"],
            "iamRoleArn": log.get("DeliverLogsPermissionArn"),
            "logDestination": log.get("LogDestination"),
            "logDestinationType": log.get("LogDestinationType"),
            "logFormat": log.get("LogFormat"),
            "maxAggregationInterval": log.get("MaxAggregationInterval"),
            "tagsAll": tag_map(log.get("Tags")),
            "arn": ctx.arn("ec2", f"vpc-flow-log/{resource_id}"),
        }
        options = log.get("DestinationOptions")
        if options:
            seen["destinationOptions"] = {
                "fileFormat": options.get("FileFormat"),
                "hiveCompatiblePartitions": options.get("HiveCompatiblePartitions"),
                "perHourPartition": options.get("PerHourPartition"),
            }
        return {key: value for key, value in seen.items() if value is not None}

    def update(self, ctx: Context, resource_id: str, old: Inputs, new: Inputs, changed: set[str]) -> None:
        """Tags."""
        ctx.retag_ec2(resource_id, old, new)

    def delete(self, ctx: Context, resource_id: str, state: dict[str, Plain]) -> None:
        """Ends the log; what was written stays at its destination."""
        ctx.client("ec2").delete_flow_logs(FlowLogIds=[resource_id])
