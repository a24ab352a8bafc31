"""Where Pulumi keeps a stack's state: a bucket of its own, and a key for it and for the stack's secrets."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

from botocore.exceptions import ClientError

from bastide import names
from bastide.bootstrap.account import Account, absent, clear, code_of
from bastide.bootstrap.errors import BootstrapError
from bastide.bootstrap.key import find_key, key_parts, state_tags
from bastide.bootstrap.parts import Found, Line, Mode, Part, missing, right, settle, wrong

OLD_VERSIONS_DAYS: Final = 90
"""Days for which replaced state is kept. A stack that broke is noticed within days; a quarter also covers the
next rare run. Chosen, not measured."""

UPLOAD_DAYS: Final = 7
"""Days after which parts of an upload that did not end are deleted."""

RULE_ID: Final = "bastide-old-state"
POLICY_SID: Final = "DenyPlainHttp"

_CLOSED: Final = {
    "BlockPublicAcls": True,
    "IgnorePublicAcls": True,
    "BlockPublicPolicy": True,
    "RestrictPublicBuckets": True,
}


def bootstrap_state(account: Account, mode: Mode, report: Callable[[Line], None]) -> list[Line]:
    """Makes or checks key and bucket. Raises BootstrapError where something stands in the way."""
    with clear("look at the state's key and bucket"):
        return settle([*key_parts(account), *_bucket_parts(account)], mode, report)


def commands(account: Account, stack: str) -> list[str]:
    """What to run next, once a stack."""
    region = account.settings.region
    return [
        f"pulumi login 's3://{account.state_bucket}?region={region}'",
        f"pulumi stack init {stack} --secrets-provider='awskms://{account.state_alias}?region={region}'",
    ]


def _bucket_parts(account: Account) -> list[Part]:
    name = f"bucket {account.state_bucket}"
    mended = [
        ("  object ownership", _look_at_ownership, _own),
        ("  public access", _look_at_access, _close),
        ("  versions", _look_at_versions, _keep_versions),
        ("  encryption", _look_at_encryption, _encrypt),
        ("  old versions", _look_at_lifecycle, _expire),
        ("  TLS only", _look_at_policy, _only_tls),
    ]
    return [
        Part(name, lambda: _look(account), lambda: _make(account)),
        *(Part(each, _bind(look, account), _bind(mend, account), needs=name) for each, look, mend in mended),
    ]


def _bind(what: Callable[[Account], Any], account: Account) -> Callable[[], Any]:
    return lambda: what(account)


def _bucket(account: Account) -> dict[str, str]:
    """The bucket, and who must own it: S3 then refuses a bucket of another account."""
    return {"Bucket": account.state_bucket, "ExpectedBucketOwner": account.settings.account_id}


def _look(account: Account) -> Found:
    try:
        head = account.client("s3").head_bucket(**_bucket(account))
    except ClientError as error:
        if absent(error):
            return missing("versioned, encrypted, closed")
        if code_of(error) in {"403", "AccessDenied"}:
            raise BootstrapError(
                f"the bucket {account.state_bucket} exists, and it is another account's or these credentials may "
                "not see it: no state is put there; if it is yours, use credentials with s3:ListBucket on it, "
                "else choose another bastide:name in the stack file"
            ) from None
        if code_of(error) in {"301", "PermanentRedirect"}:
            raise _elsewhere(account, "another region") from None
        raise
    where = head.get("BucketRegion")
    if where and where != account.settings.region:
        raise _elsewhere(account, where)
    return right()


def _elsewhere(account: Account, where: str) -> BootstrapError:
    return BootstrapError(
        f"the bucket {account.state_bucket} is in {where} and the stack in {account.settings.region}: a bucket "
        "cannot be moved; delete it if it is empty, or choose another bastide:name in the stack file"
    )


def _make(account: Account) -> None:
    region = account.settings.region
    # us-east-1 is the one region that S3 takes only when it is not named.
    where = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
    try:
        account.client("s3").create_bucket(
            Bucket=account.state_bucket, ObjectOwnership="BucketOwnerEnforced", **where
        )
    except ClientError as error:
        if code_of(error) == "BucketAlreadyExists":
            raise BootstrapError(
                f"the bucket name {account.state_bucket} is taken by another account: choose another "
                "bastide:name in the stack file"
            ) from None
        raise
    account.client("s3").put_bucket_tagging(
        **_bucket(account),
        Tagging={"TagSet": [{"Key": key, "Value": value} for key, value in state_tags(account).items()]},
    )


def _get(account: Account, operation: str) -> dict[str, Any] | None:
    """An answer, or None where the bucket has no such configuration."""
    try:
        found: dict[str, Any] = getattr(account.client("s3"), operation)(**_bucket(account))
    except ClientError as error:
        if absent(error):
            return None
        raise
    return found


def _look_at_ownership(account: Account) -> Found:
    found = _get(account, "get_bucket_ownership_controls")
    owner = found["OwnershipControls"]["Rules"][0]["ObjectOwnership"] if found else "not set"
    return right() if owner == "BucketOwnerEnforced" else wrong(f"{owner}, so that ACLs could grant access")


def _own(account: Account) -> None:
    account.client("s3").put_bucket_ownership_controls(
        **_bucket(account), OwnershipControls={"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    )


def _look_at_access(account: Account) -> Found:
    found = _get(account, "get_public_access_block")
    given = found["PublicAccessBlockConfiguration"] if found else {}
    open_doors = [each for each in _CLOSED if not given.get(each)]
    return wrong(f"open: {', '.join(open_doors)}") if open_doors else right("closed")


def _close(account: Account) -> None:
    account.client("s3").put_public_access_block(
        **_bucket(account), PublicAccessBlockConfiguration=dict(_CLOSED)
    )


def _look_at_versions(account: Account) -> Found:
    status = (_get(account, "get_bucket_versioning") or {}).get("Status", "off")
    return right("kept") if status == "Enabled" else wrong(f"versioning is {status.lower()}")


def _keep_versions(account: Account) -> None:
    account.client("s3").put_bucket_versioning(
        **_bucket(account), VersioningConfiguration={"Status": "Enabled"}
    )


def _look_at_encryption(account: Account) -> Found:
    key = find_key(account)
    found = _get(account, "get_bucket_encryption")
    rules = found["ServerSideEncryptionConfiguration"]["Rules"] if found else []
    given = rules[0].get("ApplyServerSideEncryptionByDefault", {}) if rules else {}
    arn = key["Arn"] if key else ""
    if given.get("SSEAlgorithm") != "aws:kms" or given.get("KMSMasterKeyID") != arn:
        return wrong(f"{given.get('SSEAlgorithm', 'none')} with {given.get('KMSMasterKeyID', 'no key')}")
    return (
        right("by the key above") if rules[0].get("BucketKeyEnabled") else wrong("one KMS request an object")
    )


def _encrypt(account: Account) -> None:
    key = find_key(account)
    if key is None:
        raise BootstrapError(f"there is no key {account.state_alias} to encrypt with: run the command again")
    rule = {
        "ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key["Arn"]},
        "BucketKeyEnabled": True,
    }
    account.client("s3").put_bucket_encryption(
        **_bucket(account), ServerSideEncryptionConfiguration={"Rules": [rule]}
    )


def _rule() -> dict[str, Any]:
    return {
        "ID": RULE_ID,
        "Status": "Enabled",
        "Filter": {"Prefix": ""},
        "NoncurrentVersionExpiration": {"NoncurrentDays": OLD_VERSIONS_DAYS},
        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": UPLOAD_DAYS},
    }


def _rules(account: Account) -> list[dict[str, Any]]:
    found = _get(account, "get_bucket_lifecycle_configuration")
    return list(found["Rules"]) if found else []


def _look_at_lifecycle(account: Account) -> Found:
    wanted = _rule()
    for each in _rules(account):
        if each.get("ID") == RULE_ID:
            keys = ("Status", "NoncurrentVersionExpiration", "AbortIncompleteMultipartUpload")
            same = all(each.get(key) == wanted[key] for key in keys)
            return right(f"{OLD_VERSIONS_DAYS} days") if same else wrong(f"rule {RULE_ID} was changed")
    return wrong("kept for ever")


def _expire(account: Account) -> None:
    others = [each for each in _rules(account) if each.get("ID") != RULE_ID]
    account.client("s3").put_bucket_lifecycle_configuration(
        **_bucket(account), LifecycleConfiguration={"Rules": [*others, _rule()]}
    )


def _statement(account: Account) -> dict[str, Any]:
    arn = names.arn("s3", "", "", account.state_bucket)
    return {
        "Sid": POLICY_SID,
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [arn, f"{arn}/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }


def _policy(account: Account) -> dict[str, Any]:
    found = _get(account, "get_bucket_policy")
    document: dict[str, Any] = json.loads(found["Policy"]) if found else {"Version": "2012-10-17"}
    given = document.get("Statement", [])
    document["Statement"] = given if isinstance(given, list) else [given]
    return document


def _look_at_policy(account: Account) -> Found:
    wanted = _statement(account)
    for each in _policy(account)["Statement"]:
        if each.get("Sid") == POLICY_SID:
            return right() if each == wanted else wrong(f"statement {POLICY_SID} was changed")
    return wrong("plain HTTP is let in")


def _only_tls(account: Account) -> None:
    # What others wrote into the policy stays.
    document = _policy(account)
    others = [each for each in document["Statement"] if each.get("Sid") != POLICY_SID]
    document["Statement"] = [*others, _statement(account)]
    account.client("s3").put_bucket_policy(**_bucket(account), Policy=json.dumps(document, sort_keys=True))
