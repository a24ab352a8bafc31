"""One file from the bucket to the disk: ranges side by side, resumed after a kill, and its SHA-256 known when it ends.

A file's SHA-256 can only be computed from its start on, while ranges come in any order: each is hashed from the page
cache as soon as all before it are there, so the disk is not read a second time.
"""

from __future__ import annotations

import hashlib
import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, wait
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

from artifact_agent.content import OWN_SUFFIXES
from artifact_agent.errors import RefusedError
from artifact_agent.journal import Journal
from artifact_agent.statement import Listed
from artifact_agent.store import PIECE, Found, Store

CHUNK: Final = 32 * 1024 * 1024
"""Bytes of one range. S3 advises 8 to 16 MiB or more for parallel ranges (S3 user guide, "Performance guidelines"); a
larger one costs fewer requests and, after a kill, more bytes again."""

AHEAD: Final = 16
"""Ranges of one file that are on their way or wait to be hashed."""

PARTIAL, JOURNAL = OWN_SUFFIXES


@dataclass(frozen=True)
class Fetched:
    """A file that is whole and right: how many of its bytes came from the bucket in this run."""

    file: Listed
    fetched: int


def fetch_file(
    store: Store,
    found: Found,
    listed: Listed,
    path: Path,
    pool: Executor,
    stopped: Callable[[], bool],
    chunk: int = CHUNK,
) -> Fetched:
    """Brings `listed` to `path`, and goes on with what lies there of an earlier run. Raises RefusedError where the
    bytes are not the published ones; then none of them stays."""
    partial = path.with_name(path.name + PARTIAL)
    about = {"sha256": listed.sha256, "size": listed.size, "etag": found.etag, "chunk": chunk}
    journal = Journal(path.with_name(path.name + JOURNAL), about)
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | (0 if journal.resumed else os.O_TRUNC)
    descriptor = os.open(partial, flags, 0o644)
    try:
        os.ftruncate(descriptor, listed.size)
        real, fetched = _in_order(_Run(store, found, descriptor, journal, chunk), listed.size, pool, stopped)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    if real != listed.sha256:
        # Nothing of it is gone on with: which chunk is wrong cannot be told.
        partial.unlink()
        path.with_name(path.name + JOURNAL).unlink()
        raise mismatch(listed, real)
    partial.rename(path)
    path.with_name(path.name + JOURNAL).unlink()
    return Fetched(listed, fetched)


def mismatch(listed: Listed, real: str) -> RefusedError:
    """What is said of a file with other bytes than the published ones."""
    return RefusedError(
        f"{listed.name}: expected SHA-256 {listed.sha256}, got {real}: the file in the bucket is not what was "
        "published"
    )


class _Run:
    """The chunks of one file."""

    def __init__(self, store: Store, found: Found, descriptor: int, journal: Journal, chunk: int) -> None:
        self._store, self._found, self._journal = store, found, journal
        self.descriptor, self.chunk = descriptor, chunk

    def bring(self, number: int) -> int:
        """The chunk is on the disk afterwards, as the bucket has it; how many bytes had to come from there."""
        start, end = number * self.chunk, min((number + 1) * self.chunk, self._found.size)
        known = self._journal.chunks.get(number)
        if known is not None:
            there = hashlib.sha256()
            for piece in _pieces(self.descriptor, start, end):
                there.update(piece)
            if there.hexdigest() == known:
                return 0
        digest = hashlib.sha256()

        def take(piece: bytes, at: int) -> None:
            nonlocal digest
            if at == start:  # also when a broken connection made it begin again
                digest = hashlib.sha256()
            digest.update(piece)
            _write(self.descriptor, piece, at)

        self._store.read(self._found, start, end, take)
        self._journal.add(number, digest.hexdigest())
        return end - start


def _in_order(run: _Run, size: int, pool: Executor, stopped: Callable[[], bool]) -> tuple[str, int]:
    """Brings every chunk, some at once, and hashes them one after another: SHA-256 of all, and bytes that came."""
    digest, fetched = hashlib.sha256(), 0
    numbers = iter(range(-(-size // run.chunk)))
    waiting: deque[tuple[int, Future[int]]] = deque()
    try:
        for number in islice(numbers, AHEAD):
            waiting.append((number, pool.submit(run.bring, number)))
        while waiting:
            if stopped():
                raise StoppedError
            number, future = waiting[0]
            fetched += future.result()
            for piece in _pieces(run.descriptor, number * run.chunk, min((number + 1) * run.chunk, size)):
                digest.update(piece)
            waiting.popleft()
            for following in islice(numbers, 1):
                waiting.append((following, pool.submit(run.bring, following)))
    finally:
        # Nothing may write to the descriptor once it is closed: its number may be another file's then.
        for _, future in waiting:
            future.cancel()
        wait(future for _, future in waiting)
    return digest.hexdigest(), fetched


class StoppedError(RefusedError):
    """Another file failed."""

    def __init__(self) -> None:
        super().__init__("stopped, because another file failed")


def _pieces(descriptor: int, start: int, end: int) -> Iterator[bytes]:
    at = start
    while at < end:
        piece = os.pread(descriptor, min(PIECE, end - at), at)
        if not piece:
            return  # shorter than it should be: the digest will not be right
        yield piece
        at += len(piece)


def _write(descriptor: int, piece: bytes, at: int) -> None:
    done = 0
    while done < len(piece):
        done += os.pwrite(descriptor, piece[done:], at + done)


def hash_file(path: Path) -> str:
    """SHA-256 of a file on the disk, in hexadecimal."""
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
