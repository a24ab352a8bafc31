"""KEDA by its own chart, with our ways for its pods."""

from __future__ import annotations

import pulumi
import pulumi_kubernetes as kubernetes

from bastide import names
from bastide.plans import keda
from bastide.settings import Settings
from components.charts import MAX_HISTORY
from components.controller_ways import ways


class Scaling(pulumi.ComponentResource):
    """KEDA, which scales engines by their queues."""

    def __init__(self, name: str, settings: Settings, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("bastide:kubernetes:Scaling", name, None, opts)
        wanted = settings.scaling
        opened = ways(name, settings, "scaling", keda.network_policies(settings), self)
        kubernetes.helm.v3.Release(
            f"{name}-release",
            name=keda.RELEASE,
            namespace=names.namespace("scaling"),
            chart="keda",
            version=wanted.chart_version,
            repository_opts=kubernetes.helm.v3.RepositoryOptsArgs(repo=wanted.chart_repository),
            values=keda.release_values(settings),
            timeout=settings.rollout_timeout_seconds,
            max_history=MAX_HISTORY,
            opts=pulumi.ResourceOptions(parent=self, depends_on=opened),
        )
        self.register_outputs({"release": keda.RELEASE})
