"""The EKS control plane: private, logged, its secrets encrypted, its administrators named."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from bastide import names
from bastide.settings import CreatedCluster, Settings
from components.key import Key, KeyArgs

LOG_TYPES = ("api", "audit", "authenticator", "controllerManager", "scheduler")
"""Every control plane log that EKS has."""

ADMIN_POLICY = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy"


def log_group(settings: Settings) -> str:
    """Name of the control plane's log group; EKS gives it."""
    return f"/aws/eks/{settings.cluster_name}/cluster"


@dataclass(frozen=True)
class ClusterArgs:
    """The stack's settings, those of the cluster, the VPC with its private subnets by zone, and the key that
    encrypts logs."""

    settings: Settings
    cluster: CreatedCluster
    vpc_id: pulumi.Input[str]
    subnet_ids: Mapping[str, pulumi.Input[str]]
    logs_key_arn: pulumi.Input[str]


class Cluster(pulumi.ComponentResource):
    """The control plane and its access entries. Nodes and add-ons are components of their own."""

    cluster_name: pulumi.Output[str]
    """Known only once the cluster exists, so what takes it waits for the cluster."""
    endpoint: pulumi.Output[str]
    certificate_authority: pulumi.Output[str]
    """PEM in base64."""
    security_group_id: pulumi.Output[str]
    """The group that EKS makes for the control plane and its nodes."""

    def __init__(self, name: str, args: ClusterArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("bastide:cluster:Cluster", name, None, opts)
        settings, wanted = args.settings, args.cluster
        child = pulumi.ResourceOptions(parent=self)
        secrets_key = Key(
            f"{name}-secrets",
            KeyArgs(settings, "eks-secrets", "Envelope encryption of Kubernetes secrets"),
            opts=child,
        )
        role = aws.iam.Role(
            f"{name}-role",
            name=f"{settings.prefix}-cluster",
            assume_role_policy=names.policy_document(
                {
                    "Effect": "Allow",
                    "Principal": {"Service": "eks.amazonaws.com"},
                    "Action": "sts:AssumeRole",
                }
            ),
            opts=child,
        )
        attachment = aws.iam.RolePolicyAttachment(
            f"{name}-role-policy",
            role=role.name,
            policy_arn="arn:aws:iam::aws:policy/AmazonEKSClusterPolicy",
            opts=child,
        )
        logs = aws.cloudwatch.LogGroup(
            f"{name}-logs",
            name=log_group(settings),
            retention_in_days=wanted.log_retention_days,
            kms_key_id=args.logs_key_arn,
            opts=child,
        )
        # EKS's own group lets only nodes in: without this one a runner or a tunnel inside the VPC reaches nothing.
        group = aws.ec2.SecurityGroup(
            f"{name}-api",
            description="HTTPS from inside the VPC to the API server",
            vpc_id=args.vpc_id,
            tags={"Name": f"{settings.prefix}-api"},
            opts=child,
        )
        reach = aws.vpc.SecurityGroupIngressRule(
            f"{name}-api-https",
            security_group_id=group.id,
            cidr_ipv4=str(settings.network.cidr),
            ip_protocol="tcp",
            from_port=443,
            to_port=443,
            description="HTTPS from the VPC",
            opts=child,
        )
        public = wanted.public_endpoint
        cluster = aws.eks.Cluster(
            f"{name}-eks",
            name=settings.cluster_name,
            version=wanted.kubernetes_version,
            role_arn=role.arn,
            vpc_config=aws.eks.ClusterVpcConfigArgs(
                subnet_ids=list(args.subnet_ids.values()),
                security_group_ids=[group.id],
                endpoint_private_access=True,
                endpoint_public_access=public,
                public_access_cidrs=[str(each) for each in wanted.public_endpoint_cidrs] if public else None,
            ),
            access_config=aws.eks.ClusterAccessConfigArgs(
                authentication_mode="API",
                # Administrators are the access entries below, which can be read and taken away.
                bootstrap_cluster_creator_admin_permissions=False,
            ),
            # The pinned add-ons take their place; unpinned copies would have to be overwritten first.
            bootstrap_self_managed_addons=False,
            kubernetes_network_config=aws.eks.ClusterKubernetesNetworkConfigArgs(
                service_ipv4_cidr=str(wanted.service_cidr)
            ),
            encryption_config=aws.eks.ClusterEncryptionConfigArgs(
                provider=aws.eks.ClusterEncryptionConfigProviderArgs(key_arn=secrets_key.arn),
                resources=["secrets"],
            ),
            enabled_cluster_log_types=list(LOG_TYPES),
            upgrade_policy=aws.eks.ClusterUpgradePolicyArgs(support_type=str(wanted.upgrade_policy)),
            # EKS itself refuses to delete it, whoever asks; Pulumi's `protect` holds back only Pulumi.
            deletion_protection=settings.protection,
            opts=pulumi.ResourceOptions(
                parent=self,
                protect=settings.protection,
                # Without the policy EKS cannot remove its own network interfaces; without the group it
                # makes one that keeps logs for ever.
                depends_on=[attachment, logs, reach],
            ),
        )
        self._admins(name, wanted, cluster.name, child)
        self.cluster_name = cluster.name
        self.endpoint = cluster.endpoint
        # In a run with --target that leaves the cluster out before it exists, there is nothing to look into.
        self.certificate_authority = cluster.certificate_authority.apply(
            lambda authority: authority.data if authority else ""
        )
        self.security_group_id = cluster.vpc_config.apply(
            lambda config: (config.cluster_security_group_id if config else None) or ""
        )
        self.register_outputs({"clusterName": self.cluster_name, "endpoint": self.endpoint})

    def _admins(
        self,
        name: str,
        wanted: CreatedCluster,
        cluster_name: pulumi.Output[str],
        child: pulumi.ResourceOptions,
    ) -> None:
        for principal in wanted.admin_principals:
            # The resource's name comes from the principal: its place in the list may change.
            suffix = names.of_principal(principal)
            entry = aws.eks.AccessEntry(
                f"{name}-admin-{suffix}",
                cluster_name=cluster_name,
                principal_arn=principal,
                type="STANDARD",
                opts=child,
            )
            aws.eks.AccessPolicyAssociation(
                f"{name}-admin-{suffix}",
                cluster_name=cluster_name,
                principal_arn=entry.principal_arn,
                policy_arn=ADMIN_POLICY,
                access_scope=aws.eks.AccessPolicyAssociationAccessScopeArgs(type="cluster"),
                opts=child,
            )
