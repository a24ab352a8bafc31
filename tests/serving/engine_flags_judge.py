"""Run by the engine's own interpreter: real vLLM's parser and engine configuration judge arguments.

Reads from standard input `{"gpus": {...}, "cases": [...]}` and writes one JSON list to the file that is its argument.
The GPU is described and not there: vLLM's own CUDA platform with the answers that NVIDIA's driver would give, so the
rules that depend on a GPU's memory, name and compute capability are applied, and no kernel is run."""

from __future__ import annotations

import contextlib
import functools
import io
import json
import logging
import os
import sys
import types
from typing import Any


def described_platform() -> type[Any]:
    """vLLM's CUDA platform for the GPU that `GPU` describes at the time."""
    # The compiled kernels of the CUDA build, which only imports need here.
    for name in ("_C_stable_libtorch", "vllm_flash_attn._vllm_fa2_C", "vllm_flash_attn._vllm_fa3_C"):
        sys.modules[f"vllm.{name}"] = types.ModuleType(f"vllm.{name}")
    from vllm.platforms.cuda import CudaPlatformBase
    from vllm.platforms.interface import DeviceCapability

    class DescribedCuda(CudaPlatformBase):  # type: ignore[misc,no-any-unimported]
        @classmethod
        def get_device_capability(cls, device_id: int = 0) -> Any:
            return DeviceCapability(*GPU["capability"])

        @classmethod
        def get_device_name(cls, device_id: int = 0) -> str:
            return str(GPU["name"])

        @classmethod
        def get_device_total_memory(cls, device_id: int = 0) -> int:
            return int(GPU["memory_mib"]) * 2**20

        @classmethod
        def is_fully_connected(cls, device_ids: list[int]) -> bool:
            return True

        @classmethod
        def get_cuda_runtime_major(cls) -> int:
            return 13

        @classmethod
        def device_count(cls) -> int:
            return int(GPU["count"])

        @classmethod
        def num_compute_units(cls, device_id: int = 0) -> int:
            return 108

        @classmethod
        def import_kernels(cls) -> None:
            return

    return DescribedCuda


GPU: dict[str, Any] = {}


@functools.cache
def parser() -> Any:
    """The parser of vLLM's HTTP server."""
    from vllm.entrypoints.launchers.cli_args import make_arg_parser
    from vllm.utils.argparse_utils import FlexibleArgumentParser

    return make_arg_parser(FlexibleArgumentParser())


def judge(case: dict[str, Any]) -> dict[str, Any]:
    """What the engine makes of one case's arguments, or why it refuses them."""
    from vllm.engine.arg_utils import AsyncEngineArgs
    from vllm.entrypoints.launchers.cli_args import validate_parsed_serve_args
    from vllm.usage.usage_lib import UsageContext

    GPU.clear()
    GPU.update(case["gpu"])
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            args = parser().parse_args(case["args"])
        validate_parsed_serve_args(args)
        found: dict[str, Any] = {"model_tag": args.model_tag, "namespace": plain(vars(args))}
        if case.get("configure", True):
            config = AsyncEngineArgs.from_cli_args(args).create_engine_config(
                usage_context=UsageContext.OPENAI_API_SERVER, headless=args.headless
            )
            found["config"] = summary(config)
        return {"accepted": True, **found}
    except SystemExit:
        return {"accepted": False, "why": said.getvalue().strip().splitlines()[-1:]}
    except Exception as error:
        return {"accepted": False, "why": [f"{type(error).__name__}: {error}"]}


def summary(config: Any) -> dict[str, Any]:
    """What a test compares with the settings."""
    model, parallel, scheduler, cache = (
        config.model_config,
        config.parallel_config,
        config.scheduler_config,
        config.cache_config,
    )
    guess, lora = config.speculative_config, config.lora_config
    return plain(
        {
            "model": model.model,
            "served": model.served_model_name,
            "runner": model.runner_type,
            "convert": model.convert_type,
            "dtype": str(model.dtype),
            "quantization": model.quantization,
            "max_model_len": model.max_model_len,
            "trust_remote_code": model.trust_remote_code,
            "media_domains": model.allowed_media_domains,
            "multimodal": model.is_multimodal_model,
            "generation": model.override_generation_config,
            "max_logprobs": model.max_logprobs,
            "load_format": str(config.load_config.load_format),
            "tensor": parallel.tensor_parallel_size,
            "pipeline": parallel.pipeline_parallel_size,
            "data": parallel.data_parallel_size,
            "experts": parallel.enable_expert_parallel,
            "nodes": parallel.nnodes,
            "node": parallel.node_rank,
            "master": parallel.master_addr,
            "max_num_seqs": scheduler.max_num_seqs,
            "max_num_batched_tokens": scheduler.max_num_batched_tokens,
            "max_num_queued_reqs": scheduler.max_num_queued_reqs,
            "max_num_queued_tokens": scheduler.max_num_queued_tokens,
            "chunked_prefill": scheduler.enable_chunked_prefill,
            "prefix_caching": cache.enable_prefix_caching,
            "kv_dtype": cache.cache_dtype,
            "block_size": cache.block_size,
            "share": cache.gpu_memory_utilization,
            "traces": config.observability_config.otlp_traces_endpoint,
            "reasoning": config.structured_outputs_config.reasoning_parser,
            "shutdown": config.shutdown_timeout,
            "speculation": guess and {"method": guess.method, "tokens": guess.num_speculative_tokens},
            "lora": lora and {"rank": lora.max_lora_rank, "at_once": lora.max_loras},
        }
    )


def plain(value: Any) -> Any:
    """The value as JSON has it; what has no such form by its text."""
    return json.loads(json.dumps(value, default=str))


def log_lines(config: dict[str, Any]) -> list[str]:
    """What vLLM's logging writes with a configuration file of this content: its own line, one of its HTTP server,
    one of a probe's request, which is left out, and one of another library."""
    from logging.config import dictConfig

    written = io.StringIO()
    with contextlib.redirect_stdout(written):
        dictConfig(config)
        logging.getLogger("vllm.engine").info("loaded in %d s", 7)
        access = logging.getLogger("uvicorn.access")
        for path in ("/v1/models", "/health"):
            access.info('%s - "%s %s HTTP/%s" %d', "127.0.0.1:1", "GET", path, "1.1", 200)
        logging.getLogger("transformers").warning("two\nlines")
    return written.getvalue().splitlines()


def flags() -> dict[str, str]:
    """Every long flag of the parser, by what it takes."""
    import argparse

    found = {}
    for action in parser()._actions:
        for option in action.option_strings:
            if not option.startswith("--") or option == "--help":
                continue
            if isinstance(action, argparse.BooleanOptionalAction):
                takes = "no" if option.startswith("--no-") else "switch"
            elif action.nargs == 0:
                takes = "on"
            elif action.nargs in ("+", "*") or isinstance(action, argparse._AppendAction):
                takes = "list"
            else:
                takes = "value"
            found[option] = takes
    return found


def main() -> None:
    """Judges every case and writes what was found."""
    asked = json.load(sys.stdin)
    GPU.update(asked["cases"][0]["gpu"])
    import vllm.platforms

    vllm.platforms._current_platform = described_platform()()
    import vllm._custom_ops as kernels
    from vllm.model_executor.models import registry

    # What the compiled kernels would answer (vLLM's csrc, scaled_mm_entry.cu): compute capability as 90 for 9.0.
    for suffix, least in (("fp8", 89), ("block_fp8", 90), ("fp4", 100)):
        setattr(kernels, f"cutlass_scaled_mm_supports_{suffix}", least.__le__)

    # It looks at a model's class in a process of its own, which would not know of the described GPU.
    registry._run_in_subprocess = lambda function: function()
    from vllm.envs import environment_variables
    from vllm.reasoning import ReasoningParserManager
    from vllm.tool_parsers import ToolParserManager

    answer = {
        "flags": flags(),
        "tools": sorted(ToolParserManager.list_registered()),
        "reasoning": sorted(ReasoningParserManager.list_registered()),
        "variables": sorted(environment_variables),
        "cases": {case["name"]: judge(case) for case in asked["cases"]},
        "log": log_lines(asked["logging"]),
    }
    with open(sys.argv[1], "w", encoding="utf-8") as file:
        json.dump(answer, file)
    # Threads of libraries would wait for work that never comes.
    os._exit(0)


if __name__ == "__main__":
    main()
