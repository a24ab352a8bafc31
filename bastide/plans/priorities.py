"""Priority classes: who gets a GPU when there are not enough. Pure.

The scheduler makes room for a pod that does not fit by ending pods of lower priority, if the waiting pod's class
allows that (Kubernetes docs, "Pod Priority and Preemption"). Device plugins keep `system-node-critical`, which every
cluster has: without them a node has no GPU to fight over.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Lane = Literal["serving", "batch"]


@dataclass(frozen=True)
class Priority:
    """A PriorityClass. `value` is at most 1,000,000,000: what is above belongs to Kubernetes."""

    name: str
    value: int
    preemption: Literal["PreemptLowerPriority", "Never"]
    description: str


SERVING: Final = Priority(
    "bastide-serving",
    1_000_000,
    # Users wait for it: it takes its GPUs back from batch at once.
    "PreemptLowerPriority",
    "Engines that answer users. Ends batch pods where it does not fit.",
)

BATCH: Final = Priority(
    "bastide-batch",
    # Below 0, what a pod without a class has; not below -10, at which the cluster autoscaler stops adding nodes for
    # a pod (its FAQ, `expendable-pods-priority-cutoff`).
    -5,
    # Batch can wait, and is the first to go: it never ends anybody's pod to start earlier.
    "Never",
    "Work without a user who waits. Is ended when serving needs its GPUs, and ends nobody.",
)

AGENTS: Final = Priority(
    "bastide-agents",
    2_000_000,
    # First in the queue, so that a new node gets its agents before its GPUs are taken; but an exporter that does not
    # fit is no reason to end an engine.
    "Never",
    "Node agents without which nodes still work (exporters, log shippers): placed first, and end nobody.",
)

ALL: Final = (AGENTS, SERVING, BATCH)

_LANES: Final[dict[Lane, Priority]] = {"serving": SERVING, "batch": BATCH}


def of_lane(lane: Lane) -> Priority:
    """The class of an engine's lane."""
    return _LANES[lane]
