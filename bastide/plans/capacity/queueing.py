"""Replicas for a load at what is promised, by a stated queueing model.

Each replica gets an equal part of the arrivals, which come at random (Poisson).

1. Prompts are served one after the other: M/M/1 with the prompt's time as service, or its time in one stage
   where pipeline stages work on several at once. The wait that 95 of 100
   stay under is S / (1 - r) x ln(r / 0.05), with r the part of time that prompts take (Kleinrock, Queueing
   Systems I, section 3.2).
2. Answers are a loss-free group of c slots, M/M/c: c is what max_num_seqs and the KV cache allow at the
   load's length. The wait for a slot follows Erlang's C formula (Kleinrock, section 3.5).
3. Steps slow down as more sequences run together, and by the time that prompts take from them: the number
   running is the fixed point of Little's law, B = arrivals x answer tokens x step(B) / (1 - r).

Times are floors divided by `latency.EFFICIENCY`. Blind spots: real services vary less than exponential ones
(waits here are too long by up to half) while real arrivals come in bursts (too short); prefix caching
shortens prompts; chunked prefill mixes both kinds of work more finely than 3 says; routers do not spread
requests evenly. Measure, then correct."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, log
from typing import Final

from bastide.plans.capacity.deployment import Deployment, Load
from bastide.plans.capacity.latency import EFFICIENCY, decode, prefill

TAIL: Final = 0.05
"""Part of the requests that may take longer than promised."""

MOST_REPLICAS: Final = 4096
"""Where the search ends. A choice: beyond it a plan is not about replicas any more."""


@dataclass(frozen=True)
class Sizing:
    """Replicas, and what each then sees: `ttft` and `itl` are the times of 95 of 100 and of the mean step, in
    seconds, `running` the mean number of sequences, `busy` the part of time that prompts take. `limit`: why
    fewer would not do."""

    replicas: int
    ttft: float
    itl: float
    running: float
    slots: int
    busy: float
    limit: str


def replicas(asked: Deployment, load: Load, slots: int) -> Sizing | str:
    """The fewest replicas that keep the promise, or why no number of them does. `slots`: sequences that one
    replica holds at the load's length."""
    if slots < 1:
        return "not one sequence of the load's length fits into a replica's KV cache"
    alone = _seen(asked, load, slots, 1e-9)
    if isinstance(alone, str):
        return alone
    prompt, itl = alone[0], alone[1]
    if prompt > load.ttft_seconds:
        return (
            f"a prompt of {load.prompt_tokens:,} tokens alone takes {prompt:.2f} s and "
            f"{load.ttft_seconds:g} s are "
            "promised: more replicas do not shorten it; cut it over more GPUs, or promise more"
        )
    if itl > load.itl_seconds:
        return (
            f"a step alone takes {itl * 1000:.0f} ms and {load.itl_seconds * 1000:g} ms are promised: more "
            "replicas do not "
            "shorten it; cut the model over more GPUs, or promise more"
        )
    low, high = 0, 1
    while not _kept(asked, load, slots, high):
        low, high = high, high * 2
        if high > MOST_REPLICAS:
            return f"more than {MOST_REPLICAS} replicas"
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _kept(asked, load, slots, middle) else (middle, high)
    found = _seen(asked, load, slots, load.requests_per_second / high)
    if isinstance(found, str):
        raise AssertionError("the search ends at a number that is kept")
    limit = _limit(asked, load, slots, high - 1) if high > 1 else "one is enough"
    return Sizing(high, found[0], found[1], found[2], slots, found[3], limit)


def _kept(asked: Deployment, load: Load, slots: int, count: int) -> bool:
    found = _seen(asked, load, slots, load.requests_per_second / count)
    return not isinstance(found, str) and found[0] <= load.ttft_seconds and found[1] <= load.itl_seconds


def _limit(asked: Deployment, load: Load, slots: int, count: int) -> str:
    found = _seen(asked, load, slots, load.requests_per_second / count)
    if isinstance(found, str):
        return f"with {count}: {found}"
    if found[0] > load.ttft_seconds:
        return f"with {count} the first token would take {found[0]:.2f} s"
    return f"with {count} a step would take {found[1] * 1000:.0f} ms"


def _seen(
    asked: Deployment, load: Load, slots: int, arrivals: float
) -> tuple[float, float, float, float] | str:
    """Time to the first token for 95 of 100, time of a step, sequences running and the part of time that
    prompts take, with so many requests a second on one replica; or why they cannot be served."""
    # Each copy of data parallelism takes its part.
    arrivals /= asked.data_parallel
    prompt = prefill(asked, load.prompt_tokens).seconds / EFFICIENCY
    served = prompt / asked.pipeline_parallel
    busy = arrivals * served
    if busy >= 1:
        return f"prompts alone would take {busy:.0%} of the time"
    running = _running(asked, load, slots, arrivals, busy)
    if running is None:
        return f"more than the {slots:,} sequences that fit would have to run at once"
    itl = _step(asked, load, running) / (1 - busy)
    hold = load.answer_tokens * itl
    wait = _tail_wait(1, busy, served) + _tail_wait(slots, arrivals * hold, hold)
    return prompt + wait, itl, running, busy


def _step(asked: Deployment, load: Load, running: float) -> float:
    context = load.prompt_tokens + load.answer_tokens / 2
    return decode(asked, max(1.0, running), context).seconds / EFFICIENCY


def _running(asked: Deployment, load: Load, slots: int, arrivals: float, busy: float) -> float | None:
    """The fixed point of Little's law; None where it lies beyond the slots."""

    def wanted(running: float) -> float:
        return arrivals * load.answer_tokens * _step(asked, load, running) / (1 - busy)

    if wanted(slots) >= slots:
        return None
    low, high = 0.0, float(slots)
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if wanted(middle) > middle else (low, middle)
    return high


def _tail_wait(servers: int, offered: float, hold: float) -> float:
    """Seconds of waiting that 95 of 100 stay under, in M/M/c with an offered load in servers."""
    waiting = erlang_c(servers, offered)
    if waiting <= TAIL:
        return 0.0
    return hold / (servers - offered) * log(waiting / TAIL)


def erlang_c(servers: int, offered: float) -> float:
    """Probability that one has to wait, by Erlang's C formula; 1 where the load is as large as the
    servers."""
    if offered >= servers:
        return 1.0
    blocked = 1.0
    for count in range(1, servers + 1):
        blocked = offered * blocked / (count + offered * blocked)
    return blocked / (1 - offered / servers * (1 - blocked))


def machines(asked: Deployment, count: int) -> int:
    """Machines that so many replicas need: several share one where they are small."""
    if asked.nodes > 1:
        return asked.nodes * count
    return ceil(count / (asked.machine.gpus // asked.gpus))
