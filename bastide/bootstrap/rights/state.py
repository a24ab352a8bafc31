"""Pulumi's state and secrets: the role uses bucket and key, and can neither change nor delete them."""

from __future__ import annotations

from bastide import names
from bastide.bootstrap.rights.base import Right, Scope


def rights(scope: Scope) -> list[Right]:
    """What the engine does with its backend."""
    settings = scope.settings
    bucket = names.arn("s3", "", "", names.state_bucket(settings.prefix, settings.account_id))
    return [
        Right(
            "StateList",
            "the engine lists stacks, history and locks",
            ["s3:GetBucketLocation", "s3:ListBucket"],
            [bucket],
        ),
        Right(
            "StateObjects",
            "state, history and locks are written, and locks removed; versions stay",
            ["s3:DeleteObject", "s3:GetObject", "s3:PutObject"],
            [f"{bucket}/.pulumi/*"],
        ),
        Right(
            "StateKey",
            "the stack's secrets, and the bucket's encryption; the key is known by its alias alone",
            ["kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey"],
            [scope.arn("kms", "key/*")],
            {"ForAnyValue:StringEquals": {"kms:ResourceAliases": names.state_alias(settings.prefix)}},
        ),
    ]
