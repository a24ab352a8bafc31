"""LeaderWorkerSet by its own chart, with our ways for its pods."""

from __future__ import annotations

import pulumi

from bastide.plans import leader_worker_set
from bastide.settings import Settings
from components.controller_release import ControllerChart, controller


class MultiNode(pulumi.ComponentResource):
    """LeaderWorkerSet, which keeps the pods of a replica over several nodes together."""

    def __init__(self, name: str, settings: Settings, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("bastide:kubernetes:MultiNode", name, None, opts)
        wanted = settings.multi_node
        chart = ControllerChart(
            purpose="groups",
            release=leader_worker_set.RELEASE,
            chart=f"{wanted.chart_registry}/lws",
            version=wanted.chart_version,
            values=leader_worker_set.release_values(settings),
            policies=leader_worker_set.network_policies(settings),
        )
        controller(name, settings, chart, self)
        self.register_outputs({"release": leader_worker_set.RELEASE})
