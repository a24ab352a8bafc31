"""Settings of the gateway's audit trail: what is kept of each request where nobody can change it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from bastide.settings.base import Strict


class AuditSettings(Strict):
    """One line of each request, without its text, in a bucket whose objects are locked for the days that its data class
    says (`dataClasses.NAME.retentionDays`)."""

    mode: Literal["compliance", "governance"] = "compliance"
    """`compliance`: nobody deletes a line before its time, not even the account's root. `governance`: who has
    s3:BypassGovernanceRetention may, as in a stack that is tried out."""

    batch_seconds: int = Field(10, ge=1, le=300)
    """Longest time in seconds that a line waits on its pod's disk: what is lost with a node. A choice: each batch is a
    request to S3 for each class, and 10 s of 3 pods and 4 classes are at most 3.1 million a month, 16 USD
    (0.005 USD for a thousand PUT requests, S3 pricing page, us-east-1)."""

    spool_mib: int = Field(64, ge=1, le=256)
    """Most MiB that wait on a pod's disk while S3 is away. Full, `onFailure.log` says whether requests are refused. A
    line has about 700 bytes: 64 MiB hold some 95,000 requests, 40 minutes at 40 a second."""
