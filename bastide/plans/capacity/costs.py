"""USD for a million tokens, as it grows with context and with few requests at a time.

The GPUs of a replica cost the same whether they work or not, so a token costs their price an hour over the
tokens that they give in it: batch / step, at `latency.EFFICIENCY` of the floor's speed. Prompts are left out:
they cost their own time, `prompt_usd`. A machine of which a replica takes a part is counted by that part."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from bastide.plans.capacity.deployment import Deployment
from bastide.plans.capacity.latency import EFFICIENCY, decode, prefill

CONCURRENCIES: Final = (1, 8, 32, 128)
"""Sequences at a time for which the table is made. A choice."""


@dataclass(frozen=True)
class Cost:
    """USD for a million answer tokens with `concurrency` sequences of `context` tokens at a time; None where
    they do not fit into the cache."""

    context: int
    concurrency: int
    usd: float | None


def replica_hourly(asked: Deployment) -> float | None:
    """USD an hour of one replica's GPUs; None without a dated price."""
    hourly = asked.machine.hourly
    return None if hourly is None else hourly * asked.nodes * asked.gpus / asked.machine.gpus


def answers(asked: Deployment, fitting: dict[int, int]) -> list[Cost]:
    """The table, up to as many sequences as are let in. `fitting`: sequences that fit into one replica, by
    context."""
    hourly = replica_hourly(asked)
    if hourly is None:
        return []
    found = []
    let_in = [each for each in CONCURRENCIES if each <= asked.max_num_seqs * asked.data_parallel]
    for context, most in sorted(fitting.items()):
        for concurrency in let_in:
            if concurrency > most:
                found.append(Cost(context, concurrency, None))
                continue
            seconds = decode(asked, concurrency / asked.data_parallel, context).seconds / EFFICIENCY
            found.append(Cost(context, concurrency, hourly / 3600 * seconds / concurrency * 1e6))
    return found


def prompt_usd(asked: Deployment, tokens: int) -> float | None:
    """USD for a million prompt tokens, in prompts of so many: one in each pipeline stage of each copy at a time."""
    hourly = replica_hourly(asked)
    if hourly is None:
        return None
    at_once = asked.data_parallel * asked.pipeline_parallel
    return hourly / 3600 * prefill(asked, tokens).seconds / EFFICIENCY / tokens * 1e6 / at_once
