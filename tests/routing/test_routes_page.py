"""docs/routes.md shows what the command prints, the classes as they are, and prices as they were read."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pytest

from bastide.cli import main
from bastide.settings import load_stack_file
from bastide.settings.data_classes import CLASSES, DataClassesSettings
from sandbox.toolchain import environments

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/routes.md").read_text()
GATEWAY_ONLY = ROOT / "stacks/Pulumi.gateway-only.yaml"


def test_the_page_has_the_table_as_the_command_prints_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    assert main(["plan", "routes", "--stack", "gateway-only"]) == 0
    assert f"$ bastide plan routes --stack gateway-only\n{capsys.readouterr().out}```" in PAGE


def test_the_pages_classes_are_the_defaults() -> None:
    defaults = DataClassesSettings()

    def row(head: str) -> list[str]:
        (line,) = [each for each in PAGE.splitlines() if each.startswith(f"| {head} |")]
        return [each.strip().strip("`") for each in line.split("|")[2:-1]]

    assert row("hosted deployments") == [defaults.of(each).hosted for each in CLASSES]
    assert [each.startswith("yes") for each in row("answers cached")] == [
        defaults.of(each).cache for each in CLASSES
    ]
    assert row("guards") == [", ".join(defaults.of(each).guards) for each in CLASSES]
    assert row("decisions and audit kept, days") == [
        f"{defaults.of(each).retention_days:,}" for each in CLASSES
    ]


def test_a_stack_without_gpus_is_whole() -> None:
    settings = load_stack_file(GATEWAY_ONLY)
    assert (settings.pools, settings.engines, settings.models) == ((), (), ())
    assert settings.gateway.enabled


@pytest.mark.xdist_group("litellm")
def test_prices_of_the_shipped_stack_are_those_that_were_read() -> None:
    environments.ensure(environments.LITELLM)
    (file,) = environments.LITELLM.folder.glob(
        "lib/*/site-packages/litellm/model_prices_and_context_window_backup.json"
    )
    known = json.loads(file.read_text(), parse_float=Decimal)
    for each in load_stack_file(GATEWAY_ONLY).hosted:
        entry = known[each.model]
        assert each.price.input == Decimal(entry["input_cost_per_token"]), each.name
        assert each.price.output == Decimal(entry["output_cost_per_token"]), each.name
        assert each.context_tokens == entry["max_input_tokens"], each.name


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--json"], '"version": 1'),
        (["--litellm"], "model_name: chat@public"),
    ],
)
def test_programs_get_both_documents(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    assert main(["plan", "routes", "--stack", "gateway-only", *arguments]) == 0
    assert said in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["routes"], 2, "--stack is missing"),
        (["routes", "--stack", "nobody"], 1, "no stack 'nobody'"),
        (["routes", "--stack", "gateway-only", "--json", "--litellm"], 2, "--json, --litellm are forms"),
        (["routes", "--stack", "gateway-only", "--html", "--json"], 2, "--html, --json are forms"),
        (["routes", "--stack", "gateway-only", "--tp", "2"], 2, "--tp does not go with --stack"),
        (["--litellm", "--list"], 2, "--litellm goes with `bastide plan routes`"),
        (["--html", "--stack", "dev"], 2, "--html goes with `bastide plan routes`"),
    ],
)
def test_wrong_use_is_told(
    arguments: list[str],
    status: int,
    said: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(ROOT)
    assert main(["plan", *arguments]) == status
    assert said in capsys.readouterr().err


def test_a_stack_without_routes_says_so(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    assert main(["plan", "routes", "--stack", "dev"]) == 0
    assert "the stack has no route" in capsys.readouterr().out
