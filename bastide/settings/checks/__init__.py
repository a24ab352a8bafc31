"""Checks across settings: what each value alone cannot tell.

Each check is a generator of problems over one thing. A check that meets a value with a mistake of its own
(`UnusableError`) ends there: that mistake is reported already. Each file has the checks of one part, and names
them in `CHECKS`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bastide.settings.checks import (
    access,
    capacity,
    certificates,
    cluster,
    controllers,
    edge,
    engine_kinds,
    engines,
    engines_extra_args,
    engines_models,
    engines_quality,
    engines_rollout,
    engines_vllm,
    gateway,
    gateway_stores,
    karpenter,
    model_store,
    namespaces,
    network,
    pools,
    routes,
    routes_classes,
    routes_fallbacks,
    routes_traffic,
    secrets,
    sign_in,
    stack,
    weights,
)
from bastide.settings.checks.common import usable
from bastide.settings.errors import Problem

if TYPE_CHECKING:
    from bastide.settings.root import Settings


def problems_across(settings: Settings) -> list[Problem]:
    """Every problem that shows only when values are seen together."""
    parts = (
        stack,
        network,
        cluster,
        access,
        pools,
        karpenter,
        controllers,
        gateway,
        gateway_stores,
        sign_in,
        edge,
        engines,
        engines_models,
        engines_rollout,
        engines_vllm,
        engines_extra_args,
        engines_quality,
        engine_kinds,
        model_store,
        weights,
        namespaces,
        certificates,
        secrets,
        routes,
        routes_fallbacks,
        routes_traffic,
        routes_classes,
        # Last: it leaves out what others refuse.
        capacity,
    )
    return [problem for part in parts for check in part.CHECKS for problem in usable(check(settings))]
