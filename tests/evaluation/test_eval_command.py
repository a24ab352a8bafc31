from pathlib import Path

import pytest

from bastide.cli import main
from bastide.evaluation import endpoint
from bastide.evaluation.table import read
from tests.evaluation.openai_server import Oracle, serving

SMALL = [
    "--contexts",
    "512",
    "--samples",
    "20",
    "--model",
    "llama",
    "--version",
    "1.0.0",
    "--kv-cache",
    "fp8",
]


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoint, "PAUSES", (0.01, 0.01, 0.01))


def compared(baseline: Oracle, candidate: Oracle, *more: str) -> int:
    with serving(baseline) as one, serving(candidate) as two:
        return main(["eval", "quantization", "--baseline", one, "--candidate", two, *SMALL, *more])


def test_a_model_that_loses_nothing_gets_a_table_without_a_problem(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "quality.yaml"
    assert compared(Oracle(), Oracle(busy=2), "--out", str(out)) == 0
    table = read(out)
    assert {row.task for row in table.rows} == {
        *("needle", "copy", "arithmetic", "json", "vietnamese", "languages")
    }
    assert all(row.baseline == row.candidate == 1.0 and row.n == 20 for row in table.rows)
    assert (table.divergence[0].divergence, table.divergence[0].agreement) == (0.0, 1.0)
    assert table.covers("llama", "1.0.0", None, "fp8")
    assert table.engine_version == "0.32.0"
    assert "nothing in it forbids serving" in capsys.readouterr().out
    assert main(["eval", "show", str(out)]) == 0


def test_a_model_that_forgets_loses_questions_and_may_not_serve(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "quality.yaml"
    assert (
        compared(
            Oracle(), Oracle(forgets=3, doubt=0.4), "--out", str(out), "--tasks", "needle,json,languages"
        )
        == 1
    )
    table = read(out)
    assert sum(row.lost for row in table.rows) > 10
    assert all(row.won == 0 and row.delta == pytest.approx(-row.lost / 20) for row in table.rows)
    assert table.divergence[0].divergence == pytest.approx(0.4)
    assert table.divergence[0].agreement == 0
    said = capsys.readouterr().out
    assert "falls to" in said
    assert "0.400 nats" in said
    assert main(["eval", "show", str(out)]) == 1


def test_the_source_makes_the_table_again_and_holds_no_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BASTIDE_EVAL_CANDIDATE_KEY", "sk-very-secret")
    out, baseline, candidate = tmp_path / "one.yaml", Oracle(), Oracle()
    assert compared(baseline, candidate, "--out", str(out), "--tasks", "needle") == 0
    assert set(candidate.keys) == {"Bearer sk-very-secret"}
    assert set(baseline.keys) == {None}
    captured = capsys.readouterr()
    assert "sk-very-secret" not in out.read_text() + captured.out + captured.err
    words = read(out).source.split()
    assert words[:3] == ["bastide", "eval", "quantization"]
    assert "--tasks" in words
    assert "--out" not in words


def test_the_same_seed_asks_both_models_the_same_questions() -> None:
    baseline, candidate = Oracle(), Oracle()
    assert compared(baseline, candidate, "--tasks", "copy", "--no-divergence") == 0
    asked = [
        sorted(body["messages"][0]["content"] for body in oracle.asked if "messages" in body)
        for oracle in (baseline, candidate)
    ]
    assert asked[0] == asked[1]
    assert len(set(asked[0])) == 20


@pytest.mark.parametrize(
    ("candidate", "more", "status", "words"),
    [
        (Oracle(names=("a", "b")), (), 1, "serves a, b, and none is called 'llama'"),
        (Oracle(refuses=401), (), 1, "the candidate at http://127.0.0.1:"),
        (Oracle(refuses=401), (), 1, "set its key in the environment: BASTIDE_EVAL_CANDIDATE_KEY"),
        (Oracle(busy=999), (), 1, "answered /v1/chat/completions with 503"),
        (Oracle(shift=1), ("--tasks", "needle"), 1, "other tokens"),
        (Oracle(version=None), (), 1, "give --engine-version"),
        (Oracle(), ("--tasks", "poetry"), 2, "no task 'poetry'; allowed: needle"),
        (Oracle(), ("--contexts", "long"), 2, "no list of lengths"),
        (Oracle(), ("--contexts", "128"), 2, "have no room for a question"),
        (Oracle(), ("--samples", "0"), 2, "--samples 0 is too small"),
        (Oracle(), ("--kv-cache", "none"), 2, "nothing is compared"),
        (Oracle(), ("--version", "one"), 2, "no published model"),
        (Oracle(), ("--out", "/no/such/folder/q.yaml"), 2, "no folder"),
        (Oracle(), ("--baseline", "http://user:secret@host"), 2, "has a user"),
        (Oracle(), ("--baseline", "host:8000"), 2, "is no address"),
        (Oracle(), ("--baseline", "http://127.0.0.1:9"), 1, "does not answer"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_what_cannot_be_measured_is_refused_with_a_reason_and_wrong_use_by_its_own_status(
    candidate: Oracle, more: tuple[str, ...], status: int, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert compared(Oracle(), candidate, *more) == status
    said = capsys.readouterr().err
    assert words in said
    assert "Traceback" not in said
    assert "secret" not in said


def test_a_model_is_not_compared_with_itself(capsys: pytest.CaptureFixture[str]) -> None:
    with serving(Oracle()) as one:
        assert main(["eval", "quantization", "--baseline", one, "--candidate", f"{one}/v1", *SMALL]) == 2
    assert "a model compared with itself loses nothing" in capsys.readouterr().err


def test_a_table_that_is_none_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["eval", "show", str(tmp_path / "none.yaml")]) == 1
    assert "cannot be read" in capsys.readouterr().err
    (tmp_path / "text.yaml").write_text("a: [\n")
    assert main(["eval", "show", str(tmp_path / "text.yaml")]) == 1
    said = capsys.readouterr().err
    assert "text.yaml is not YAML in line 2: " in said
    assert len(said.splitlines()) == 1


def test_the_tasks_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["eval", "tasks"]) == 0
    assert "vietnamese" in capsys.readouterr().out
