"""The Helm release of charts/node-agents: without it GPU nodes have no GPU, and no volume of weights, to give."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import pulumi
import pulumi_kubernetes as kubernetes

from bastide import names
from bastide.plans import local_volumes, pool_plan
from bastide.plans.serving import image_values
from bastide.settings import Settings
from bastide.settings.sharing import TimeSlicing
from components.charts import MAX_HISTORY, with_digest
from components.controller_ways import ways

CHART: Final = "./charts/node-agents"
"""Relative to the program, so that the state holds no path of a machine."""

RELEASE: Final = "node-agents"


def chart_values(settings: Settings) -> dict[str, Any]:
    """Values of charts/node-agents: which agents run on which pools. Pure."""
    # Bottlerocket runs NVIDIA's plugin itself, also with shared GPUs: a second one would announce them twice.
    plugged = [pool for pool in settings.pools if not pool_plan.brings_device_plugin(pool)]
    sliced: dict[int, list[str]] = {}
    for pool in plugged:
        if isinstance(pool.sharing, TimeSlicing):
            sliced.setdefault(pool.sharing.replicas, []).append(pool.name)
    tolerations = [each for pool in settings.pools for each in pool_plan.tolerations(pool)]
    return {
        "allowUnresolved": settings.sandbox,
        "tolerations": [each for index, each in enumerate(tolerations) if each not in tolerations[:index]],
        "nvidia": {
            "image": image_values(settings.images.nvidia_device_plugin),
            "pools": [pool.name for pool in plugged if not isinstance(pool.sharing, TimeSlicing)],
            "timeSlicing": [
                {"replicas": replicas, "pools": pools} for replicas, pools in sorted(sliced.items())
            ],
        },
        "efa": {
            "image": image_values(settings.images.efa_device_plugin),
            "pools": [pool.name for pool in settings.pools if pool.efa],
        },
        "localVolumes": local_volumes.chart_values(settings),
    }


@dataclass(frozen=True)
class NodeAgentsArgs:
    """The stack's settings."""

    settings: Settings


class NodeAgents(pulumi.ComponentResource):
    """Device plugins on every GPU pool, and volumes on those that keep weights."""

    def __init__(self, name: str, args: NodeAgentsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("bastide:kubernetes:NodeAgents", name, None, opts)
        opened = ways(name, args.settings, "system", local_volumes.network_policies(args.settings), self)
        kubernetes.helm.v3.Release(
            f"{name}-release",
            name=RELEASE,
            namespace=names.namespace("system"),
            chart=CHART,
            values=with_digest(CHART, chart_values(args.settings)),
            timeout=args.settings.rollout_timeout_seconds,
            max_history=MAX_HISTORY,
            opts=pulumi.ResourceOptions(parent=self, depends_on=opened),
        )
        self.register_outputs({"release": RELEASE})
