"""Karpenter of a region: its names, what it listens to, and its chart's values. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from bastide import names
from bastide.plans.serving import image_values
from bastide.settings import UNRESOLVED, PoolSettings, Settings

Object = dict[str, Any]

NAMESPACE: Final = "kube-system"
"""Karpenter's own advice: API Priority and Fairness serves its requests before those of ordinary namespaces."""

RELEASE: Final = "karpenter"
CRD_RELEASE: Final = "karpenter-crd"
SERVICE_ACCOUNT: Final = "karpenter"

QUEUE_SECONDS: Final = 300
"""Retention of the queue of interruptions: a Spot notice is two minutes ahead (Karpenter's CloudFormation)."""

EVENTS: Final[Mapping[str, Mapping[str, list[str]]]] = {
    "health": {"source": ["aws.health"], "detail-type": ["AWS Health Event"]},
    "spot": {"source": ["aws.ec2"], "detail-type": ["EC2 Spot Instance Interruption Warning"]},
    "rebalance": {"source": ["aws.ec2"], "detail-type": ["EC2 Instance Rebalance Recommendation"]},
    "state": {"source": ["aws.ec2"], "detail-type": ["EC2 Instance State-change Notification"]},
}
"""What Karpenter listens to (its CloudFormation template), by the last part of the rule's name."""


def pools(settings: Settings) -> list[PoolSettings]:
    """The pools whose nodes Karpenter makes."""
    return [pool for pool in settings.pools if pool.provisioner == "karpenter"]


def name(settings: Settings) -> str:
    """Name of Karpenter's role, queue and rules."""
    return f"{settings.prefix}-karpenter"


def node_role(settings: Settings) -> str:
    """Name of the role, and of the instance profile, of the nodes that Karpenter makes."""
    return f"{settings.prefix}-karpenter-node"


def rule_name(settings: Settings, event: str) -> str:
    """Name of an EventBridge rule; `event` is a key of `EVENTS`."""
    return f"{name(settings)}-{event}"


def has_internet(settings: Settings) -> bool:
    """Whether pods reach AWS's services that have no interface endpoint (prices, IAM). Of an adopted network that is
    not known; Karpenter then keeps to the prices that it was built with."""
    return getattr(settings.network, "nat", "none") != "none"


def release_values(settings: Settings) -> Object:
    """Values of Karpenter's own chart."""
    image = {key: part for key, part in image_values(settings.karpenter.image).items() if part != UNRESOLVED}
    return {
        "settings": {
            "clusterName": settings.cluster_name,
            "interruptionQueue": name(settings),
            "isolatedVPC": not has_internet(settings),
        },
        "serviceAccount": {"name": SERVICE_ACCOUNT},
        "controller": {
            # The chart names a digest of its own where none is given here.
            "image": {"digest": "", **image},
            # Karpenter's getting-started guide: 1 CPU and 1 GiB.
            "resources": {"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"memory": "1Gi"}},
        },
        # It must not run on nodes that it may take away.
        "nodeSelector": {"kubernetes.io/os": "linux", names.POOL_LABEL: names.SYSTEM_POOL},
    }
