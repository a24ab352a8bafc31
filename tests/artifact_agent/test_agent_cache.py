"""Models on a node's disk, shared by pods that come and go: real processes, as the kernel's locks go with them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from artifact_agent.cache import Cache
from artifact_agent.errors import RefusedError
from bastide.models.manifest import Manifest, scan
from bastide.models.publish import publish
from bastide.models.signing import FileSigner
from tests.artifact_agent.conftest import ROOT
from tests.waits import PATIENCE_S

GIB = 1024**3


class Pod:
    """One pod's two containers of the agent: `hold` for its life, and `fetch`."""

    def __init__(self, environment: dict[str, str], work: Path) -> None:
        work.mkdir()
        self._environment = {**environment, "WORK_DIR": str(work), "TERMINATION_LOG": str(work / "reason")}
        self.reason = work / "reason"
        self.hold = self._start("hold")

    def _start(self, action: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "artifact_agent", action],
            env=self._environment,
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def fetch(self) -> subprocess.Popen[str]:
        return self._start("fetch")

    def end(self) -> None:
        """The whole pod at once, as a node's kernel does it."""
        self.hold.send_signal(signal.SIGKILL)
        self.hold.wait(10)


MakePod = Callable[..., Pod]


@pytest.fixture
def pod(environment: Callable[..., dict[str, str]], tmp_path: Path) -> Iterator[MakePod]:
    made: list[Pod] = []

    def make(digest: str, size: int = GIB, **model: str) -> Pod:
        given = environment({"sha256": digest, **model}, MODEL_CACHE_BYTES=str(size))
        made.append(Pod(given, tmp_path / f"work-{len(made)}"))
        return made[-1]

    yield make
    for each in made:
        each.end()


def ended(process: subprocess.Popen[str]) -> tuple[int, int]:
    """Exit status, and bytes that came from the bucket."""
    out, error = process.communicate(timeout=PATIENCE_S)
    assert "Traceback" not in error, error
    return process.returncode, sum(json.loads(line)["bytesFetched"] for line in out.splitlines())


@pytest.fixture
def other(s3: Any, versioned: str, tiny: Path, signer: FileSigner) -> Manifest:
    """Another version, with a digest of its own."""
    (tiny / "README.md").write_text("another\n")
    found = scan(tiny, "tiny-qwen2", "1.0.1", "MIT", "made here")
    publish(s3, versioned, tiny, found, lambda _: None, signer)
    return found


def test_two_pods_at_once_download_once(pod: MakePod, manifest: Manifest, root: Path) -> None:
    first, second = pod(manifest.digest), pod(manifest.digest)
    running = [first.fetch(), second.fetch()]
    results = [ended(each) for each in running]
    assert [status for status, _ in results] == [0, 0]
    assert sum(fetched for _, fetched in results) == manifest.total
    folder = root / f"sha256-{manifest.digest}"
    assert {each.name for each in folder.iterdir()} == {each.name for each in manifest.files}


def test_what_a_running_pod_uses_is_not_evicted_and_goes_once_it_has_ended(
    pod: MakePod, manifest: Manifest, other: Manifest, root: Path
) -> None:
    room = int(manifest.total * 1.5)
    first = pod(manifest.digest, room)
    assert ended(first.fetch()) == (0, manifest.total)
    second = pod(other.digest, room, version="1.0.1", prefix="models/tiny-qwen2/1.0.1/")
    assert ended(second.fetch())[0] == 1
    assert "are in use by other pods" in second.reason.read_text()
    assert (root / f"sha256-{manifest.digest}" / "config.json").is_file()
    first.end()
    assert ended(second.fetch())[0] == 0
    assert not (root / f"sha256-{manifest.digest}").exists()
    assert (root / f"sha256-{other.digest}" / "config.json").is_file()


def test_the_model_of_a_pod_that_was_killed_is_there_for_the_next(pod: MakePod, manifest: Manifest) -> None:
    first = pod(manifest.digest)
    assert ended(first.fetch()) == (0, manifest.total)
    first.end()
    assert ended(pod(manifest.digest).fetch()) == (0, 0)


def test_a_fetch_waits_for_the_hold_beside_it(pod: MakePod, manifest: Manifest, tmp_path: Path) -> None:
    one = pod(manifest.digest)
    one.end()
    (tmp_path / "work-0" / "held").unlink(missing_ok=True)
    waiting = one.fetch()
    time.sleep(1.5)
    assert waiting.poll() is None
    one.hold = one._start("hold")
    assert ended(waiting) == (0, manifest.total)


def model(cache: Cache, digest: str, size: int, last_use: int) -> None:
    folder = cache.folder(digest)
    folder.mkdir()
    (folder / "w").write_bytes(b"x" * size)
    with cache.used(digest):
        pass
    os.utime(cache.root / f"sha256-{digest}.use", (last_use, last_use))


def test_the_longest_unused_goes_first_and_no_more_than_needed(tmp_path: Path) -> None:
    kib = 1024
    cache = Cache(tmp_path, 400 * kib)
    for digest, last_use in (("b", 20), ("a", 10), ("c", 30)):
        model(cache, digest, 100 * kib, last_use)
    cache.make_room("d", 200 * kib)
    assert [cache.folder(each).exists() for each in "abc"] == [False, True, True]
    with cache.used("b"):
        cache.make_room("d", 300 * kib)
    assert [cache.folder(each).exists() for each in "abc"] == [False, True, False]


def test_room_that_cannot_be_made_is_said_with_its_numbers(tmp_path: Path) -> None:
    cache = Cache(tmp_path, 1000)
    with pytest.raises(RefusedError, match=r"holds 1000 bytes, of which 0 .* needs 2000"):
        cache.make_room("d", 2000)


def test_half_a_model_counts_and_is_evicted_too(tmp_path: Path) -> None:
    cache = Cache(tmp_path, 100 * 1024)
    half = tmp_path / "sha256-a.partial"
    half.mkdir()
    (half / "w.partial").write_bytes(b"x" * 90 * 1024)
    cache.make_room("b", 50 * 1024)
    assert not half.exists()


def test_a_model_on_its_way_counts_with_all_its_bytes(tmp_path: Path) -> None:
    cache = Cache(tmp_path, 1000)
    with cache.alone("a"):
        cache.make_room("a", 600)
        with pytest.raises(RefusedError, match="of which 600 are in use"):
            cache.make_room("b", 600)
        cache.make_room("b", 400)
    cache.make_room("b", 600)
