import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from bastide.evaluation.table import Limits, QualityError, QualityTable, canonical, dump, parse, read

TABLE: dict[str, Any] = {
    "format": "bastide-quality/1",
    "baseline": {"model": "llama", "version": "1.0.0"},
    "candidate": {"model": "llama", "version": "1.0.0", "weights": "none", "kvCache": "fp8"},
    "engine": "vllm",
    "engineVersion": "0.32.0",
    "date": "2026-11-21",
    "source": "bastide eval quantization ...",
    "rows": [
        {
            "task": "needle",
            "context": 4096,
            "n": 40,
            "baseline": 0.95,
            "candidate": 0.925,
            "delta": -0.025,
            "lost": 2,
            "won": 1,
        }
    ],
    "divergence": [
        {
            "context": 4096,
            "n": 4,
            "tokens": 256,
            "agreement": 0.97,
            "divergence": 0.012,
            "baselinePerplexity": 1.4,
            "candidatePerplexity": 1.42,
        }
    ],
}


def changed(**row: Any) -> dict[str, Any]:
    table = copy.deepcopy(TABLE)
    table["rows"][0].update(row)
    return table


def made(raw: dict[str, Any]) -> QualityTable:
    return parse(yaml.safe_dump(raw))


def test_a_table_is_written_and_read_back_equal(tmp_path: Path) -> None:
    table = made(TABLE)
    path = tmp_path / "quality.yaml"
    path.write_text(dump(table))
    assert read(path) == table
    assert dump(table).startswith("format: bastide-quality/1\n")
    assert table.problems() == []


def test_a_table_covers_one_version_with_one_quantization() -> None:
    table = made(TABLE)
    assert table.covers("llama", "1.0.0", None, "fp8")
    assert table.covers("llama", "1.0.0", "none", "fp8_e4m3"), "two names of one type"
    assert not table.covers("llama", "1.0.1", None, "fp8")
    assert not table.covers("other", "1.0.0", None, "fp8")
    assert not table.covers("llama", "1.0.0", "awq", "fp8")
    assert not table.covers("llama", "1.0.0", None, "auto")
    assert not table.covers("llama", "1.0.0", None, "fp8_e5m2")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (None, "none"),
        ("auto", "none"),
        ("bfloat16", "none"),
        ("awq_marlin", "awq"),
        ("compressed-tensors",) * 2,
    ],
)
def test_names_of_the_same_quantization_are_one(name: str | None, expected: str) -> None:
    assert canonical(name) == canonical(expected)


@pytest.mark.parametrize(
    ("row", "word"),
    [
        ({"candidate": 0.85, "delta": -0.1, "lost": 4, "won": 0}, "falls to 0.85"),
        (
            {"n": 10, "baseline": 0.9, "candidate": 0.9, "delta": 0.0, "lost": 0, "won": 0},
            "fewer than 20",
        ),
        (
            {"baseline": 0.0, "candidate": 0.0, "delta": 0.0, "lost": 0, "won": 0},
            "say nothing of a loss",
        ),
    ],
)
def test_what_forbids_serving_is_said(row: dict[str, Any], word: str) -> None:
    problems = made(changed(**row)).problems()
    assert len(problems) == 1
    assert word in problems[0]


def test_a_divergence_beyond_the_limit_forbids_serving_and_limits_are_settings() -> None:
    raw = copy.deepcopy(TABLE)
    raw["divergence"][0]["divergence"] = 0.4
    table = made(raw)
    assert "0.400 nats" in table.problems()[0]
    assert table.problems(Limits(divergence=0.5)) == []


def test_a_loss_of_exactly_the_limit_passes() -> None:
    table = made(changed(baseline=0.95, candidate=0.9, delta=-0.05, lost=2, won=0))
    assert table.problems() == []


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"delta": 0.1}, "is not candidate"),
        ({"lost": 9}, "do not give delta"),
        ({"n": 0}, "rows.0.n"),
        ({"extra": 1}, "rows.0.extra"),
        ({"baseline": 1.2}, "rows.0.baseline"),
    ],
)
def test_a_row_edited_by_hand_is_refused(change: dict[str, Any], word: str) -> None:
    with pytest.raises(QualityError, match=word):
        made(changed(**change))


def test_what_is_no_table_is_refused_with_a_reason(tmp_path: Path) -> None:
    with pytest.raises(QualityError, match="cannot be read"):
        read(tmp_path / "none.yaml")
    with pytest.raises(QualityError, match="not YAML"):
        parse("{")
    with pytest.raises(QualityError, match="no table"):
        parse("- 1")
    with pytest.raises(QualityError, match="bastide-quality/1"):
        made({**TABLE, "format": "bastide-quality/2"})
    with pytest.raises(QualityError, match="more than once"):
        made({**TABLE, "rows": TABLE["rows"] * 2})
    with pytest.raises(QualityError, match="says nothing"):
        made({**TABLE, "rows": [], "divergence": []})
    with pytest.raises(QualityError, match="nothing was compared"):
        made({**TABLE, "candidate": TABLE["baseline"]})
    (tmp_path / "bytes.yaml").write_bytes(b"\xff\xfe\xff")
    with pytest.raises(QualityError, match="UTF-8"):
        read(tmp_path / "bytes.yaml")
