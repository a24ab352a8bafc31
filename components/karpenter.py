"""Karpenter: its role, its nodes' role, the queue by which it hears of interruptions, and its own two charts."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws
import pulumi_kubernetes as kubernetes

from bastide import names
from bastide.plans import karpenter_plan as plan
from bastide.plans import karpenter_policies
from bastide.settings import Settings
from components.charts import MAX_HISTORY
from components.identity import PodIdentity, PodIdentityArgs
from components.node_group import NODE_POLICIES


@dataclass(frozen=True)
class KarpenterAccessArgs:
    """The stack's settings and the cluster's name."""

    settings: Settings
    cluster_name: pulumi.Input[str]


class KarpenterAccess(pulumi.ComponentResource):
    """What Karpenter needs of AWS: before its controller starts, and until its last node is gone."""

    def __init__(
        self, name: str, args: KarpenterAccessArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("bastide:compute:KarpenterAccess", name, None, opts)
        settings, child = args.settings, pulumi.ResourceOptions(parent=self)
        self._nodes(name, args, child)
        self._interruptions(name, settings, child)
        PodIdentity(
            f"{name}-controller",
            PodIdentityArgs(
                settings=settings,
                cluster_name=args.cluster_name,
                role_name=plan.name(settings),
                namespace=plan.NAMESPACE,
                service_account=plan.SERVICE_ACCOUNT,
                policy=karpenter_policies.controller_policy(settings),
            ),
            opts=child,
        )
        self.register_outputs({})

    def _nodes(self, name: str, args: KarpenterAccessArgs, child: pulumi.ResourceOptions) -> None:
        role = aws.iam.Role(
            f"{name}-node-role",
            name=plan.node_role(args.settings),
            assume_role_policy=names.policy_document(
                {
                    "Effect": "Allow",
                    "Principal": {"Service": "ec2.amazonaws.com"},
                    "Action": "sts:AssumeRole",
                }
            ),
            opts=child,
        )
        for policy in NODE_POLICIES:
            aws.iam.RolePolicyAttachment(
                f"{name}-node-{policy}",
                role=role.name,
                policy_arn=f"arn:aws:iam::aws:policy/{policy}",
                opts=child,
            )
        # Made here, so that the controller needs no right to make one, nor a way to IAM, which has no endpoint
        # in a VPC.
        aws.iam.InstanceProfile(
            f"{name}-node-profile", name=plan.node_role(args.settings), role=role.name, opts=child
        )
        aws.eks.AccessEntry(
            f"{name}-node-entry",
            cluster_name=args.cluster_name,
            principal_arn=role.arn,
            type="EC2_LINUX",
            opts=child,
        )

    def _interruptions(self, name: str, settings: Settings, child: pulumi.ResourceOptions) -> None:
        queue = aws.sqs.Queue(
            f"{name}-queue",
            name=plan.name(settings),
            message_retention_seconds=plan.QUEUE_SECONDS,
            sqs_managed_sse_enabled=True,
            opts=child,
        )
        aws.sqs.QueuePolicy(
            f"{name}-queue-policy",
            queue_url=queue.url,
            policy=karpenter_policies.queue_policy(settings),
            opts=child,
        )
        for event, pattern in plan.EVENTS.items():
            rule = aws.cloudwatch.EventRule(
                f"{name}-{event}",
                name=plan.rule_name(settings, event),
                description=f"{pattern['detail-type'][0]}, for Karpenter",
                event_pattern=json.dumps(pattern, sort_keys=True),
                opts=child,
            )
            aws.cloudwatch.EventTarget(
                f"{name}-{event}-to-queue", rule=rule.name, target_id="karpenter", arn=queue.arn, opts=child
            )


class Karpenter(pulumi.ComponentResource):
    """The controller, by its own charts: one of the definitions, which it upgrades with every release, and one of
    the rest."""

    def __init__(self, name: str, settings: Settings, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("bastide:compute:Karpenter", name, None, opts)
        wanted = settings.karpenter
        definitions = kubernetes.helm.v3.Release(
            f"{name}-crd",
            name=plan.CRD_RELEASE,
            namespace=plan.NAMESPACE,
            chart=f"{wanted.chart_registry}/karpenter-crd",
            version=wanted.chart_version,
            max_history=MAX_HISTORY,
            opts=pulumi.ResourceOptions(parent=self),
        )
        kubernetes.helm.v3.Release(
            f"{name}-release",
            name=plan.RELEASE,
            namespace=plan.NAMESPACE,
            chart=f"{wanted.chart_registry}/karpenter",
            version=wanted.chart_version,
            skip_crds=True,
            values=plan.release_values(settings),
            timeout=settings.rollout_timeout_seconds,
            max_history=MAX_HISTORY,
            opts=pulumi.ResourceOptions(parent=self, depends_on=[definitions]),
        )
        self.register_outputs({"release": plan.RELEASE})
