"""`bastide chat`: an answer as it comes, and every way in which there is none."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest

from bastide.cli import main
from sandbox.live import provider


@pytest.fixture
def gateway(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A server with OpenAI's API, in the environment with a key; gives the file of what it got."""
    server = provider.server(0, tmp_path / "got.jsonl")
    Thread(target=server.serve_forever, daemon=True).start()
    (tmp_path / "key").write_text("sk-of-a-team\n")
    monkeypatch.setenv("BASTIDE_GATEWAY_URL", f"http://127.0.0.1:{server.server_address[1]}")
    monkeypatch.setenv("BASTIDE_GATEWAY_KEY_FILE", str(tmp_path / "key"))
    yield tmp_path / "got.jsonl"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("more", [[], ["--no-stream"]])
def test_an_answer_is_printed(gateway: Path, capsys: pytest.CaptureFixture[str], more: list[str]) -> None:
    assert main(["chat", "--data-class", "regulated", "--show", *more, "Where does the river end?"]) == 0
    said = capsys.readouterr()
    assert said.out == f"{provider.ANSWER}\n"
    assert json.loads(said.err)["usage"]["completion_tokens"] == 8
    got = json.loads(gateway.read_text())
    assert got["headers"]["authorization"] == "Bearer sk-of-a-team"
    assert got["headers"]["x-data-class"] == "regulated"
    assert got["body"]["messages"] == [{"role": "user", "content": "Where does the river end?"}]
    assert got["body"].get("stream", False) is (more == [])


def test_another_name_may_lead_there(
    gateway: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    place = os.environ["BASTIDE_GATEWAY_URL"].removeprefix("http://")
    monkeypatch.setenv("BASTIDE_GATEWAY_CONNECT", place)
    assert main(["chat", "--url", "http://gateway.example", "Hello"]) == 0
    assert json.loads(gateway.read_text())["headers"]["host"] == "gateway.example"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--url", "gateway.example", "Hello"], "no address of a gateway"),
        (["--url", "http://127.0.0.1:1", "Hello"], "gave no answer"),
        (["--key-file", "/nowhere", "Hello"], "cannot be read"),
        (["--ca-file", "/nowhere", "Hello"], "is not there"),
        (["--connect", "gateway", "Hello"], "is no HOST:PORT"),
    ],
)
def test_what_is_wrong_is_told(
    gateway: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    assert main(["chat", *arguments]) == 1
    told = capsys.readouterr().err
    assert told.startswith("error: ")
    assert said in told
    assert "sk-of-a-team" not in told


def test_without_a_key_nothing_is_asked(
    gateway: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("BASTIDE_GATEWAY_KEY_FILE")
    assert main(["chat", "Hello"]) == 1
    assert "there is no key" in capsys.readouterr().err
    assert not gateway.exists()


def test_nothing_to_say_is_a_wrong_use(gateway: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["chat", " "]) == 2
    assert not gateway.exists()
