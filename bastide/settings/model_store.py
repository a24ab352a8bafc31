"""Settings of the bucket that holds models: made by the kit, or somebody else's that the kit only reads."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, Tag

from bastide.settings.base import PrincipalArn, Strict, matching
from bastide.settings.signing import KmsSigning, SigningSettings
from bastide.settings.variants import by_kind

BucketName = Annotated[
    str,
    matching(
        # Dots are refused: S3's certificate covers one label, so HTTPS to such a name fails.
        r"(?=.{3,63}$)[a-z0-9]([a-z0-9-]*[a-z0-9])?",
        "is not the name of a bucket; allowed: 3 to 63 lower-case letters, digits and inner hyphens, without a dot, "
        "because S3's certificate does not cover such names",
    ),
]

KeyArn = Annotated[
    str,
    matching(
        r"arn:aws:kms:[a-z0-9-]+:\d{12}:key/[0-9a-zA-Z-]+",
        "is not the ARN of a KMS key; allowed: arn:aws:kms:<region>:<account>:key/<id>, no alias, because rights are "
        "given on keys; `aws kms describe-key` prints it",
    ),
]


class ObjectLockSettings(Strict):
    """How long a published version can be deleted by nobody."""

    mode: Literal["governance", "compliance"]
    """`governance`: who has s3:BypassGovernanceRetention may still delete. `compliance`: nobody may, not even
    the account's root, until the days are over."""

    days: int = Field(ge=1, le=36500)
    """Days for which each version of an object is held from its upload on; 36,500 is S3's most."""


class CreatedModelStore(Strict):
    """A bucket of the stack's own, with a key of its own."""

    kind: Literal["create"] = "create"
    """`create`: the kit makes the bucket, its key and the bucket of its logs."""

    abort_uploads_days: int = Field(7, ge=1, le=365)
    """Days after which the parts of an upload that never ended are deleted."""

    old_version_days: int = Field(90, ge=1, le=3650)
    """Days after which an overwritten or deleted object's old version is deleted for good. A published model
    version is current and is never deleted by itself, whether a stack names it or not."""

    object_lock: ObjectLockSettings | None = None
    """S3 Object Lock on everything that is published. Off by default, because it can never be switched off
    again: it may be added to a bucket later, in place, and then only its mode and days change, for new
    objects. Taking the setting away from a protected stack is refused."""

    publishers: tuple[PrincipalArn, ...] = ()
    """Who may write models, and read them back. Empty means the cluster's administrators."""

    readers: tuple[PrincipalArn, ...] = ()
    """Who may read models besides publishers and the stack's own engines."""

    access_log_retention_days: int = Field(365, ge=1, le=3650)
    """Days for which the log of requests to the bucket is kept."""

    inventory: Literal["daily", "weekly"] = "weekly"
    """How often S3 lists all objects, with size, encryption and lock, into the bucket of logs."""

    signing: SigningSettings = KmsSigning()
    """By which keys a version must be signed before an engine serves it."""


class AdoptedModelStore(Strict):
    """A bucket that somebody else made and keeps. It is read and judged before anything is made; nothing of
    it is changed or deleted."""

    kind: Literal["adopt"]
    """`adopt`: the bucket is there already."""

    bucket: BucketName
    """Name of the bucket, in the stack's region."""

    key_arn: KeyArn
    """The KMS key that it encrypts with by default: engines get the right to decrypt with it. The key's own
    policy must let this account's IAM decide."""

    signing: SigningSettings = KmsSigning()
    """By which keys a version must be signed before an engine serves it."""


ModelStoreSettings = Annotated[
    Annotated[CreatedModelStore, Tag("create")] | Annotated[AdoptedModelStore, Tag("adopt")],
    by_kind("create"),
]
