"""The cluster's priority classes, by which serving wins over batch."""

from __future__ import annotations

import pulumi
import pulumi_kubernetes as kubernetes

from bastide import names
from bastide.plans import priorities
from bastide.settings import Settings


class Priorities(pulumi.ComponentResource):
    """The classes of `bastide.plans.priorities`. None is the cluster's default: a pod without one stays between batch
    and serving."""

    def __init__(self, name: str, settings: Settings, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("bastide:kubernetes:Priorities", name, None, opts)
        for each in priorities.ALL:
            kubernetes.scheduling.v1.PriorityClass(
                f"{name}-{each.name}",
                metadata={
                    "name": each.name,
                    "labels": names.labels("bastide", settings.name, "priorities"),
                },
                value=each.value,
                global_default=False,
                preemption_policy=each.preemption,
                description=each.description,
                # Neither value nor preemption policy can be changed in place, and the name is how pods find it.
                opts=pulumi.ResourceOptions(parent=self, delete_before_replace=True),
            )
        self.register_outputs({"classes": [each.name for each in priorities.ALL]})
