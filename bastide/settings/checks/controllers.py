"""Checks that the controllers which engines need are on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from bastide.settings.checks.common import Check
from bastide.settings.errors import Problem

if TYPE_CHECKING:
    from bastide.settings.root import Settings


def _several_nodes(settings: Settings) -> Iterator[Problem]:
    if settings.multi_node.enabled:
        return
    for index, engine in enumerate(settings.engines):
        if engine.nodes > 1:
            yield Problem(
                f"engines[{index}].nodes",
                f"{engine.nodes} while multiNode.enabled is off; allowed: 1, or any with multiNode.enabled: true; the "
                "pods of such a replica start, restart and end together only by the LeaderWorkerSet controller; turn "
                "it on",
            )


def _autoscaling(settings: Settings) -> Iterator[Problem]:
    if settings.scaling.enabled:
        return
    for index, engine in enumerate(settings.engines):
        if engine.autoscaling is not None:
            yield Problem(
                f"engines[{index}].autoscaling",
                "is given while scaling.enabled is off; allowed: no value, or any with scaling.enabled: true; without "
                "KEDA nothing would count requests, and the number of replicas would be nobody's; turn it on",
            )


CHECKS: Final[tuple[Check, ...]] = (_several_nodes, _autoscaling)
