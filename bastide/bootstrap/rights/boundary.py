"""What roles of a stack can do at most, whatever policies they have: a permissions boundary.

The deploy role makes roles and writes their policies. Without a bound it could write one that may do anything, and
take it. With `bastide:cloud.permissionsBoundary` every role of the stack has this bound, and the deploy role may
make no other. No role can then make identities or change rights, and none leaves the stack's region, keys and
buckets.

Blind spot: what AWS's own policies allow on everything (security groups, network interfaces and volumes of the whole
region) is within the bound, since it has to be.
"""

from __future__ import annotations

from typing import Final

from bastide import names
from bastide.bootstrap.rights.base import Right, Scope
from bastide.plans import audit, cache, gateway_rights, karpenter_plan
from bastide.settings.cache import CreatedCache
from bastide.settings.database import CreatedDatabase, ExistingDatabase
from bastide.settings.model_store import AdoptedModelStore
from bastide.settings.secrets import AwsSecretsManager

_COMPUTE: Final = (
    *("autoscaling:DescribeAutoScalingGroups", "autoscaling:UpdateAutoScalingGroup"),
    *("ec2:AssignPrivateIpAddresses", "ec2:AttachNetworkInterface", "ec2:AttachVolume"),
    *("ec2:AuthorizeSecurityGroupIngress", "ec2:CreateNetworkInterface", "ec2:CreateRoute"),
    *("ec2:CreateSecurityGroup", "ec2:CreateTags", "ec2:CreateVolume", "ec2:DeleteNetworkInterface"),
    *("ec2:DeleteRoute", "ec2:DeleteSecurityGroup", "ec2:DeleteVolume", "ec2:Describe*"),
    *("ec2:DetachNetworkInterface", "ec2:DetachVolume", "ec2:ModifyInstanceAttribute"),
    *("ec2:ModifyNetworkInterfaceAttribute", "ec2:ModifyVolume", "ec2:RevokeSecurityGroupIngress"),
    "ec2:UnassignPrivateIpAddresses",
    *("ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:BatchImportUpstreamImage"),
    *("ecr:GetAuthorizationToken", "ecr:GetDownloadUrlForLayer"),
    *("eks-auth:AssumeRoleForPodIdentity", "eks:Describe*", "eks:List*", "elasticloadbalancing:*"),
)
"""What AWS's policies for control planes, nodes and the VPC CNI are made of. Named one by one: with all of EC2 a role
could stop somebody else's instance, give it other user data, and so take that instance's role."""


def rights(scope: Scope) -> list[Right]:
    """The bound. It gives nothing: a role has what both this and its own policies allow."""
    settings = scope.settings
    buckets = [names.arn("s3", "", "", each) for each in (f"{settings.prefix}-*", settings.model_bucket)]
    found = [
        Right(
            "Compute",
            "what AWS's policies for control planes, nodes and the VPC CNI are made of",
            _COMPUTE,
            ["*"],
            scope.in_region,
        ),
        Right(
            "FlowLogs",
            "what is written to the stack's log group",
            ["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"],
            [scope.arn("logs", f"log-group:/aws/vpc/{settings.prefix}/*")],
        ),
        Right("FlowLogsList", "it is found by listing", ["logs:DescribeLogGroups"], ["*"], scope.in_region),
        Right(
            "Keys",
            "models are decrypted and secrets encrypted, by the stack's keys alone, and never its Pulumi state",
            [
                *("kms:CreateGrant", "kms:Decrypt", "kms:DescribeKey", "kms:Encrypt"),
                *("kms:GenerateDataKey*", "kms:ReEncrypt*"),
            ],
            [scope.arn("kms", "key/*")],
            scope.owned_keys,
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
    if isinstance(settings.model_store, AdoptedModelStore):
        key = settings.model_store.key_arn
        found.append(Right("AdoptedKey", "of an adopted bucket", ["kms:Decrypt", "kms:DescribeKey"], [key]))
    if settings.gateway.enabled:
        found += [*_stores(scope), *_secrets(scope), *_audit(scope), *_bedrock(scope)]
    return [*found, *_karpenter(scope)] if karpenter_plan.pools(settings) else found


def _audit(scope: Scope) -> list[Right]:
    """What the gateway writes of its audit trail."""
    if audit.wanted(scope.settings) is None:
        return []
    bucket = names.arn("s3", "", "", scope.settings.audit_bucket)
    return [
        Right(
            "WriteAuditTrail",
            "objects with a lock, which nobody of the stack reads",
            ["s3:PutObject", "s3:PutObjectRetention"],
            [f"{bucket}/{audit.PREFIX}*"],
        )
    ]


def _bedrock(scope: Scope) -> list[Right]:
    """What the gateway asks of hosted models."""
    models = {arn for each in gateway_rights.bedrock_statements(scope.settings) for arn in each["Resource"]}
    why = (
        "the gateway asks the models that routes name; an inference profile's in whichever region it chooses"
    )
    return [Right("AskBedrock", why, gateway_rights.INVOKE, sorted(models))] if models else []


def _stores(scope: Scope) -> list[Right]:
    """What the gateway and its migrations do with database and cache."""
    settings = scope.settings
    wanted = settings.database
    found: list[Right] = []
    if wanted.auth == "iam":
        server = wanted.resource_id if isinstance(wanted, ExistingDatabase) else "*"
        found.append(
            Right(
                "SignInToDatabase",
                "as the gateway's user alone; AWS makes the instance's id, so no name stands for it",
                ["rds-db:connect"],
                [scope.arn("rds-db", f"dbuser:{server}/{wanted.user}")],
            )
        )
    if isinstance(wanted, CreatedDatabase):
        found.append(
            Right(
                "ReadAdministratorsPassword",
                "migrations make the gateway's user",
                ["secretsmanager:GetSecretValue"],
                [scope.arn("secretsmanager", "secret:rds!db-*")],
            )
        )
    if isinstance(settings.cache, CreatedCache):
        name = cache.identifier(settings)
        found.append(
            Right(
                "SignInToCache",
                "as the gateway's user alone",
                ["elasticache:Connect"],
                [scope.arn("elasticache", f"{kind}:{name}") for kind in ("replicationgroup", "user")],
            )
        )
    return found


def _secrets(scope: Scope) -> list[Right]:
    """What External Secrets reads."""
    if not isinstance(scope.settings.secrets.store, AwsSecretsManager):
        return []
    return [
        Right(
            "ReadSecrets",
            "External Secrets reads the stack's secrets; none writes",
            ["secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue"],
            [scope.arn("secretsmanager", f"secret:{scope.settings.prefix}/*")],
        )
    ]


def _karpenter(scope: Scope) -> list[Right]:
    settings = scope.settings
    profiles = names.arn("iam", "", settings.account_id, f"instance-profile/{settings.prefix}-*")
    return [
        Right(
            "Instances",
            "Karpenter starts and ends nodes",
            [
                *("ec2:CreateFleet", "ec2:CreateLaunchTemplate", "ec2:DeleteLaunchTemplate"),
                *("ec2:RunInstances", "ec2:TerminateInstances"),
            ],
            ["*"],
            scope.in_region,
        ),
        Right(
            "Disks",
            "and EC2 encrypts their disks by the account's default key, which is not the stack's",
            [
                *("kms:CreateGrant", "kms:Decrypt", "kms:DescribeKey"),
                *("kms:GenerateDataKeyWithoutPlaintext", "kms:ReEncrypt*"),
            ],
            [scope.arn("kms", "key/*")],
            {"StringEquals": {"kms:ViaService": f"ec2.{settings.region}.amazonaws.com"}},
        ),
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
