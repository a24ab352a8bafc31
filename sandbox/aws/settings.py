"""How fast this AWS moves. Real AWS takes minutes; the sandbox takes seconds, in the same order."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    """Durations in seconds.

    `self_sufficient`: clusters become ACTIVE and nodes join by themselves; without it a daemon must report
    both.
    """

    self_sufficient: bool = False
    tick: float = 0.2
    """How often lifecycles advance: well under the second at which a person or a waiter polls."""
    launch_patience: float = 8.0
    """How long a new node group may fail to launch before CREATE_FAILED (EKS: about 20 to 30 minutes)."""
    join_patience: float = 180.0
    """How long nodes may take to join before NodeCreationFailure (EKS: about 15 minutes)."""
    drain_patience: float = 60.0
    """How long a node may take to drain before PodEvictionFailure (EKS: 15 minutes)."""
    addon_patience: float = 120.0
    """How long an add-on waits for a node to run on before DEGRADED (EKS: 20 minutes)."""
