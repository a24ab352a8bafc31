"""Values of LeaderWorkerSet's own chart, and the ways that its pods have. Pure."""

from __future__ import annotations

from typing import Any, Final

from bastide.plans import controllers
from bastide.settings import Settings

Object = dict[str, Any]

RELEASE: Final = "lws"

WEBHOOK_PORT: Final = 9443
"""Its chart, `service.port`."""

PODS: Final = {"app.kubernetes.io/name": "lws", "control-plane": "controller-manager"}
"""Labels of the controller's pods (its chart, manager/deployment.yaml)."""


def release_values(settings: Settings) -> Object:
    """Values of its own chart."""
    image = settings.multi_node.image
    return {
        "replicaCount": 2,
        "image": {
            "manager": {
                "repository": image.repository,
                "tag": controllers.tag(image),
                "pullPolicy": "IfNotPresent",
            }
        },
        "podSecurityContext": dict(controllers.POD_SECURITY),
        "securityContext": dict(controllers.CONTAINER_SECURITY),
        # The chart asks for 1 CPU and 1 GiB, for thousands of groups; a choice for some tens.
        "resources": controllers.resources(100, 128, 512),
        "nodeSelector": dict(controllers.ON_SYSTEM_NODES),
        # It makes the webhooks' certificate itself: one way whether or not cert-manager is there.
        "enableCertManager": False,
        # Its metrics come as a ServiceMonitor, whose definition a cluster need not have.
        "enablePrometheus": False,
    }


def network_policies(settings: Settings) -> dict[str, Object]:
    """Specifications of the NetworkPolicies of its namespace, by name."""
    return {
        "lws-controller": controllers.policy(
            PODS,
            [controllers.from_api_server(settings, WEBHOOK_PORT)],
            [controllers.to_dns(), controllers.to_api_server(settings)],
        )
    }
