"""LeaderWorkerSet by its own chart, with our ways for its pods."""

from __future__ import annotations

import pulumi
import pulumi_kubernetes as kubernetes

from bastide import names
from bastide.plans import leader_worker_set
from bastide.settings import Settings
from components.charts import MAX_HISTORY
from components.controller_ways import ways


class MultiNode(pulumi.ComponentResource):
    """LeaderWorkerSet, which keeps the pods of a replica over several nodes together."""

    def __init__(self, name: str, settings: Settings, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("bastide:kubernetes:MultiNode", name, None, opts)
        wanted = settings.multi_node
        opened = ways(name, settings, "groups", leader_worker_set.network_policies(settings), self)
        kubernetes.helm.v3.Release(
            f"{name}-release",
            name=leader_worker_set.RELEASE,
            namespace=names.namespace("groups"),
            chart=f"{wanted.chart_registry}/lws",
            version=wanted.chart_version,
            values=leader_worker_set.release_values(settings),
            timeout=settings.rollout_timeout_seconds,
            max_history=MAX_HISTORY,
            opts=pulumi.ResourceOptions(parent=self, depends_on=opened),
        )
        self.register_outputs({"release": leader_worker_set.RELEASE})
