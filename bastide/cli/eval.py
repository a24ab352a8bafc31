"""`bastide eval quantization | show`: what a quantization costs in quality, as a table that a stack attaches.

Both models are asked the same questions over OpenAI's API: built-in tasks by context length, made from a seed, and
the divergence from the baseline's own greedy answers. Keys, where an endpoint wants one, come by the environment
variables BASTIDE_EVAL_BASELINE_KEY and BASTIDE_EVAL_CANDIDATE_KEY.
"""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final, TextIO

from pydantic import ValidationError

from bastide.evaluation.table import QualityError, QualityTable, Served, WrongUseError, dump, read

if TYPE_CHECKING:
    from bastide.evaluation.endpoint import Endpoint
    from bastide.evaluation.measure import Plan

KEYS: Final = {"baseline": "BASTIDE_EVAL_BASELINE_KEY", "candidate": "BASTIDE_EVAL_CANDIDATE_KEY"}
"""Environment variables with the endpoints' keys, by role: an argument could be seen by every process."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `bastide eval`."""
    actions = parser.add_subparsers(dest="action", required=True)
    make = actions.add_parser("quantization", help="compare a quantized model with its baseline")
    _add_models(make)
    make.add_argument("--tasks", help="comma-separated; default: all; `bastide eval tasks` lists them")
    make.add_argument("--contexts", default="1024,4096", help="lengths in tokens; default: %(default)s")
    make.add_argument(
        "--samples", type=int, default=20, help="questions a task and length; default: %(default)s"
    )
    make.add_argument("--seed", type=int, default=1, help="questions are made from it; default: %(default)s")
    make.add_argument("--concurrency", type=int, default=8, help="requests at a time; default: %(default)s")
    make.add_argument(
        "--answer-tokens",
        type=int,
        default=0,
        help="fewest tokens for an answer, for models that reason aloud; default: the task's own",
    )
    make.add_argument("--api", choices=("chat", "completions"), default="chat", help="default: %(default)s")
    make.add_argument("--no-divergence", action="store_true", help="tasks alone, for engines other than vLLM")
    make.add_argument("--engine-version", help="the engine's version, where it does not tell at /version")
    make.add_argument("--out", type=Path, metavar="FILE", help="write the table there; default: print it")
    show = actions.add_parser("show", help="a table in columns, and what in it forbids serving")
    show.add_argument("table", metavar="FILE", type=Path)
    actions.add_parser("tasks", help="the built-in tasks")


def _add_models(make: argparse.ArgumentParser) -> None:
    make.add_argument("--baseline", required=True, metavar="URL", help="where the baseline is served")
    make.add_argument("--candidate", required=True, metavar="URL", help="where the quantized model is served")
    make.add_argument("--model", required=True, help="the quantized model's published name")
    make.add_argument("--version", required=True, help="its published version, MAJOR.MINOR.PATCH")
    make.add_argument(
        "--weights", default="none", help="quantization of its weights, as vLLM calls it; default: none"
    )
    make.add_argument(
        "--kv-cache", default="none", help="type of its KV cache, as vLLM calls it; default: none"
    )
    make.add_argument("--baseline-model", help="the baseline's published name; default: that of --model")
    make.add_argument("--baseline-version", help="its published version; default: that of --version")
    make.add_argument("--baseline-weights", default="none", help="quantization of its weights; default: none")
    make.add_argument("--baseline-kv-cache", default="none", help="type of its KV cache; default: none")


def run(arguments: argparse.Namespace) -> int:
    """Runs `bastide eval`; returns the exit status: 1 where the numbers forbid serving or cannot be had, 2 where it is
    wrongly used."""
    try:
        if arguments.action == "tasks":
            _tasks()
            return 0
        if arguments.action == "show":
            return _show(read(arguments.table))
        return _quantization(arguments)
    except QualityError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2 if isinstance(error, WrongUseError) else 1


def _tasks() -> None:
    from bastide.evaluation.tasks import TASKS

    for task in TASKS.values():
        print(f"{task.name:12} {task.about}")


def _quantization(arguments: argparse.Namespace) -> int:
    from bastide.evaluation.measure import density, divergences, rows

    plan = _plan(arguments)
    candidate_served = _served(arguments.model, arguments.version, arguments.weights, arguments.kv_cache)
    baseline_served = _served(
        arguments.baseline_model or arguments.model,
        arguments.baseline_version or arguments.version,
        arguments.baseline_weights,
        arguments.baseline_kv_cache,
    )
    if candidate_served == baseline_served:
        raise WrongUseError(
            "baseline and candidate are the same: nothing is compared; say --weights or --kv-cache"
        )
    if arguments.out is not None and not arguments.out.parent.is_dir():
        raise WrongUseError(f"{arguments.out.parent} is no folder: make it, or give another --out")
    baseline = _endpoint("baseline", arguments, baseline_served.model, max(plan.contexts))
    candidate = _endpoint("candidate", arguments, candidate_served.model, max(plan.contexts))
    if (baseline.url, baseline.model) == (candidate.url, candidate.model):
        raise WrongUseError(
            f"--baseline and --candidate both lead to {baseline.model!r} at {baseline.url}: a model compared "
            "with itself loses nothing; give the address where the other one is served"
        )
    version = arguments.engine_version or candidate.engine_version()
    if not version:
        raise QualityError(
            f"the candidate at {candidate.url} does not tell its version: give --engine-version"
        )

    def progress(line: str) -> None:
        print(f"  {line}", file=sys.stderr, flush=True)

    cut = density(baseline, plan)
    table = QualityTable(
        baseline=baseline_served,
        candidate=candidate_served,
        engine_version=version,
        date=datetime.now(UTC).date(),
        source=_source(arguments),
        rows=tuple(rows(baseline, candidate, plan, cut, progress)),
        divergence=tuple(divergences(baseline, candidate, plan, cut, progress)) if plan.divergence else (),
    )
    if arguments.out is None:
        print(dump(table), end="")
        _say_problems(table, sys.stderr)
        return 1 if table.problems() else 0
    try:
        arguments.out.write_text(dump(table), encoding="utf-8")
    except OSError as error:
        raise QualityError(
            f"{arguments.out} cannot be written ({error.strerror}); give another --out"
        ) from None
    print(f"{arguments.out}: written")
    return _show(table)


def _plan(arguments: argparse.Namespace) -> Plan:
    from bastide.evaluation.measure import Plan
    from bastide.evaluation.tasks import TASKS

    names = [each.strip() for each in arguments.tasks.split(",")] if arguments.tasks else list(TASKS)
    unknown = [name for name in names if name not in TASKS]
    if unknown:
        raise WrongUseError(f"--tasks: there is no task {unknown[0]!r}; allowed: {', '.join(TASKS)}")
    try:
        contexts = [int(each) for each in arguments.contexts.split(",")]
    except ValueError:
        contexts = []
    if not contexts or min(contexts) < 1:
        raise WrongUseError(
            f"--contexts {arguments.contexts!r} is no list of lengths; allowed: such as 1024,4096"
        )
    for option, value, least in (
        ("--samples", arguments.samples, 1),
        ("--concurrency", arguments.concurrency, 1),
        ("--answer-tokens", arguments.answer_tokens, 0),
    ):
        if value < least:
            raise WrongUseError(f"{option} {value} is too small; allowed: {least} or more")
    return Plan(
        tasks=tuple(TASKS[name] for name in dict.fromkeys(names)),
        contexts=tuple(sorted(set(contexts))),
        samples=arguments.samples,
        seed=arguments.seed,
        concurrency=arguments.concurrency,
        answer_tokens=arguments.answer_tokens,
        divergence=not arguments.no_divergence,
    )


def _served(model: str, version: str, weights: str, kv_cache: str) -> Served:
    try:
        return Served(model=model, version=version, weights=weights, kv_cache=kv_cache)
    except ValidationError:
        raise WrongUseError(
            f"{model!r} in version {version!r} is no published model; allowed: a name, and a version such as 1.0.0"
        ) from None


def _endpoint(role: str, arguments: argparse.Namespace, published: str, longest: int) -> Endpoint:
    from dataclasses import replace

    from bastide.evaluation.endpoint import Endpoint, checked_url, served_name

    url = checked_url(f"--{role}", getattr(arguments, role))
    found = Endpoint(role, url, published, arguments.api, os.environ.get(KEYS[role]))
    return replace(found, model=served_name(found, published, longest))


def _source(arguments: argparse.Namespace) -> str:
    """The command that makes the table again."""
    words = ["bastide", "eval", "quantization"]
    for name, value in vars(arguments).items():
        if name in ("action", "out") or value in (None, False):
            continue
        words.append(f"--{name.replace('_', '-')}")
        if value is not True:
            words.append(str(value))
    return shlex.join(words)


def _show(table: QualityTable) -> int:
    print("\n".join(lines(table)))
    _say_problems(table, sys.stdout)
    return 1 if table.problems() else 0


def lines(table: QualityTable) -> Sequence[str]:
    """The table in columns."""
    found = [
        f"{table.about()} against {table.baseline.model} {table.baseline.version}, {table.engine} "
        f"{table.engine_version}, {table.date}",
        "",
        f"{'task':12} {'context':>9} {'n':>5} {'baseline':>9} {'candidate':>10} {'delta':>7} {'lost':>5} {'won':>5}",
    ]
    found += [
        f"{row.task:12} {row.context:9,} {row.n:5} {row.baseline:9.2f} {row.candidate:10.2f} {row.delta:+7.2f} "
        f"{row.lost:5} {row.won:5}"
        for row in table.rows
    ]
    if table.divergence:
        found += [
            "",
            f"{'divergence':12} {'context':>9} {'n':>5} {'tokens':>9} {'agreement':>10} {'nats':>7} {'perplexity':>17}",
        ]
        found += [
            f"{'':12} {each.context:9,} {each.n:5} {each.tokens:9,} {each.agreement:10.2f} {each.divergence:7.3f} "
            f"{each.baseline_perplexity:8.3f} {each.candidate_perplexity:8.3f}"
            for each in table.divergence
        ]
    return found


def _say_problems(table: QualityTable, stream: TextIO) -> None:
    problems = table.problems()
    print(file=stream)
    print("forbids serving:" if problems else "nothing in it forbids serving", file=stream)
    for problem in problems:
        print(f"  - {problem}", file=stream)
