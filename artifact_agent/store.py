"""The bucket: what lies under a version's prefix, and reading one version of each object.

An object is read by its S3 version where the bucket has versions, and always on the condition that its ETag is the one
that was listed: an object that is exchanged meanwhile is refused by S3, never mixed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    HTTPClientError,
    IncompleteReadError,
)
from botocore.exceptions import ConnectionError as BotoConnectionError
from urllib3.exceptions import HTTPError

from artifact_agent.errors import RefusedError
from artifact_agent.statement import MAX_DOCUMENT

PIECE: Final = 1024 * 1024
"""Bytes that are read at once: all that a download holds in memory for each request."""

ATTEMPTS: Final = 6
"""Tries of one read whose connection breaks; the pauses add up to 31 s. A choice; what lasts longer is the kubelet's,
which starts the container again, and it goes on where it was."""

_RETRIED: Final = {
    "InternalError",
    "RequestTimeout",
    "SlowDown",
    "ServiceUnavailable",
    "500",
    "502",
    "503",
    "504",
}

_BROKEN: Final = (
    *(HTTPClientError, BotoConnectionError, IncompleteReadError, CredentialRetrievalError),
    *(HTTPError, ConnectionError, TimeoutError),
)
"""What may be over in a moment: connections, and the node's agent for credentials."""

Result = TypeVar("Result")


@dataclass(frozen=True)
class Found:
    """One object: key without the prefix, bytes, ETag, and S3's version id ('' in a bucket without versions)."""

    name: str
    size: int
    etag: str
    version_id: str


class Store:
    """One version of a model in the bucket, by a boto3 S3 client."""

    def __init__(self, client: Any, bucket: str, prefix: str) -> None:
        self._client, self.bucket, self.prefix = client, bucket, prefix

    @property
    def url(self) -> str:
        """For people to read."""
        return f"s3://{self.bucket}/{self.prefix}"

    def list(self) -> dict[str, Found]:
        """All that lies under the prefix, by name."""

        def pages() -> dict[str, Found]:
            found = {}
            paginator = self._client.get_paginator("list_objects_v2")
            for page in paginator.paginate(Bucket=self.bucket, Prefix=self.prefix):
                for item in page.get("Contents", ()):
                    name = item["Key"].removeprefix(self.prefix)
                    found[name] = Found(name, int(item["Size"]), item["ETag"], "")
            return found

        with self._clear("ListObjectsV2", ""):
            return _tried(pages)

    def pinned(self, found: Found) -> Found:
        """The same object with the id of its S3 version."""

        def head() -> Found:
            key = self.prefix + found.name
            answer = self._client.head_object(Bucket=self.bucket, Key=key, IfMatch=found.etag)
            version = answer.get("VersionId", "")
            return Found(
                found.name, int(answer["ContentLength"]), answer["ETag"], "" if version == "null" else version
            )

        with self._clear("HeadObject", found.name):
            return _tried(head)

    def small(self, found: Found) -> bytes:
        """A document, whole. Raises RefusedError where it is too large to be one."""
        if found.size > MAX_DOCUMENT:
            raise RefusedError(f"{found.name} has {found.size} bytes, and {MAX_DOCUMENT} is the most of such")
        content = bytearray()

        def take(piece: bytes, _: int) -> None:
            content.extend(piece)

        def read() -> None:
            content.clear()
            self._read(found, 0, found.size, take)

        with self._clear("GetObject", found.name):
            _tried(read)
        return bytes(content)

    def read(self, found: Found, start: int, end: int, take: Callable[[bytes, int], None]) -> None:
        """Hands on the bytes from `start` up to, without, `end`, each piece with its offset in the file. After a
        broken connection all of it comes again."""
        with self._clear("GetObject", found.name):
            _tried(lambda: self._read(found, start, end, take))

    def _read(self, found: Found, start: int, end: int, take: Callable[[bytes, int], None]) -> None:
        if start == end:
            return
        place = {"Bucket": self.bucket, "Key": self.prefix + found.name, "IfMatch": found.etag}
        if found.version_id:
            place["VersionId"] = found.version_id
        body = self._client.get_object(**place, Range=f"bytes={start}-{end - 1}")["Body"]
        at = start
        for piece in body.iter_chunks(PIECE):
            take(piece, at)
            at += len(piece)
        if at != end:
            raise ConnectionError(f"{at - start} of {end - start} bytes came")

    @contextmanager
    def _clear(self, operation: str, name: str) -> Iterator[None]:
        """S3's refusals in words that say what to do."""
        try:
            yield
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code in ("PreconditionFailed", "412"):
                raise RefusedError(f"{self.url}{name} was exchanged while it was read") from None
            if code in ("AccessDenied", "403"):
                raise RefusedError(
                    f"{operation} of {self.url}{name} is denied: the pod's identity may not read it (its role's "
                    f"policy, the bucket's policy, or its key's)"
                ) from None
            if code in ("NoSuchBucket", "NoSuchKey", "NotFound", "404", "NoSuchVersion"):
                raise RefusedError(f"{self.url}{name} is not there any more, or was never") from None
            raise RefusedError(f"{operation} of {self.url}{name} failed: {code}") from None
        except (BotoCoreError, HTTPError, OSError) as error:
            if isinstance(error, OSError) and not isinstance(error, (ConnectionError, TimeoutError)):
                raise  # the disk's, not the network's
            raise RefusedError(f"{operation} of {self.url}{name} failed: {error}") from None


def _tried(action: Callable[[], Result]) -> Result:
    """Runs it again while the connection breaks or S3 is busy."""
    for attempt in range(ATTEMPTS):
        try:
            return action()
        except _BROKEN as error:
            if attempt + 1 == ATTEMPTS:
                raise
            last: Exception = error
        except ClientError as error:
            if error.response["Error"]["Code"] not in _RETRIED or attempt + 1 == ATTEMPTS:
                raise
            last = error
        time.sleep(2**attempt)
    raise last  # not reached: the last attempt raises


def client(region: str, connections: int) -> Any:
    """A boto3 S3 client by AWS's own settings (EKS Pod Identity in a pod)."""
    import boto3
    from botocore.config import Config

    config = Config(
        max_pool_connections=connections,
        retries={"mode": "standard", "total_max_attempts": 5},
        connect_timeout=10,
        read_timeout=60,
    )
    return boto3.session.Session(region_name=region or None).client("s3", config=config)
