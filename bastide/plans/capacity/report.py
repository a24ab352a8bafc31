"""A plan for people."""

from __future__ import annotations

from collections.abc import Iterator

from bastide.plans.capacity.alternatives import Alternative, alternatives
from bastide.plans.capacity.deployment import Deployment
from bastide.plans.capacity.latency import EFFICIENCY
from bastide.plans.capacity.memory import GIB
from bastide.plans.capacity.plan import Plan


def nearest(asked: Deployment) -> str:
    """What would work instead, as the end of a sentence."""
    found = alternatives(asked)
    if not found:
        load = " at this load" if asked.load else ""
        return f"; nothing near it works{load} either: take a smaller model or a shorter length"
    return f"; the nearest that would work, cheapest first: {'; '.join(map(alternative_text, found))}"


def alternative_text(one: Alternative) -> str:
    """`g6e.12xlarge, TP 4 on 4 GPUs (10.49 USD/h, 72,752 KV tokens)`; with a load `(3 replicas, 31.48 USD/h, ...)`."""
    price = "no dated price" if one.hourly is None else f"{one.hourly:,.2f} USD/h"
    tokens = f", {one.memory.cache.tokens:,} KV tokens" if one.memory.cache else ""
    count = f"{one.sizing.replicas} replica{'s' * (one.sizing.replicas > 1)}, " if one.sizing else ""
    return f"{', '.join(one.changes)} ({count}{price}{tokens})"


def text(found: Plan) -> str:
    """The whole plan as a table."""
    lines = list(_lines(found))
    return "\n".join(each for each, before in zip(lines, ["", *lines], strict=False) if each or before)


def _lines(found: Plan) -> Iterator[str]:
    asked = found.asked
    cut = f"TP {asked.tensor_parallel}"
    cut += f" x PP {asked.pipeline_parallel}" if asked.pipeline_parallel > 1 else ""
    cut += f" x DP {asked.data_parallel}" if asked.data_parallel > 1 else ""
    count = f"{asked.nodes} x " if asked.nodes > 1 else ""
    stored = asked.quantization.method if asked.quantization else asked.model.dtype
    yield (
        f"{asked.model_name} on {count}{asked.machine.name} ({cut}; {asked.machine.gpu.name} each),\n"
        f"  weights {stored}, KV cache {asked.kv_dtype}, {asked.max_model_len:,} tokens"
    )
    yield ""
    if not found.works:
        yield "REFUSED:"
        yield from (f"  {each.field}: {each.reason}" for each in found.refusals)
        yield ""
    if found.memory is not None:
        yield from _memory(found)
    if found.works:
        yield from _capacity(found)
        yield from _times(found)
        yield from _sizing(found)
        yield from _costs(found)
        yield from (f"note: {each}" for each in found.notes)
    if found.alternatives:
        yield ""
        yield _heading(found)
        yield from (f"  {alternative_text(each)}" for each in found.alternatives)


def _heading(found: Plan) -> str:
    """What the alternatives are."""
    if not found.works:
        return f"would work{' and keep the promise' if found.asked.load else ''}, cheapest first:"
    if isinstance(found.sizing, str):
        return "would keep the promise, for the same model and length, cheapest first:"
    return f"cheaper, for the same model{', length and load' if found.asked.load else ' and length'}:"


def _memory(found: Plan) -> Iterator[str]:
    space = found.memory
    if space is None:
        return
    yield "GiB on each GPU"
    for name, size, basis in (
        ("the engine may take", space.taken, f"{found.asked.utilization:g} of what CUDA counts"),
        ("weights", space.weights, f"{space.total_weights / 1e9:,.1f} GB in all; exact"),
        ("draft", space.draft_weights, "exact"),
        ("activations", space.activations, "estimate, half to twice"),
        ("CUDA graphs", space.graphs, "estimate, half to twice"),
        ("context and NCCL", space.context, "estimate, half to twice"),
        (
            "left for the KV cache",
            space.kv_bytes,
            f"up to {space.uncertain / GIB:,.1f} less by the estimates",
        ),
    ):
        if size:
            yield f"  {name:30} {size / GIB:>13,.2f}  {basis}"
    yield ""


def _capacity(found: Plan) -> Iterator[str]:
    if not found.kv_tokens:
        return
    asked = found.asked
    yield "KV cache"
    yield f"  {'bytes a token on each GPU':30} {found.kv_token_bytes:>13,}"
    yield f"  {'tokens':30} {found.kv_tokens:>13,}"
    yield f"  {f'sequences of {asked.max_model_len:,} tokens':30} {found.full_concurrency:>13,.1f}"
    yield f"  {f'sequences of {asked.typical_len:,} tokens':30} {found.expected_concurrency:>13,.1f}"
    yield f"  {'sequences let in at a time':30} {asked.max_num_seqs:>13,}  maxNumSeqs"
    yield ""


def _times(found: Plan) -> Iterator[str]:
    times, asked = found.times, found.asked
    if times is None:
        return
    yield f"{'floors in milliseconds':32} {'floor':>13}  memory, arithmetic, links"
    rows = [(f"first token of {asked.typical_len:,} tokens", times.first)]
    if asked.model.causal:
        rows += [
            ("between tokens, 1 sequence", times.step),
            ("between tokens, all that fit", times.full_step),
        ]
    for name, step in rows:
        parts = ", ".join(f"{each * 1000:,.1f}" for each in (step.memory, step.compute, step.links))
        yield f"  {name:30} {_small(step.seconds * 1000, 1):>13}  {parts}"
    if asked.model.causal:
        yield f"  {'arithmetic-bound from':30} {times.ridge:>13,.0f}  sequences on, steps take longer"
        yield f"  {'KV-bound from':30} {times.kv_ridge:>13,.0f}  sequences on, more share little"
    for each in found.speculation:
        rate = "never" if each.acceptance is None else f"{each.acceptance:.0%}"
        kind = asked.draft.kind if asked.draft else ""
        batch = "1 sequence" if each.batch == 1 else f"{each.batch:,} sequences"
        yield f"  {f'{kind} pays at {batch}':33} {rate:>10}  of guesses accepted"
    yield ""


def _small(value: float, digits: int) -> str:
    """With so many digits after the point; two that are not 0 where that would hide a number."""
    shown = f"{value:,.{digits}f}"
    return f"{value:.2g}" if value and not float(shown.replace(",", "")) else shown


def _sizing(found: Plan) -> Iterator[str]:
    load, sizing = found.asked.load, found.sizing
    if load is None or sizing is None:
        return
    yield (
        f"replicas for {load.requests_per_second:g} requests a second of {load.prompt_tokens:,} + "
        f"{load.answer_tokens:,} tokens,\n"
        f"first token in {load.ttft_seconds:g} s and {load.itl_seconds * 1000:g} ms between tokens:"
    )
    if isinstance(sizing, str):
        yield f"  none: {sizing}"
    else:
        yield (
            f"  {sizing.replicas} ({sizing.limit});\n"
            f"  then {sizing.ttft:.2f} s and {sizing.itl * 1000:.0f} ms, {sizing.running:.0f} sequences at a "
            f"time on each, at {EFFICIENCY:.0%} of the floors' speed"
        )
    yield ""


def _costs(found: Plan) -> Iterator[str]:
    if found.hourly is None:
        yield f"cost: no dated price of {found.asked.machine.name} is known"
        yield ""
        return
    price = found.asked.machine.price
    yield f"cost: {found.hourly:,.2f} USD an hour for one replica's GPUs"
    if price is not None:
        yield f"  by {price.source}, {price.read}; tokens at {EFFICIENCY:.0%} of the floors' speed"
    if found.prompt_usd is not None:
        yield f"  a million prompt tokens: {_small(found.prompt_usd, 2)} USD"
    concurrencies = sorted({each.concurrency for each in found.costs})
    if concurrencies:
        yield "  a million answer tokens in USD:"
        yield "  context " + "".join(f"{f'{each} at once':>14}" for each in concurrencies)
    for context in sorted({each.context for each in found.costs}):
        row = [each.usd for each in found.costs if each.context == context]
        cells = "".join(f"{'does not fit' if usd is None else _small(usd, 2):>14}" for usd in row)
        yield f"  {context:>7,} {cells}"
    yield ""
