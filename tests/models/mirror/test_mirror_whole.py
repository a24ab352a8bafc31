"""What is mirrored is whole, whatever broke on the way, and nothing is sent twice."""

from __future__ import annotations

import hashlib
import os
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from bastide.models.errors import ModelError
from bastide.models.hub import hub_model
from bastide.models.mirror import mirror
from bastide.models.mirror_http import Fetcher
from bastide.models.publish import verify
from sandbox.aws.client import Aws
from sandbox.state import World, aws_env
from tests.models.hub_server import COMMIT, REPO, Hub
from tests.models.mirror.mirroring import BIG, MANIFEST, PART, PREFIX, keys, run, uploads, weights
from tests.waits import PATIENCE_S, until


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
    def arrived() -> bool:
        assert process.poll() is None, process.communicate()[0].decode()
        listed = (
            s3.list_parts(Bucket=bucket, Key=each["Key"], UploadId=each["UploadId"])
            for each in uploads(s3, bucket)
        )
        return any(len(each.get("Parts", ())) >= count for each in listed)

    until(arrived, f"{count} parts")


def test_killed_in_the_middle_of_a_large_file_it_goes_on_and_sends_nothing_twice(
    aws: str, s3: Any, bucket: str, hub: Hub
) -> None:
    weights(hub.folder / BIG, 7 * PART + 4321)
    size = (hub.folder / BIG).stat().st_size
    process = kept_waiting(hub, aws, bucket)
    wait_for_parts(s3, bucket, 3, process)
    process.send_signal(signal.SIGKILL)
    assert process.wait(PATIENCE_S) == -signal.SIGKILL
    assert MANIFEST not in keys(s3, bucket)

    hub.go.set()
    hub.hold = {}
    time.sleep(0.3)  # the server notices that nobody reads
    hub.forget()
    before = Aws(aws).requests()["byOperation"].get("s3.UploadPart", 0)
    process = kept_waiting(hub, aws, bucket)
    output = process.communicate(timeout=PATIENCE_S)[0].decode()
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


def test_a_server_without_ranges_cannot_be_resumed_and_says_so(s3: Any, bucket: str, hub: Hub) -> None:
    weights(hub.folder / BIG, 2 * PART)
    hub.ignore_ranges, hub.break_after = True, 3_000_000
    with pytest.raises(ModelError, match="does not give parts of a file"):
        run(s3, bucket, hub)
