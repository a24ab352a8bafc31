"""One model: from S3 to its folder, or not at all.

Statements first: the signature, then the two documents, then what lies in the bucket, all compared before the first
byte of weights. Then the files, each compared by size and SHA-256, into a folder that gets its name last.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any, Final

from artifact_agent import record
from artifact_agent.content import refused_config, refused_content, refused_name
from artifact_agent.download import (
    CHUNK,
    JOURNAL,
    PARTIAL,
    Fetched,
    StoppedError,
    fetch_file,
    hash_file,
)
from artifact_agent.errors import RefusedError
from artifact_agent.record import Record
from artifact_agent.signature import verify
from artifact_agent.statement import (
    MANIFEST_NAME,
    RESERVED,
    SIGNATURE_NAME,
    SUMS_NAME,
    Listed,
    Statement,
    read_statement,
    sha256,
)
from artifact_agent.store import Found, Store
from artifact_agent.wanted import Wanted, WantedModel

FILES: Final = 4
"""Files on their way at once."""

CONNECTIONS: Final = 32
"""Ranges on their way at once, of all files together."""


@dataclass(frozen=True)
class Outcome:
    """What was done for one model. `fetched` is how many bytes came from the bucket; `seconds` is the time it took."""

    model: WantedModel
    record: Record
    folder: Path
    fetched: int
    seconds: float

    def line(self) -> dict[str, Any]:
        """For the log."""
        return {
            "message": "model verified",
            "model": self.record.name,
            "version": self.record.version,
            "source": self.record.source,
            "digest": self.record.digest,
            "keyId": self.record.keyId,
            "path": str(self.folder),
            "files": len(self.record.files),
            "bytes": sum(each.size for each in self.record.files),
            "bytesFetched": self.fetched,
            "seconds": round(self.seconds, 3),
        }


def fetch_model(
    client: Any,
    wanted: Wanted,
    model: WantedModel,
    folder: Path,
    *,
    room: Callable[[int], None] = lambda _: None,
    chunk: int = CHUNK,
) -> Outcome:
    """Makes sure that `folder` holds exactly the model. `room` is told the model's bytes before they come, and may
    refuse. Raises RefusedError, and OSError for the disk's troubles."""
    start = time.monotonic()
    before = record.read(folder)
    if before is not None and _still_good(before, wanted, model, folder):
        return Outcome(model, before, folder, 0, time.monotonic() - start)
    store = Store(client, model.bucket, model.prefix)
    listing = store.list()
    statement, key_id = _statement(store, listing, wanted, model)
    _compare(store, listing, statement)
    room(statement.total)
    fetched = _bring(store, listing, statement, folder, before, chunk)
    done = Record(
        statement.name,
        statement.version,
        store.url,
        statement.digest,
        key_id,
        record.boot_id(),
        tuple(record.seen(folder, each) for each in statement.files),
    )
    # Last of all: without it the folder counts for nothing.
    record.write(folder, done)
    return Outcome(model, done, folder, fetched, time.monotonic() - start)


def _still_good(before: Record, wanted: Wanted, model: WantedModel, folder: Path) -> bool:
    """Whether what an earlier start verified can be served again without a request. Only where the digest is given:
    otherwise nothing but the bucket says which model is meant."""
    trusted = {each.id for each in wanted.keys} | ({""} if wanted.allow_unsigned else set())
    return (
        bool(model.digest)
        and (before.name, before.version, before.digest) == (model.name, model.version, model.digest)
        and before.keyId in trusted
        and record.intact(folder, before)
    )


def _statement(
    store: Store, listing: dict[str, Found], wanted: Wanted, model: WantedModel
) -> tuple[Statement, str]:
    """What the version states, and the key by which it is believed ('' where it is unsigned)."""
    if MANIFEST_NAME not in listing:
        raise RefusedError(
            f"{store.url}{MANIFEST_NAME} is not there: the version was not published to its end, or never"
        )
    if SUMS_NAME not in listing:
        raise RefusedError(f"{store.url} has no {SUMS_NAME}")
    sums, manifest = store.small(listing[SUMS_NAME]), store.small(listing[MANIFEST_NAME])
    if model.digest and sha256(sums) != model.digest:
        raise RefusedError(
            f"{SUMS_NAME}: expected SHA-256 {model.digest}, which the stack asks for, got {sha256(sums)}: this is "
            "another model, or the bucket was changed"
        )
    key_id, signed = "", None
    if SIGNATURE_NAME in listing and wanted.keys:
        found = verify(store.small(listing[SIGNATURE_NAME]), wanted.keys)
        key_id, signed = found.key_id, found.digests
    elif not wanted.allow_unsigned:
        raise RefusedError(
            f"{store.url} has no {SIGNATURE_NAME}: it is not signed, and only signed models are served; sign it by "
            "`bastide model sign`"
        )
    statement = read_statement(sums, manifest)
    if (statement.name, statement.version) != (model.name, model.version):
        raise RefusedError(
            f"{store.url} says that it is {statement.name} {statement.version}, and {model.name} {model.version} was "
            "asked for"
        )
    if signed is not None:
        _agree(signed, statement, {SUMS_NAME: sha256(sums), MANIFEST_NAME: sha256(manifest)})
    return statement, key_id


def _agree(signed: dict[str, str], statement: Statement, documents: dict[str, str]) -> None:
    """What is signed is exactly what is stated."""
    stated = {**{each.name: each.sha256 for each in statement.files}, **documents}
    for name in sorted(set(signed) | set(stated)):
        if signed.get(name) != stated.get(name):
            raise RefusedError(
                f"{name}: signed was SHA-256 {signed.get(name, 'nothing')}, and the version has "
                f"{stated.get(name, 'nothing')}: the signature is of something else, or the version was changed"
            )


def _compare(store: Store, listing: dict[str, Found], statement: Statement) -> None:
    """Names and sizes in the bucket, before a byte of them is read."""
    wanted = {each.name: each for each in statement.files}
    for name in sorted(set(listing) - set(wanted) - RESERVED):
        why = refused_name(name)
        raise RefusedError(
            f"{name!r} is in {store.url} but was not published; it {why or 'does not belong there'}"
        )
    for name, listed in sorted(wanted.items()):
        found = listing.get(name)
        if found is None:
            raise RefusedError(f"{name} is missing in {store.url}: expected SHA-256 {listed.sha256}")
        if found.size != listed.size:
            raise RefusedError(
                f"{name}: expected {listed.size} bytes with SHA-256 {listed.sha256}, and {store.url} has {found.size}"
            )


def _bring(
    store: Store,
    listing: dict[str, Found],
    statement: Statement,
    folder: Path,
    before: Record | None,
    chunk: int,
) -> int:
    """All files into `folder`, at once; how many bytes came from the bucket."""
    draft = folder.with_name(folder.name + PARTIAL)
    record.place(folder).unlink(missing_ok=True)
    if folder.is_symlink() or folder.is_file():
        folder.unlink()
    if folder.is_dir() and not draft.exists():
        folder.rename(draft)  # what of it is right does not have to come again
    elif folder.is_dir():
        shutil.rmtree(folder)
    draft.mkdir(parents=True, exist_ok=True)
    trusted = _trusted(draft, before)
    _tidy(draft, {each.name for each in statement.files})
    failed = Event()

    def one(listed: Listed, pool: ThreadPoolExecutor) -> Fetched:
        if failed.is_set():
            raise StoppedError
        try:
            return _file(store, listing[listed.name], listed, draft, trusted, pool, failed.is_set, chunk)
        except BaseException:
            failed.set()
            raise

    # The largest first, so that none is left alone at the end.
    ordered = sorted(statement.files, key=lambda each: -each.size)
    with ThreadPoolExecutor(CONNECTIONS) as ranges, ThreadPoolExecutor(FILES) as files:
        futures = [files.submit(one, each, ranges) for each in ordered]
    errors = [error for error in (each.exception() for each in futures) if error is not None]
    if errors:
        raise next((error for error in errors if not isinstance(error, StoppedError)), errors[0])
    for each in statement.files:
        _content(each, draft)
    draft.rename(folder)
    record.sync(folder.parent)
    return sum(each.result().fetched for each in futures)


def _trusted(draft: Path, before: Record | None) -> dict[str, str]:
    """SHA-256 of files that were verified since the machine was started, and were not touched since."""
    if before is None or not record.same_boot(before):
        return {}
    return {each.name: each.sha256 for each in before.files if record.untouched(draft, each)}


def _file(
    store: Store,
    found: Found,
    listed: Listed,
    draft: Path,
    trusted: dict[str, str],
    pool: ThreadPoolExecutor,
    stopped: Callable[[], bool],
    chunk: int,
) -> Fetched:
    path = draft / listed.name
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_file():
        known = trusted.get(listed.name)
        if (known or hash_file(path)) == listed.sha256:
            return Fetched(listed, 0)
        path.unlink()
    return fetch_file(store, store.pinned(found), listed, path, pool, stopped, chunk)


def _tidy(draft: Path, wanted: set[str]) -> None:
    """Removes what is of no use: links, strangers, and files of another version."""
    kept = {f"{name}{suffix}" for name in wanted for suffix in ("", PARTIAL, JOURNAL)}
    for path in sorted(draft.rglob("*"), reverse=True):
        if path.is_dir() and not path.is_symlink():
            if not any(path.iterdir()):
                path.rmdir()
        elif path.is_symlink() or path.relative_to(draft).as_posix() not in kept:
            path.unlink()


def _content(listed: Listed, folder: Path) -> None:
    """A file that is what was published may still be one that must not be served."""
    path = folder / listed.name
    why = refused_content(listed.name, path)
    if why is None and listed.name == "config.json":
        why = refused_config(path)
    if why:
        raise RefusedError(f"{listed.name} {why}")
