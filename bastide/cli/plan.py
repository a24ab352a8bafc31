"""`bastide plan`: what a model needs of GPUs and what they give it, before any is paid for.

  bastide plan --stack NAME                  every engine of a stack
  bastide plan --model llama-3.3-70b-instruct --instance p5.48xlarge --tp 8
  bastide plan --config config.json --instance g6e.12xlarge --tp 4 --max-model-len 32768
  bastide plan --list                        models and machines that are known by name
  bastide plan routes --stack NAME           the gateway's route table: who may use what, in which order, at what price

Exit status 0: it works; 1: refused, with reasons and what would work; 2: wrongly used."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from bastide.catalogues import models
from bastide.catalogues.instances_machines import CATALOGUE
from bastide.catalogues.models_architecture import Architecture
from bastide.catalogues.models_config import architecture
from bastide.catalogues.models_quantization import ConfigError
from bastide.cli import plan_routes
from bastide.plans import engine_defaults
from bastide.plans.capacity.alternatives import AWQ, FP8
from bastide.plans.capacity.deployment import UTILIZATION, Deployment, Draft, Load
from bastide.plans.capacity.documents import document
from bastide.plans.capacity.kv_cache import GPU_BLOCK, KV_DTYPES
from bastide.plans.capacity.of_engine import deployment
from bastide.plans.capacity.plan import Plan, plan
from bastide.plans.capacity.report import text
from bastide.plans.capacity.weights import active_parameters, parameters
from bastide.settings import SettingsError, load_stack_file, stack_file
from bastide.settings.errors import choices

DEFAULT_LEN = 16_384
"""Longest sequence where none is asked for and the model has more. A choice."""

WEIGHTS = {"fp8": FP8, "awq": AWQ}

USAGE = """bastide plan --stack NAME [--engine ENGINE] [--json]
       bastide plan (--model MODEL | --config FILE) --instance TYPE [--tp N] [OPTION ...] [--json]
       bastide plan (--list [--json] | routes --stack NAME [--html | --json | --litellm])"""

ROUTES_ONLY = ("html", "litellm")
"""Forms that a route table alone has."""

WITH_STACK = ("what", "stack", "engine", "json", *ROUTES_ONLY, "list")
"""Arguments that mean something beside --stack; the others stand in the stack file."""


class UsageError(Exception):
    """Arguments that mean nothing; the text says which and what is allowed."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `bastide plan`."""
    parser.usage = USAGE
    add = parser.add_argument
    add("what", nargs="?", choices=["routes"], help="the gateway's route table instead of engines")
    add("--html", action="store_true", help="with routes: the table as a page to review and print")
    add("--litellm", action="store_true", help="with routes: LiteLLM's config.yaml")
    add("--stack", help="plan the engines of stacks/Pulumi.STACK.yaml")
    add("--engine", help="with --stack: only this engine")
    add("--model", help="a model of the catalogue (--list)")
    add("--config", type=Path, help="a model's config.json, instead of --model")
    add("--instance", help="machine type, such as p5.48xlarge or a3-highgpu-8g")
    add("--nodes", type=_count, default=1, help="machines of one replica")
    add("--efa", action="store_true", help="GPUs of several machines talk directly (EFA, GPUDirect)")
    add("--tp", type=_count, default=1, help="GPUs over which each layer is cut")
    add("--pp", type=_count, default=1, help="pipeline stages")
    add("--dp", type=_count, default=1, help="copies of the attention in one replica")
    add("--expert-parallel", action="store_true", help="spread experts whole over all GPUs")
    add("--max-model-len", type=_count, help=f"longest sequence (the model's own, at most {DEFAULT_LEN:,})")
    add("--max-num-seqs", type=_count, help="most sequences at a time (vLLM's own for the GPU)")
    add("--max-num-batched-tokens", type=_count, help="most tokens in one step (vLLM's own for the GPU)")
    add("--gpu-memory-utilization", type=_share, default=UTILIZATION, help=f"{UTILIZATION} is vLLM's own")
    add("--kv-cache-dtype", choices=KV_DTYPES, default="auto")
    add("--weights", choices=WEIGHTS, help="quantized weights of a model that is published in 16 bits")
    add("--draft", help="speculation by this model of the catalogue, or ngram, or mtp")
    add("--draft-tokens", type=_count, default=4, help="tokens guessed in each step")
    add("--expected-len", type=_count, help="average sequence, prompt and answer (half of the longest)")
    add("--rate", type=_positive, help="requests a second, for the number of replicas")
    add("--prompt", type=_count, default=1000, help="tokens of an average prompt")
    add("--answer", type=_count, default=250, help="tokens of an average answer")
    add("--ttft", type=_positive, default=1.0, help="seconds to the first token that 95 of 100 keep")
    add("--itl", type=_positive, default=0.1, help="seconds between tokens")
    add("--json", action="store_true", help="for programs")
    add("--list", action="store_true", help="models and machines known by name")


def run(arguments: argparse.Namespace) -> int:
    """Runs `bastide plan`; returns the exit status."""
    try:
        if arguments.what == "routes":
            _only_stack(arguments, ("what", "stack", "json", *ROUTES_ONLY))
            return plan_routes.run(arguments)
        for each in ROUTES_ONLY:
            if getattr(arguments, each):
                raise UsageError(f"--{each} goes with `bastide plan routes`; add `routes`, or leave it out")
    except UsageError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    if arguments.list:
        print(json.dumps(_known(), indent=2) if arguments.json else _known_text())
        return 0
    try:
        asked = _stack(arguments) if arguments.stack else {"": _ad_hoc(arguments)}
    except UsageError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except SettingsError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    plans = {name: plan(each) for name, each in asked.items()}
    print(_printed(plans, as_json=arguments.json, one=not arguments.stack))
    return 0 if all(each.works for each in plans.values()) else 1


def _printed(plans: dict[str, Plan], *, as_json: bool, one: bool) -> str:
    if as_json:
        documents = {name: document(each) for name, each in plans.items()}
        return json.dumps(documents[""] if one else documents, indent=2)
    if one:
        return text(plans[""])
    return (
        "\n\n".join(f"engine {name}: {text(each)}" for name, each in plans.items())
        or "the stack has no engine"
    )


def _only_stack(arguments: argparse.Namespace, allowed: tuple[str, ...]) -> None:
    """Raises UsageError for arguments that mean nothing beside a stack."""
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    for name, given in vars(arguments).items():
        if name not in allowed and given != parser.get_default(name):
            others = "--html, --json, --litellm" if "engine" not in allowed else "--engine, --json"
            raise UsageError(
                f"--{name.replace('_', '-')} does not go with --stack, whose file says it; allowed: {others}; change "
                "the stack file, or plan the model alone: --model MODEL --instance TYPE"
            )


def _stack(arguments: argparse.Namespace) -> dict[str, Deployment]:
    _only_stack(arguments, WITH_STACK)
    settings = load_stack_file(stack_file(arguments.stack))
    names = [each.name for each in settings.engines]
    if arguments.engine is not None and arguments.engine not in names:
        raise UsageError(
            f"--engine {arguments.engine!r} is not in stack "
            f"{arguments.stack}{choices(arguments.engine, names)}"
        )
    return {
        each.name: deployment(settings, each)
        for each in settings.engines
        if arguments.engine in (None, each.name)
    }


def _ad_hoc(arguments: argparse.Namespace) -> Deployment:
    if arguments.engine is not None:
        raise UsageError("--engine goes with --stack")
    name, model = _model(arguments)
    if arguments.instance is None:
        raise UsageError(f"--instance is missing; allowed: {', '.join(CATALOGUE)}")
    if arguments.instance not in CATALOGUE:
        raise UsageError(
            f"--instance {arguments.instance!r} is no GPU machine in the "
            f"catalogue{choices(arguments.instance, CATALOGUE)}"
        )
    machine = CATALOGUE[arguments.instance]
    world = arguments.tp * arguments.pp * arguments.dp
    if world % arguments.nodes:
        raise UsageError(
            f"--tp {arguments.tp} x --pp {arguments.pp} x --dp {arguments.dp} is {world} GPUs, which "
            f"{arguments.nodes} "
            "machines do not share equally; change --nodes"
        )
    if arguments.weights and model.quantization:
        raise UsageError(
            f"--weights {arguments.weights}: {name} is published in {model.quantization.method} already; "
            "leave it out"
        )
    length = arguments.max_model_len or min(DEFAULT_LEN, model.max_len)
    for given, tokens in (
        ("--expected-len", arguments.expected_len or 0),
        ("--prompt and --answer", arguments.prompt + arguments.answer if arguments.rate else 0),
    ):
        if tokens > length:
            raise UsageError(
                f"{given}: {tokens:,} tokens are longer than the longest sequence; allowed: at most {length:,}; "
                "make it shorter, or --max-model-len longer"
            )
    gpu = machine.gpu
    sequences = arguments.max_num_seqs or engine_defaults.batch(gpu.memory_mib, gpu.model)[0]
    tokens = arguments.max_num_batched_tokens or engine_defaults.batched_tokens(
        gpu.memory_mib, gpu.model, sequences, length, chunked_prefill=model.causal
    )
    return Deployment(
        model_name=name,
        model=model,
        machine=machine,
        gpus=world // arguments.nodes,
        nodes=arguments.nodes,
        max_model_len=length,
        tensor_parallel=arguments.tp,
        pipeline_parallel=arguments.pp,
        data_parallel=arguments.dp,
        expert_parallel=arguments.expert_parallel,
        rdma=arguments.efa,
        utilization=arguments.gpu_memory_utilization,
        # vLLM lowers its own default of sequences to the batched tokens.
        max_num_seqs=sequences if arguments.max_num_seqs else min(sequences, tokens),
        max_num_batched_tokens=tokens,
        kv_dtype=arguments.kv_cache_dtype,
        block_size=GPU_BLOCK,
        weights=WEIGHTS.get(arguments.weights),
        online=arguments.weights == "fp8",
        draft=_draft(arguments),
        expected_len=arguments.expected_len,
        load=_load(arguments),
    )


def _model(arguments: argparse.Namespace) -> tuple[str, Architecture]:
    if (arguments.model is None) == (arguments.config is None):
        raise UsageError("give one of --stack, --model and --config; `bastide plan --list` names the models")
    if arguments.model is not None:
        if arguments.model not in models.CATALOGUE:
            raise UsageError(
                f"--model {arguments.model!r} is not in the "
                f"catalogue{choices(arguments.model, models.CATALOGUE)}; give its "
                "config.json by --config"
            )
        return arguments.model, models.architecture(arguments.model)
    try:
        content = json.loads(arguments.config.read_text(encoding="utf-8"))
        if not isinstance(content, dict):
            raise UsageError(
                f"--config {arguments.config} holds no JSON object; name the model's config.json"
            )
        return str(arguments.config), architecture(content)
    except OSError as error:
        raise UsageError(
            f"--config {arguments.config} cannot be read ({error.strerror}); correct the path"
        ) from None
    except ConfigError as error:
        raise UsageError(f"--config {arguments.config}: {error}") from None
    except ValueError as error:
        raise UsageError(
            f"--config {arguments.config} is not JSON ({error}); name the model's config.json"
        ) from None


def _draft(arguments: argparse.Namespace) -> Draft | None:
    name = arguments.draft
    if name is None:
        return None
    if name in ("ngram", "mtp"):
        return Draft(name, arguments.draft_tokens)
    if name not in models.CATALOGUE:
        raise UsageError(
            f"--draft {name!r} is neither ngram nor mtp nor a model of the "
            f"catalogue{choices(name, models.CATALOGUE)}"
        )
    return Draft("draft-model", arguments.draft_tokens, models.architecture(name), name)


def _load(arguments: argparse.Namespace) -> Load | None:
    if arguments.rate is None:
        return None
    return Load(arguments.rate, arguments.prompt, arguments.answer, arguments.ttft, arguments.itl)


def _known() -> dict[str, Any]:
    return {
        "models": {
            name: {
                "repository": each.repository,
                "parameters": parameters(shape := models.architecture(name)),
                "activeParameters": active_parameters(shape),
                "maxModelLen": shape.max_len,
                "purpose": each.purpose,
                "licence": each.licence,
                "languages": list(each.languages),
                "toolParser": each.tool_parser,
                "reasoningParser": each.reasoning_parser,
                "structuredOutput": each.structured_output,
                "draft": each.draft,
                "note": each.note,
                "source": f"{each.source}, {each.read}",
            }
            for name, each in models.CATALOGUE.items()
        },
        "machines": {
            name: {
                "cloud": each.cloud,
                "gpus": each.gpus,
                "gpu": each.gpu.name,
                "usdPerHour": each.hourly,
                "priceSource": f"{each.price.source}, {each.price.read}" if each.price else None,
            }
            for name, each in CATALOGUE.items()
        },
    }


def _known_text() -> str:
    lines = [f"{'model':26} {'parameters':>16} {'active':>16} {'tokens':>8}  tools, draft, licence"]
    for name, each in models.CATALOGUE.items():
        shape = models.architecture(name)
        can = ", ".join([each.tool_parser or "no tools", each.draft or "no draft model", each.licence])
        lines.append(
            f"{name:26} {parameters(shape):>16,} {active_parameters(shape):>16,} {shape.max_len:>8,}  {can}"
        )
    lines += ["", f"{'machine':16} {'cloud':7} {'GPUs':16} {'USD/h':>10}"]
    for name, machine in CATALOGUE.items():
        price = "unknown" if machine.hourly is None else f"{machine.hourly:,.3f}"
        lines.append(f"{name:16} {machine.cloud:7} {f'{machine.gpus} x {machine.gpu.name}':16} {price:>10}")
    return "\n".join(lines)


def _count(given: str) -> int:
    if not given.isascii() or not given.isdigit() or not 0 < int(given) < 10**9:
        raise argparse.ArgumentTypeError(f"{given!r} is no whole number from 1 on")
    return int(given)


def _positive(given: str) -> float:
    try:
        value = float(given)
    except ValueError:
        value = 0.0
    if not 0 < value < 1e9:
        raise argparse.ArgumentTypeError(f"{given!r} is no number above 0")
    return value


def _share(given: str) -> float:
    value = _positive(given)
    if value > 1:
        raise argparse.ArgumentTypeError(f"{given!r} is no share; allowed: above 0 and at most 1")
    return value
