"""A controller by its own chart, in its closed namespace."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes

from bastide import names
from bastide.settings import Settings
from components.charts import MAX_HISTORY
from components.controller_ways import ways


@dataclass(frozen=True)
class ControllerChart:
    """What is installed. `purpose` is that of its namespace, `repository` the chart's, None where `chart` is a whole
    address, and `policies` are the ways of its pods."""

    purpose: str
    release: str
    chart: str
    version: str
    values: dict[str, Any]
    policies: dict[str, dict[str, Any]]
    repository: str | None = None


def controller(
    name: str, settings: Settings, chart: ControllerChart, parent: pulumi.Resource
) -> kubernetes.helm.v3.Release:
    """The release, after its ways."""
    opened = ways(name, settings, chart.purpose, chart.policies, parent)
    found = chart.repository
    return kubernetes.helm.v3.Release(
        f"{name}-release",
        name=chart.release,
        namespace=names.namespace(chart.purpose),
        chart=chart.chart,
        version=chart.version,
        repository_opts=None if found is None else kubernetes.helm.v3.RepositoryOptsArgs(repo=found),
        values=chart.values,
        timeout=settings.rollout_timeout_seconds,
        max_history=MAX_HISTORY,
        opts=pulumi.ResourceOptions(parent=parent, depends_on=opened),
    )
