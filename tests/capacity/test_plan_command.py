"""`bastide plan`: its answers, its statuses, and what it says to wrong arguments."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from bastide.cli import main
from tests.capacity.capacity_shapes import tiny

LLAMA = ["--model", "llama-3.3-70b-instruct"]


@pytest.fixture(autouse=True)
def _in_the_repository(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(__file__).parents[2])


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    try:
        status = main(["plan", *arguments])
    except SystemExit as ended:
        status = int(ended.code or 0)
    out = capsys.readouterr()
    return status, out.out, out.err


def test_it_prints_a_table_and_the_same_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [*LLAMA, "--instance", "p5.48xlarge", "--tp", "8", "--rate", "20"]
    status, text, _ = run(capsys, *arguments)
    assert status == 0
    status, out, _ = run(capsys, *arguments, "--json")
    assert status == 0
    found = json.loads(out)
    assert found["works"] is True
    assert found["kvBytesPerToken"] == 40_960
    assert f"{found['kvTokens']:,}" in text
    assert found["replicas"]["count"] >= 1
    for said in (
        "weights",
        "activations",
        "first token",
        "arithmetic-bound from",
        "replicas for",
        "USD an hour",
    ):
        assert said in text


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        ([*LLAMA, "--instance", "p4d.24xlarge", "--tp", "8"], 0, "KV cache"),
        ([*LLAMA, "--instance", "g6e.12xlarge", "--tp", "4"], 0, "KV cache"),
        ([*LLAMA, "--instance", "p5.48xlarge", "--tp", "8"], 0, "40,960"),
        ([*LLAMA, "--instance", "p5.48xlarge", "--tp", "16"], 1, "would work, cheapest first:"),
        ([*LLAMA, "--instance", "p5.48xlarge", "--tp", "16", "--nodes", "2"], 1, "EFA"),
        (
            [*LLAMA, "--instance", "p5.48xlarge", "--tp", "16", "--nodes", "2", "--efa"],
            0,
            "takes as much of each as at TP 8",
        ),
        (
            ["--model", "deepseek-v3", "--instance", "p5.48xlarge", "--tp", "8"],
            1,
            "weights take 79.3 GiB of each GPU",
        ),
        (
            ["--model", "deepseek-v3", "--instance", "p5.48xlarge", "--tp", "16", "--nodes", "2", "--efa"],
            0,
            "latent attention",
        ),
        (["--model", "bge-m3", "--instance", "g6.xlarge"], 0, "no KV cache"),
        (["--model", "llama-3.1-8b-instruct", "--instance", "a3-ultragpu-8g"], 0, "Google Cloud Billing"),
        (["--stack", "prod-us-east-1"], 0, "engine llama:"),
    ],
)
def test_its_status_says_whether_it_works(
    capsys: pytest.CaptureFixture[str], arguments: list[str], status: int, said: str
) -> None:
    found, out, _ = run(capsys, *arguments)
    assert found == status
    assert said in out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "give one of --stack, --model and --config"),
        (["--model", "llama-3.3-70b"], "did you mean 'llama-3.3-70b-instruct'?"),
        (LLAMA, "--instance is missing; allowed: "),
        ([*LLAMA, "--instance", "p5.48"], "is no GPU machine in the catalogue"),
        ([*LLAMA, "--instance", "p5.48xlarge", "--tp", "0"], "'0' is no whole number from 1 on"),
        ([*LLAMA, "--instance", "p5.48xlarge", "--tp", "3", "--nodes", "2"], "do not share equally"),
        ([*LLAMA, "--instance", "p5.48xlarge", "--gpu-memory-utilization", "1.5"], "is no share"),
        ([*LLAMA, "--instance", "p5.48xlarge", "--draft", "small"], "is neither ngram nor mtp nor a model"),
        (
            ["--model", "deepseek-v3", "--instance", "p5.48xlarge", "--weights", "awq"],
            "is published in fp8 already",
        ),
        (["--stack", "prod-us-east-1", "--engine", "lama"], "did you mean 'llama'?"),
        ([*LLAMA, "--engine", "llama"], "--engine goes with --stack"),
        (["--stack", "prod-us-east-1", "--tp", "4"], "--tp does not go with --stack"),
        (["--stack", "dev", "--config", "config.json"], "--config does not go with --stack"),
        (
            [*LLAMA, "--instance", "p5.48xlarge", "--tp", "8", "--expected-len", "99999"],
            "99,999 tokens are longer than the longest sequence; allowed: at most 16,384",
        ),
        (
            [*LLAMA, "--instance", "p5.48xlarge", "--tp", "8", "--rate", "2", "--prompt", "90000"],
            "90,250 tokens are longer than the longest sequence",
        ),
        (
            ["--config", "absent.json", "--instance", "p5.48xlarge"],
            "cannot be read (No such file or directory)",
        ),
    ],
)
def test_wrong_arguments_are_told_in_one_line(
    capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    status, _, err = run(capsys, *arguments)
    assert status == 2
    assert said in err
    assert "Traceback" not in err


def test_a_wrong_number_is_not_buried_under_the_usage(capsys: pytest.CaptureFixture[str]) -> None:
    _, _, err = run(capsys, *LLAMA, "--tp", "0")
    assert len(err.splitlines()) <= 4


def test_a_table_fits_a_terminal_of_80_columns(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(
        capsys, *LLAMA, "--instance", "p5.48xlarge", "--tp", "8", "--draft", "llama-3.2-1b-instruct"
    )
    table = out.partition("cost: ")[0].splitlines()
    assert len(table) > 20
    assert [line for line in table if len(line) > 80] == []


def test_small_sums_are_not_shown_as_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(capsys, "--model", "bge-m3", "--instance", "g6.xlarge", "--rate", "2")
    assert "a million prompt tokens: 0.0021 USD" in out
    assert "a million answer tokens" not in out
    assert "replicas for a load are reckoned only for models that write answers" in out


def test_the_table_of_costs_ends_where_no_more_sequences_are_let_in(
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments = ["--model", "llama-3.1-8b-instruct", "--instance", "p5.48xlarge", "--max-num-seqs", "16"]
    _, out, _ = run(capsys, *arguments)
    assert "8 at once" in out
    assert "32 at once" not in out


def test_a_token_takes_the_bytes_of_the_longest_pipeline_stage(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [
        "--model",
        "deepseek-v3",
        "--instance",
        "p5.48xlarge",
        "--nodes",
        "2",
        "--tp",
        "8",
        "--pp",
        "2",
    ]
    _, out, _ = run(capsys, *arguments, "--json")
    found = json.loads(out)
    # 61 layers are 30 and 31; a token takes 576 values of 2 bytes in each.
    assert found["kvBytesPerToken"] == 31 * 576 * 2
    assert found["kvTokens"] == pytest.approx(
        found["memoryBytesPerGpu"]["kvCache"] / found["kvBytesPerToken"], rel=1e-3
    )
    assert "35,712 bytes a token" in found["notes"][0]


def test_the_layer_that_guesses_has_a_cache_too(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--model", "deepseek-v3", "--instance", "p5en.48xlarge", "--tp", "8", "--draft", "mtp"]
    found = json.loads(run(capsys, *arguments, "--json")[1])
    assert found["kvBytesPerToken"] == (61 + 1) * 576 * 2
    assert found["kvTokens"] == pytest.approx(found["memoryBytesPerGpu"]["kvCache"] / (62 * 1152), rel=1e-3)


def test_a_stack_that_is_refused_says_so_and_ends_with_1(capsys: pytest.CaptureFixture[str]) -> None:
    status, _, err = run(capsys, "--stack", "absent")
    assert status == 1
    assert "no stack 'absent'" in err


def test_a_model_is_planned_by_its_config(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    file.write_text(json.dumps(tiny("qwen3")))
    status, out, _ = run(capsys, "--config", str(file), "--instance", "g6.xlarge", "--json")
    assert status == 0
    assert json.loads(out)["kvBytesPerToken"] == 2 * 6 * 2 * 32 * 2
    file.write_text(json.dumps({"model_type": "mamba"}))
    status, _, err = run(capsys, "--config", str(file), "--instance", "g6.xlarge")
    assert status == 2
    assert "is no family whose tensors are known here" in err


def test_the_list_has_every_model_and_machine(capsys: pytest.CaptureFixture[str]) -> None:
    _, text, _ = run(capsys, "--list")
    _, out, _ = run(capsys, "--list", "--json")
    found = json.loads(out)
    assert {"deepseek-v3", "bge-m3"} <= set(found["models"])
    assert all(name in text for part in found.values() for name in part)
    assert found["machines"]["p5e.48xlarge"]["usdPerHour"] is None
    assert found["models"]["llama-3.3-70b-instruct"]["toolParser"] == "llama3_json"


PAGE = (Path(__file__).parents[2] / "docs/capacity.md").read_text()
SHOWN = re.findall(r"```console\n\$ bastide plan (.*)\n((?s:.*?))\n```", PAGE)


@pytest.mark.parametrize(("arguments", "expected"), SHOWN, ids=[each for each, _ in SHOWN])
def test_the_page_shows_what_the_command_prints(
    capsys: pytest.CaptureFixture[str], arguments: str, expected: str
) -> None:
    _, out, _ = run(capsys, *arguments.split())
    assert "\n".join(line.rstrip() for line in out.rstrip().split("\n")) == expected


def test_the_page_shows_every_answer_that_is_promised() -> None:
    assert len(SHOWN) >= 7
