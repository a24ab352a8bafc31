"""What a later start goes on with: after a kill, after a broken connection, and after a start that came to its end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from artifact_agent import record, store
from artifact_agent.errors import RefusedError
from artifact_agent.store import Found, Store
from bastide.models.manifest import Manifest
from tests.artifact_agent.conftest import PREFIX, ROOT, Agent
from tests.waits import PATIENCE_S

CHUNK = 16 * 1024

KILLED = f"""
import os, signal, sys
from artifact_agent import __main__, fetch, journal

fetch.fetch_model.__kwdefaults__["chunk"] = {CHUNK}
left = int(sys.argv[1])
add = journal.Journal.add

def then_die(self, number, sha256):
    global left
    add(self, number, sha256)
    if (left := left - 1) == 0:
        os.kill(os.getpid(), signal.SIGKILL)

journal.Journal.add = then_die
sys.exit(__main__.main(["fetch"], os.environ))
"""
"""The agent, with small chunks, that is killed by the kernel when so many of them have come (never, for 0)."""


@pytest.fixture
def killed(environment: Callable[..., dict[str, str]], manifest: Manifest) -> Callable[[int], Any]:
    def run(after: int) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", KILLED, str(after)],
            env=environment({"sha256": manifest.digest}),
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
        )

    return run


def test_killed_in_the_middle_it_goes_on_and_fetches_nothing_twice(
    killed: Callable[[int], Any], manifest: Manifest, model_folder: Path
) -> None:
    first = killed(10)
    assert first.returncode == -signal.SIGKILL, first.stderr
    assert not model_folder.exists()
    draft = model_folder.with_name("1.0.0.partial")
    whole = [each for each in manifest.files if (draft / each.name).is_file()]
    # The last line may be of a chunk that another thread was about to write: it counts only when it is there.
    chunks = sum(len(each.read_text().split("\n")) - 2 for each in draft.glob("*.journal"))
    assert chunks + len(whole) >= 1
    second = killed(0)
    assert second.returncode == 0, second.stderr
    (line,) = (json.loads(each) for each in second.stdout.splitlines())
    kept = sum(each.size for each in whole)
    assert 0 < line["bytesFetched"] <= manifest.total - kept - (chunks - 1) * CHUNK
    assert {each.name for each in model_folder.iterdir()} == {each.name for each in manifest.files}


def test_a_chunk_that_the_disk_lost_comes_again(
    killed: Callable[[int], Any], manifest: Manifest, tiny: Path, model_folder: Path
) -> None:
    killed(10)
    draft = model_folder.with_name("1.0.0.partial")
    (partial,) = draft.glob("*.safetensors.partial")
    partial.write_bytes(b"\0" * partial.stat().st_size)
    done = killed(0)
    assert done.returncode == 0, done.stderr
    weights = "model.safetensors"
    assert (model_folder / weights).read_bytes() == (tiny / weights).read_bytes()


def test_an_object_that_was_exchanged_meanwhile_is_not_mixed_with_the_old_one(
    killed: Callable[[int], Any], manifest: Manifest, s3: Any, versioned: str, model_folder: Path
) -> None:
    killed(10)
    key = f"{PREFIX}model.safetensors"
    content = s3.get_object(Bucket=versioned, Key=key)["Body"].read()
    s3.put_object(Bucket=versioned, Key=key, Body=b"\1" * len(content))
    done = killed(0)
    assert done.returncode == 1
    assert "model.safetensors: expected SHA-256" in done.stderr
    s3.put_object(Bucket=versioned, Key=key, Body=content)
    assert killed(0).returncode == 0


def test_a_second_start_needs_neither_bucket_nor_network(agent: Agent, manifest: Manifest) -> None:
    assert agent({"sha256": manifest.digest}).fetched == manifest.total
    again = agent({"sha256": manifest.digest}, AWS_ENDPOINT_URL="http://127.0.0.1:1")
    assert again.status == 0, again.reason
    assert again.fetched == 0
    assert again.lines[0]["bytes"] == manifest.total


def test_without_a_digest_the_bucket_is_asked_what_is_meant(
    agent: Agent, manifest: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert agent().fetched == manifest.total
    again = agent()
    assert again.status == 0
    assert again.fetched == 0
    monkeypatch.setattr(store, "ATTEMPTS", 1)
    assert agent(AWS_ENDPOINT_URL="http://127.0.0.1:1").status == 1


def test_only_a_file_that_was_changed_on_the_disk_comes_again(
    agent: Agent, manifest: Manifest, model_folder: Path
) -> None:
    agent({"sha256": manifest.digest})
    changed = model_folder / "config.json"
    size = changed.stat().st_size
    changed.write_bytes(b"x" * size)
    done = agent({"sha256": manifest.digest})
    assert done.status == 0, done.reason
    assert done.fetched == size
    assert changed.read_bytes() != b"x" * size


@pytest.mark.parametrize("stranger", ["extra.json", "sub/modeling.py"])
def test_a_stranger_in_the_folder_does_not_stay(
    agent: Agent, manifest: Manifest, model_folder: Path, stranger: str
) -> None:
    agent({"sha256": manifest.digest})
    path = model_folder / stranger
    path.parent.mkdir(exist_ok=True)
    path.write_text("{}")
    done = agent({"sha256": manifest.digest})
    assert (done.status, done.fetched) == (0, 0)
    assert not path.exists()


def test_a_link_is_replaced_by_the_file(
    agent: Agent, manifest: Manifest, model_folder: Path, tmp_path: Path
) -> None:
    agent({"sha256": manifest.digest})
    path = model_folder / "config.json"
    elsewhere = tmp_path / "config.json"
    path.rename(elsewhere)
    path.symlink_to(elsewhere)
    done = agent({"sha256": manifest.digest})
    assert done.status == 0, done.reason
    assert not path.is_symlink()
    assert done.fetched == elsewhere.stat().st_size


def test_after_a_restart_of_the_machine_all_is_hashed_again_and_nothing_fetched(
    agent: Agent, manifest: Manifest, model_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent({"sha256": manifest.digest})
    weights = model_folder / "model.safetensors"
    status = weights.stat()
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    # As a disk that lost power could leave it: everything but the bytes looks as before.
    with weights.open("r+b") as opened:
        opened.write(content)
    os.utime(weights, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert agent({"sha256": manifest.digest}).fetched == 0
    monkeypatch.setattr(record, "boot_id", lambda: "another")
    done = agent({"sha256": manifest.digest})
    assert done.status == 0, done.reason
    assert done.fetched == weights.stat().st_size
    monkeypatch.setattr(record, "boot_id", lambda: "a third")
    assert agent({"sha256": manifest.digest}).fetched == 0


def test_a_kernel_that_does_not_say_when_it_started_is_not_believed(
    agent: Agent, manifest: Manifest, model_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record, "boot_id", lambda: "")
    agent({"sha256": manifest.digest})
    weights = model_folder / "model.safetensors"
    status = weights.stat()
    with weights.open("r+b") as opened:
        opened.seek(-1, 2)
        last = opened.read(1)
        opened.seek(-1, 2)
        opened.write(bytes([last[0] ^ 1]))
    os.utime(weights, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert agent({"sha256": manifest.digest}).fetched == weights.stat().st_size


def test_a_key_that_is_trusted_no_longer_is_noticed_at_the_next_start(
    agent: Agent, manifest: Manifest
) -> None:
    from cryptography.hazmat.primitives.asymmetric import ec

    from bastide.models.signing import FileSigner, public_pem

    agent({"sha256": manifest.digest})
    other = FileSigner(ec.generate_private_key(ec.SECP256R1()))
    done = agent({"sha256": manifest.digest}, MODEL_PUBLIC_KEYS=public_pem(other.public))
    assert done.status == 1
    assert "which is not trusted" in done.reason


class Broken:
    """A client whose connection breaks in the middle of its first reads."""

    def __init__(self, content: bytes, breaks: int) -> None:
        self._content, self._breaks = content, breaks

    def get_object(self, Range: str, **_: Any) -> dict[str, Any]:  # noqa: N803 - boto3's spelling
        first, _, last = Range.removeprefix("bytes=").partition("-")
        return {"Body": self._body(self._content[int(first) : int(last) + 1])}

    def _body(self, content: bytes) -> Any:
        self._breaks -= 1
        breaks = self._breaks >= 0

        class Body:
            def iter_chunks(self, _: int) -> Any:
                yield content[:3]
                if breaks:
                    raise ConnectionResetError("by the test")
                yield content[3:]

        return Body()


def test_a_broken_connection_is_tried_again_and_then_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("artifact_agent.store.time.sleep", lambda _: None)
    found = Found("a", 10, "etag", "")
    disk = bytearray(10)

    def take(piece: bytes, at: int) -> None:
        disk[at : at + len(piece)] = piece

    Store(Broken(b"0123456789", 2), "b", "p/").read(found, 2, 9, take)
    assert bytes(disk[2:9]) == b"2345678"
    with pytest.raises(RefusedError, match="GetObject of s3://b/p/a failed: by the test"):
        Store(Broken(b"0123456789", 99), "b", "p/").read(found, 0, 10, take)
