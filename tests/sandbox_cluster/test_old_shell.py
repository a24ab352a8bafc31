"""A shell with the variables of a world that is gone is told so, and what to do."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bastide.cli import main
from sandbox.state import NoWorldError, World, aws_env

GONE = World("http://127.0.0.1:9", "", 0)
SAYS = r'world that is gone: eval "\$\(make -s env\)" again'


@pytest.fixture
def old_shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BASTIDE_SANDBOX_HOME", str(tmp_path))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    for name, value in aws_env(GONE).items():
        monkeypatch.setenv(name, value)


@pytest.mark.usefixtures("old_shell")
def test_without_a_world_every_part_says_it() -> None:
    with pytest.raises(NoWorldError, match=SAYS):
        World.find()


@pytest.mark.usefixtures("old_shell")
def test_a_newer_world_is_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    World("http://127.0.0.1:10", "", os.getpid()).save()
    assert not World.find().in_this_shell
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:10")
    assert World.find().in_this_shell
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    assert World.find().in_this_shell


@pytest.mark.usefixtures("old_shell")
@pytest.mark.parametrize(
    "words",
    [
        ["bootstrap", "state", "--stack", "sandbox"],
        ["model", "publish", "--licence", "mit", "--source", "here", "--name", "a", "--version", "1.0.0"],
    ],
)
def test_commands_say_it_instead_of_a_port(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if words[0] == "model":
        from bastide.models.make_tiny import make_tiny

        make_tiny(tmp_path / "tiny")
        words = [*words, str(tmp_path / "tiny"), "--stack", "sandbox"]
    assert main(words) == 1
    assert 'world that is gone: eval "$(make -s env)" again' in capsys.readouterr().err
