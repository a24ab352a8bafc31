from __future__ import annotations

import hashlib
import json
import os
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import requests

from bastide.cli import main
from bastide.models.errors import ModelError
from bastide.models.hub import hub_model
from bastide.models.mirror import Mirrored, mirror
from bastide.models.mirror_http import Fetcher, _Session
from bastide.models.publish import verify
from sandbox.aws.client import Aws
from sandbox.state import World, aws_client, aws_env
from tests.models.hub_server import COMMIT, REPO, Hub, serving
from tests.sandbox_aws.conftest import _serve

PART = 5 * 1024 * 1024
BIG = "model-00002.safetensors"
PREFIX = "models/tiny-qwen2/1.0.0/"
MANIFEST = f"{PREFIX}manifest.json"


@pytest.fixture(scope="module")
def aws() -> Iterator[str]:
    yield from _serve("--self-sufficient")


@pytest.fixture
def s3(aws: str) -> Any:
    return aws_client("s3", "us-east-1", aws)


@pytest.fixture
def bucket(s3: Any) -> str:
    name = f"models-{uuid4().hex}"
    s3.create_bucket(Bucket=name)
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    return name


@pytest.fixture
def hub(tiny: Path) -> Iterator[Hub]:
    (tiny / ".gitattributes").write_text("*.safetensors filter=lfs\n")
    with serving(Hub(tiny)) as found:
        yield found


def weights(path: Path, size: int) -> None:
    """A real safetensors file of random bytes."""
    header = json.dumps({"w": {"dtype": "U8", "shape": [size], "data_offsets": [0, size]}}).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header + os.urandom(size))


def run(s3: Any, bucket: str, hub: Hub, lines: list[str] | None = None, **changed: Any) -> Mirrored:
    fetcher = Fetcher(hub.token, pause=lambda _: None)
    given: dict[str, Any] = {
        "name": "tiny-qwen2",
        "version": "1.0.0",
        "licence": "apache-2.0",
        "leave_out": (),
        "report": (lines if lines is not None else []).append,
        "part": PART,
        **changed,
    }
    return mirror(s3, bucket, hub_model(f"{REPO}@main", hub.url, fetcher), fetcher, **given)


def keys(s3: Any, bucket: str) -> set[str]:
    return {item["Key"] for item in s3.list_objects_v2(Bucket=bucket).get("Contents", ())}


def uploads(s3: Any, bucket: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = s3.list_multipart_uploads(Bucket=bucket).get("Uploads", [])
    return found


def test_a_mirrored_version_is_what_the_hub_has_and_names_its_commit(s3: Any, bucket: str, hub: Hub) -> None:
    weights(hub.folder / BIG, 2 * PART + 123)
    lines: list[str] = []
    done = run(s3, bucket, hub, lines)
    manifest = verify(s3, bucket, PREFIX, lambda _: None)
    assert manifest == done.manifest
    assert manifest.source == f"{hub.url}/{REPO}@{COMMIT}"
    assert manifest.licence == "apache-2.0"
    true = {
        each.name: hashlib.sha256(each.read_bytes()).hexdigest()
        for each in hub.folder.iterdir()
        if each.name != ".gitattributes"
    }
    assert {each.name: each.sha256 for each in manifest.files} == true
    assert "left out: .gitattributes" in lines
    assert done.sent_bytes == manifest.total


def test_mirroring_again_reads_no_file(s3: Any, bucket: str, hub: Hub) -> None:
    run(s3, bucket, hub)
    hub.forget()
    assert run(s3, bucket, hub).published.already
    assert hub.sent == {}


def test_broken_connections_are_taken_up_where_they_broke(s3: Any, bucket: str, hub: Hub) -> None:
    weights(hub.folder / BIG, 2 * PART)
    hub.break_after = 1_300_000
    run(s3, bucket, hub)
    verify(s3, bucket, PREFIX, lambda _: None)
    size = (hub.folder / BIG).stat().st_size
    assert len(hub.starts[BIG]) > 6
    # Nothing twice but the first bytes, which were judged before; a cut loses what was in the sockets.
    assert hub.sent[BIG] < size + len(hub.starts[BIG]) * 600_000


def test_a_busy_hub_is_asked_again_and_a_dead_one_is_given_up(s3: Any, bucket: str, hub: Hub) -> None:
    hub.refuse = [503, 429, 500]
    run(s3, bucket, hub)
    hub.refuse = [503] * 200
    with pytest.raises(ModelError, match=r"6 tries in a row failed.*answered 503.*run the command again"):
        run(s3, bucket, hub, version="2.0.0")
    assert not any(each.startswith("models/tiny-qwen2/2.0.0/") for each in keys(s3, bucket))


@pytest.mark.parametrize("name", ["tokenizer.json", "model.safetensors"])
def test_a_file_that_is_not_what_the_hub_states_publishes_nothing(
    s3: Any, bucket: str, hub: Hub, name: str
) -> None:
    hub.lies[name] = 64 * "a"
    with pytest.raises(ModelError, match=rf"{name} has SHA-256 .*the source says a+.*nothing is published"):
        run(s3, bucket, hub)
    assert MANIFEST not in keys(s3, bucket)
    assert f"{PREFIX}{name}" not in keys(s3, bucket)


def test_a_large_file_that_is_not_what_the_hub_states_leaves_nothing_behind(
    s3: Any, bucket: str, hub: Hub
) -> None:
    weights(hub.folder / BIG, 2 * PART)
    hub.lies[BIG] = 64 * "b"
    with pytest.raises(ModelError, match="nothing is published"):
        run(s3, bucket, hub)
    assert f"{PREFIX}{BIG}" not in keys(s3, bucket)
    assert uploads(s3, bucket) == []


def test_a_small_file_is_compared_with_gits_digest(
    s3: Any, bucket: str, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetcher = Fetcher(pause=lambda _: None)
    model = hub_model(f"{REPO}@main", hub.url, fetcher)
    path = hub.folder / "generation_config.json"
    path.write_bytes(path.read_bytes().replace(b"1.0", b"9.0"))
    with pytest.raises(ModelError, match=r"generation_config\.json has git SHA-1"):
        mirror(
            s3,
            bucket,
            model,
            fetcher,
            name="tiny-qwen2",
            version="1.0.0",
            licence="apache-2.0",
            leave_out=(),
            report=lambda _: None,
        )
    assert MANIFEST not in keys(s3, bucket)


def kept_waiting(hub: Hub, aws: str, bucket: str, *more: str) -> subprocess.Popen[bytes]:
    """The command in a process of its own; the hub gives no more of the large file than three and a half parts."""
    hub.hold = {BIG: 3 * PART + PART // 2}
    argv = [str(Path(sys.executable).with_name("bastide")), "model", "mirror", "--from", f"hub:{REPO}@main"]
    argv += ["--name", "tiny-qwen2", "--version", "1.0.0", "--endpoint", hub.url, "--part-mib", "5"]
    argv += ["--bucket", bucket, "--region", "us-east-1", "--unsigned", *more]
    environment = {**os.environ, **aws_env(World(aws, "", 0)), "NO_PROXY": "127.0.0.1,localhost"}
    return subprocess.Popen(argv, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def wait_for_parts(s3: Any, bucket: str, count: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert process.poll() is None, process.communicate()[0].decode()
        for each in uploads(s3, bucket):
            listed = s3.list_parts(Bucket=bucket, Key=each["Key"], UploadId=each["UploadId"])
            if len(listed.get("Parts", ())) >= count:
                return
        time.sleep(0.1)
    pytest.fail(f"no {count} parts in 60 s")


def test_killed_in_the_middle_of_a_large_file_it_goes_on_and_sends_nothing_twice(
    aws: str, s3: Any, bucket: str, hub: Hub
) -> None:
    weights(hub.folder / BIG, 7 * PART + 4321)
    size = (hub.folder / BIG).stat().st_size
    process = kept_waiting(hub, aws, bucket)
    wait_for_parts(s3, bucket, 3, process)
    process.send_signal(signal.SIGKILL)
    assert process.wait(10) == -signal.SIGKILL
    assert MANIFEST not in keys(s3, bucket)

    hub.go.set()
    hub.hold = {}
    time.sleep(0.3)  # the server notices that nobody reads
    hub.forget()
    before = Aws(aws).requests()["byOperation"].get("s3.UploadPart", 0)
    process = kept_waiting(hub, aws, bucket)
    output = process.communicate(timeout=90)[0].decode()
    assert process.returncode == 0, output
    assert f"{BIG} resumed at byte {3 * PART:,}, read back" in output

    # The hub sent the rest of the file and its header, which is judged before; S3 got the parts it lacked.
    header = 8 + struct.unpack("<Q", (hub.folder / BIG).read_bytes()[:8])[0]
    assert hub.sent[BIG] == size - 3 * PART + 8 + header
    assert sorted(hub.starts[BIG]) == [0, 0, 3 * PART]
    assert Aws(aws).requests()["byOperation"]["s3.UploadPart"] - before == 5
    manifest = verify(s3, bucket, PREFIX, lambda _: None)
    known = {each.name: each.sha256 for each in manifest.files}
    assert known[BIG] == hashlib.sha256((hub.folder / BIG).read_bytes()).hexdigest()
    assert uploads(s3, bucket) == []


def test_parts_of_other_content_are_found_out_and_removed_and_the_next_run_is_right(
    s3: Any, bucket: str, hub: Hub
) -> None:
    weights(hub.folder / BIG, 2 * PART + 77)
    key = f"{PREFIX}{BIG}"
    upload = s3.create_multipart_upload(Bucket=bucket, Key=key, ChecksumAlgorithm="SHA256")["UploadId"]
    s3.upload_part(
        Bucket=bucket, Key=key, UploadId=upload, PartNumber=1, Body=bytes(PART), ChecksumAlgorithm="SHA256"
    )
    with pytest.raises(ModelError, match=rf"{BIG} has SHA-256.*damaged or was exchanged"):
        run(s3, bucket, hub)
    assert key not in keys(s3, bucket)
    assert MANIFEST not in keys(s3, bucket)
    run(s3, bucket, hub)
    verify(s3, bucket, PREFIX, lambda _: None)


def test_a_file_of_other_content_that_lies_there_is_not_believed(s3: Any, bucket: str, hub: Hub) -> None:
    size = (hub.folder / "tokenizer.json").stat().st_size
    s3.put_object(Bucket=bucket, Key=f"{PREFIX}tokenizer.json", Body=bytes(size))
    with pytest.raises(ModelError, match=r"tokenizer\.json has SHA-256"):
        run(s3, bucket, hub)
    assert MANIFEST not in keys(s3, bucket)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("pytorch_model.bin", b"\x80\x02", r"pytorch_model\.bin: such files can run code"),
        ("original/weights.pth", b"\x80\x02", r"original/weights\.pth: such files can run code"),
        ("modeling_tiny.py", b"import os", r"modeling_tiny\.py: such files can run code"),
        ("picture.png", b"\x89PNG", r"picture\.png: of no kind that an engine needs"),
        ("notes.txt", b"PK\x03\x04zip", r"notes\.txt is refused: its first bytes are those of a zip"),
        ("extra.safetensors", b"\x80\x04\x95pickled", r"extra\.safetensors is not a whole safetensors file"),
        ("manifest.json", b"{}", r"manifest\.json: a name that publishing writes itself"),
        ("my model.json", b"{}", "not a safe file name"),
    ],
)
def test_what_may_not_be_published_is_refused_before_anything_is_stored(
    s3: Any, bucket: str, hub: Hub, name: str, content: bytes, message: str
) -> None:
    path = hub.folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    with pytest.raises(ModelError, match=message):
        run(s3, bucket, hub)
    assert keys(s3, bucket) == set()


def test_a_name_that_leads_out_of_the_folder_is_refused(s3: Any, bucket: str, hub: Hub) -> None:
    document = hub.document()
    document["siblings"][0]["rfilename"] = "../../etc/cron.d/x.json"
    hub.document = lambda: document  # type: ignore[method-assign]
    with pytest.raises(ModelError, match="not a safe file name"):
        run(s3, bucket, hub)


def test_refused_files_can_be_left_out_by_a_pattern_and_a_pattern_without_a_file_is_a_mistake(
    s3: Any, bucket: str, hub: Hub
) -> None:
    (hub.folder / "original").mkdir()
    (hub.folder / "original" / "weights.pth").write_bytes(b"\x80\x02")
    done = run(s3, bucket, hub, leave_out=("original/*",))
    assert not any("original" in each.name for each in done.manifest.files)
    with pytest.raises(ModelError, match=r"'orginal/\*' matches none"):
        run(s3, bucket, hub, leave_out=("orginal/*",))


def test_a_model_that_brings_code_is_refused(s3: Any, bucket: str, hub: Hub) -> None:
    path = hub.folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "auto_map": {"AutoModel": "m.M"}}))
    with pytest.raises(ModelError, match="auto_map"):
        run(s3, bucket, hub)
    assert keys(s3, bucket) == set()


def test_a_model_that_shows_the_judge_something_else_is_refused(s3: Any, bucket: str, hub: Hub) -> None:
    path = hub.folder / "config.json"
    harmless = path.read_bytes()
    path.write_text(json.dumps({**json.loads(harmless), "auto_map": {"AutoModel": "m.M"}}))
    hub.first["config.json"] = harmless.rstrip().ljust(path.stat().st_size)
    with pytest.raises(ModelError, match=r"config\.json has .* the source says .*nothing is published"):
        run(s3, bucket, hub)
    assert keys(s3, bucket) == set()


def test_another_commit_under_a_published_version_is_refused(s3: Any, bucket: str, hub: Hub) -> None:
    run(s3, bucket, hub)
    with pytest.raises(ModelError, match="a version never changes"):
        run(s3, bucket, hub, licence="mit")
    hub.lies["tokenizer.json"] = 64 * "c"
    with pytest.raises(ModelError, match=r"other files \(tokenizer\.json differs\)"):
        run(s3, bucket, hub)


def test_the_token_goes_to_the_hub_and_nowhere_else(s3: Any, bucket: str, hub: Hub) -> None:
    hub.token = "hf_secret"
    run(s3, bucket, hub)
    assert hub.cdn_tokens == []


def test_a_redirect_to_plain_http_is_not_followed(s3: Any, bucket: str, hub: Hub) -> None:
    hub.elsewhere = "http://cdn.example.com"
    with pytest.raises(
        ModelError, match=r"127\.0\.0\.1 sends us on to http://cdn\.example\.com: only https://"
    ):
        run(s3, bucket, hub)
    assert keys(s3, bucket) == set()


@pytest.mark.parametrize(
    ("location", "followed"),
    [
        ("https://cdn.example.com/x", True),
        ("/elsewhere", True),
        ("http://hub.example.com/x", False),
        ("http://169.254.169.254/latest/meta-data", False),
        ("http://127.0.0.1:8080/x", False),
        ("https://localhost/x", False),
        ("file:///etc/passwd", False),
    ],
)
def test_from_the_web_only_the_web_is_reached_by_https(location: str, followed: bool) -> None:
    answer = requests.Response()
    answer.status_code, answer.url = 302, "https://hub.example.com/acme/tiny/resolve/x"
    answer.headers["Location"] = location
    if followed:
        assert _Session().get_redirect_target(answer) == location
    else:
        with pytest.raises(ModelError, match=r"only https:// elsewhere is followed"):
            _Session().get_redirect_target(answer)


def test_without_a_token_a_gated_model_says_what_to_do(hub: Hub) -> None:
    hub.token = "hf_secret"
    with pytest.raises(ModelError, match=r"refuses \(401\); a token is needed.*HF_TOKEN"):
        hub_model(f"{REPO}@main", hub.url, Fetcher())


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("acme/tiny", "names no revision"),
        ("tiny@main", "names no revision"),
        ("acme/tiny@../../x", "names no revision"),
        ("acme/other@main", "no such thing"),
    ],
)
def test_what_names_no_revision_is_refused(hub: Hub, spec: str, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        hub_model(spec, hub.url, Fetcher())


@pytest.mark.parametrize(
    "url", ["http://example.com", "ftp://example.com", "https://me:pw@example.com", "hub"]
)
def test_only_https_is_asked(url: str) -> None:
    with pytest.raises(ModelError, match=r"https://|user or a password"):
        hub_model(f"{REPO}@main", url, Fetcher())


def test_a_server_without_ranges_cannot_be_resumed_and_says_so(s3: Any, bucket: str, hub: Hub) -> None:
    weights(hub.folder / BIG, 2 * PART)
    hub.ignore_ranges, hub.break_after = True, 3_000_000
    with pytest.raises(ModelError, match="does not give parts of a file"):
        run(s3, bucket, hub)


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
