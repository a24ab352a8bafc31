"""Values of KEDA's own chart, and the ways that its pods have. Pure.

The chart's own NetworkPolicies let every pod of the cluster in, and its pods out to every other: ours replace them."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlsplit

from bastide import names
from bastide.plans import controllers
from bastide.settings import ImageSettings, Settings

Object = dict[str, Any]

RELEASE: Final = "keda"

METRICS_PORT: Final = 8080
GRPC_PORT: Final = 9666
"""At which the operator hands figures to the metrics server (KEDA's chart, manager/service.yaml)."""
API_PORT: Final = 6443
"""Of the aggregated API (KEDA's chart, `service.portHttpsTarget`)."""
WEBHOOK_PORT: Final = 9443
"""KEDA's chart, `webhooks.port`."""
PROMETHEUS_PORT: Final = 9090
"""Prometheus' own default port."""

OPERATOR: Final = {"app": "keda-operator"}
METRICS_SERVER: Final = {"app": "keda-operator-metrics-apiserver"}
WEBHOOKS: Final = {"app": "keda-admission-webhooks"}
"""Labels of the three deployments' pods, from the chart's names."""

LEADER_WORKER_SETS: Final = {"apiGroup": "leaderworkerset.x-k8s.io", "kind": "leaderworkersets"}
"""What else than Deployments and StatefulSets it may scale, where engines over several nodes exist."""


def _image(image: ImageSettings) -> Object:
    # The repository has its registry, so the chart's own part for it stays empty.
    return {"registry": "", "repository": image.repository, "tag": controllers.tag(image)}


def release_values(settings: Settings) -> Object:
    """Values of KEDA's own chart."""
    images = settings.scaling.images
    several = settings.multi_node.enabled
    parts = ("operator", "metricServer", "webhooks")
    return {
        "image": {
            "keda": _image(images.operator),
            "metricsApiServer": _image(images.metrics_server),
            "webhooks": _image(images.webhooks),
            "pullPolicy": "IfNotPresent",
        },
        "clusterName": settings.cluster_name,
        # Engines are in this one namespace: only there it may read and scale.
        "watchNamespace": names.namespace("serving"),
        # `keep`: deleting the definitions would delete every ScaledObject with them.
        "crds": {"install": True, "additionalAnnotations": {"helm.sh/resource-policy": "keep"}},
        "networkPolicy": {"enabled": False},
        "priorityClassName": "system-cluster-critical",
        "nodeSelector": dict(controllers.ON_SYSTEM_NODES),
        "operator": {"replicaCount": 2},
        "metricsServer": {"replicaCount": 2, "useHostNetwork": False},
        "webhooks": {"replicaCount": 2, "useHostNetwork": False, "failurePolicy": "Fail"},
        "podDisruptionBudget": {each: {"maxUnavailable": 1} for each in parts},
        "topologySpreadConstraints": {
            "operator": controllers.spread(OPERATOR),
            "metricsServer": controllers.spread(METRICS_SERVER),
            "webhooks": controllers.spread(WEBHOOKS),
        },
        "rbac": {
            "create": True,
            # Without it everybody with `edit` could scale engines past their settings.
            "aggregateToDefaultRoles": False,
            # Off, or else named kinds only: the chart's default is every kind of every group.
            "enabledCustomScaledRefKinds": several,
            "scaledRefKinds": [LEADER_WORKER_SETS] if several else [],
        },
        # Our triggers need no secret: Prometheus is inside, and asks for none.
        "permissions": {
            "operator": {"restrict": {"secret": True, "allowAllServiceAccountTokenCreation": False}},
            "metricServer": {"restrict": {"secret": True}},
        },
        "podSecurityContext": {each: dict(controllers.POD_SECURITY) for each in parts},
        "securityContext": {each: dict(controllers.CONTAINER_SECURITY) for each in parts},
        # Measured by nobody here; KEDA's chart asks for 100m and 100Mi and bounds at 1000Mi for thousands of objects.
        "resources": {each: controllers.resources(100, 128, 512) for each in parts},
        "prometheus": {
            "operator": {"enabled": True, "port": METRICS_PORT},
            "metricServer": {"enabled": True, "port": METRICS_PORT},
            "webhooks": {"enabled": True, "port": METRICS_PORT},
        },
        "enableServiceLinks": False,
        "asciiArt": False,
    }


def prometheus_ports(settings: Settings) -> list[int]:
    """Ports at which engines' triggers ask Prometheus; its own default while there are none."""
    asked = [urlsplit(each.autoscaling.prometheus) for each in settings.engines if each.autoscaling]
    ports = {each.port or {"http": 80, "https": 443}[each.scheme] for each in asked}
    return sorted(ports) or [PROMETHEUS_PORT]


def network_policies(settings: Settings) -> dict[str, Object]:
    """Specifications of the NetworkPolicies of KEDA's namespace, by name."""
    dns, api = controllers.to_dns(), controllers.to_api_server(settings)
    scraped = controllers.from_monitoring(METRICS_PORT)
    grpc: list[Object] = [{"protocol": "TCP", "port": GRPC_PORT}]
    prometheus = {
        "to": [controllers.monitoring_peer()],
        "ports": [{"protocol": "TCP", "port": each} for each in prometheus_ports(settings)],
    }
    asked = {"from": [{"podSelector": {"matchLabels": METRICS_SERVER}}], "ports": grpc}
    ask = {"to": [{"podSelector": {"matchLabels": OPERATOR}}], "ports": grpc}
    return {
        "keda-operator": controllers.policy(OPERATOR, [asked, scraped], [dns, api, prometheus]),
        "keda-metrics-server": controllers.policy(
            METRICS_SERVER, [controllers.from_api_server(settings, API_PORT), scraped], [dns, api, ask]
        ),
        "keda-webhooks": controllers.policy(
            WEBHOOKS, [controllers.from_api_server(settings, WEBHOOK_PORT), scraped], [dns, api]
        ),
    }
