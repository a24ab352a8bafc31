"""What each guard costs, in the gateway's own numbers: `guards_ms` of its decision lines, and its histogram."""

from __future__ import annotations

import json
import os
import re
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import requests

from benchmarks.gateway_ours import NUMBERS, ours
from benchmarks.gateway_systems import ROOT, System, await_answer
from benchmarks.gateway_table import percentile
from sandbox.daemon.child import Child, free_port
from sandbox.toolchain import environments

METRIC: Final = re.compile(r"bastide_gateway_guard_milliseconds_(sum|count)\{([^}]*)\} ([0-9.e+-]+)")
SETTLED_S: Final = 2.0
"""After the last answer: its decision line comes a moment later."""

CLASSES: Final = ("public", "internal", "confidential", "regulated")


def costs(folder: Path, direct: System, load: Callable[..., Any], count: int) -> list[dict[str, Any]]:
    """The gateway with every guard before each request, at concurrency 1 and 8: the redaction service as a process
    beside it, and the audit trail, whose objects the fake engine takes."""
    with ExitStack() as stack:
        port = free_port()
        env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "PII_PORT": str(port)}
        program = [str(environments.python(environments.PII)), "-m", "pii"]
        service = Child("pii", program, folder / "pii.log", env)
        stack.callback(service.stop)
        await_answer(service, f"http://127.0.0.1:{port}/ready", (200,))
        pii = _guard("pii", {"url": f"http://127.0.0.1:{port}"})
        audit = _guard("audit", {
            "bucket": "benchmark", "region": "us-east-1", "days": [f"{each}=1" for each in CLASSES],
            "spool": str(folder / "spool"),
        })  # fmt: skip
        amazon = {
            "AWS_ENDPOINT_URL": direct.url,
            "AWS_ACCESS_KEY_ID": "of-the-benchmark",
            "AWS_SECRET_ACCESS_KEY": "of-the-benchmark",
        }
        system = stack.enter_context(ours(folder, direct, "guarded", (audit, pii, NUMBERS), amazon))
        load(system, 40, 8, False)
        rows = []
        for concurrency in (1, 8):
            before, counted = len(_lines(system)), _metrics(system)
            load(system, max(20, count * concurrency // 8), concurrency, False)
            time.sleep(SETTLED_S)
            rows += _rows(concurrency, _lines(system)[before:], counted, _metrics(system))
        return rows


def _guard(name: str, settings: dict[str, Any]) -> dict[str, Any]:
    module = f"bastide_gateway.guards.{name}"
    return {
        "name": name,
        "module": module,
        "timeoutMs": 10_000,
        "onFailure": "refuse",
        "settings": settings,
    }


def _rows(
    concurrency: int, lines: list[dict[str, Any]], before: Mapping[str, Any], after: Mapping[str, Any]
) -> list[dict[str, Any]]:
    found: dict[str, list[float]] = defaultdict(list)
    for line in lines:
        for name, took in line["guards_ms"].items():
            found[name].append(took)
    rows = []
    for name, took in sorted(found.items()):
        spent = after.get(name, {}).get("sum", 0.0) - before.get(name, {}).get("sum", 0.0)
        rows.append({
            "guard": name,
            "concurrency": concurrency,
            "requests": len(took),
            "p50_ms": round(percentile(took, 0.5), 2),
            "p95_ms": round(percentile(took, 0.95), 2),
            "mean_by_metrics_ms": round(spent / len(took), 2),
        })  # fmt: skip
    return rows


def _metrics(system: System) -> dict[str, dict[str, float]]:
    """Of each guard, over all its steps: how long it took in all, and how often."""
    text = requests.get(system.metrics, timeout=30, allow_redirects=True).text
    found: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for what, labels, value in METRIC.findall(text):
        name = re.search(r'guard="([^"]*)"', labels)
        if name is not None:
            found[name.group(1)][what] += float(value)
    return found


def _lines(system: System) -> list[dict[str, Any]]:
    """The decision lines so far; a request's comes a moment after its answer."""
    text = system.log.read_text(errors="replace").splitlines()
    return [json.loads(line) for line in text if line.startswith('{"log":"bastide.route"')]


def show(rows: list[dict[str, Any]]) -> None:
    """Prints them."""
    if rows:
        print(
            "\nwhat a guard takes of a request, by the gateway's own metrics (before the model, after it, and when"
        )
        print("the request has ended, which keeps nobody waiting):")
    for row in rows:
        print(
            f"  {row['guard']:8} concurrency {row['concurrency']:>2}: p50 {row['p50_ms']:6.2f} ms, "
            f"p95 {row['p95_ms']:6.2f} ms, mean {row['mean_by_metrics_ms']:6.2f} ms of {row['requests']} requests"
        )
