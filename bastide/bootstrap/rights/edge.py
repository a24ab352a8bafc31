"""What only some stacks have: a public certificate and its records, the alarm of break-glass access, Karpenter."""

from __future__ import annotations

from bastide import names
from bastide.bootstrap.rights.base import Right, Scope
from bastide.plans import karpenter_plan


def rights(scope: Scope) -> list[Right]:
    """Certificates by tag, records by zone, topics, alarms and rules by name."""
    certificates = scope.settings.certificates
    found: list[Right] = []
    if certificates.domain is not None:
        found += _certificate(scope)
    if certificates.zone_id is not None:
        names_of = [each for each in (certificates.domain, *certificates.alternative_names) if each]
        found += _records(certificates.zone_id, names_of)
    if scope.settings.access.break_glass is not None:
        found += _alarm(scope)
    if karpenter_plan.pools(scope.settings):
        found += _karpenter(scope)
    if scope.settings.access.break_glass is not None or karpenter_plan.pools(scope.settings):
        found.append(_rules(scope))
    return found


def _certificate(scope: Scope) -> list[Right]:
    return [
        Right(
            "AcmRequest",
            "a new certificate carries the stack's tags",
            ["acm:RequestCertificate", "acm:AddTagsToCertificate"],
            ["*"],
            scope.tagged,
        ),
        Right(
            "AcmOwn",
            "only the stack's certificates",
            [
                *("acm:AddTagsToCertificate", "acm:DeleteCertificate", "acm:DescribeCertificate"),
                *("acm:ListTagsForCertificate", "acm:RemoveTagsFromCertificate"),
                "acm:UpdateCertificateOptions",
            ],
            [scope.arn("acm", "certificate/*")],
            scope.owned,
        ),
    ]


def _records(zone_id: str, domains: list[str]) -> list[Right]:
    zone = names.arn("route53", "", "", f"hostedzone/{zone_id}")
    proofs = sorted({f"_*.{each.removeprefix('*.')}" for each in domains})
    return [
        Right(
            "DnsRecords",
            "records that prove the certificate's names, and no other of the zone: what leads to people's services "
            "is there too",
            ["route53:ChangeResourceRecordSets"],
            [zone],
            {
                "ForAllValues:StringEquals": {"route53:ChangeResourceRecordSetsRecordTypes": ["CNAME"]},
                "ForAllValues:StringLike": {"route53:ChangeResourceRecordSetsNormalizedRecordNames": proofs},
            },
        ),
        Right(
            "DnsRead",
            "the provider reads back what it made",
            ["route53:GetHostedZone", "route53:ListResourceRecordSets"],
            [zone],
        ),
        Right(
            "DnsWait",
            "a change is waited for",
            ["route53:GetChange"],
            [names.arn("route53", "", "", "change/*")],
        ),
    ]


def _alarm(scope: Scope) -> list[Right]:
    prefix = scope.settings.prefix
    return [
        Right(
            "SnsTopics",
            "the topic that says when break-glass access was used",
            [
                *("sns:CreateTopic", "sns:DeleteTopic", "sns:GetTopicAttributes", "sns:SetTopicAttributes"),
                *("sns:ListSubscriptionsByTopic", "sns:ListTagsForResource", "sns:Subscribe"),
                *("sns:GetDataProtectionPolicy", "sns:TagResource", "sns:UntagResource"),
            ],
            [scope.arn("sns", f"{prefix}-*")],
        ),
        Right(
            "SnsSubscriptions",
            "SNS takes no resource for these",
            ["sns:GetSubscriptionAttributes", "sns:SetSubscriptionAttributes", "sns:Unsubscribe"],
            ["*"],
            scope.in_region,
        ),
        Right(
            "Alarms",
            "the alarm on the log",
            [
                *("cloudwatch:DeleteAlarms", "cloudwatch:ListTagsForResource", "cloudwatch:PutMetricAlarm"),
                *("cloudwatch:TagResource", "cloudwatch:UntagResource"),
            ],
            [scope.arn("cloudwatch", f"alarm:{prefix}-*")],
        ),
        Right(
            "AlarmsRead",
            "alarms are found by listing",
            ["cloudwatch:DescribeAlarms"],
            ["*"],
            scope.in_region,
        ),
        Right(
            "LogFilters",
            "the filter on the audit log",
            ["logs:DeleteMetricFilter", "logs:DescribeMetricFilters", "logs:PutMetricFilter"],
            [scope.arn("logs", f"log-group:/aws/eks/{prefix}/*")],
        ),
    ]


def _rules(scope: Scope) -> Right:
    return Right(
        "Rules",
        "rules that send AWS's events to the alarm's topic and to Karpenter's queue",
        [
            *("events:DeleteRule", "events:DescribeRule", "events:ListTagsForResource"),
            *("events:ListTargetsByRule", "events:PutRule", "events:PutTargets", "events:RemoveTargets"),
            *("events:TagResource", "events:UntagResource"),
        ],
        [scope.arn("events", f"rule/{scope.settings.prefix}-*")],
    )


def _karpenter(scope: Scope) -> list[Right]:
    prefix, account = scope.settings.prefix, scope.settings.account_id
    return [
        Right(
            "KarpenterQueue",
            "the queue of interruptions",
            [
                *("sqs:CreateQueue", "sqs:DeleteQueue", "sqs:GetQueueAttributes", "sqs:GetQueueUrl"),
                *("sqs:ListQueueTags", "sqs:SetQueueAttributes", "sqs:TagQueue", "sqs:UntagQueue"),
            ],
            [scope.arn("sqs", f"{prefix}-*")],
        ),
        Right(
            "KarpenterProfile",
            "the instance profile of the nodes that it makes",
            [
                *("iam:AddRoleToInstanceProfile", "iam:CreateInstanceProfile", "iam:DeleteInstanceProfile"),
                *("iam:GetInstanceProfile", "iam:RemoveRoleFromInstanceProfile", "iam:TagInstanceProfile"),
                "iam:UntagInstanceProfile",
            ],
            [names.arn("iam", "", account, f"instance-profile/{prefix}-*")],
        ),
    ]
