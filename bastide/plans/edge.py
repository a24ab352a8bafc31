"""The gateway's entrance: names, who may come in, and the values and ways of the controller. Pure."""

from __future__ import annotations

from math import ceil
from typing import Any, Final

from bastide import names
from bastide.plans import controllers
from bastide.plans.serving import endpoint_blocks
from bastide.settings import EdgeSettings, Settings
from bastide.settings.edge import MOST_IDLE_SECONDS

Object = dict[str, Any]

LISTENER_PORT: Final = 443
TARGET_PORT: Final = 4000
"""At which the gateway's pods serve."""

TLS_POLICY: Final = "ELBSecurityPolicy-TLS13-1-2-2021-06"
"""TLS 1.3 and 1.2 with ciphers of forward secrecy alone (ELB user guide, 'Security policies')."""

STRICT_TRANSPORT: Final = "max-age=31536000"
"""A year, as usual: a client that came once by HTTPS does not try HTTP. Without subdomains: they are not the kit's."""

HEALTH_PATH: Final = "/bastide/ready"
"""Answers 200 when keys, Redis and guards are there."""

SPARE_SECONDS: Final = 60
"""By which the load balancer waits longer than clients do: who ends a request shall be the gateway, which says why."""

PATHS_PER_RULE: Final = 5
"""Values of all conditions that a rule takes (ELB user guide, 'Quotas for your Application Load Balancers')."""

RELEASE: Final = "aws-load-balancer-controller"
"""Name of the release, its Deployment and its service account."""

PODS: Final = {"app.kubernetes.io/name": RELEASE, "app.kubernetes.io/instance": RELEASE}
"""Labels of the controller's pods, from the chart's names."""

WEBHOOK_PORT: Final = 9443
"""Its chart, `webhookBindPort`."""
METRICS_PORT: Final = 8080
"""Its chart, `metricsBindAddr`."""
POD_IDENTITY: Final = "169.254.170.23/32"
"""Where the Pod Identity agent of a node answers (EKS user guide, 'EKS Pod Identity')."""


def idle_seconds(settings: Settings) -> int:
    """Seconds without a byte after which the load balancer cuts a connection: what was given, else a little longer than
    clients wait."""
    if settings.edge is not None and settings.edge.idle_timeout_seconds is not None:
        return settings.edge.idle_timeout_seconds
    longest = max((route.client_timeout_seconds for route in settings.routes), default=600)
    return max(60, min(MOST_IDLE_SECONDS, ceil(longest) + SPARE_SECONDS))


def name(settings: Settings) -> str:
    """Name of the load balancer and its target group; at most 23 of ELB's 32 characters. It has no region: names are a
    region's own there."""
    return f"{settings.name}-{settings.environment}-gw"


def controller_role(settings: Settings) -> str:
    """Name of the IAM role of the controller's pods."""
    return f"{settings.prefix}-edge-controller"


def log_bucket(settings: Settings) -> str:
    """Name of the bucket of access logs; at most 58 of S3's 63 characters."""
    return f"{settings.prefix}-edge-logs-{settings.account_id}"


def firewall_log_group(settings: Settings) -> str:
    """Log group of the firewall; WAF writes to names with this start alone."""
    return f"aws-waf-logs-{settings.prefix}"


def clients(settings: Settings, edge: EdgeSettings) -> list[str]:
    """Blocks from which callers may come."""
    if edge.clients:
        return [str(each) for each in edge.clients]
    return ["0.0.0.0/0"] if edge.scheme == "public" else [str(settings.network.cidr)]


def subnet_blocks(settings: Settings) -> list[str]:
    """Blocks in which the load balancer's addresses are: only from there the gateway's pods are asked. None without an
    edge."""
    if settings.edge is None:
        return []
    found = [
        str(each.public if settings.edge.scheme == "public" else each.private) for each in settings.subnets()
    ]
    return found or [str(settings.network.cidr)]


def path_rules(edge: EdgeSettings) -> list[list[str]]:
    """Paths in as few rules as the load balancer allows."""
    paths = list(edge.paths)
    return [paths[start : start + PATHS_PER_RULE] for start in range(0, len(paths), PATHS_PER_RULE)]


def log_policy(settings: Settings) -> str:
    """Policy of the log bucket: ELB writes this account's logs, everybody comes by TLS (ELB user guide, 'Enable access
    logs')."""
    bucket = names.arn("s3", "", "", log_bucket(settings))
    return names.policy_document(
        {
            "Sid": "AccessLogs",
            "Effect": "Allow",
            "Principal": {"Service": "logdelivery.elasticloadbalancing.amazonaws.com"},
            "Action": "s3:PutObject",
            "Resource": f"{bucket}/AWSLogs/{settings.account_id}/*",
        },
        {
            "Sid": "TlsOnly",
            "Effect": "Deny",
            "Principal": "*",
            "Action": "s3:*",
            "Resource": [bucket, f"{bucket}/*"],
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        },
    )


def controller_policy(settings: Settings) -> str:
    """What a controller needs that only keeps one target group's list of pods: it looks, and it registers. It may make
    no load balancer and change no security group."""
    group = f"targetgroup/{name(settings)}/*"
    return names.policy_document(
        {
            "Sid": "Look",
            "Effect": "Allow",
            "Action": [
                *("ec2:DescribeAvailabilityZones", "ec2:DescribeInstances", "ec2:DescribeNetworkInterfaces"),
                *("ec2:DescribeSecurityGroups", "ec2:DescribeSubnets", "ec2:DescribeVpcs"),
                *("elasticloadbalancing:DescribeTargetGroups", "elasticloadbalancing:DescribeTargetHealth"),
            ],
            "Resource": "*",
            "Condition": {"StringEquals": {"aws:RequestedRegion": settings.region}},
        },
        {
            "Sid": "RegisterPods",
            "Effect": "Allow",
            "Action": ["elasticloadbalancing:DeregisterTargets", "elasticloadbalancing:RegisterTargets"],
            "Resource": [names.arn("elasticloadbalancing", settings.region, settings.account_id, group)],
        },
    )


def release_values(settings: Settings, edge: EdgeSettings, vpc_id: object) -> Object:
    """Values of the controller's own chart: one binding in one namespace, and nothing that makes load balancers.
    `vpc_id` is a text, or what will be one."""
    image = edge.image
    return {
        "replicaCount": 2,
        "fullnameOverride": RELEASE,
        "image": {
            "repository": image.repository,
            "tag": controllers.tag(image),
            "pullPolicy": "IfNotPresent",
        },
        "clusterName": settings.cluster_name,
        # Given, so that it asks no node's metadata.
        "region": settings.region,
        "vpcId": vpc_id,
        "watchNamespace": names.namespace("gateway"),
        "serviceAccount": {"create": True, "name": RELEASE},
        # Its webhook would make its controller the one of every Service of type LoadBalancer, in every namespace.
        "enableServiceMutatorWebhook": False,
        "createIngressClassResource": False,
        "ingressClassParams": {"create": False},
        "enableShield": False,
        "enableWaf": False,
        "enableWafv2": False,
        # The rules between load balancer and pods are in the stack, where they are reviewed.
        "enableBackendSecurityGroup": False,
        "enableManageBackendSecurityGroupRules": False,
        # A certificate that stays the same from one render to the next, and is renewed.
        "enableCertManager": True,
        "webhookBindPort": WEBHOOK_PORT,
        "metricsBindAddr": f":{METRICS_PORT}",
        "podSecurityContext": {**controllers.POD_SECURITY, "fsGroup": 65534},
        "securityContext": {**controllers.CONTAINER_SECURITY, "runAsNonRoot": True},
        "resources": controllers.resources(100, 128, 256),
        "nodeSelector": dict(controllers.ON_SYSTEM_NODES),
        "topologySpreadConstraints": controllers.spread(PODS),
        "configureDefaultAffinity": False,
        "priorityClassName": "system-cluster-critical",
        "podDisruptionBudget": {"maxUnavailable": 1},
    }


def network_policies(settings: Settings) -> dict[str, Object]:
    """Specifications of the NetworkPolicies of the controller's namespace, by name."""
    inside = "elasticloadbalancing" in settings.network.interface_endpoints
    # Without an endpoint of its own the service has public addresses, which change.
    aws = [{"ipBlock": {"cidr": each}} for each in (endpoint_blocks(settings) if inside else ["0.0.0.0/0"])]
    return {
        "edge-controller": controllers.policy(
            PODS,
            [controllers.from_api_server(settings, WEBHOOK_PORT), controllers.from_monitoring(METRICS_PORT)],
            [
                controllers.to_dns(),
                controllers.to_api_server(settings),
                {"to": aws, "ports": [{"protocol": "TCP", "port": 443}]},
                {"to": [{"ipBlock": {"cidr": POD_IDENTITY}}], "ports": [{"protocol": "TCP", "port": 80}]},
            ],
        )
    }


def binding(settings: Settings) -> Object:
    """The TargetGroupBinding, which says which Service's pods a target group has, less the group's ARN."""
    return {
        "apiVersion": "elbv2.k8s.aws/v1beta1",
        "kind": "TargetGroupBinding",
        "metadata": {
            "name": names.GATEWAY,
            "namespace": names.namespace("gateway"),
            "labels": names.labels("bastide", settings.name, "edge"),
        },
        "spec": {
            "serviceRef": {"name": names.GATEWAY, "port": LISTENER_PORT},
            "targetType": "ip",
            "ipAddressType": "ipv4",
        },
    }
