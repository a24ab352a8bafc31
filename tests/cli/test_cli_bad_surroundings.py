"""A wrong stack name, folder, profile or endpoint: one clear line from every command, and no traceback."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from bastide.cli import main
from bastide.settings.base import eks_regions

ROOT = Path(__file__).parents[2]

COMMANDS = [
    ["cost"],
    ["bootstrap", "check"],
    ["bootstrap", "role", "--print"],
    ["preflight"],
    ["identity", "table"],
    [
        "model",
        "publish",
        ".",
        "--name",
        "a",
        "--version",
        "1.0.0",
        "--licence",
        "mit",
        "--source",
        "https://x",
    ],
]


@pytest.fixture(autouse=True)
def signed_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "b")
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    monkeypatch.chdir(ROOT)


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What a command that must fail printed."""
    assert main(arguments) == 1
    printed = capsys.readouterr()
    return printed.out + printed.err


@pytest.mark.parametrize("stack", ["sandbx", "", "../x"])
@pytest.mark.parametrize("command", COMMANDS, ids=lambda each: " ".join(each[:2]))
def test_a_wrong_stack_is_told_with_those_that_are_there(
    capsys: pytest.CaptureFixture[str], command: list[str], stack: str
) -> None:
    first = said(capsys, *command, "--stack", stack).splitlines()[0]
    there = "dev, gateway-only, prod-us-east-1, sandbox, sandbox-full, sandbox-live, staging"
    assert f"no stack {stack!r}; there are: {there}" in first


@pytest.mark.parametrize("command", COMMANDS, ids=lambda each: " ".join(each[:2]))
def test_outside_the_repository_it_says_where_to_run(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, command: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    text = said(capsys, *command, "--stack", "dev")
    assert f"there is no folder stacks in {tmp_path}; run this in the repository" in text


def test_a_profile_that_is_not_there_does_not_hinder_what_needs_no_account(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nope")
    eks_regions.cache_clear()
    assert main(["cost", "--stack", "sandbox"]) == 0
    assert "USD an hour" in capsys.readouterr().out


@pytest.mark.parametrize("command", [["bootstrap", "check"], ["preflight"]], ids=" ".join)
@pytest.mark.parametrize(
    ("variable", "value", "told"),
    [
        ("AWS_PROFILE", "nope", "The config profile (nope) could not be found"),
        ("AWS_ENDPOINT_URL", "bogus", "Invalid endpoint: bogus; correct AWS_ENDPOINT_URL"),
        ("AWS_ENDPOINT_URL", "http://localhost:99999", "Port out of range 0-65535; correct AWS_ENDPOINT_URL"),
        ("AWS_ENDPOINT_URL", "http://[::1", "Invalid IPv6 URL; correct AWS_ENDPOINT_URL"),
    ],
)
def test_settings_of_aws_that_cannot_be_used_are_one_line(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    command: list[str],
    variable: str,
    value: str,
    told: str,
) -> None:
    monkeypatch.setenv(variable, value)
    text = said(capsys, *command, "--stack", "sandbox")
    assert len([line for line in text.splitlines() if told in line]) == 1


@pytest.mark.parametrize("endpoint", ["bogus", "http://[::1"])
def test_a_model_command_with_no_endpoint_to_use_says_so(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, endpoint: str
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    text = said(capsys, "model", "verify", "s3://b/models/a/1.0.0", "--region", "us-east-1")
    assert text.startswith("error: AWS's settings cannot be used: Invalid ")


def test_a_list_of_urls_that_is_no_text_is_refused_with_advice(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "list"
    path.write_bytes(b"# caf\xe9\n")
    text = said(
        capsys,
        "model",
        "mirror",
        "--from",
        f"urls:{path}",
        "--name",
        "a",
        "--version",
        "1.0.0",
        "--bucket",
        "b",
        "--key",
        "kms:alias/a",
    )
    assert text == f"error: {path}: byte 6 is not UTF-8; a list is plain text: save it as UTF-8\n"


def test_a_stack_file_with_a_key_twice_stops_a_command_by_its_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    shutil.copytree(ROOT / "stacks", tmp_path / "stacks")
    path = tmp_path / "stacks/Pulumi.sandbox.yaml"
    text = path.read_text().replace("config:\n", "config:\n  bastide:name: a\n  bastide:name: b\n", 1)
    path.write_text(text)
    monkeypatch.chdir(tmp_path)
    line = text.splitlines().index("  bastide:name: b") + 1
    told = said(capsys, "cost", "--stack", "sandbox")
    assert f"line {line}: the key 'bastide:name' is there already, in line {line - 1};" in told
