"""What is wrong on this machine is told before AWS is asked for anything, and so without any credentials."""

from __future__ import annotations

from pathlib import Path

import pytest

from bastide.cli import main

VERSION = "s3://models-of-ours/models/tiny-qwen2/1.0.0"
PUBLISH = ("--name", "tiny-qwen2", "--version", "1.0.0", "--licence", "MIT", "--source", "made here")
STORE = ("--bucket", "models-of-ours", "--region", "us-east-1")


@pytest.fixture(autouse=True)
def _nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No credentials, and nowhere to send anything."""
    for name in (
        *("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"),
        *("AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_FULL_URI"),
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["model", *arguments]) == 1
    return capsys.readouterr().err


def test_a_key_file_that_is_not_there(tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lost = "error: the signing key /nope cannot be read: No such file or directory"
    key = ("--key", "/nope")
    assert told(capsys, "publish", str(tiny), *PUBLISH, *STORE, *key).startswith(lost)
    assert told(capsys, "mirror", "--from", f"dir:{tiny}", *PUBLISH, *STORE, *key).startswith(lost)
    # The hub is not asked either.
    hub = ("--from", "hub:org/name@main", "--endpoint", "http://127.0.0.1:9")
    assert told(capsys, "mirror", *hub, *PUBLISH, *STORE, *key).startswith(lost)
    assert told(capsys, "sign", VERSION, "--region", "us-east-1", *key).startswith(lost)


def test_what_is_no_published_version(capsys: pytest.CaptureFixture[str]) -> None:
    for key in ("kms:alias/releases", "/nope"):
        said = told(capsys, "sign", "s3://models-of-ours/elsewhere", "--region", "us-east-1", "--key", key)
        assert said.startswith("error: 's3://models-of-ours/elsewhere' is no published version")


def test_a_folder_that_cannot_be_published(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = told(capsys, "publish", str(tmp_path), *PUBLISH, *STORE, "--key", "kms:alias/releases")
    assert "credentials" not in said
    assert str(tmp_path) in said


def test_a_public_key_that_is_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "key.pem").write_text("no key")
    for path, words in ((tmp_path / "key.pem", "is no public key on P-256 in PEM"), (Path("/nope"), "/nope")):
        said = told(capsys, "verify", VERSION, "--region", "us-east-1", "--public-key", str(path))
        assert words in said
        assert "credentials" not in said


def test_then_credentials_are_asked_for(tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = told(capsys, "publish", str(tiny), *PUBLISH, *STORE, "--unsigned")
    assert "credentials" in said
