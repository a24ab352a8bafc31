"""Mirroring a model from elsewhere into the bucket of record, without a disk between.

Nothing is trusted twice: names, kinds and headers of all files are judged before the first byte is stored, every file
is compared with the digest that its source states, and the version begins to exist by the same last step as
`bastide model publish`. A run that was killed is run again: files that are whole stay, large ones go on at the part
where they stopped.
"""

from __future__ import annotations

import struct
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from threading import Event
from typing import Any, Final

from bastide import names
from bastide.models.errors import ModelError
from bastide.models.manifest import Manifest, checked
from bastide.models.mirror_http import Fetcher
from bastide.models.mirror_source import Digest, RemoteFile, RemoteModel, choose
from bastide.models.mirror_upload import LEAST_PART, Done, Target, transfer
from bastide.models.objects import clear
from bastide.models.publish import (
    MAX_PARTS,
    PART,
    Published,
    Report,
    check_origin,
    existing_version,
    refuse_foreign,
    seal,
)
from bastide.models.signatures import sign_there
from bastide.models.signing import Signer

PARALLEL: Final = 4
"""Files at once. Each holds two parts in memory: 512 MiB in all with parts of 64 MiB."""

_HEADER_MOST: Final = 100_000_000
"""The safetensors library's own limit of a header, in bytes."""

_MAGIC_BYTES: Final = 8
_WHOLE: Final = ("config.json",)
"""Files whose content is judged, not only their first bytes."""


@dataclass(frozen=True)
class Mirrored:
    """What a mirror did, and the manifest of the version."""

    published: Published
    manifest: Manifest
    sent_bytes: int


def mirror(
    client: Any,
    bucket: str,
    model: RemoteModel,
    fetcher: Fetcher,
    *,
    name: str,
    version: str,
    licence: str,
    leave_out: tuple[str, ...],
    report: Report,
    part: int = PART,
    parallel: int = PARALLEL,
    signer: Signer | None = None,
) -> Mirrored:
    """Mirrors a model as one version by a boto3 S3 client, signed where a signer is given. Raises ModelError; then
    nothing is published."""
    check_origin(Manifest(name, version, (), licence, model.origin))
    taken, left = choose(model.files, leave_out)
    for each in left:
        report(f"left out: {each.name}")
    prefix = names.model_prefix(name, version)
    url = f"s3://{bucket}/{prefix}"
    with clear(bucket):
        there = existing_version(client, bucket, prefix)
        if there is not None:
            done_before = _already(there, model, taken, licence, url)
            return Mirrored(sign_there(client, bucket, there, done_before, signer), there, 0)
        refuse_foreign(client, bucket, prefix, [each.name for each in taken], url)
        _sizes(taken, part)
        _judge(taken, fetcher, parallel)
        report(f"{len(taken)} files, {sum(each.size for each in taken):,} bytes, judged by names and headers")
        done = _transfer_all(client, bucket, prefix, taken, fetcher, part, parallel, report)
        files = tuple(sorted((each.file for each in done), key=lambda each: each.name))
        manifest = Manifest(name, version, files, licence, model.origin)
        published = seal(client, bucket, manifest, sum(each.sent > 0 for each in done), signer)
    return Mirrored(published, manifest, sum(each.sent for each in done))


def _already(
    there: Manifest, model: RemoteModel, taken: list[RemoteFile], licence: str, url: str
) -> Published:
    """The version that is there, if it is of the same source; no byte has to be read for that."""
    known = {each.name: each for each in there.files}
    wanted = {each.name: each for each in taken}
    if there.source != model.origin or there.licence != licence:
        raise ModelError(
            f"{url} is already published with licence {there.licence!r} and source {there.source!r}, and this is "
            f"licence {licence!r} and source {model.origin!r}: a version never changes; mirror it under a new version"
        )
    differing = [
        each
        for each in sorted(set(known) | set(wanted))
        if each not in known
        or each not in wanted
        or known[each].size != wanted[each].size
        or (wanted[each].sha256 and wanted[each].sha256 != known[each].sha256)
    ]
    if differing:
        raise ModelError(
            f"{url} is already published with other files ({differing[0]} differs): a version never changes; mirror "
            "it under a new version"
        )
    return Published(url, there.digest, 0, already=True)


def _sizes(taken: list[RemoteFile], part: int) -> None:
    if part < LEAST_PART:
        raise ModelError(
            f"parts of {part} bytes are less than S3 takes: give {LEAST_PART // 2**20} MiB or more"
        )
    for each in taken:
        if each.size > part * MAX_PARTS:
            raise ModelError(
                f"{each.name} has {each.size} bytes, and {MAX_PARTS} parts of {part} are the most: use larger parts "
                "(--part-mib)"
            )


def _judge(taken: list[RemoteFile], fetcher: Fetcher, parallel: int) -> None:
    """The rules of publishing, on a folder that has the files' names, sizes and first bytes, and holes for the
    rest."""
    with tempfile.TemporaryDirectory(prefix="bastide-mirror-") as folder:

        def sketch(each: RemoteFile) -> None:
            path = Path(folder, each.name)
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("wb") as opened:
                opened.write(_first_bytes(each, fetcher))
                opened.truncate(each.size)

        with ThreadPoolExecutor(parallel) as pool:
            list(pool.map(sketch, taken))
        try:
            checked(Path(folder))
        except ModelError as error:
            raise ModelError(str(error).replace(f"{folder} ", "the source ")) from None


def _first_bytes(file: RemoteFile, fetcher: Fetcher) -> bytes:
    def read(end: int) -> bytes:
        return b"".join(fetcher.read(file.url, 0, min(end, file.size), file.name))

    if file.name in _WHOLE:
        # Else a source could show one content to the judge and another, which it stated, to the bucket.
        content, digest = read(file.size), Digest(file)
        digest.update(content)
        digest.check()
        return content
    start = read(_MAGIC_BYTES)
    if file.name.endswith(".safetensors") and len(start) == _MAGIC_BYTES:
        (length,) = struct.unpack("<Q", start)
        if length <= _HEADER_MOST:
            return read(_MAGIC_BYTES + length)
    return start


def _transfer_all(
    client: Any,
    bucket: str,
    prefix: str,
    taken: list[RemoteFile],
    fetcher: Fetcher,
    part: int,
    parallel: int,
    report: Report,
) -> list[Done]:
    """Every file, the largest first, so that none is left alone at the end. The first failure stops the others."""
    failed = Event()
    numbers = count(1)

    def one(file: RemoteFile) -> Done:
        if failed.is_set():
            raise ModelError("stopped, because another file failed")
        try:
            done = transfer(
                Target(client, bucket, prefix + file.name),
                file,
                lambda start, end: fetcher.read(file.url, start, end, file.name),
                part,
                failed.is_set,
            )
        except BaseException:
            failed.set()
            raise
        report(f"{next(numbers)}/{len(taken)} {file.name} {done.how}")
        return done

    ordered = sorted(taken, key=lambda each: -each.size)
    with ThreadPoolExecutor(parallel) as pool:
        futures = [pool.submit(one, each) for each in ordered]
    errors = [error for error in (each.exception() for each in futures) if error is not None]
    if errors:
        raise next((each for each in errors if "stopped, because" not in str(each)), errors[0])
    return [each.result() for each in futures]
