"""The KMS key of a stack's Pulumi state and secrets.

Blind spot: a key policy that a person wrote is not changed here, since a mistake in one can lock everybody out.
"""

from __future__ import annotations

import json
from typing import Any, Final

from botocore.exceptions import ClientError

from bastide import names
from bastide.bootstrap.account import Account, absent, clear
from bastide.bootstrap.parts import Found, Part, missing, right, wrong
from bastide.bootstrap.rights.base import PURPOSE_TAG, STATE_PURPOSE

SYMMETRIC: Final = "SYMMETRIC_DEFAULT"
ENCRYPT: Final = "ENCRYPT_DECRYPT"
"""KMS's own defaults of a key (API reference, CreateKey); what it leaves out has them."""


def state_tags(account: Account) -> dict[str, str]:
    """Tags of everything that bootstrap makes for a stack."""
    return {
        **account.settings.all_tags,
        "bastide:managed-by": "bootstrap",
        "bastide:installation": account.settings.prefix,
        PURPOSE_TAG: STATE_PURPOSE,
    }


def key_policy(account: Account) -> dict[str, Any]:
    """The account's IAM decides who may use the key: AWS's default statement, without which a key whose last
    administrator is deleted is lost."""
    root = names.arn("iam", "", account.settings.account_id, "root")
    statement = {
        "Sid": "AccountDecidesByIam",
        "Effect": "Allow",
        "Principal": {"AWS": root},
        "Action": "kms:*",
        "Resource": "*",
    }
    return {"Version": "2012-10-17", "Statement": [statement]}


def find_key(account: Account) -> dict[str, Any] | None:
    """KMS's description of the key behind the alias, or None while there is none."""
    try:
        found: dict[str, Any] = account.client("kms").describe_key(KeyId=account.state_alias)["KeyMetadata"]
    except ClientError as error:
        if absent(error):
            return None
        raise
    return found


def key_parts(account: Account) -> list[Part]:
    """The key, its alias, its rotation and its policy."""
    name = f"key {account.state_alias}"

    def look() -> Found:
        key = find_key(account)
        if key is None:
            return missing("symmetric, rotated every year")
        if key["KeyState"] != "Enabled":
            return wrong(f"{key['Arn']} is {key['KeyState']}")
        kind = (key.get("KeySpec", SYMMETRIC), key.get("KeyUsage", ENCRYPT))
        if kind != (SYMMETRIC, ENCRYPT):
            return wrong(f"{key['Arn']} is of another kind: {kind[0]} for {kind[1]}")
        return right(str(key["Arn"]))

    def make() -> None:
        # A key that is disabled or about to be deleted was made so by a person, who may have had a reason.
        if find_key(account) is None:
            _make(account)

    def look_at_rotation() -> Found:
        key = find_key(account)
        if key is None or key["KeyState"] != "Enabled":
            return wrong("not to be had while the key is not enabled")
        on = account.client("kms").get_key_rotation_status(KeyId=key["Arn"])["KeyRotationEnabled"]
        return right() if on else wrong("off")

    def rotate() -> None:
        key = find_key(account)
        if key is not None and key["KeyState"] == "Enabled":
            account.client("kms").enable_key_rotation(KeyId=key["Arn"])

    def look_at_policy() -> Found:
        key = find_key(account)
        if key is None:
            return missing()
        text = account.client("kms").get_key_policy(KeyId=key["Arn"], PolicyName="default")["Policy"]
        root = key_policy(account)["Statement"][0]["Principal"]["AWS"]
        for each in json.loads(text)["Statement"]:
            principal = each.get("Principal", {})
            if (
                each["Effect"] == "Allow"
                and isinstance(principal, dict)
                and root in _list(principal.get("AWS"))
            ):
                return right()
        return wrong("its policy does not let the account's IAM decide")

    key = find_key(account)
    usable = key is None or key["KeyState"] == "Enabled"
    return [
        Part(
            name,
            look,
            make if usable else None,
            advice="enable it, or cancel its deletion (`aws kms enable-key`, `aws kms cancel-key-deletion`), or "
            "point the alias at another key",
        ),
        Part("  rotation", look_at_rotation, rotate if usable else None, needs=name),
        Part(
            "  key policy",
            look_at_policy,
            None,
            needs=name,
            advice="add AWS's default statement by hand; a key policy is not changed here",
        ),
    ]


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _make(account: Account) -> None:
    kms = account.client("kms")
    with clear(f"make the key {account.state_alias}"):
        arn = _left_over(account)
        if arn is None:
            arn = kms.create_key(
                Description=f"Pulumi state and secrets of {account.settings.prefix}",
                Policy=json.dumps(key_policy(account), sort_keys=True),
                Tags=[{"TagKey": key, "TagValue": value} for key, value in state_tags(account).items()],
            )["KeyMetadata"]["Arn"]
        kms.create_alias(AliasName=account.state_alias, TargetKeyId=arn.rpartition("/")[2])
        kms.enable_key_rotation(KeyId=arn)


def _left_over(account: Account) -> str | None:
    """A key of an earlier run that was killed before the key had its alias."""
    wanted = state_tags(account)
    pages = (
        account.client("resourcegroupstaggingapi")
        .get_paginator("get_resources")
        .paginate(
            ResourceTypeFilters=["kms"],
            TagFilters=[
                {"Key": key, "Values": [wanted[key]]} for key in ("bastide:installation", PURPOSE_TAG)
            ],
        )
    )
    kms = account.client("kms")
    for page in pages:
        for each in page["ResourceTagMappingList"]:
            arn = str(each["ResourceARN"])
            key = kms.describe_key(KeyId=arn)["KeyMetadata"]
            if key["KeyState"] == "Enabled" and key.get("KeySpec", SYMMETRIC) == SYMMETRIC:
                return arn
    return None
