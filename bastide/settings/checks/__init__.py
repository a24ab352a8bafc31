"""Checks across settings: what each value alone cannot tell.

Each check is a generator of problems over one thing. A check that meets a value with a mistake of its own
(`UnusableError`) ends there: that mistake is reported already. Each file has the checks of one part, and names
them in `CHECKS`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bastide.settings.checks import (
    access,
    certificates,
    cluster,
    engines,
    karpenter,
    model_store,
    namespaces,
    network,
    pools,
    stack,
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
        engines,
        model_store,
        namespaces,
        certificates,
    )
    return [problem for part in parts for check in part.CHECKS for problem in usable(check(settings))]
