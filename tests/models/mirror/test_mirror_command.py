"""`bastide model mirror`."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from bastide.cli import main
from bastide.models.publish import verify
from sandbox.state import World, aws_env
from tests.models.hub_server import COMMIT, REPO, Hub
from tests.models.mirror.mirroring import PREFIX, keys


def cli(bucket: str, hub: Hub, *more: str) -> list[str]:
    origin = [] if "--from" in more else ["--from", f"hub:{REPO}@main", "--endpoint", hub.url]
    named = ["--name", "tiny-qwen2", "--version", "1.0.0", "--bucket", bucket, "--unsigned"]
    return ["model", "mirror", *origin, *named, *more]


@pytest.fixture
def here(aws: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in aws_env(World(aws, "", 0)).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")


@pytest.mark.usefixtures("here")
def test_the_command_mirrors_and_prints_the_digest_for_the_stack_file(
    s3: Any, bucket: str, hub: Hub, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.token = "hf_secret"
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    assert main(cli(bucket, hub)) == 0
    output = capsys.readouterr().out
    manifest = verify(s3, bucket, PREFIX, lambda _: None)
    assert f'sha256: "{manifest.digest}"' in output
    assert f"{REPO}@{COMMIT}" in output
    assert "hf_secret" not in output
    assert main(cli(bucket, hub)) == 0
    assert "already published, nothing to do" in capsys.readouterr().out


@pytest.mark.usefixtures("here")
def test_a_dry_run_stores_nothing(s3: Any, bucket: str, hub: Hub, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(cli(bucket, hub, "--dry-run")) == 0
    assert "nothing was stored; 6 files" in capsys.readouterr().out
    assert keys(s3, bucket) == set()


@pytest.mark.usefixtures("here")
def test_a_model_without_a_licence_is_refused(
    bucket: str, hub: Hub, capsys: pytest.CaptureFixture[str]
) -> None:
    hub.licence = None
    assert main(cli(bucket, hub)) == 1
    assert "names no licence" in capsys.readouterr().err
    assert main(cli(bucket, hub, "--licence", "llama3.3")) == 0


@pytest.mark.usefixtures("here")
def test_a_list_of_urls_is_mirrored_by_the_digests_it_gives(
    s3: Any, bucket: str, hub: Hub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = [each.name for each in hub.folder.iterdir() if not each.name.startswith(".")]
    lines = [
        f"{hashlib.sha256((hub.folder / name).read_bytes()).hexdigest()}  {hub.url}/cdn/{name}"
        for name in names
    ]
    listed = tmp_path / "files.txt"
    listed.write_text("# weights\n" + "\n".join(lines) + "\n")
    assert main(cli(bucket, hub, "--from", f"urls:{listed}", "--licence", "mit")) == 0
    manifest = verify(s3, bucket, PREFIX, lambda _: None)
    assert {each.name for each in manifest.files} == set(names)
    assert manifest.source == f"urls:sha256:{hashlib.sha256(listed.read_bytes()).hexdigest()}"
    listed.write_text(f"{lines[0][:63]}  {hub.url}/cdn/{names[0]}\n")
    assert main(cli(bucket, hub, "--from", f"urls:{listed}", "--licence", "mit")) == 1
    assert "files.txt:1: a line is" in capsys.readouterr().err


@pytest.mark.usefixtures("here")
def test_a_folder_is_published_as_by_publish(
    s3: Any, bucket: str, hub: Hub, capsys: pytest.CaptureFixture[str]
) -> None:
    (hub.folder / ".gitattributes").unlink()
    given = ["--from", f"dir:{hub.folder}", "--licence", "mit"]
    assert main(cli(bucket, hub, *given)) == 1
    assert "give --licence and --source" in capsys.readouterr().err
    assert main(cli(bucket, hub, *given, "--source", "made here", "--dry-run")) == 0
    would = capsys.readouterr().out
    assert all(each.name in would for each in hub.folder.iterdir())
    assert "nothing was stored; 6 files" in would
    assert main(cli(bucket, hub, *given, "--source", "made here")) == 0
    assert " published: 6 files, " in capsys.readouterr().out
    assert verify(s3, bucket, PREFIX, lambda _: None).source == "made here"


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--from", "acme/tiny"], "is no source"),
        (["--part-mib", "4"], "S3 takes parts of 5 to 5120 MiB"),
        (["--part-mib", "4", "--dry-run"], "S3 takes parts of 5 to 5120 MiB"),
        (["--endpoint", "ftp://x"], "no https:// URL"),
        (["--from", "urls:list", "--endpoint", "https://x.test"], "--endpoint is for hub:"),
        (["--parallel", "0"], "--parallel 0 is refused"),
        (["--version", "latest"], "is not a version"),
    ],
)
def test_wrong_use_is_told(
    bucket: str, hub: Hub, capsys: pytest.CaptureFixture[str], more: list[str], message: str
) -> None:
    assert main(cli(bucket, hub, *more)) == 1
    assert message in capsys.readouterr().err
