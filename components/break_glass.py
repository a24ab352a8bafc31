"""The emergency role: cluster-admin for whoever may take it, and an alarm when it is taken or used.

Two things raise the alarm, because each sees what the other does not: the control plane's audit log sees every
request that is made with the role, from wherever it was taken; EventBridge sees the taking itself, also when
nothing is done with it, where it happens by the region's own STS endpoint and CloudTrail is on.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any, Final

import pulumi
import pulumi_aws as aws

from bastide import names
from bastide.settings import Settings
from bastide.settings.access import BreakGlassSettings
from components.cluster import ADMIN_POLICY
from components.key import Key, KeyArgs

USER_PREFIX: Final = "break-glass:"
"""Kubernetes user name of a session, before the session's name; EKS wants a colon there (EKS user guide,
creating-access-entries)."""

PATTERN: Final = '{ $.user.username = "' + USER_PREFIX + '*" }'
"""CloudWatch Logs filter for the audit log's entries of that user (CloudWatch Logs user guide, filter pattern
syntax for JSON)."""

METRIC: Final = "BreakGlassRequests"

PERIOD_SECONDS: Final = 60
"""The alarm looks at each minute: the shortest period of a metric that comes from a log."""


@dataclass(frozen=True)
class BreakGlassArgs:
    """The stack's settings, the cluster, and the log group that its audit log goes to."""

    settings: Settings
    wanted: BreakGlassSettings
    cluster_name: pulumi.Input[str]
    log_group: str


class BreakGlass(pulumi.ComponentResource):
    """Role, access entry, and the way from its use to a person."""

    role_arn: pulumi.Output[str]

    def __init__(self, name: str, args: BreakGlassArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("bastide:access:BreakGlass", name, None, opts)
        self._name, self._args = name, args
        self._child = pulumi.ResourceOptions(parent=self)
        topic, heard = self._topic()
        alarms = [self._alarm_of_use(topic), *self._alarm_of_taking(topic)]
        # Whoever can take the role is seen: it comes after its alarms, and goes before them.
        self.role_arn = self._role([*alarms, *heard]).arn
        self.register_outputs({"roleArn": self.role_arn})

    def _role(self, watched: list[pulumi.Resource]) -> aws.iam.Role:
        name, settings, wanted = self._name, self._args.settings, self._args.wanted
        trust: dict[str, Any] = {
            "Effect": "Allow",
            "Principal": {"AWS": sorted(wanted.trusted)},
            "Action": "sts:AssumeRole",
        }
        if wanted.require_mfa:
            trust["Condition"] = {"Bool": {"aws:MultiFactorAuthPresent": "true"}}
        role = aws.iam.Role(
            f"{name}-role",
            name=names.break_glass_role(settings.prefix),
            description="Emergency administration of the cluster; its use raises an alarm",
            assume_role_policy=names.policy_document(trust),
            max_session_duration=wanted.session_hours * 3600,
            opts=pulumi.ResourceOptions(parent=self, depends_on=watched),
        )
        aws.iam.RolePolicy(
            f"{name}-find-cluster",
            name="find-cluster",
            role=role.name,
            policy=names.policy_document(
                {
                    "Sid": "FindCluster",
                    "Effect": "Allow",
                    "Action": "eks:DescribeCluster",
                    "Resource": names.cluster_arn(
                        settings.region, settings.account_id, settings.cluster_name
                    ),
                }
            ),
            opts=self._child,
        )
        entry = aws.eks.AccessEntry(
            f"{name}-entry",
            cluster_name=self._args.cluster_name,
            principal_arn=role.arn,
            user_name=USER_PREFIX + "{{SessionName}}",
            type="STANDARD",
            opts=self._child,
        )
        aws.eks.AccessPolicyAssociation(
            f"{name}-admin",
            cluster_name=self._args.cluster_name,
            principal_arn=entry.principal_arn,
            policy_arn=ADMIN_POLICY,
            access_scope=aws.eks.AccessPolicyAssociationAccessScopeArgs(type="cluster"),
            opts=self._child,
        )
        return role

    def _topic(self) -> tuple[aws.sns.Topic, list[pulumi.Resource]]:
        name, settings = self._name, self._args.settings
        arn = names.arn("sns", settings.region, settings.account_id, f"{settings.prefix}-break-glass")
        alarms = names.arn("cloudwatch", settings.region, settings.account_id, f"alarm:{settings.prefix}-*")
        key = Key(
            f"{name}-key",
            KeyArgs(
                settings,
                "alarms",
                "Encryption of alarms on their way to people",
                [
                    {
                        "Sid": "AlarmSenders",
                        "Effect": "Allow",
                        "Principal": {"Service": ["cloudwatch.amazonaws.com", "events.amazonaws.com"]},
                        # What SNS needs of a publisher's key (SNS developer guide, "Key management"), for this topic
                        # alone. No key of the sender: EventBridge sends none, and its alarm would be lost unseen.
                        "Action": ["kms:Decrypt", "kms:GenerateDataKey*"],
                        "Resource": "*",
                        "Condition": {"StringEquals": {"kms:EncryptionContext:aws:sns:topicArn": arn}},
                    }
                ],
            ),
            opts=self._child,
        )
        topic = aws.sns.Topic(
            f"{name}-topic",
            name=f"{settings.prefix}-break-glass",
            display_name="Bastide break-glass",
            kms_master_key_id=key.arn,
            opts=self._child,
        )
        policy = aws.sns.TopicPolicy(
            f"{name}-topic-policy",
            arn=topic.arn,
            policy=names.policy_document(
                {
                    "Sid": "Alarms",
                    "Effect": "Allow",
                    "Principal": {"Service": "cloudwatch.amazonaws.com"},
                    "Action": "sns:Publish",
                    "Resource": arn,
                    "Condition": {
                        "ArnLike": {"aws:SourceArn": alarms},
                        "StringEquals": {"aws:SourceAccount": settings.account_id},
                    },
                },
                {
                    "Sid": "Rules",
                    "Effect": "Allow",
                    "Principal": {"Service": "events.amazonaws.com"},
                    "Action": "sns:Publish",
                    # Without a condition on purpose: a topic's policy cannot have one for EventBridge, and with one
                    # every message is dropped unseen (EventBridge user guide, "Amazon SNS permissions").
                    "Resource": arn,
                },
            ),
            opts=self._child,
        )
        heard = [
            aws.sns.TopicSubscription(
                # Neither the address, which is a person's, nor its place in the list, which may change.
                f"{name}-notify-{hashlib.sha256(contact.encode()).hexdigest()[:8]}",
                topic=topic.arn,
                protocol="https" if contact.startswith("https:") else "email",
                endpoint=contact,
                opts=self._child,
            )
            for contact in self._args.wanted.notify
        ]
        return topic, [policy, *heard]

    def _alarm_of_use(self, topic: aws.sns.Topic) -> aws.cloudwatch.MetricAlarm:
        name, settings = self._name, self._args.settings
        namespace = f"Bastide/{settings.prefix}"
        metric = aws.cloudwatch.LogMetricFilter(
            f"{name}-requests",
            name=f"{settings.prefix}-break-glass",
            log_group_name=self._args.log_group,
            pattern=PATTERN,
            metric_transformation=aws.cloudwatch.LogMetricFilterMetricTransformationArgs(
                name=METRIC, namespace=namespace, value="1", default_value="0"
            ),
            # The group is known by its name and there before the cluster.
            opts=pulumi.ResourceOptions(parent=self),
        )
        return aws.cloudwatch.MetricAlarm(
            f"{name}-used",
            name=f"{settings.prefix}-break-glass-used",
            alarm_description=(
                f"The emergency role of cluster {settings.cluster_name} made requests of the API server. If nobody "
                "announced it: take its trust away, and read the audit log for the user names that start with "
                f"{USER_PREFIX}"
            ),
            namespace=namespace,
            metric_name=METRIC,
            statistic="Sum",
            period=PERIOD_SECONDS,
            evaluation_periods=1,
            threshold=1,
            comparison_operator="GreaterThanOrEqualToThreshold",
            # No log lines means no requests.
            treat_missing_data="notBreaching",
            alarm_actions=[topic.arn],
            opts=pulumi.ResourceOptions(parent=self, depends_on=[metric]),
        )

    def _alarm_of_taking(self, topic: aws.sns.Topic) -> list[pulumi.Resource]:
        name, settings = self._name, self._args.settings
        role = names.role_arn(settings.account_id, names.break_glass_role(settings.prefix))
        rule = aws.cloudwatch.EventRule(
            f"{name}-taken",
            name=f"{settings.prefix}-break-glass-taken",
            description="The emergency role was taken",
            event_pattern=json.dumps(
                {
                    "source": ["aws.sts"],
                    "detail-type": ["AWS API Call via CloudTrail"],
                    "detail": {
                        "eventSource": ["sts.amazonaws.com"],
                        "eventName": ["AssumeRole"],
                        "requestParameters": {"roleArn": [role]},
                    },
                },
                sort_keys=True,
            ),
            # AssumeRole counts as a read, and rules see reads only in this state (EventBridge user guide,
            # "Read-only management events from AWS services").
            state="ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS",
            opts=self._child,
        )
        target = aws.cloudwatch.EventTarget(
            f"{name}-taken",
            rule=rule.name,
            target_id="people",
            arn=topic.arn,
            opts=self._child,
        )
        return [rule, target]
