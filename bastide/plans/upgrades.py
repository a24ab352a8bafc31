"""What a change of the Kubernetes version does, in which order, and which changes are refused.

The order is that of the resources' dependencies (components/region.py): control plane, the add-ons that nodes
need, pools, the add-ons that need nodes. EKS does none of it by itself (EKS user guide, "Update existing cluster
to new Kubernetes version").
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from bastide.catalogues.addon_versions import AFTER_NODES, BEFORE_NODES
from bastide.catalogues.eks_versions import minor

KUBELET_SKEW: Final = 3
"""Minor versions that a kubelet may be behind its API server (Kubernetes version skew policy, since 1.28)."""


@dataclass(frozen=True)
class Running:
    """What is there now, as the cloud says."""

    kubernetes: str
    addons: Mapping[str, str] = field(default_factory=dict)
    """Version by add-on."""
    pools: Mapping[str, str] = field(default_factory=dict)
    """Kubernetes version by pool; several node groups of a pool count by the oldest."""


@dataclass(frozen=True)
class Pool:
    """A pool as it is wanted, and how many of its nodes an update takes at a time."""

    name: str
    at_once: str
    """`1 node`, or a share such as `10 % of its nodes`."""


@dataclass(frozen=True)
class Wanted:
    """What the settings ask for."""

    kubernetes: str
    addons: Mapping[str, str]
    """Version by add-on, of those that the stack manages."""
    pools: Sequence[Pool]
    owned: bool = True
    """Whether the control plane is the stack's."""


def refusal(running: Running, wanted: Wanted) -> str:
    """Why the change is refused before anything is changed; '' when it may be made."""
    steps = minor(wanted.kubernetes) - minor(running.kubernetes)
    change = f"Kubernetes {running.kubernetes} -> {wanted.kubernetes}"
    if steps and not wanted.owned:
        return (
            f"the adopted cluster runs Kubernetes {running.kubernetes}, and cluster.kubernetesVersion is "
            f"{wanted.kubernetes}; its owner upgrades it, and the pools follow; set '{running.kubernetes}'"
        )
    if steps < 0:
        return (
            f"{change} goes down, and EKS cannot take a control plane back to an older version; set "
            f"cluster.kubernetesVersion to '{running.kubernetes}', or make a new cluster under another name"
        )
    if steps > 1:
        return (
            f"{change} is {steps} minor versions at once, and EKS takes one at a time; set "
            f"cluster.kubernetesVersion to '1.{minor(running.kubernetes) + 1}' first, apply it until the pools "
            "have followed, then the next"
        )
    if steps:
        late = {
            name: version
            for name, version in running.pools.items()
            if minor(wanted.kubernetes) - minor(version) > KUBELET_SKEW
        }
        if late:
            named = ", ".join(f"{name} ({version})" for name, version in sorted(late.items()))
            return (
                f"{change} would leave these pools more than {KUBELET_SKEW} minor versions behind, where "
                f"kubelets no longer work with the API server: {named}; apply "
                f"'{running.kubernetes}' until they have followed"
            )
    return ""


def explain(running: Running, wanted: Wanted) -> str:
    """The steps of an upgrade in the order in which they happen; '' when the Kubernetes version stays and every
    pool has it."""
    behind = [
        pool for pool in wanted.pools if running.pools.get(pool.name, wanted.kubernetes) != wanted.kubernetes
    ]
    if running.kubernetes == wanted.kubernetes and not behind:
        return ""
    steps: list[str] = []
    if running.kubernetes != wanted.kubernetes:
        steps.append("control plane")
        behind = [pool for pool in wanted.pools if pool.name in running.pools]
    steps += _addons(running, wanted, BEFORE_NODES)
    steps += _pools(behind)
    steps += _addons(running, wanted, AFTER_NODES)
    oldest = min([running.kubernetes, *running.pools.values()], key=minor)
    numbered = ", ".join(f"{number}. {step}" for number, step in enumerate(steps, 1))
    return f"Kubernetes {oldest} -> {wanted.kubernetes}: {numbered}"


def _addons(running: Running, wanted: Wanted, group: Sequence[str]) -> list[str]:
    changes = [
        f"{name} {running.addons.get(name, 'new')} -> {wanted.addons[name]}"
        for name in group
        if name in wanted.addons and running.addons.get(name) != wanted.addons[name]
    ]
    return [f"add-on{'s' if len(changes) > 1 else ''} {', '.join(changes)}"] if changes else []


def _pools(pools: Sequence[Pool]) -> list[str]:
    if not pools:
        return []
    if len({pool.at_once for pool in pools}) == 1:
        names = ", ".join(pool.name for pool in pools)
        each = " in each" if len(pools) > 1 else ""
        return [f"pool{'s' if len(pools) > 1 else ''} {names} (at most {pools[0].at_once} at a time{each})"]
    named = ", ".join(f"{pool.name} (at most {pool.at_once} at a time)" for pool in pools)
    return [f"pools {named}"]
