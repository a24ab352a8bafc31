"""The gateway's entrance: load balancer, firewall and name, each by name."""

from __future__ import annotations

from bastide import names
from bastide.bootstrap.rights.base import Right, Scope
from bastide.plans import edge


def rights(scope: Scope) -> list[Right]:
    """None without an entrance."""
    settings = scope.settings
    if settings.edge is None or not settings.gateway.enabled:
        return []
    return [*_balancer(scope), *_firewall(scope), *_way_to_pods(scope), *_name(scope)]


def _balancer(scope: Scope) -> list[Right]:
    name = edge.name(scope.settings)
    kinds = (
        f"loadbalancer/app/{name}/*",
        f"targetgroup/{name}/*",
        f"listener/app/{name}/*",
        f"listener-rule/app/{name}/*",
    )
    return [
        Right(
            "Balancer",
            "the load balancer, its listener and rules, and the target group",
            [
                *("elasticloadbalancing:AddTags", "elasticloadbalancing:RemoveTags"),
                *("elasticloadbalancing:CreateLoadBalancer", "elasticloadbalancing:DeleteLoadBalancer"),
                *(
                    "elasticloadbalancing:ModifyLoadBalancerAttributes",
                    "elasticloadbalancing:SetIpAddressType",
                ),
                *("elasticloadbalancing:SetSecurityGroups", "elasticloadbalancing:SetSubnets"),
                *("elasticloadbalancing:CreateTargetGroup", "elasticloadbalancing:DeleteTargetGroup"),
                *(
                    "elasticloadbalancing:ModifyTargetGroup",
                    "elasticloadbalancing:ModifyTargetGroupAttributes",
                ),
                *("elasticloadbalancing:CreateListener", "elasticloadbalancing:DeleteListener"),
                *("elasticloadbalancing:ModifyListener", "elasticloadbalancing:ModifyListenerAttributes"),
                *("elasticloadbalancing:CreateRule", "elasticloadbalancing:DeleteRule"),
                *("elasticloadbalancing:ModifyRule", "elasticloadbalancing:SetRulePriorities"),
                *("elasticloadbalancing:SetWebACL", "wafv2:AssociateWebACL", "wafv2:DisassociateWebACL"),
            ],
            [scope.arn("elasticloadbalancing", each) for each in kinds],
        ),
        Right(
            "BalancerRead",
            "the provider looks before and after",
            [
                *(
                    "elasticloadbalancing:DescribeListenerAttributes",
                    "elasticloadbalancing:DescribeListeners",
                ),
                *(
                    "elasticloadbalancing:DescribeLoadBalancerAttributes",
                    "elasticloadbalancing:DescribeLoadBalancers",
                ),
                *("elasticloadbalancing:DescribeRules", "elasticloadbalancing:DescribeTags"),
                *(
                    "elasticloadbalancing:DescribeTargetGroupAttributes",
                    "elasticloadbalancing:DescribeTargetGroups",
                ),
                *(
                    "elasticloadbalancing:DescribeTargetHealth",
                    "elasticloadbalancing:DescribeCapacityReservation",
                ),
                "wafv2:GetWebACLForResource",
            ],
            ["*"],
            scope.in_region,
        ),
        Right(
            "BalancerLinked",
            "the account's first load balancer makes the service's own role",
            ["iam:CreateServiceLinkedRole"],
            [names.role_arn(scope.settings.account_id, "aws-service-role/*")],
            {"StringEquals": {"iam:AWSServiceName": "elasticloadbalancing.amazonaws.com"}},
        ),
    ]


def _firewall(scope: Scope) -> list[Right]:
    settings = scope.settings
    group = edge.firewall_log_group(settings)
    return [
        Right(
            "Firewall",
            "the web ACL and its log; AWS's groups of rules are named in it",
            [
                *(
                    "wafv2:AssociateWebACL",
                    "wafv2:CreateWebACL",
                    "wafv2:DeleteWebACL",
                    "wafv2:DisassociateWebACL",
                ),
                *("wafv2:GetWebACL", "wafv2:UpdateWebACL", "wafv2:ListTagsForResource"),
                *("wafv2:TagResource", "wafv2:UntagResource", "wafv2:PutLoggingConfiguration"),
                *("wafv2:GetLoggingConfiguration", "wafv2:DeleteLoggingConfiguration"),
            ],
            [
                scope.arn("wafv2", f"regional/webacl/{edge.name(settings)}/*"),
                scope.arn("wafv2", "regional/managedruleset/*"),
            ],
        ),
        Right(
            "FirewallLog",
            "its log group",
            [
                *("logs:CreateLogGroup", "logs:DeleteLogGroup", "logs:PutRetentionPolicy"),
                *("logs:DeleteRetentionPolicy", "logs:AssociateKmsKey", "logs:DisassociateKmsKey"),
                *("logs:ListTagsForResource", "logs:TagResource", "logs:UntagResource"),
            ],
            [scope.arn("logs", f"log-group:{group}"), scope.arn("logs", f"log-group:{group}:*")],
        ),
        Right(
            "FirewallDelivery",
            "WAF lets Logs' own delivery write in the caller's name, which has no resource (WAF developer guide, "
            "'Logging to CloudWatch Logs')",
            ["logs:DescribeResourcePolicies", "logs:PutResourcePolicy"],
            ["*"],
            scope.in_region,
        ),
    ]


def _way_to_pods(scope: Scope) -> list[Right]:
    groups = scope.arn("ec2", "security-group/*")
    return [
        Right(
            "WayToPods",
            "EKS made the cluster's security group and tagged it with the cluster; the load balancer is let in there",
            ["ec2:AuthorizeSecurityGroupIngress", "ec2:RevokeSecurityGroupIngress"],
            [groups],
            {"StringEquals": {"aws:ResourceTag/aws:eks:cluster-name": scope.settings.cluster_name}},
        )
    ]


def _name(scope: Scope) -> list[Right]:
    certificates = scope.settings.certificates
    if certificates.zone_id is None or certificates.domain is None:
        return []
    return [
        Right(
            "DnsName",
            "the record that leads callers to the load balancer, and no other",
            ["route53:ChangeResourceRecordSets"],
            [names.arn("route53", "", "", f"hostedzone/{certificates.zone_id}")],
            {
                "ForAllValues:StringEquals": {
                    "route53:ChangeResourceRecordSetsRecordTypes": ["A"],
                    "route53:ChangeResourceRecordSetsNormalizedRecordNames": [certificates.domain],
                }
            },
        )
    ]
