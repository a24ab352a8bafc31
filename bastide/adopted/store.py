"""Whether a bucket that somebody else owns can be a region's model store. docs/model-store.md has the table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bastide.settings import Settings
from bastide.settings.errors import Problem
from bastide.settings.model_store import AdoptedModelStore

_CLOSED = ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets")


@dataclass(frozen=True)
class BucketFacts:
    """A bucket: its region, and its settings in the words of AWS's resource schema of AWS::S3::Bucket."""

    region: str
    properties: Mapping[str, Any]


@dataclass(frozen=True)
class KeyFacts:
    """A KMS key: its ARN, whether it can be used, and whether it is a customer's or AWS's own."""

    arn: str
    enabled: bool
    manager: str


def examine(
    settings: Settings, store: AdoptedModelStore, bucket: BucketFacts | None, key: KeyFacts | None
) -> list[Problem]:
    """Everything for which the bucket cannot be used, at once. None stands for what could not be read, which
    is said already."""
    return [
        *(_bucket(settings, store, bucket) if bucket is not None else ()),
        *(_key(store, key) if key is not None else ()),
    ]


def _bucket(settings: Settings, store: AdoptedModelStore, facts: BucketFacts) -> list[Problem]:
    if facts.region != settings.region:
        return [
            Problem(
                "modelStore.bucket",
                f"{store.bucket!r} is in {facts.region}; allowed: a bucket in {settings.region}; engines reach S3 by "
                "an endpoint, which leads to its own region; give a bucket there, such as a replica",
            )
        ]
    found = []

    def refuse(reason: str) -> None:
        found.append(Problem("modelStore.bucket", f"{store.bucket!r} {reason}"))

    status = facts.properties.get("VersioningConfiguration", {}).get("Status", "never set")
    if status != "Enabled":
        refuse(
            f"has versioning {status}; an overwritten model could not be brought back; its owner enables versioning"
        )
    block = facts.properties.get("PublicAccessBlockConfiguration", {})
    off = [each for each in _CLOSED if block.get(each) is not True]
    if off:
        refuse(f"does not block public access: {', '.join(off)} off; its owner turns all four on")
    rules = facts.properties.get("OwnershipControls", {}).get("Rules", [])
    # S3 enforces the owner on new buckets without a setting since 2023-04; AWS's answer then has the rule too.
    ownership = rules[0].get("ObjectOwnership") if rules else "none"
    if ownership != "BucketOwnerEnforced":
        refuse(
            f"has object ownership {ownership}; with ACLs an object could belong to another account, which decides who "
            "reads it; its owner sets BucketOwnerEnforced"
        )
    return found + _encryption(store, facts)


def _encryption(store: AdoptedModelStore, facts: BucketFacts) -> list[Problem]:
    rules = facts.properties.get("BucketEncryption", {}).get("ServerSideEncryptionConfiguration", [])
    default = (rules[0].get("ServerSideEncryptionByDefault") or {}) if rules else {}
    algorithm = default.get("SSEAlgorithm", "AES256")
    if algorithm not in ("aws:kms", "aws:kms:dsse"):
        return [
            Problem(
                "modelStore.bucket",
                f"{store.bucket!r} encrypts with {algorithm}; whoever may read the bucket could read the models; its "
                "owner sets aws:kms with a customer key",
            )
        ]
    key = str(default.get("KMSMasterKeyID", "the AWS managed key aws/s3"))
    if key not in (store.key_arn, store.key_arn.partition("/")[2]):
        return [
            Problem(
                "modelStore.keyArn",
                f"{store.key_arn!r} is not the key that {store.bucket} encrypts with, which is {key}; engines could "
                "not decrypt; give that one",
            )
        ]
    return []


def _key(store: AdoptedModelStore, facts: KeyFacts) -> list[Problem]:
    found = []
    if not facts.enabled:
        found.append("is not enabled, so that nothing can be decrypted; its owner enables it")
    if facts.manager != "CUSTOMER":
        found.append("is a key that AWS manages, on which no rights can be given; use a customer key")
    return [Problem("modelStore.keyArn", f"{store.key_arn!r} {reason}") for reason in found]
