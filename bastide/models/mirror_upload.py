"""One remote file into the bucket, in parts that outlive a killed run.

What S3 holds of an upload that did not end is the only journal: its listing says which parts it has, with the
checksum of each, so a run on another machine goes on too. Parts that are there are neither read nor sent again. The
SHA-256 of a whole file cannot be continued from the middle, so a file that was resumed is read back from S3 once it
is whole; a file sent in one go was hashed on its way.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

from botocore.exceptions import ClientError

from bastide.models.errors import ModelError
from bastide.models.manifest import ModelFile
from bastide.models.mirror_source import Digest, RemoteFile
from bastide.models.objects import ABSENT, EXISTS, base64_of, other_content, put_object
from bastide.models.publish import MAX_PARTS

LEAST_PART: Final = 5 * 1024 * 1024
"""S3's least size of a part that is not the last."""

Reader = Callable[[int, int], Iterator[bytes]]
"""Gives a file's bytes from the first number up to, without, the second."""


@dataclass(frozen=True)
class Done:
    """A file that is in the bucket. `sent` is how many of its bytes went there in this run."""

    file: ModelFile
    sent: int
    how: str


@dataclass(frozen=True)
class Upload:
    """An upload that did not end: its id, and its parts from the first on without a gap, as S3 wants them back."""

    id: str
    parts: tuple[dict[str, Any], ...]
    size: int
    part: int
    """Size of each part but the last."""


@dataclass(frozen=True)
class Target:
    """Where a file goes."""

    client: Any
    bucket: str
    key: str

    @property
    def place(self) -> dict[str, str]:
        """As S3's operations take it."""
        return {"Bucket": self.bucket, "Key": self.key}


def transfer(target: Target, file: RemoteFile, read: Reader, part: int, stopped: Callable[[], bool]) -> Done:
    """Brings one file into the bucket, from wherever an earlier run stopped. Raises ModelError; then what is under
    the key, if anything, is not part of a version."""
    found = _head(target)
    if found is not None:
        if found != file.size:
            raise other_content(target.bucket, target.key)
        return Done(_model(file, _read_back(target, file)), 0, "was there, read back")
    if file.size <= part:
        return _whole(target, file, read)
    upload = _unfinished(target, file)
    if upload is None:
        return _parts(target, file, read, _begin(target, part), stopped)
    return _resumed(target, file, read, upload, stopped)


def _model(file: RemoteFile, sha256: str) -> ModelFile:
    return ModelFile(file.name, file.size, sha256)


def _head(target: Target) -> int | None:
    try:
        return int(target.client.head_object(**target.place)["ContentLength"])
    except ClientError as error:
        if error.response["Error"]["Code"] in ABSENT:
            return None
        raise


def _read_back(target: Target, file: RemoteFile) -> str:
    digest = Digest(file)
    for chunk in target.client.get_object(**target.place)["Body"].iter_chunks(1024 * 1024):
        digest.update(chunk)
    return digest.check()


def _whole(target: Target, file: RemoteFile, read: Reader) -> Done:
    digest, content = Digest(file), bytearray()
    for chunk in read(0, file.size):
        digest.update(chunk)
        content += chunk
    sha256 = digest.check()
    try:
        put_object(target.client, target.bucket, target.key, bytes(content), base64_of(bytes.fromhex(sha256)))
    except ClientError as error:
        if error.response["Error"]["Code"] not in EXISTS:
            raise
        # Another mirror of the same was faster; what it put there is judged like anything that is there.
        return Done(_model(file, _read_back(target, file)), 0, "was there, read back")
    return Done(_model(file, sha256), file.size, "sent")


def _begin(target: Target, part: int) -> Upload:
    created = target.client.create_multipart_upload(**target.place, ChecksumAlgorithm="SHA256")
    return Upload(created["UploadId"], (), 0, part)


def _unfinished(target: Target, file: RemoteFile) -> Upload | None:
    """The upload that got furthest, of those that can be continued."""
    pages = target.client.get_paginator("list_multipart_uploads").paginate(
        Bucket=target.bucket, Prefix=target.key
    )
    ids = [
        each["UploadId"]
        for page in pages
        for each in page.get("Uploads", ())
        if each["Key"] == target.key and each.get("ChecksumAlgorithm") == "SHA256"
    ]
    found = [each for each in (_listed(target, upload, file.size) for upload in ids) if each is not None]
    return max(found, key=lambda each: each.size, default=None)


def _listed(target: Target, upload: str, size: int) -> Upload | None:
    pages = target.client.get_paginator("list_parts").paginate(**target.place, UploadId=upload)
    try:
        listed = [part for page in pages for part in page.get("Parts", ())]
    except ClientError as error:
        if error.response["Error"]["Code"] == "NoSuchUpload":
            return None  # it ended meanwhile
        raise
    if not listed or listed[0]["PartNumber"] != 1:
        return None
    length = int(listed[0]["Size"])
    parts: list[dict[str, Any]] = []
    at = 0
    for number, part in enumerate(listed, 1):
        # A short part can only be the file's last.
        fits = part["Size"] == min(length, size - at)
        if part["PartNumber"] != number or not fits or not part.get("ChecksumSHA256"):
            break
        parts.append({key: part[key] for key in ("PartNumber", "ETag", "ChecksumSHA256")})
        at += part["Size"]
    if not parts or (length < LEAST_PART and at < size) or -(-size // length) > MAX_PARTS:
        return None
    return Upload(upload, tuple(parts), at, length)


def _resumed(
    target: Target, file: RemoteFile, read: Reader, upload: Upload, stopped: Callable[[], bool]
) -> Done:
    done = _parts(target, file, read, upload, stopped)
    try:
        sha256 = _read_back(target, file)
    except ModelError:
        # The parts that lay there were of something else, or the source gives something else now.
        _remove(target)
        raise
    return Done(_model(file, sha256), done.sent, f"resumed at byte {upload.size:,}, read back")


def _remove(target: Target) -> None:
    version = target.client.head_object(**target.place).get("VersionId")
    chosen = {"VersionId": version} if version and version != "null" else {}
    try:
        target.client.delete_object(**target.place, **chosen)
    except ClientError as error:
        raise ModelError(
            f"s3://{target.bucket}/{target.key} holds damaged content of an upload that was resumed, and it cannot be "
            f"removed ({error.response['Error']['Code']}): remove it, or mirror under a new version"
        ) from None


def _parts(
    target: Target, file: RemoteFile, read: Reader, upload: Upload, stopped: Callable[[], bool]
) -> Done:
    """Sends what is missing, one part on its way while the next is read. An upload is given up only when its content
    is wrong: for anything else the next run goes on with it."""
    digest = Digest(file) if upload.size == 0 else None
    done = list(upload.parts)
    on_its_way: Future[dict[str, Any]] | None = None
    with ThreadPoolExecutor(1) as sender:
        pieces = _pieces(read(upload.size, file.size), upload.part) if upload.size < file.size else iter(())
        for number, piece in enumerate(pieces, len(done) + 1):
            if stopped():
                raise _StoppedError
            if digest is not None:
                digest.update(piece)
            if on_its_way is not None:
                done.append(on_its_way.result())
            on_its_way = sender.submit(_send, target, upload.id, number, piece)
        if on_its_way is not None:
            done.append(on_its_way.result())
    sha256 = ""
    if digest is not None:
        try:
            sha256 = digest.check()
        except ModelError:
            target.client.abort_multipart_upload(**target.place, UploadId=upload.id)
            raise
    target.client.complete_multipart_upload(
        **target.place, UploadId=upload.id, MultipartUpload={"Parts": done}, IfNoneMatch="*"
    )
    return Done(_model(file, sha256), file.size - upload.size, "sent")


class _StoppedError(ModelError):
    """Another file failed."""

    def __init__(self) -> None:
        super().__init__("stopped, because another file failed")


def _send(target: Target, upload: str, number: int, piece: bytes) -> dict[str, Any]:
    checksum = base64_of(hashlib.sha256(piece).digest())
    answer = target.client.upload_part(
        **target.place, UploadId=upload, PartNumber=number, Body=piece, ChecksumSHA256=checksum
    )
    return {"PartNumber": number, "ETag": answer["ETag"], "ChecksumSHA256": checksum}


def _pieces(chunks: Iterator[bytes], size: int) -> Iterator[bytes]:
    held = bytearray()
    for chunk in chunks:
        held += chunk
        while len(held) >= size:
            yield bytes(held[:size])
            del held[:size]
    if held:
        yield bytes(held)
