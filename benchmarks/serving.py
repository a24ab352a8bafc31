"""The planner against a running engine: KV tokens planned and reported, TTFT and ITL beside their floors.

Run it by an interpreter that has vLLM 0.32, on the machine that is to be known:

    python benchmarks/serving.py --out results.json                 # what of the catalogue fits on this GPU
    python benchmarks/serving.py --models llama-3.1-8b --kv-dtypes auto,fp8 --concurrency 1,8,64
    python benchmarks/serving.py --tiny gqa,window                  # tiny models; the only choice without a GPU

Weights are random (`--load-format dummy`): they take the memory and the time of real ones. Each case is a process
of its own, so that nothing of one is left on the GPU for the next. Times are the engine's, stepped in that process:
without HTTP and tokenizer, and with prefix caching off.

Floors are arithmetic and bandwidth alone (bastide/plans/capacity/latency.py); with several requests at once the
floor of TTFT is that of a request in the middle, which waits for the prompts before it. A device that the catalogue
does not know has no floors.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shlex
import subprocess
import sys
import tempfile
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from bastide.catalogues import gpus  # noqa: E402 - found by the path above
from bastide.catalogues.models import CATALOGUE, architecture  # noqa: E402
from bastide.models.make_tiny import make_tiny  # noqa: E402
from bastide.plans.capacity.plan import plan  # noqa: E402
from benchmarks.serving_engine import Case, Result, deployment, measure  # noqa: E402

TINY_KV_BYTES = 64 * 2**20
SECONDS_A_CASE = 1800


def device() -> dict[str, Any]:
    """The machine, its driver and every version that the numbers depend on."""
    import torch
    import vllm

    found: dict[str, Any] = {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "vllm": vllm.__version__,
        "cores": os.cpu_count(),
        "kind": "cpu",
        "name": platform.processor() or platform.machine(),
    }
    if torch.cuda.is_available():
        properties = torch.cuda.get_device_properties(0)
        found |= {
            "kind": "gpu",
            "name": properties.name,
            "gpus": torch.cuda.device_count(),
            "memoryBytes": properties.total_memory,
            "capability": f"{properties.major}.{properties.minor}",
            "cuda": torch.version.cuda,
            "driver": _driver(),
        }
    return found


def _driver() -> str | None:
    command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip().splitlines()[0]


def known_gpu(facts: dict[str, Any]) -> gpus.Gpu | None:
    """The catalogue's entry of that device: its model's name, and the nearest memory."""
    words = facts["name"].replace("-", " ").split()
    same = [each for each in gpus.CATALOGUE.values() if each.model in words]
    wanted = facts.get("memoryBytes", 0) / 2**20
    return min(same, key=lambda each: abs(each.usable_mib - wanted), default=None)


def cases(arguments: argparse.Namespace, folder: Path, gpu: gpus.Gpu | None) -> list[Case]:
    """Every engine to measure; of the catalogue those that the planner does not refuse."""
    common: dict[str, Any] = {
        "max_num_seqs": max(arguments.concurrency),
        "max_num_batched_tokens": arguments.batched_tokens,
        "prompt": arguments.prompt,
        "answer": arguments.answer,
        "concurrency": tuple(arguments.concurrency),
        "utilization": arguments.utilization,
        "eager": arguments.eager,
    }
    found = []
    for shape in arguments.tiny:
        make_tiny(folder / shape, shape)
        for kv_dtype in arguments.kv_dtypes:
            length = min(1024, arguments.max_model_len)
            found.append(
                Case(f"tiny-{shape}", str(folder / shape), kv_dtype, length, kv_bytes=TINY_KV_BYTES, **common)
            )
    if gpu is None:
        return found
    for name in arguments.models:
        at = folder / name
        at.mkdir()
        (at / "config.json").write_text(json.dumps(dict(CATALOGUE[name].config)))
        for kv_dtype in arguments.kv_dtypes:
            length = min(arguments.max_model_len, architecture(name).max_len)
            case = Case(name, str(at), kv_dtype, length, **common)
            refused = plan(deployment(case, gpu), search=False).refusals
            if refused:
                print(f"{name} {kv_dtype}: left out, the planner refuses it: {refused[0].reason}")
            else:
                found.append(case)
    return found


def run(case: Case, folder: Path) -> Result | str:
    """Measures in a process of its own; its last words where that fails."""
    answer = folder / "result.json"
    answer.unlink(missing_ok=True)
    command = [sys.executable, __file__, "--measure", json.dumps(asdict(case)), "--out", str(answer)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS_A_CASE)
    except subprocess.TimeoutExpired:
        return f"took more than {SECONDS_A_CASE} s"
    if not answer.exists():
        return (done.stderr.strip() or done.stdout.strip())[-2000:]
    raw = json.loads(answer.read_text())
    return Result(**{**raw, "case": case})


def table(results: list[Result]) -> str:
    """Everything that was measured, in columns."""
    lines = [
        f"{'model':16} {'KV':10} {'planned':>12} {'reported':>12} {'error':>8}   "
        f"{'at once':>7} {'TTFT ms':>9} {'floor':>8} {'ITL ms':>8} {'floor':>8} {'tokens/s':>9}"
    ]
    for result in results:
        head = (
            f"{result.case.name:16} {result.case.kv_dtype:10} {result.planned_tokens:12,} "
            f"{result.reported_tokens:12,} {result.error:+8.2%}"
        )
        for each in result.times:
            times = f"{each['ttftSeconds'] * 1e3:9.1f} {_ms(each['ttftFloorSeconds'])} "
            times += f"{each['itlSeconds'] * 1e3:8.2f} {_ms(each['itlFloorSeconds'])}"
            lines.append(f"{head}   {each['concurrency']:7} {times} {each['tokensPerSecond']:9.1f}")
            head = " " * len(head)
    return "\n".join(lines)


def _ms(seconds: float | None) -> str:
    return f"{'-':>8}" if seconds is None else f"{seconds * 1e3:8.2f}"


def document(facts: dict[str, Any], results: list[Result], failed: dict[str, str]) -> dict[str, Any]:
    """For programs, and to keep."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": shlex.join(["python", *sys.argv]),
        "device": facts,
        "results": [{**asdict(each), "kvError": each.error} for each in results],
        "failed": failed,
    }


def options() -> argparse.Namespace:
    """The command line."""

    def words(text: str) -> list[str]:
        return [each for each in text.split(",") if each]

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    generating = [name for name, model in CATALOGUE.items() if model.purpose == "generate"]
    parser.add_argument(
        "--models", type=words, default=generating, help="of the catalogue; default: what fits"
    )
    parser.add_argument("--tiny", type=words, default=[], help="shapes of `bastide model make-tiny`")
    parser.add_argument("--kv-dtypes", type=words, default=["auto"], help="default: auto")
    parser.add_argument(
        "--concurrency", type=lambda text: [int(each) for each in words(text)], default=[1, 8, 32]
    )
    parser.add_argument("--prompt", type=int, default=512, help="tokens; default: %(default)s")
    parser.add_argument("--answer", type=int, default=64, help="tokens, 2 or more; default: %(default)s")
    parser.add_argument("--max-model-len", type=int, default=8192)
    parser.add_argument("--batched-tokens", type=int, default=8192)
    parser.add_argument("--utilization", type=float, default=0.92)
    parser.add_argument("--eager", action="store_true", help="no graphs: a faster start, slower tokens")
    parser.add_argument("--out", type=Path, help="write everything there as JSON")
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    found = parser.parse_args()
    unknown = [name for name in found.models if name not in CATALOGUE]
    if unknown:
        parser.error(f"--models: {unknown[0]!r} is not in the catalogue; allowed: {', '.join(generating)}")
    if found.answer < 2 or found.prompt < 1 or min(found.concurrency, default=0) < 1:
        parser.error("--answer is 2 or more, --prompt and --concurrency are 1 or more")
    if found.prompt + found.answer > (1024 if found.tiny else found.max_model_len):
        parser.error("--prompt and --answer together are longer than the longest sequence")
    return found


def main() -> int:
    """Measures everything; 1 where an engine did not start."""
    arguments = options()
    facts = device()
    gpu = known_gpu(facts) if facts["kind"] == "gpu" else None
    if arguments.measure:
        raw = json.loads(arguments.measure)
        case = Case(**{**raw, "concurrency": tuple(raw["concurrency"])})
        arguments.out.write_text(json.dumps(asdict(measure(case, gpu))))
        return 0
    if gpu is None and not arguments.tiny:
        print(f"{facts['name']} is no GPU of the catalogue: give --tiny SHAPES, for which no floor is known")
        return 1
    results: list[Result] = []
    failed: dict[str, str] = {}
    with tempfile.TemporaryDirectory(prefix="bastide-serving-") as name:
        for case in cases(arguments, Path(name), gpu):
            print(f"{case.name} {case.kv_dtype} ...", file=sys.stderr, flush=True)
            done = run(case, Path(name))
            if isinstance(done, Result):
                results.append(replace(done))
            else:
                failed[f"{case.name} {case.kv_dtype}"] = done
    print(json.dumps(facts))
    print(table(results))
    for case_name, reason in failed.items():
        print(f"{case_name} failed:\n{reason}", file=sys.stderr)
    if arguments.out:
        arguments.out.write_text(json.dumps(document(facts, results, failed), indent=2) + "\n")
    return 1 if failed or not results else 0


if __name__ == "__main__":
    sys.exit(main())
