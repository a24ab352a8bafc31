"""Karpenter's rights and those to its queue, as IAM policies. Pure."""

from __future__ import annotations

from typing import Any

from bastide import names
from bastide.plans import karpenter_plan
from bastide.settings import Settings

Object = dict[str, Any]


def controller_policy(settings: Settings) -> str:
    """What the controller may do: after Karpenter's own template, without the right to make roles' instance profiles,
    which the stack makes itself. Writing EC2 calls are bound to tags of this cluster and of a node pool."""
    region, account, cluster = settings.region, settings.account_id, settings.cluster_name
    own_tag, pool_tag = f"kubernetes.io/cluster/{cluster}", "karpenter.sh/nodepool"

    def ec2(owner: str, *kinds: str) -> list[str]:
        return [names.arn("ec2", region, owner, f"{kind}/*") for kind in kinds]

    requested = {
        "StringEquals": {
            f"aws:RequestTag/{own_tag}": "owned",
            "aws:RequestTag/eks:eks-cluster-name": cluster,
        },
        "StringLike": {f"aws:RequestTag/{pool_tag}": "*"},
    }
    owned = {
        "StringEquals": {f"aws:ResourceTag/{own_tag}": "owned"},
        "StringLike": {f"aws:ResourceTag/{pool_tag}": "*"},
    }
    made = ec2(
        account,
        "fleet",
        "instance",
        "volume",
        "network-interface",
        "launch-template",
        "spot-instances-request",
    )

    def allow(
        sid: str, action: str | list[str], resource: str | list[str], condition: Object | None = None
    ) -> Object:
        statement: Object = {"Sid": sid, "Effect": "Allow", "Action": action, "Resource": resource}
        return statement | ({"Condition": condition} if condition else {})

    launch = ["ec2:RunInstances", "ec2:CreateFleet"]
    return names.policy_document(
        allow(
            "LaunchFrom", launch, [*ec2("", "image", "snapshot"), *ec2(account, "security-group", "subnet")]
        ),
        allow("LaunchFromOwnTemplates", launch, ec2(account, "launch-template"), owned),
        allow("LaunchTagged", [*launch, "ec2:CreateLaunchTemplate"], made, requested),
        allow(
            "TagWhatIsLaunched",
            "ec2:CreateTags",
            made,
            {
                **requested,
                "StringEquals": {
                    **requested["StringEquals"],
                    "ec2:CreateAction": ["RunInstances", "CreateFleet", "CreateLaunchTemplate"],
                },
            },
        ),
        allow(
            "TagOwnInstances",
            "ec2:CreateTags",
            ec2(account, "instance"),
            {
                **owned,
                "ForAllValues:StringEquals": {
                    "aws:TagKeys": ["eks:eks-cluster-name", "karpenter.sh/nodeclaim", "Name"]
                },
            },
        ),
        allow(
            "EndOwn",
            ["ec2:TerminateInstances", "ec2:DeleteLaunchTemplate"],
            ec2(account, "instance", "launch-template"),
            owned,
        ),
        allow(
            "Look",
            [
                f"ec2:Describe{kind}"
                for kind in (
                    *("CapacityReservations", "Images", "InstanceStatus", "InstanceTypeOfferings"),
                    *("InstanceTypes", "Instances", "LaunchTemplates", "PlacementGroups", "SecurityGroups"),
                    *("SpotPriceHistory", "Subnets"),
                )
            ],
            # EC2's Describe calls know no resources (service authorization reference).
            "*",
            {"StringEquals": {"aws:RequestedRegion": region}},
        ),
        allow("FindImages", "ssm:GetParameter", names.arn("ssm", region, "", "parameter/aws/service/*")),
        # These three know no resources either.
        allow("SeePrices", "pricing:GetProducts", "*"),
        allow("ListProfiles", "iam:ListInstanceProfiles", "*"),
        allow(
            "SeeOwnProfile",
            "iam:GetInstanceProfile",
            names.arn("iam", "", account, f"instance-profile/{karpenter_plan.node_role(settings)}"),
        ),
        allow(
            "GiveNodesTheirRole",
            "iam:PassRole",
            names.role_arn(account, karpenter_plan.node_role(settings)),
            {"StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}},
        ),
        allow(
            "HearOfInterruptions",
            ["sqs:DeleteMessage", "sqs:GetQueueUrl", "sqs:ReceiveMessage"],
            names.arn("sqs", region, account, karpenter_plan.name(settings)),
        ),
        allow("FindTheApiServer", "eks:DescribeCluster", names.cluster_arn(region, account, cluster)),
    )


def queue_policy(settings: Settings) -> str:
    """EventBridge's rules of this stack may send to the queue, and nothing is sent or read without TLS."""
    queue = names.arn("sqs", settings.region, settings.account_id, karpenter_plan.name(settings))
    rules = [
        names.arn(
            "events",
            settings.region,
            settings.account_id,
            f"rule/{karpenter_plan.rule_name(settings, event)}",
        )
        for event in karpenter_plan.EVENTS
    ]
    return names.policy_document(
        {
            "Sid": "EventsOfOurRules",
            "Effect": "Allow",
            "Principal": {"Service": "events.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": queue,
            "Condition": {"ArnEquals": {"aws:SourceArn": rules}},
        },
        {
            "Sid": "OnlyByTls",
            "Effect": "Deny",
            "Principal": "*",
            "Action": "sqs:*",
            "Resource": queue,
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        },
    )
