"""Writes the audit trail's objects to S3, each once, with a date before which nobody deletes it."""

from __future__ import annotations

import base64
import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any

from bastide_gateway.audit_settings import AuditSettings
from bastide_gateway.audit_spool import Sealed


class Objects:
    """The bucket. The client is made at the first object: a start needs no S3."""

    def __init__(self, settings: AuditSettings, client: Any = None) -> None:
        self._settings, self._client = settings, client

    def put(self, sealed: Sealed) -> None:
        """Raises botocore's errors. An object that is there already was written by an attempt whose answer was lost:
        its writer's number is used once, and nobody can have changed it."""
        from botocore.exceptions import ClientError

        data = sealed.file.read_bytes()
        try:
            self._s3().put_object(
                Bucket=self._settings.bucket,
                Key=self._settings.prefix + sealed.key,
                Body=data,
                ContentType="application/x-ndjson",
                ChecksumAlgorithm="SHA256",
                ChecksumSHA256=base64.b64encode(hashlib.sha256(data).digest()).decode(),
                ObjectLockMode=self._settings.mode,
                ObjectLockRetainUntilDate=datetime.now(UTC) + timedelta(days=sealed.days),
                IfNoneMatch="*",
            )
        except ClientError as error:
            if error.response["Error"]["Code"] not in ("PreconditionFailed", "412"):
                raise

    def _s3(self) -> Any:
        if self._client is None:
            import boto3
            from botocore.config import Config

            config = Config(
                connect_timeout=3, read_timeout=10, retries={"mode": "standard", "total_max_attempts": 3}
            )
            self._client = boto3.session.Session(region_name=self._settings.region).client(
                "s3", config=config
            )
        return self._client
