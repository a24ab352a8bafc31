"""IAM roles for pods, by EKS Pod Identity: one role, one service account of one namespace of one cluster."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from bastide import names
from bastide.plans import engine_models
from bastide.settings import EngineSettings, Settings


@dataclass(frozen=True)
class PodIdentityArgs:
    """Who gets the role, and what it may do."""

    settings: Settings
    cluster_name: pulumi.Input[str]
    role_name: str
    namespace: str
    service_account: str
    policy: pulumi.Input[str] | None = None
    """Inline policy document."""
    managed_policies: Sequence[str] = ()
    """Names of AWS managed policies."""


class PodIdentity(pulumi.ComponentResource):
    """A role and its association. The role's trust names the same pod, so an association made by somebody
    else in the account cannot hand it to another."""

    def __init__(self, name: str, args: PodIdentityArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("bastide:identity:PodIdentity", name, None, opts)
        settings = args.settings
        child = pulumi.ResourceOptions(parent=self)
        cluster_arn = names.cluster_arn(settings.region, settings.account_id, settings.cluster_name)
        role = aws.iam.Role(
            f"{name}-role",
            name=args.role_name,
            assume_role_policy=names.policy_document(
                {
                    "Effect": "Allow",
                    "Principal": {"Service": "pods.eks.amazonaws.com"},
                    "Action": ["sts:AssumeRole", "sts:TagSession"],
                    # Session tags that EKS sets (EKS user guide, "EKS Pod Identity session tags").
                    "Condition": {
                        "StringEquals": {
                            "aws:SourceAccount": settings.account_id,
                            "aws:RequestTag/eks-cluster-arn": cluster_arn,
                            "aws:RequestTag/kubernetes-namespace": args.namespace,
                            "aws:RequestTag/kubernetes-service-account": args.service_account,
                        }
                    },
                }
            ),
            opts=child,
        )
        rights: list[pulumi.Resource] = [
            aws.iam.RolePolicyAttachment(
                f"{name}-{policy}",
                role=role.name,
                policy_arn=f"arn:aws:iam::aws:policy/{policy}",
                opts=child,
            )
            for policy in args.managed_policies
        ]
        if args.policy is not None:
            rights.append(
                aws.iam.RolePolicy(
                    f"{name}-policy", name="rights", role=role.name, policy=args.policy, opts=child
                )
            )
        aws.eks.PodIdentityAssociation(
            f"{name}-association",
            cluster_name=args.cluster_name,
            namespace=args.namespace,
            service_account=args.service_account,
            role_arn=role.arn,
            # A pod that starts between the two would run without its rights.
            opts=pulumi.ResourceOptions(parent=self, depends_on=rights),
        )
        self.register_outputs({"serviceAccount": args.service_account})


def model_reader_policy(settings: Settings, engine: EngineSettings, key_arn: str) -> str:
    """What an engine may do in AWS: read the one version of each model that it loads, and have it decrypted by S3."""
    prefixes = [names.model_prefix(each.name, each.version) for each in engine_models.every(settings, engine)]
    bucket_arn = names.arn("s3", "", "", settings.model_bucket)
    return names.policy_document(
        {
            "Sid": "ReadModel",
            "Effect": "Allow",
            # Of an object by its S3 version, so that one that is exchanged meanwhile is never mixed with it.
            "Action": ["s3:GetObject", "s3:GetObjectVersion"],
            "Resource": [f"{bucket_arn}/{prefix}*" for prefix in prefixes],
        },
        {
            "Sid": "ListModel",
            "Effect": "Allow",
            "Action": "s3:ListBucket",
            "Resource": bucket_arn,
            "Condition": {"StringLike": {"s3:prefix": [f"{prefix}*" for prefix in prefixes]}},
        },
        {
            "Sid": "DecryptModel",
            "Effect": "Allow",
            "Action": "kms:Decrypt",
            "Resource": key_arn,
            "Condition": {"StringEquals": {"kms:ViaService": f"s3.{settings.region}.amazonaws.com"}},
        },
    )
