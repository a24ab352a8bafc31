"""What a token costs on each deployment. A price that is not known is said to be so, never guessed.

A hosted deployment's price stands in its settings. An engine's follows from its capacity plan: the machine's dated
price an hour, over the tokens that the plan expects of it.

With a `load` it is exact on average: what the replicas cost in an hour, over the tokens of an hour, in the proportion
of the GPU time that prompts and answers take. Without one it is the price at a stated fullness: SERVING_AT_ONCE
sequences at a time where users wait, all that are let in where nobody does. An engine that stands idle costs more a
token than its price says: the remedy is a `load`, or a `price` given by hand."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Context, Decimal
from typing import Final

from bastide.catalogues import models
from bastide.catalogues import prices as dated
from bastide.plans.capacity.costs import prompt_usd, replica_hourly
from bastide.plans.capacity.deployment import Deployment, Load
from bastide.plans.capacity.latency import EFFICIENCY, decode
from bastide.plans.capacity.of_engine import deployment
from bastide.plans.capacity.plan import plan
from bastide.settings import EngineSettings, Settings
from bastide.settings.capacity import Block, Spot
from bastide.settings.route_hosted import HostedBase
from bastide.settings.route_prices import TokenPrice

SERVING_AT_ONCE: Final = 8
"""Sequences at a time for which an engine of the serving lane without a `load` is priced. A choice: the second step
of `bastide plan`'s table of costs; a full batch would be cheaper, and is not what users leave."""

DIGITS: Final = Context(prec=4)
"""Significant digits of a reckoned price: more would only pretend."""


class NoPriceError(Exception):
    """There is no price; the text says why."""


@dataclass(frozen=True)
class Price:
    """USD for one token of a prompt and of an answer, and where the numbers come from."""

    input: Decimal
    output: Decimal
    source: str


def of_hosted(hosted: HostedBase) -> Price:
    """A hosted deployment's."""
    return _given(hosted.price)


def of_engine(settings: Settings, engine: EngineSettings) -> Price:
    """An engine's. Raises NoPriceError."""
    if engine.price is not None:
        return _given(engine.price)
    hourly_source = _machine(settings, engine)
    try:
        asked = deployment(settings, engine)
    except models.UnknownModelError as error:
        raise NoPriceError(f"the shape of model {error.name!r} is not known, so nobody can plan it") from None
    prompt, answer, how = _reckoned(engine, asked)
    return Price(_rounded(prompt), _rounded(answer), f"{how}; {hourly_source}")


def _given(price: TokenPrice) -> Price:
    return Price(price.input, price.output, f"{price.source}, {price.read.isoformat()}")


def _machine(settings: Settings, engine: EngineSettings) -> str:
    """Where the machine's price was read. Raises NoPriceError."""
    pool = settings.pool(engine.pool)
    if isinstance(pool.capacity, Spot):
        raise NoPriceError("Spot prices move by the hour")
    if isinstance(pool.capacity, Block):
        raise NoPriceError("a capacity block is paid when it is bought, at a price of its own")
    known = dated.INSTANCES.get(pool.instance_type)
    found = dated.of(known, settings.region)
    if found is None:
        where = f" in {settings.region}" if known else ""
        raise NoPriceError(f"no dated price of {pool.instance_type} is known{where}")
    return f"{pool.instance_type} at {found.usd:g} USD an hour, {found.source}, {found.read}"


def _reckoned(engine: EngineSettings, asked: Deployment) -> tuple[float, float, str]:
    """USD for a token of a prompt and of an answer, and how they were reckoned. Raises NoPriceError."""
    hourly = replica_hourly(asked)
    found = plan(asked, search=False)
    if hourly is None or not found.works:
        raise NoPriceError("the capacity plan refuses the engine")
    length = asked.load.prompt_tokens if asked.load else max(1, asked.typical_len // 2)
    if engine.runner == "embed":
        return _prompt(asked, asked.typical_len), 0.0, f"capacity plan, texts of {asked.typical_len:,} tokens"
    slots = max(1, int(min(found.expected_concurrency, asked.max_num_seqs)) * asked.data_parallel)
    if asked.load is not None:
        return _of_load(engine, asked, asked.load, slots, hourly)
    at_once = slots if engine.lane == "batch" else min(slots, SERVING_AT_ONCE)
    how = f"capacity plan, {at_once} at a time of {asked.typical_len:,} tokens"
    return _prompt(asked, length), _answer(asked, at_once, hourly), how


def _of_load(
    engine: EngineSettings, asked: Deployment, load: Load, slots: int, hourly: float
) -> tuple[float, float, str]:
    """All that the replicas cost, over the tokens of the load."""
    prompt, answer = _prompt(asked, load.prompt_tokens), _answer(asked, slots, hourly)
    replicas = max(1, engine.replicas)
    request = hourly * replicas / 3600 / load.requests_per_second
    alone = prompt * load.prompt_tokens + answer * load.answer_tokens
    # A load that the replicas cannot carry would make tokens cheaper than the GPUs can give them.
    factor = max(1.0, request / alone)
    how = f"{replicas} replicas over a load of {load.requests_per_second:g} requests a second"
    return prompt * factor, answer * factor, how


def _prompt(asked: Deployment, tokens: int) -> float:
    million = prompt_usd(asked, tokens)
    if million is None:
        raise NoPriceError(f"no dated price of {asked.machine.name} is known")
    return million / 1e6


def _answer(asked: Deployment, at_once: int, hourly: float) -> float:
    """USD for a token of an answer with so many sequences at a time in a replica."""
    seconds = decode(asked, at_once / asked.data_parallel, asked.typical_len).seconds / EFFICIENCY
    return hourly / 3600 * seconds / at_once


def _rounded(usd: float) -> Decimal:
    return DIGITS.create_decimal_from_float(usd)
