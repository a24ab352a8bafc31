"""Models on a node's own disk, kept by digest for the pods that come later.

`sha256-DIGEST/` is a model and `sha256-DIGEST.verified.json` its record. Two locks of the kernel's go with it, which
end with their process, so nothing is left by a pod that was killed: who brings the model holds `.lock` alone; who uses
it shares `.use`, for the pod's whole life (`hold`). What is in use is never evicted; of the rest, the model whose last
use is the longest ago goes first.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from artifact_agent import record
from artifact_agent.errors import RefusedError

_PREFIX: Final = "sha256-"
_USE: Final = ".use"
_LOCK: Final = ".lock"
_ROOM: Final = ".room"


@dataclass(frozen=True)
class Cache:
    """The volume and its bound in bytes."""

    root: Path
    size: int

    def folder(self, digest: str) -> Path:
        """Where the model of this digest lies."""
        return self.root / f"{_PREFIX}{digest}"

    @contextmanager
    def used(self, digest: str) -> Iterator[None]:
        """While it lasts, the model is not evicted. Waits for an eviction that is under way."""
        with _locked(self._beside(digest, _USE), fcntl.LOCK_SH) as descriptor:
            os.utime(descriptor)
            yield

    @contextmanager
    def alone(self, digest: str) -> Iterator[None]:
        """While it lasts, nobody else brings the model. Waits for whoever does."""
        with _locked(self._beside(digest, _LOCK), fcntl.LOCK_EX):
            yield

    def make_room(self, digest: str, needed: int) -> None:
        """Evicts until `needed` bytes of the model of this digest fit. Raises RefusedError where they cannot."""
        with _locked(self.root / "evict.lock", fcntl.LOCK_EX):
            # Known to others before a byte of it is there.
            self._beside(digest, _ROOM).write_text(str(needed))
            # What is there of this model already is not counted twice.
            others = {each: self._taken(each) for each in self._digests() if each != digest}
            for each in sorted(others, key=self._last_use):
                if sum(others.values()) + needed <= self.size:
                    break
                if self._evict(each):
                    others[each] = 0
        taken = sum(others.values())
        if taken + needed > self.size:
            raise RefusedError(
                f"the node's cache holds {self.size} bytes, of which {taken} are in use by other pods, and the model "
                f"needs {needed}: use a larger volume, or fewer models on this pool"
            )

    def _beside(self, digest: str, suffix: str) -> Path:
        return self.root / f"{_PREFIX}{digest}{suffix}"

    def _taken(self, digest: str) -> int:
        """Bytes that a model takes; of one that is on its way, those that it will."""
        there = _size(self.root, digest)
        try:
            with _locked(self._beside(digest, _LOCK), fcntl.LOCK_SH | fcntl.LOCK_NB):
                return there
        except BlockingIOError:
            with suppress(OSError, ValueError):
                return max(there, int(self._beside(digest, _ROOM).read_text()))
            return there

    def _digests(self) -> list[str]:
        """Of all models of which anything is here, were it only that they are on their way."""
        names = {each.name.split(".")[0] for each in self.root.glob(f"{_PREFIX}*")}
        return sorted(each.removeprefix(_PREFIX) for each in names)

    def _last_use(self, digest: str) -> float:
        try:
            return self._beside(digest, _USE).stat().st_mtime
        except OSError:
            return 0.0

    def _evict(self, digest: str) -> bool:
        """Removes a model that nobody uses or brings; whether it did."""
        try:
            with (
                _locked(self._beside(digest, _USE), fcntl.LOCK_EX | fcntl.LOCK_NB),
                _locked(self._beside(digest, _LOCK), fcntl.LOCK_EX | fcntl.LOCK_NB),
            ):
                folder = self.folder(digest)
                # The record first: a model that is half gone must not count as whole.
                record.place(folder).unlink(missing_ok=True)
                for each in self.root.glob(f"{folder.name}*"):
                    if each.is_dir():
                        shutil.rmtree(each)
                self._beside(digest, _ROOM).unlink(missing_ok=True)
                return True
        except BlockingIOError:
            return False


def _size(root: Path, digest: str) -> int:
    """Bytes on the disk; of a file that is being written, those that are there."""
    total = 0
    for folder in root.glob(f"{_PREFIX}{digest}*"):
        for path in folder.rglob("*") if folder.is_dir() else ():
            with suppress(FileNotFoundError):  # it got its final name meanwhile
                total += path.lstat().st_blocks * 512
    return total


@contextmanager
def _locked(path: Path, kind: int) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o664)
    try:
        fcntl.flock(descriptor, kind)
        yield descriptor
    finally:
        os.close(descriptor)
