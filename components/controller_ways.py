"""The ways of a controller's pods through its closed namespace."""

from __future__ import annotations

from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes

from bastide import names
from bastide.settings import Settings


def ways(
    name: str, settings: Settings, purpose: str, wanted: dict[str, dict[str, Any]], parent: pulumi.Resource
) -> list[pulumi.Resource]:
    """The namespace is closed: the controller's ways are there before its pods."""
    return [
        kubernetes.networking.v1.NetworkPolicy(
            f"{name}-{policy}",
            metadata={
                "name": policy,
                "namespace": names.namespace(purpose),
                "labels": names.labels("bastide", settings.name, purpose),
            },
            spec=spec,
            opts=pulumi.ResourceOptions(parent=parent),
        )
        for policy, spec in wanted.items()
    ]
