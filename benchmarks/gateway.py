"""What the gateway adds to an engine's latency, beside LiteLLM alone and LiteLLM with the same features.

    python benchmarks/gateway.py                                   # an engine of fixed latency
    python benchmarks/gateway.py --engine http://127.0.0.1:8000 --model tiny-qwen2
    python benchmarks/gateway.py --short --json results.json       # what `make bench` runs

Four systems run side by side, each with one worker: `direct` (no gateway), `minimal` (LiteLLM with a model and a key),
`alike` (LiteLLM with database, Redis, budgets, hook, guardrail and metrics, as its documentation sets them up) and
`ours`. They take turns in each round, every round in another order, so that what else the machine does falls on all
alike. With a real engine on the same cores the engine's own load falls on the client too: the fake one is the one to
compare by.

What counts: how much of p95 is added to `direct`, ours over alike. The goal is at most 0.8."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import requests  # noqa: E402 - found by the path above

from benchmarks import gateway_guards, gateway_ours, gateway_systems, gateway_table  # noqa: E402
from benchmarks.gateway_cpu import cpu_seconds  # noqa: E402
from benchmarks.gateway_systems import System  # noqa: E402
from benchmarks.gateway_table import Kept  # noqa: E402
from sandbox.daemon.child import ChildError  # noqa: E402
from sandbox.toolchain import environments  # noqa: E402


def load(system: System, requests_: int, concurrency: int, stream: bool) -> dict[str, Any]:
    """One turn. Ends the program where a request was not answered: its time would say nothing."""
    given = {
        "url": system.url,
        "model": system.model,
        "requests": requests_,
        "concurrency": concurrency,
        "stream": stream,
    }
    before = None if system.pid is None else cpu_seconds(system.pid)
    done = subprocess.run(
        [environments.LITELLM.python, ROOT / "benchmarks" / "gateway_load.py"],
        input=json.dumps(given), capture_output=True, text=True, check=False,
        env={"PATH": os.environ["PATH"], "LOAD_KEY": system.key},
    )  # fmt: skip
    if done.returncode != 0:
        raise SystemExit(f"{system.name}: the load failed:\n{done.stderr[-2000:]}")
    found: dict[str, Any] = json.loads(done.stdout)
    if set(found["statuses"]) != {"200"}:
        said = system.log.read_text(errors="replace")[-2000:]
        raise SystemExit(f"{system.name}: answers were {found['statuses']}; the end of its log:\n{said}")
    if before is not None and system.pid is not None:
        found["cpu_ms"] = (cpu_seconds(system.pid) - before) * 1000 / requests_
    return found


def measure(systems: list[System], given: argparse.Namespace) -> Kept:
    """All turns; the systems' order changes with each."""
    kept: Kept = defaultdict(list)
    for system in systems:
        load(system, 40, 8, False)  # connections, caches and first imports
        load(system, 16, 4, True)
    turn = 0
    for number in range(given.runs):
        for concurrency in given.concurrency:
            for stream in (False, True):
                first = turn % len(systems)
                turn += 1
                for system in systems[first:] + systems[:first]:
                    # About as many as make the turns alike in length.
                    count = max(
                        given.requests // 4, given.requests * min(concurrency, 8) // 8, concurrency * 2
                    )
                    kept[(system.name, concurrency, stream)].append(load(system, count, concurrency, stream))
        print(f"round {number + 1} of {given.runs} is done", file=sys.stderr, flush=True)
    return kept


def started(stack: ExitStack, folder: Path, direct: System) -> list[System]:
    """The three gateways, which start side by side; those that did are ended also where another did not."""

    def enter(start: Callable[[Path, System], AbstractContextManager[System]]) -> System:
        system = own.enter_context(start(folder, direct))
        print(f"{system.name} is up", file=sys.stderr, flush=True)
        return system

    own = stack.enter_context(
        ExitStack()
    )  # appending to it from threads is safe: ends in the order of starts
    starts = (gateway_systems.minimal, gateway_systems.alike, gateway_ours.ours)
    with ThreadPoolExecutor(len(starts)) as pool:
        waiting = [pool.submit(enter, start) for start in starts]
    return [each.result() for each in waiting]


def external(url: str, model: str) -> System:
    """A live engine, seen to answer. Ends the program where it does not."""
    url = url.rstrip("/").removesuffix("/v1")
    body = {"model": model, "messages": [{"role": "user", "content": "hello"}], "max_tokens": 1}
    try:
        answer = requests.post(f"{url}/v1/chat/completions", json=body, timeout=60)
    except requests.RequestException as error:
        raise SystemExit(f"--engine {url}: it does not answer ({type(error).__name__})") from None
    if answer.status_code != 200:
        raise SystemExit(f"--engine {url} --model {model}: status {answer.status_code}: {answer.text[:300]}")
    return System("direct", url, model, "none")


def arguments() -> argparse.Namespace:
    """The command line's."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--engine", default="fake", help="fake (default), or the URL of an engine")
    add("--model", default="fake", help="the model's name at that engine")
    add("--delay-ms", type=float, default=100, help="of the fake engine's whole answer (100)")
    add("--tokens", type=int, default=16, help="of the fake engine's answer (16)")
    add("--runs", type=int, default=5, help="rounds (5)")
    add("--requests", type=int, default=160, help="of each turn at concurrency 8 (160)")
    add("--concurrency", type=lambda text: [int(each) for each in text.split(",")], default=[1, 8, 32])
    add("--no-guards", action="store_true", help="leave out what each guard costs")
    add("--short", action="store_true", help="one round of few requests, without the guards: minutes")
    add("--json", type=Path, help="write everything to this file")
    given = parser.parse_args()
    if given.short:
        given.runs, given.requests, given.no_guards = 1, 64, True
    if min(given.runs, given.requests, *given.concurrency) < 1:
        parser.error("--runs, --requests and --concurrency are 1 or more")
    return given


def main() -> int:
    """Returns the exit status: 0 also where the goal is not reached, which the table says."""
    given = arguments()
    began = time.monotonic()
    gateway_systems.require(not given.no_guards)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bastide-bench-")))
        if given.engine == "fake":
            direct = stack.enter_context(gateway_systems.engine(folder, given.delay_ms, given.tokens))
            told = f"a fake engine that answers in {given.delay_ms:.0f} ms, {given.tokens} tokens"
        else:
            direct = external(given.engine, given.model)
            told = f"the engine at {given.engine}, model {given.model}"
        systems = [direct, *started(stack, folder, direct)]
        loads = [os.getloadavg()[0]]
        kept = measure(systems, given)
        loads.append(os.getloadavg()[0])
    rows = gateway_table.rows(kept, [system.name for system in systems], given.concurrency)
    ratios = gateway_table.ratios(kept, given.concurrency)
    print(
        f"Behind each: {told}. {os.cpu_count()} processors, load {loads[0]:.1f} before and {loads[1]:.1f} after "
        f"(the benchmark's own is about 2); {given.runs} rounds, {time.monotonic() - began:.0f} s.\n"
    )
    gateway_table.show(rows, ratios)
    # The four have ended: what a guard takes is measured without them.
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bastide-bench-")))
        guards = []
        if not given.no_guards:
            if given.engine == "fake":
                direct = stack.enter_context(gateway_systems.engine(folder, given.delay_ms, given.tokens))
            guards = gateway_guards.costs(folder, direct, load, given.requests)
    gateway_guards.show(guards)
    if given.json:
        about = {"engine": told, "processors": os.cpu_count(), "load": loads, "rounds": given.runs}
        result = {
            "about": about,
            "rows": rows,
            "ratios": ratios,
            "guards": guards,
            "goal": gateway_table.GOAL,
        }
        given.json.write_text(json.dumps(result, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except ChildError as error:
        sys.exit(f"benchmarks/gateway.py: {error}")
