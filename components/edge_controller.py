"""AWS Load Balancer Controller, which keeps the list of the gateway's pods at the load balancer, and its binding."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as kubernetes

from bastide.plans import edge
from bastide.settings import EdgeSettings, Settings
from components.controller_release import ControllerChart, controller


@dataclass(frozen=True)
class EdgeControllerArgs:
    """The stack's settings, and what is bound."""

    settings: Settings
    wanted: EdgeSettings
    vpc_id: pulumi.Input[str]
    target_group_arn: pulumi.Input[str]


class EdgeController(pulumi.ComponentResource):
    """The controller by its own chart, and the gateway's TargetGroupBinding."""

    def __init__(
        self, name: str, args: EdgeControllerArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("bastide:kubernetes:EdgeController", name, None, opts)
        settings, wanted = args.settings, args.wanted
        release = controller(
            name,
            settings,
            ControllerChart(
                purpose="edge",
                release=edge.RELEASE,
                chart="aws-load-balancer-controller",
                version=wanted.chart_version,
                repository=wanted.chart_repository,
                values=edge.release_values(settings, wanted, args.vpc_id),
                policies=edge.network_policies(settings),
            ),
            self,
        )
        bound = edge.binding(settings)
        kubernetes.apiextensions.CustomResource(
            f"{name}-binding",
            api_version=bound["apiVersion"],
            kind=bound["kind"],
            metadata=bound["metadata"],
            spec={**bound["spec"], "targetGroupARN": args.target_group_arn},
            # It takes the pods out when it goes, so the controller goes after it.
            opts=pulumi.ResourceOptions(parent=self, depends_on=[release]),
        )
        self.register_outputs({})
