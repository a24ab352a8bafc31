"""Publishing a model to S3: a version is whole or absent, signed, and never changes.

Files go first, then checksums and signature, the manifest last, and each only where nothing lies yet (`If-None-Match:
*`), so nothing is ever overwritten and two publishers cannot mix their files unseen. A publish that was killed leaves
no manifest; run again, it goes on after the files whose checksum S3 already holds.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from botocore.exceptions import ClientError

from bastide import names
from bastide.models import licence
from bastide.models.errors import ModelError
from bastide.models.manifest import (
    MANIFEST_NAME,
    RESERVED,
    SUMS_NAME,
    Manifest,
    ModelFile,
    parse,
    sha256_of,
)
from bastide.models.objects import (
    ABSENT,
    EXISTS,
    ExistsError,
    base64_of,
    checksum_at,
    clear,
    get,
    other_content,
    put_bytes,
    put_new,
    put_object,
)
from bastide.models.signatures import put_signature, sign_there
from bastide.models.signing import Signer

PART: Final = 64 * 1024 * 1024
"""Bytes of one part of a large file. S3 takes 10,000 parts, so a file may have 625 GiB; its own least is 5
MiB."""

MAX_PARTS: Final = 10_000
WORKERS: Final = 8
"""Parts on their way at once: at most 512 MiB of memory."""

Report = Callable[[str], None]
"""Takes one line of progress."""


@dataclass(frozen=True)
class Published:
    """What a publish did: the version's URL and digest, how many files it sent, whether it was there before, and
    whether it is signed (of one that was there: by this run)."""

    url: str
    digest: str
    sent: int
    already: bool
    signed: bool = False


def publish(
    client: Any,
    bucket: str,
    folder: Path,
    manifest: Manifest,
    report: Report,
    signer: Signer | None = None,
) -> Published:
    """Publishes a scanned folder by a boto3 S3 client; without a signer unsigned, which engines refuse unless their
    stack allows it. A version that is there without a signature is signed. Raises ModelError when the version exists
    with other content, when something foreign lies at its place, and when S3 refuses."""
    check_origin(manifest)
    prefix = names.model_prefix(manifest.name, manifest.version)
    url = f"s3://{bucket}/{prefix}"
    with clear(bucket):
        existing = existing_version(client, bucket, prefix)
        if existing is not None:
            return sign_there(client, bucket, existing, accept_same(existing, manifest, url), signer)
        refuse_foreign(client, bucket, prefix, _named(manifest), url)
        sent = 0
        for number, each in enumerate(manifest.files, 1):
            done = _put_file(client, bucket, prefix, folder / each.name, each)
            sent += done
            report(f"{number}/{len(manifest.files)} {each.name} {'sent' if done else 'was there'}")
        return seal(client, bucket, manifest, sent, signer)


def seal(client: Any, bucket: str, manifest: Manifest, sent: int, signer: Signer | None = None) -> Published:
    """Makes a version of the files that are there: checksums first, then the signature, and the manifest last, by
    which it begins to exist. `sent` is how many files were sent."""
    check_origin(manifest)
    prefix = names.model_prefix(manifest.name, manifest.version)
    url = f"s3://{bucket}/{prefix}"
    put_bytes(client, bucket, f"{prefix}{SUMS_NAME}", manifest.sums)
    if signer is not None:
        put_signature(client, bucket, manifest, signer)
    try:
        put_new(client, bucket, f"{prefix}{MANIFEST_NAME}", manifest.document())
    except ExistsError:
        # Another publisher came first: theirs is the version, and ours is it only if they are equal.
        other = existing_version(client, bucket, prefix)
        if other is None:
            raise ModelError(
                f"{url}{MANIFEST_NAME} is being written by another publisher: run the command again"
            ) from None
        return accept_same(other, manifest, url)
    return Published(url, manifest.digest, sent, already=False, signed=signer is not None)


def verify(client: Any, bucket: str, prefix: str, report: Report) -> Manifest:
    """Reads a whole published version and compares each byte by checksum. Raises ModelError at the first
    difference."""
    url = f"s3://{bucket}/{prefix}"
    with clear(bucket):
        manifest = existing_version(client, bucket, prefix)
        if manifest is None:
            raise ModelError(f"{url}{MANIFEST_NAME} is not there: the version was not published to its end")
        if get(client, bucket, f"{prefix}{SUMS_NAME}") != manifest.sums:
            raise ModelError(f"{url}{SUMS_NAME} is not what the manifest says: the version was changed")
        refuse_foreign(client, bucket, prefix, _named(manifest), url)
        for each in manifest.files:
            digest = hashlib.sha256()
            body = client.get_object(Bucket=bucket, Key=f"{prefix}{each.name}")["Body"]
            for chunk in body.iter_chunks(1024 * 1024):
                digest.update(chunk)
            if digest.hexdigest() != each.sha256:
                raise ModelError(
                    f"{url}{each.name} has SHA-256 {digest.hexdigest()}, published was {each.sha256}"
                )
            report(f"{each.name} is what was published")
    return manifest


def check_origin(manifest: Manifest) -> None:
    """Raises ModelError where nobody could tell under which licence the model may be used, or where it came
    from."""
    licence.canonical(manifest.licence)
    licence.check_source(manifest.source)


def _named(manifest: Manifest) -> list[str]:
    return [each.name for each in manifest.files]


def existing_version(client: Any, bucket: str, prefix: str) -> Manifest | None:
    """The manifest of the version that lies there, or None where no publish came to its end."""
    try:
        document = get(client, bucket, f"{prefix}{MANIFEST_NAME}")
    except ClientError as error:
        if error.response["Error"]["Code"] in ABSENT:
            return None
        raise
    url = f"s3://{bucket}/{prefix}{MANIFEST_NAME}"
    found = parse(document, url)
    # Who signs what lies here must not sign another name by it.
    if names.model_prefix(found.name, found.version) != prefix:
        raise ModelError(f"{url} says that it is {found.name!r} {found.version!r}: it does not belong here")
    return found


def accept_same(existing: Manifest, manifest: Manifest, url: str) -> Published:
    """Nothing to do where the published version is this one; refused where it is another."""
    if existing.digest != manifest.digest:
        raise ModelError(
            f"{url} is already published with digest {existing.digest}, and this folder has "
            f"{manifest.digest}: a version never changes; publish it under a new version"
        )
    if not licence.same(existing.licence, manifest.licence) or existing.source != manifest.source:
        raise ModelError(
            f"{url} is already published with licence {existing.licence!r} and source {existing.source!r}: a "
            "version never changes; give the same ones, or publish a new version"
        )
    return Published(url, manifest.digest, 0, already=True)


def refuse_foreign(client: Any, bucket: str, prefix: str, files: Iterable[str], url: str) -> None:
    """Engines refuse a version with a file that its checksums do not list. `files` are the model's own."""
    wanted = {prefix + each for each in (*files, *RESERVED)}
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    foreign = [
        item["Key"] for page in pages for item in page.get("Contents", ()) if item["Key"] not in wanted
    ]
    if foreign:
        raise ModelError(
            f"{url} holds {foreign[0]} and {len(foreign) - 1} more that are not of this model, perhaps of "
            "another publish that did not end: remove them, or publish under a new version"
        )


def _put_file(client: Any, bucket: str, prefix: str, path: Path, file: ModelFile) -> bool:
    """Sends one file unless it is there already; whether it was sent."""
    key = prefix + file.name
    if file.size > PART * MAX_PARTS:
        raise ModelError(
            f"{file.name} has {file.size} bytes and {PART * MAX_PARTS} is the most that is sent: split it"
        )
    parts = _parts(path, file.size) if file.size > PART else []
    checksum = _composite(parts) if parts else base64_of(bytes.fromhex(file.sha256))
    found = checksum_at(client, bucket, key)
    if found is not None:
        if found != checksum:
            raise other_content(bucket, key)
        return False
    try:
        if parts:
            _put_parts(client, bucket, key, path, file, parts)
        else:
            content = path.read_bytes()
            if hashlib.sha256(content).hexdigest() != file.sha256:
                raise _changed(file)
            put_object(client, bucket, key, content, checksum)
    except ClientError as error:
        if error.response["Error"]["Code"] not in EXISTS:
            raise
        if checksum_at(client, bucket, key) != checksum:
            raise other_content(bucket, key) from None
        return False
    return True


def _changed(file: ModelFile) -> ModelError:
    return ModelError(f"{file.name} changed while it was published: publish again when nothing writes to it")


def _parts(path: Path, size: int) -> list[bytes]:
    """SHA-256 of each part."""

    def digest(start: int) -> bytes:
        return hashlib.sha256(_read(path, start)).digest()

    with ThreadPoolExecutor(WORKERS) as pool:
        return list(pool.map(digest, range(0, size, PART)))


def _read(path: Path, start: int) -> bytes:
    with path.open("rb") as opened:
        opened.seek(start)
        return opened.read(PART)


def _composite(parts: list[bytes]) -> str:
    """What S3 holds of an object in parts: the SHA-256 of its parts' SHA-256."""
    return base64_of(hashlib.sha256(b"".join(parts)).digest())


def _put_parts(client: Any, bucket: str, key: str, path: Path, file: ModelFile, parts: list[bytes]) -> None:
    upload = client.create_multipart_upload(Bucket=bucket, Key=key, ChecksumAlgorithm="SHA256")["UploadId"]

    def send(index: int) -> dict[str, Any]:
        checksum = base64_of(parts[index])
        answer = client.upload_part(
            Bucket=bucket,
            Key=key,
            UploadId=upload,
            PartNumber=index + 1,
            Body=_read(path, index * PART),
            ChecksumSHA256=checksum,
        )
        return {"ETag": answer["ETag"], "PartNumber": index + 1, "ChecksumSHA256": checksum}

    try:
        with ThreadPoolExecutor(WORKERS) as pool:
            sent = list(pool.map(send, range(len(parts))))
        # Parts were read after the manifest was made: a file that changed between is caught here.
        if sha256_of(path) != file.sha256:
            raise _changed(file)
        client.complete_multipart_upload(
            Bucket=bucket, Key=key, UploadId=upload, MultipartUpload={"Parts": sent}, IfNoneMatch="*"
        )
    except BaseException:
        client.abort_multipart_upload(Bucket=bucket, Key=key, UploadId=upload)
        raise
