"""What moto's S3 leaves out and `bastide model mirror` relies on. `apply` is called once at start."""

from __future__ import annotations

import base64
import hashlib
import re
from functools import wraps
from typing import Any, Final

_NUMBER: Final = re.compile(r"<PartNumber>(\d+)</PartNumber>")


def apply() -> None:
    """Puts the patches in force."""
    from moto.s3.responses import S3Response

    _list_checksums(S3Response)


def _list_checksums(responses: Any) -> None:
    # Of an upload with SHA-256 checksums S3 lists each part's (API reference, ListParts), and asks for them
    # when the upload is completed; without them no upload could be continued by another process.
    original = responses.list_parts

    @wraps(original)
    def list_parts(self: Any) -> Any:
        status, headers, body = original(self)
        upload = self.backend.get_bucket(self.bucket_name).multiparts[self._get_param("uploadId")]
        if str(upload.metadata.get("x-amz-checksum-algorithm")).upper() != "SHA256":
            return status, headers, body
        text = body.decode() if isinstance(body, bytes) else body

        def with_checksum(match: re.Match[str]) -> str:
            digest = hashlib.sha256(upload.parts[int(match[1])].value).digest()
            return f"{match[0]}<ChecksumSHA256>{base64.b64encode(digest).decode()}</ChecksumSHA256>"

        return status, headers, _NUMBER.sub(with_checksum, text)

    responses.list_parts = list_parts
