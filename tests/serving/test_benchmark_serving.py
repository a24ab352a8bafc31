"""benchmarks/serving.py is for machines with a GPU; here it runs whole on a CPU, with tiny models."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from sandbox.toolchain import environments
from tests.waits import PATIENCE_S

pytestmark = [pytest.mark.proof, pytest.mark.xdist_group("vllm")]

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "serving.py"


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [environments.ensure(environments.VLLM), SCRIPT, *arguments],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        env={**os.environ, "OMP_NUM_THREADS": "1", "VLLM_CPU_OMP_THREADS_BIND": "nobind"},
    )


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], str]:
    out = tmp_path_factory.mktemp("benchmark") / "results.json"
    tiny = ("--tiny", "gqa", "--prompt", "128", "--answer", "8", "--max-model-len", "1024")
    done = run(*tiny, "--batched-tokens", "1024", "--concurrency", "1,4", "--eager", "--out", str(out))
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(out.read_text()), done.stdout


def test_it_records_the_machine_and_every_version(measured: tuple[dict[str, Any], str]) -> None:
    found, _ = measured
    assert found["device"]["kind"] == "cpu"
    assert found["device"]["vllm"] == "0.32.0"
    assert {"torch", "python", "cores", "name"} <= set(found["device"])
    assert "--tiny gqa" in found["command"]


def test_planned_tokens_are_those_that_the_engine_reported(measured: tuple[dict[str, Any], str]) -> None:
    found, said = measured
    (result,) = found["results"]
    assert result["planned_tokens"] == result["reported_tokens"] == 131_072
    assert result["kvError"] == 0
    assert "131,072" in said


def test_times_are_those_of_real_steps(measured: tuple[dict[str, Any], str]) -> None:
    found, _ = measured
    times = found["results"][0]["times"]
    assert [each["concurrency"] for each in times] == [1, 4]
    for each in times:
        assert 0 < each["itlSeconds"] < 10
        assert 0 < each["ttftSeconds"] < 10
        least = each["concurrency"] * 8 / (each["ttftSeconds"] + 8 * each["itlSeconds"])
        assert each["tokensPerSecond"] == pytest.approx(least, rel=0.7), (
            "tokens over time is what both times say"
        )
        assert each["itlFloorSeconds"] is None, "a CPU is not in the catalogue of GPUs"


def test_without_a_gpu_it_says_what_can_be_measured() -> None:
    done = run()
    assert done.returncode == 1
    assert "is no GPU of the catalogue: give --tiny" in done.stdout
