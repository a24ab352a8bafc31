"""Checks of where weights lie on nodes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from bastide.settings.base import UNRESOLVED
from bastide.settings.checks.common import Check
from bastide.settings.errors import Problem
from bastide.settings.weights import NodeWeights

if TYPE_CHECKING:
    from bastide.settings.root import Settings


def _kept_on_nodes(settings: Settings) -> Iterator[Problem]:
    """Engines whose models a node cannot keep: by a digest that is not known, or for pods that have no name of their
    own to come back under."""
    kept = {each.name for each in settings.pools if isinstance(each.weights, NodeWeights)}
    digests = {each.name: each.sha256 for each in settings.models}
    for index, engine in enumerate(settings.engines):
        if engine.pool not in kept:
            continue
        path = f"engines[{index}]"
        drafting = getattr(engine.speculation, "model", None)
        for name in (engine.model, *engine.lora.adapters, *([drafting] if drafting else [])):
            if digests.get(name) == UNRESOLVED:
                yield Problem(
                    f"{path}.model",
                    f"{name!r} has no sha256, and pool {engine.pool!r} keeps weights on its nodes (weights.kind node); "
                    "allowed: models with a digest; they are kept by it; put the one that `bastide model verify` "
                    "prints into bastide:models, or set the pool's weights to pod",
                )
        if engine.nodes > 1 or engine.rollout == "surge":
            what = "nodes above 1" if engine.nodes > 1 else "rollout 'surge'"
            yield Problem(
                f"{path}.{'nodes' if engine.nodes > 1 else 'rollout'}",
                f"{what} does not go with weights.kind node of pool {engine.pool!r}; allowed there: one node a "
                "replica, and rollout replace; a claim belongs to a pod that comes back under its name; set the "
                "pool's weights to pod",
            )


CHECKS: Final[tuple[Check, ...]] = (_kept_on_nodes,)
