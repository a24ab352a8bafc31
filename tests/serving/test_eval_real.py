"""`bastide eval quantization` between two real vLLM servers: a tiny model with its own KV cache and with one in FP8.

The model's weights are random, so it solves no task and the table forbids serving; what is shown is that every number
comes from real answers and real log probabilities."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bastide.cli import main
from bastide.evaluation.endpoint import Endpoint
from bastide.evaluation.measure import compared
from bastide.evaluation.table import QualityTable, read
from bastide.models.make_tiny import make_tiny
from tests.serving.vllm_server import VllmServer
from tests.waits import PATIENCE_S

pytestmark = [pytest.mark.proof, pytest.mark.xdist_group("vllm")]

ARGUMENTS = (
    *("--kv-cache-memory-bytes", str(64 * 2**20), "--max-model-len", "1024"),
    *("--max-num-seqs", "8", "--enforce-eager"),
)


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[VllmServer, VllmServer]]:
    model = tmp_path_factory.mktemp("eval") / "model"
    make_tiny(model, "gqa")
    with (
        VllmServer.start(model, ARGUMENTS, name="tiny-gqa") as baseline,
        VllmServer.start(model, (*ARGUMENTS, "--kv-cache-dtype", "fp8"), name="tiny-gqa") as candidate,
    ):
        yield baseline, candidate


@pytest.fixture(scope="module")
def made(
    servers: tuple[VllmServer, VllmServer], tmp_path_factory: pytest.TempPathFactory
) -> tuple[QualityTable, str]:
    """The table, and what the command said."""
    baseline, candidate = servers
    out = tmp_path_factory.mktemp("table") / "quality.yaml"
    done = subprocess.run(
        [
            *(Path(sys.executable).parent / "bastide", "eval", "quantization"),
            *("--baseline", baseline.url, "--candidate", candidate.url),
            *("--model", "tiny-gqa", "--version", "1.0.0", "--kv-cache", "fp8"),
            *("--tasks", "needle,vietnamese", "--contexts", "512,900", "--samples", "4", "--out", str(out)),
        ],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    assert done.returncode == 1  # a random model may not serve
    assert out.exists(), done.stderr
    return read(out), done.stdout


def test_the_table_has_a_row_for_each_task_and_length(made: tuple[QualityTable, str]) -> None:
    table, said = made
    cells = {(row.task, row.context, row.n) for row in table.rows}
    assert cells == {(task, context, 4) for task in ("needle", "vietnamese") for context in (512, 900)}
    assert table.engine_version == "0.32.0"
    assert table.covers("tiny-gqa", "1.0.0", None, "fp8")
    assert "say nothing of a loss" in said
    print(said)  # noqa: T201 - pytest -s shows the table


def test_the_divergence_is_that_of_real_probabilities(made: tuple[QualityTable, str]) -> None:
    table, _ = made
    for each in table.divergence:
        assert each.n == 4
        assert 0 < each.tokens <= 4 * 64
        # Random weights choose almost evenly among 259 tokens: no model says it with less than e times that.
        assert 1 < each.baseline_perplexity < 2.72 * 259
        assert abs(each.divergence) < 0.5, "eight bits of cache do not change a distribution beyond knowing"
        assert each.candidate_perplexity == pytest.approx(
            each.baseline_perplexity * 2.718281828**each.divergence, rel=1e-3
        )


def test_a_model_does_not_diverge_from_itself(
    servers: tuple[VllmServer, VllmServer],
) -> None:
    baseline = Endpoint("baseline", servers[0].url, "tiny-gqa")
    answer = baseline.greedy("The old library keeps 12 books on the history of the valley.", 32)
    once, again = baseline.scored(answer), baseline.scored(answer)
    assert len(once) == len(answer.answer)
    assert compared(512, 1, once, again).divergence == pytest.approx(0, abs=1e-3)
    assert sum(each.first for each in once) > len(once) / 2, "its own answer is mostly its first choice"


def test_the_command_says_when_a_server_has_no_such_length(
    servers: tuple[VllmServer, VllmServer], capsys: pytest.CaptureFixture[str]
) -> None:
    baseline, candidate = servers
    done = main(
        [
            *("eval", "quantization", "--baseline", baseline.url, "--candidate", candidate.url),
            *("--model", "tiny-gqa", "--version", "1.0.0", "--kv-cache", "fp8", "--tasks", "needle"),
            *("--contexts", "4096", "--samples", "1"),
        ]
    )
    assert done == 1
    said = capsys.readouterr().err
    assert "serves sequences of 1,024 tokens, and a context of 4,096 is asked for" in said
