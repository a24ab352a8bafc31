"""S3: the bucket and the resources that configure it.

Since version 7 of the SDK the bucket's own inline settings are deprecated in favour of these, and two owners
of one setting undo each other: the sandbox has only the separate ones.
"""

from __future__ import annotations

from sandbox.plugins.aws import (
    s3_bucket,
    s3_inventory,
    s3_lifecycle,
    s3_logging,
    s3_object_lock,
    s3_settings,
)

__all__ = ["s3_bucket", "s3_inventory", "s3_lifecycle", "s3_logging", "s3_object_lock", "s3_settings"]
