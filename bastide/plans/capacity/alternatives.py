"""The nearest settings that would work, cheapest first, when those asked for do not.

Each setting is moved over a few values: the machine type and number of machines, how the model is cut, the
weights' quantization, the KV cache's type, the length. Of what works, each kind of change is kept with its
cheapest machine; fewer kinds of change come first where the price is the same. With a load, only what keeps its
promise (`queueing`) works, and the price is that of the machines of all replicas. What changes answers
(quantization, the cache's type) is said, because it needs a table of its quality."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from bastide.catalogues.instances_machines import CATALOGUE, Machine
from bastide.catalogues.models_architecture import Quantization
from bastide.plans.capacity.deployment import Deployment
from bastide.plans.capacity.memory import Memory, memory, slots
from bastide.plans.capacity.online import ONLINE
from bastide.plans.capacity.queueing import Sizing, machines, replicas
from bastide.plans.capacity.refusals import memory_refusals, shape_refusals

FP8: Final = ONLINE["fp8"]
"""FP8 weights with one scale a tensor, which vLLM also makes at start of a checkpoint in 16 bits."""

AWQ: Final = Quantization("awq", bits=4, group=128, scale_bytes=2, zero_bits=4)
"""4-bit weights in groups of 128 (Lin et al., "AWQ", arXiv:2306.00978), as most published checkpoints have
them."""

SHOWN: Final = 6
"""Alternatives that are told. A choice."""

MOST_KINDS: Final = 3
"""Kinds of change in one alternative. A choice: with more it is another deployment, not the nearest."""


@dataclass(frozen=True)
class Alternative:
    """Settings that work. `changes` says what differs, `hourly` is USD of the machines, of all replicas where there is
    a load to size for; None where no price is known."""

    deployment: Deployment
    memory: Memory
    changes: tuple[str, ...]
    kinds: frozenset[str]
    hourly: float | None
    sizing: Sizing | None = None


def works(asked: Deployment) -> Memory | None:
    """The memory of a deployment that starts; None for one that does not."""
    if any(shape_refusals(asked)):
        return None
    found = memory(asked)
    return None if any(memory_refusals(asked, found)) else found


def keeps(asked: Deployment, space: Memory) -> Sizing | str | None:
    """Replicas for the deployment's load, or why no number of them keeps its promise; None without a load, and for a
    model without a cache, which is not sized."""
    load = asked.load
    if load is None or space.cache is None:
        return None
    needed = load.prompt_tokens + load.answer_tokens
    if needed > asked.max_model_len:
        return f"its requests of {needed:,} tokens are longer than {asked.max_model_len:,}"
    return replicas(asked, load, slots(asked, space))


def alternatives(asked: Deployment, *, only: frozenset[str] | None = None) -> list[Alternative]:
    """What would work, cheapest first; unpriced machines last. `only`: kinds of change that are allowed."""
    best: dict[frozenset[str], Alternative] = {}
    for each in _candidates(asked):
        changes, kinds = _changes(asked, each)
        if not 0 < len(kinds) <= MOST_KINDS or (only is not None and not kinds <= only):
            continue
        fits = works(each)
        if fits is None:
            continue
        sizing = keeps(each, fits)
        if isinstance(sizing, str):
            continue
        hourly = each.machine.hourly
        count = each.nodes if sizing is None else machines(each, sizing.replicas)
        one = Alternative(each, fits, changes, kinds, None if hourly is None else hourly * count, sizing)
        if kinds not in best or _order(one) < _order(best[kinds]):
            best[kinds] = one
    return sorted(_undominated(list(best.values())), key=_order)[:SHOWN]


def _undominated(found: list[Alternative]) -> list[Alternative]:
    """Without what changes more and costs no less."""
    return [
        each
        for each in found
        if not any(other.kinds < each.kinds and _price(other) <= _price(each) for other in found)
    ]


def _price(one: Alternative) -> float:
    return float("inf") if one.hourly is None else one.hourly


def _order(one: Alternative) -> tuple[float, int, int, str]:
    # On the same machines the larger cut: what is paid for is used.
    return (_price(one), len(one.kinds), -one.deployment.world, one.deployment.machine.name)


def _candidates(asked: Deployment) -> Iterator[Deployment]:
    wrong = {each.field.partition(".")[0] for each in shape_refusals(asked)}
    # No machine makes these right, so that nothing else would be found; and alone they are the nearest.
    if wrong & {"speculation", "expertParallel"}:
        asked = replace(
            asked,
            draft=None if "speculation" in wrong else asked.draft,
            expert_parallel=asked.expert_parallel and "expertParallel" not in wrong,
        )
        yield asked
        if works(asked):
            return
    for machine, nodes in _places(asked):
        for each in _laid(asked, machine, nodes):
            for weighed in _weighed(each):
                for kept in _kept(weighed):
                    yield from _lengths(kept)


def _places(asked: Deployment) -> Iterator[tuple[Machine, int]]:
    for machine in CATALOGUE.values():
        if machine.cloud == asked.machine.cloud:
            yield machine, 1
            if machine.rdma and machine.gpus > 1:
                yield from ((machine, nodes) for nodes in (2, 4))


def _laid(asked: Deployment, machine: Machine, nodes: int) -> Iterator[Deployment]:
    """Cuts over one replica: within a machine by tensor, across machines by tensor or by pipeline."""
    base = replace(asked, machine=machine, nodes=nodes, data_parallel=1)
    if nodes > 1:
        gpus = machine.gpus
        yield replace(base, gpus=gpus, tensor_parallel=gpus, pipeline_parallel=nodes)
        yield replace(base, gpus=gpus, tensor_parallel=gpus * nodes, pipeline_parallel=1, rdma=True)
        return
    for gpus in (1, 2, 4, 8):
        if gpus <= machine.gpus:
            yield replace(base, gpus=gpus, tensor_parallel=gpus, pipeline_parallel=1)
            if gpus > 1 and asked.pipeline_parallel > 1:
                yield replace(base, gpus=gpus, tensor_parallel=1, pipeline_parallel=gpus)


def _weighed(asked: Deployment) -> Iterator[Deployment]:
    yield asked
    if asked.quantization is None:
        yield replace(asked, weights=FP8, online=True)
        yield replace(asked, weights=AWQ)


def _kept(asked: Deployment) -> Iterator[Deployment]:
    yield asked
    if asked.kv_dtype == "auto":
        yield replace(asked, kv_dtype="fp8")
    else:
        yield replace(asked, kv_dtype="auto")


def _lengths(asked: Deployment) -> Iterator[Deployment]:
    yield asked
    shorter = min(asked.max_model_len, asked.model.max_len)
    for _ in range(4):
        if shorter < asked.max_model_len:
            yield replace(asked, max_model_len=shorter, expected_len=None)
        shorter //= 2
        if shorter < 1024:
            return


def _changes(asked: Deployment, other: Deployment) -> tuple[tuple[str, ...], frozenset[str]]:
    """What differs in words, and its kinds."""
    told: list[tuple[str, str]] = []
    if asked.machine.name != other.machine.name:
        told.append(("machine", other.machine.name))
    if asked.nodes != other.nodes:
        told.append(("nodes", f"{other.nodes} of them" if other.nodes > 1 else "one of them"))
    if other.rdma and not asked.rdma:
        told.append(("nodes", "EFA on" if other.machine.cloud == "aws" else "GPUDirect on"))
    cut = ("tensor_parallel", "pipeline_parallel", "data_parallel")
    if any(getattr(asked, name) != getattr(other, name) for name in cut):
        text = f"TP {other.tensor_parallel}"
        text += f" x PP {other.pipeline_parallel}" if other.pipeline_parallel > 1 else ""
        text += f" on {other.gpus} GPUs each" if other.nodes > 1 else f" on {other.gpus} GPUs"
        told.append(("cut", text))
    if asked.quantization != other.quantization and other.weights is not None:
        how = "made at start" if other.online else "another checkpoint"
        told.append(("quantization", f"weights {other.weights.method} ({how})"))
    if asked.draft != other.draft:
        told.append(("speculation", "without speculation"))
    if asked.expert_parallel != other.expert_parallel:
        told.append(("experts", "without expert parallelism"))
    if asked.kv_dtype != other.kv_dtype:
        told.append(("kv", f"KV cache {other.kv_dtype}"))
    if asked.max_model_len != other.max_model_len:
        told.append(("length", f"at most {other.max_model_len:,} tokens"))
    return tuple(text for _, text in told), frozenset(kind for kind, _ in told)
