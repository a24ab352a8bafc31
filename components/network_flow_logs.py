"""The record of who talked to whom in a VPC."""

from __future__ import annotations

import pulumi
import pulumi_aws as aws

from bastide import names
from bastide.settings import Settings


def flow_log_group(settings: Settings) -> str:
    """Name of the log group that takes the VPC's flow logs."""
    return f"/aws/vpc/{settings.prefix}/flow-logs"


def flow_logs(
    name: str,
    settings: Settings,
    vpc_id: pulumi.Input[str],
    logs_key_arn: pulumi.Input[str],
    retention_days: int,
    opts: pulumi.ResourceOptions,
) -> None:
    """All traffic of the VPC, accepted and rejected, in an encrypted log group of its own."""
    group_name = flow_log_group(settings)
    group = aws.cloudwatch.LogGroup(
        f"{name}-flow-logs",
        name=group_name,
        retention_in_days=retention_days,
        kms_key_id=logs_key_arn,
        opts=opts,
    )
    role = aws.iam.Role(
        f"{name}-flow-logs",
        name=f"{settings.prefix}-flow-logs",
        assume_role_policy=names.policy_document(
            {
                "Effect": "Allow",
                "Principal": {"Service": "vpc-flow-logs.amazonaws.com"},
                "Action": "sts:AssumeRole",
                "Condition": {"StringEquals": {"aws:SourceAccount": settings.account_id}},
            }
        ),
        opts=opts,
    )
    group_arn = names.arn("logs", settings.region, settings.account_id, f"log-group:{group_name}")
    write = aws.iam.RolePolicy(
        f"{name}-flow-logs",
        name="write-flow-logs",
        role=role.name,
        policy=names.policy_document(
            {
                "Effect": "Allow",
                "Action": [
                    "logs:CreateLogStream",
                    "logs:PutLogEvents",
                    "logs:DescribeLogStreams",
                ],
                "Resource": [group_arn, f"{group_arn}:*"],
            },
            # It lists the account's groups, so IAM knows no narrower resource for it.
            {"Effect": "Allow", "Action": "logs:DescribeLogGroups", "Resource": "*"},
        ),
        opts=opts,
    )
    aws.ec2.FlowLog(
        f"{name}-flow-log",
        vpc_id=vpc_id,
        traffic_type="ALL",
        log_destination_type="cloud-watch-logs",
        log_destination=group.arn,
        iam_role_arn=role.arn,
        tags={"Name": settings.prefix},
        opts=pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=[write])),
    )
