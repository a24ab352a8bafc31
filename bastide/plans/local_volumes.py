"""Volumes for weights on nodes: which pools have them by which StorageClass, and whom their agents reach. Pure."""

from __future__ import annotations

from typing import Any

from bastide.plans import controllers, node_user_data
from bastide.plans.serving import image_values
from bastide.settings import Settings
from bastide.settings.weights import NodeWeights


def classes(settings: Settings) -> dict[str, list[str]]:
    """StorageClasses by name, each with its pools."""
    found: dict[str, list[str]] = {}
    for pool in settings.pools:
        if isinstance(pool.weights, NodeWeights):
            found.setdefault(pool.weights.storage_class, []).append(pool.name)
    return dict(sorted(found.items()))


def chart_values(settings: Settings) -> dict[str, Any]:
    """`localVolumes` of charts/node-agents."""
    return {
        "provisioner": {"image": image_values(settings.images.local_volume_provisioner)},
        "cleanup": {"image": image_values(settings.images.local_volume_node_cleanup)},
        "folder": node_user_data.WEIGHTS_FOLDER,
        "classes": [{"name": name, "pools": pools} for name, pools in classes(settings).items()],
    }


def network_policies(settings: Settings) -> dict[str, dict[str, Any]]:
    """Specifications of NetworkPolicies by name: they reach the API server and nobody else, and nobody reaches
    them. The addresses of the API server come from their environment, so they look up no name."""
    found = list(classes(settings))
    agents = [*(f"local-volumes-{name}" for name in found), *(["local-volume-cleanup"] if found else [])]
    return {
        agent: controllers.policy(
            {"app.kubernetes.io/name": agent}, [], [controllers.to_api_server(settings)]
        )
        for agent in agents
    }
