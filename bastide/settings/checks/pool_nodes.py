"""Checks of what a pool's nodes have: interfaces, placement, images, shared GPUs, labels and taints."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from bastide import names
from bastide.catalogues import gpu_matrix, instances, mig
from bastide.settings.base import UNRESOLVED
from bastide.settings.capacity import Block
from bastide.settings.checks.common import PoolCheck
from bastide.settings.errors import Problem, choices
from bastide.settings.pools import LABEL_KEY, LABEL_KEY_RULE, PoolSettings
from bastide.settings.sharing import Mig, NotShared, TimeSlicing

if TYPE_CHECKING:
    from bastide.settings.root import Settings

RESERVED: Final = ("bastide.dev", "kubernetes.io", "k8s.io", "eks.amazonaws.com", "k8s.aws")
"""Domains whose labels and taints belong to the kit, Kubernetes and EKS."""


def _efa(_: Settings, pool: PoolSettings, path: str) -> Iterator[Problem]:
    kind = instances.CATALOGUE.get(pool.instance_type)
    if pool.efa and kind is not None and kind.gpus and not kind.efa_interfaces:
        able = [each.name for each in instances.CATALOGUE.values() if each.efa_interfaces]
        yield Problem(
            f"{path}.efa",
            f"True is not possible with {kind.name}, which takes no EFA interface; allowed with: "
            f"{', '.join(able)}; turn it off or choose one of these types",
        )


def _placement(settings: Settings, pool: PoolSettings, path: str) -> Iterator[Problem]:
    if not pool.placement_group or isinstance(pool.capacity, Block):
        return
    used = pool.zones or settings.network.zones
    if len(set(used)) > 1:
        whence = "zones" if pool.zones else "network.zones, as the pool names none"
        yield Problem(
            f"{path}.placementGroup",
            f"True does not go with {len(used)} zones ({', '.join(used)}: from {whence}); allowed: exactly "
            "one; a cluster placement group lies in one zone; name one zone in the pool's zones or turn it off",
        )


def _placement_of_block(_: Settings, pool: PoolSettings, path: str) -> Iterator[Problem]:
    if pool.placement_group and isinstance(pool.capacity, Block):
        yield Problem(
            f"{path}.placementGroup",
            "True does not go with a capacity block; EC2 places a block's instances close together by "
            "itself; remove the line",
        )


def _mig(_: Settings, pool: PoolSettings, path: str) -> Iterator[Problem]:
    kind = instances.CATALOGUE.get(pool.instance_type)
    if not isinstance(pool.sharing, Mig) or kind is None or not kind.gpus:
        return
    known = mig.profiles(kind)
    if not known:
        yield Problem(
            f"{path}.sharing.kind",
            f"'mig' is not possible with {kind.name}: {kind.gpu_model} has no MIG; allowed with: A100, H100 "
            "and H200; use timeSlicing, or one of these GPUs",
        )
    elif pool.sharing.profile not in known:
        yield Problem(
            f"{path}.sharing.profile",
            f"{pool.sharing.profile!r} is not a MIG profile of {kind.gpu_model} with {kind.gpu_memory_mib} MiB"
            f"{choices(pool.sharing.profile, known)}; choose one",
        )


def _mig_os(_: Settings, pool: PoolSettings, path: str) -> Iterator[Problem]:
    if isinstance(pool.sharing, Mig) and pool.os != "bottlerocket":
        yield Problem(
            f"{path}.os",
            f"{pool.os!r} does not go with sharing by mig; allowed: 'bottlerocket'; GPUs are cut at every "
            "boot, which Bottlerocket does by a setting and EKS's AL2023 image not at all; change os",
        )


def _shared_engines(settings: Settings, pool: PoolSettings, _: str) -> Iterator[Problem]:
    if isinstance(pool.sharing, NotShared):
        return
    for index, engine in enumerate(settings.engines):
        if engine.pool != pool.name or engine.gpus == 1:
            continue
        cut = engine.tensor_parallel > 1
        yield Problem(
            f"engines[{index}].{'tensorParallel' if cut else 'gpus'}",
            f"{engine.tensor_parallel if cut else engine.gpus} is more than 1 while pool {pool.name!r} "
            f"shares its GPUs ({pool.sharing.kind}); allowed: 1; two shares may be of one GPU, and shares "
            "have no NVLink; use a pool with whole GPUs",
        )


def _shared_memory(settings: Settings, pool: PoolSettings, _: str) -> Iterator[Problem]:
    if not isinstance(pool.sharing, TimeSlicing):
        return
    most = 1 / pool.sharing.replicas
    for index, engine in enumerate(settings.engines):
        if engine.pool == pool.name and engine.gpu_memory_utilization > most:
            yield Problem(
                f"engines[{index}].gpuMemoryUtilization",
                f"{engine.gpu_memory_utilization} is too much where {pool.sharing.replicas} pods share a GPU "
                f"of pool {pool.name!r}; allowed: at most {most:.3f}; nothing divides a GPU's memory between "
                "pods that take turns, and the second engine would not start; lower it",
            )


def _release(settings: Settings, pool: PoolSettings, path: str) -> Iterator[Problem]:
    if pool.ami_release in (None, UNRESOLVED):
        return
    yield from release_problems(settings, f"{path}.amiRelease", pool.os, str(pool.ami_release))


def release_problems(settings: Settings, path: str, os: gpu_matrix.NodeOs, release: str) -> Iterator[Problem]:
    """A release of another operating system or another Kubernetes version."""
    parsed, version = gpu_matrix.parse(os, release), settings.cluster.kubernetes_version
    if parsed is None:
        like = "'1.34.6-20260818'" if os == "al2023" else "'1.68.0-1a2b3c4d'"
        yield Problem(
            path,
            f"{release!r} is not a release of {os}; allowed: one such as {like}; EKS knows a release by its "
            "own form; take it from the image's SSM parameter (docs/gpu-pools.md)",
        )
    elif parsed.kubernetes not in (None, version):
        yield Problem(
            path,
            f"{release!r} is for Kubernetes {parsed.kubernetes} and the cluster has {version}; allowed: "
            f"releases that start with {version}.; change it together with cluster.kubernetesVersion: EKS "
            "updates the control plane first and then the nodes",
        )


def _driver(settings: Settings, pool: PoolSettings, path: str) -> Iterator[Problem]:
    if not any(each.pool == pool.name and each.kind == "vllm" for each in settings.engines):
        return
    image = f"{settings.images.vllm.repository}:{settings.images.vllm.tag}"
    needed, version = gpu_matrix.needed_driver(image), settings.cluster.kubernetes_version
    pinned = pool.ami_release not in (None, UNRESOLVED)
    parsed = gpu_matrix.parse(pool.os, str(pool.ami_release)) if pinned else None
    if needed is None or (pinned and (parsed is None or parsed.kubernetes not in (None, version))):
        return
    found = gpu_matrix.driver(pool.os, version, parsed)
    oldest = gpu_matrix.floor(pool.os, version, needed)
    if not pinned or oldest is None or (found is not None and found >= needed):
        return
    has = f"has NVIDIA driver {found}" if found else "is older than any known to have that driver"
    yield Problem(
        f"{path}.amiRelease",
        f"{pool.ami_release!r} {has}; {image} is built for CUDA {gpu_matrix.ENGINES[image]}, which needs "
        f"driver {needed} or newer; allowed: from {'.'.join(map(str, oldest.since))} on; the engine would "
        "not start; take a newer release",
    )


def _labels(_: Settings, pool: PoolSettings, path: str) -> Iterator[Problem]:
    for key in pool.labels:
        if not re.fullmatch(LABEL_KEY, key, re.ASCII):
            yield Problem(f"{path}.labels.{key}", f"{key!r} {LABEL_KEY_RULE}")
    named = [(f"{path}.labels.{key}", key) for key in pool.labels]
    named += [(f"{path}.taints[{index}].key", each.key) for index, each in enumerate(pool.taints)]
    for at, key in named:
        domain = key.rpartition("/")[0]
        if any(domain == each or domain.endswith(f".{each}") for each in RESERVED):
            yield Problem(
                at,
                f"{key!r} is in a reserved domain; reserved: {', '.join(RESERVED)}; the kit, Kubernetes and "
                "EKS set what is there; use a domain of your own",
            )


def _taints(_: Settings, pool: PoolSettings, path: str) -> Iterator[Problem]:
    seen = {(names.GPU_TAINT_KEY, "noSchedule")}
    for index, taint in enumerate(pool.taints):
        if (taint.key, taint.effect) in seen:
            yield Problem(
                f"{path}.taints[{index}]",
                f"{taint.key}:{taint.effect} is there already; EKS knows a taint by key and effect, and "
                f"every GPU node has {names.GPU_TAINT_KEY}:noSchedule; remove it",
            )
        seen.add((taint.key, taint.effect))


PER_POOL: Final[tuple[PoolCheck, ...]] = (
    _efa,
    _placement,
    _placement_of_block,
    _mig,
    _mig_os,
    _shared_engines,
    _shared_memory,
    _release,
    _driver,
    _labels,
    _taints,
)
"""Checks of one pool, each of which ends by itself at a mistaken value."""
