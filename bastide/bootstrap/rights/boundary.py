"""What roles of a stack can do at most, whatever policies they have: a permissions boundary.

The deploy role makes roles and writes their policies. Without a bound it could write one that may do anything, and
take it. With `bastide:cloud.permissionsBoundary` every role of the stack has this bound, and the deploy role may
make no other. No role can then make identities or change rights, and none leaves the stack's region and buckets.
"""

from __future__ import annotations

from bastide import karpenter_plan, names
from bastide.bootstrap.rights.base import Right, Scope


def rights(scope: Scope) -> list[Right]:
    """The bound. It gives nothing: a role has what both this and its own policies allow."""
    settings = scope.settings
    buckets = [names.arn("s3", "", "", each) for each in (f"{settings.prefix}-*", settings.model_bucket)]
    found = [
        Right(
            "Compute",
            "what AWS's policies for control planes, nodes and the VPC CNI are made of",
            [
                *("autoscaling:*", "cloudwatch:*", "ec2:*", "ecr:BatchCheckLayerAvailability"),
                *("ecr:BatchImportUpstreamImage", "ecr:BatchGetImage"),
                *("ecr:GetAuthorizationToken", "ecr:GetDownloadUrlForLayer"),
                *("eks-auth:AssumeRoleForPodIdentity", "eks:Describe*", "eks:List*"),
                *("elasticloadbalancing:*", "logs:*"),
            ],
            ["*"],
            scope.in_region,
        ),
        Right(
            "Keys",
            "models are decrypted, disks and secrets encrypted",
            [
                *("kms:CreateGrant", "kms:Decrypt", "kms:DescribeKey", "kms:Encrypt"),
                *("kms:GenerateDataKey*", "kms:ReEncrypt*"),
            ],
            [scope.arn("kms", "key/*")],
        ),
        Right(
            "Models",
            "engines read models; none writes",
            ["s3:GetObject", "s3:GetObjectVersion", "s3:ListBucket"],
            [arn for each in buckets for arn in (each, f"{each}/*")],
        ),
        Right(
            "Linked",
            "the control plane's policy makes the load balancers' own role",
            ["iam:CreateServiceLinkedRole"],
            [names.role_arn(settings.account_id, "aws-service-role/*")],
            {"StringEquals": {"iam:AWSServiceName": "elasticloadbalancing.amazonaws.com"}},
        ),
    ]
    return [*found, *_karpenter(scope)] if karpenter_plan.pools(settings) else found


def _karpenter(scope: Scope) -> list[Right]:
    settings = scope.settings
    profiles = names.arn("iam", "", settings.account_id, f"instance-profile/{settings.prefix}-*")
    return [
        Right(
            "NodesGetTheirRole",
            "Karpenter starts nodes with a role of the stack, which is bounded too",
            ["iam:PassRole"],
            [scope.role()],
            {"StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}},
        ),
        Right("Profiles", "and reads its profile", ["iam:GetInstanceProfile"], [profiles]),
        Right(
            "Look",
            "prices and profiles have no resource",
            ["iam:ListInstanceProfiles", "pricing:GetProducts"],
            ["*"],
        ),
        Right(
            "Images",
            "which AMI is the newest",
            ["ssm:GetParameter"],
            [names.arn("ssm", settings.region, "", "parameter/aws/service/*")],
        ),
        Right(
            "Interruptions",
            "its queue",
            ["sqs:DeleteMessage", "sqs:GetQueueUrl", "sqs:ReceiveMessage"],
            [scope.arn("sqs", f"{settings.prefix}-*")],
        ),
    ]
