"""KEDA by its own chart, with our ways for its pods."""

from __future__ import annotations

import pulumi

from bastide.plans import keda
from bastide.settings import Settings
from components.controller_release import ControllerChart, controller


class Scaling(pulumi.ComponentResource):
    """KEDA, which scales engines by their queues."""

    def __init__(self, name: str, settings: Settings, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("bastide:kubernetes:Scaling", name, None, opts)
        wanted = settings.scaling
        chart = ControllerChart(
            purpose="scaling",
            release=keda.RELEASE,
            chart="keda",
            version=wanted.chart_version,
            repository=wanted.chart_repository,
            values=keda.release_values(settings),
            policies=keda.network_policies(settings),
        )
        controller(name, settings, chart, self)
        self.register_outputs({"release": keda.RELEASE})
