"""A customer-managed KMS key with an alias."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws

from bastide import names
from bastide.settings import Settings

DELETION_WINDOW_PROTECTED = 30
DELETION_WINDOW_OPEN = 7
"""Days between the order to delete a key and its end: the longest and the shortest that KMS takes (API
reference, ScheduleKeyDeletion)."""


@dataclass(frozen=True)
class KeyArgs:
    """What the key encrypts, and who besides the account's own IAM may use it."""

    settings: Settings
    purpose: str
    """Last part of the alias: alias/<prefix>-<purpose>."""
    description: str
    statements: Sequence[dict[str, Any]] = ()
    """Further key policy statements, for AWS services. The account's IAM policies decide for everybody
    else."""


class Key(pulumi.ComponentResource):
    """A symmetric key that rotates every year. Protected against deletion when the stack is."""

    arn: pulumi.Output[str]

    def __init__(self, name: str, args: KeyArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("bastide:kms:Key", name, None, opts)
        settings = args.settings
        # AWS's default statement: without it a key that nobody else may administer could be lost for good.
        account = {
            "Sid": "AccountDecidesByIam",
            "Effect": "Allow",
            "Principal": {"AWS": names.arn("iam", "", settings.account_id, "root")},
            "Action": "kms:*",
            "Resource": "*",
        }
        key = aws.kms.Key(
            f"{name}-key",
            description=args.description,
            enable_key_rotation=True,
            deletion_window_in_days=DELETION_WINDOW_PROTECTED
            if settings.protection
            else DELETION_WINDOW_OPEN,
            policy=names.policy_document(account, *args.statements),
            opts=pulumi.ResourceOptions(parent=self, protect=settings.protection),
        )
        aws.kms.Alias(
            f"{name}-alias",
            name=f"alias/{settings.prefix}-{args.purpose}",
            target_key_id=key.key_id,
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.arn = key.arn
        self.register_outputs({"arn": self.arn})


def logs_statement(region: str, account_id: str, log_groups: Sequence[str]) -> dict[str, Any]:
    """Lets CloudWatch Logs use a key for exactly these log groups."""
    return {
        "Sid": "CloudWatchLogs",
        "Effect": "Allow",
        "Principal": {"Service": f"logs.{region}.amazonaws.com"},
        "Action": ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey"],
        "Resource": "*",
        "Condition": {
            "ArnEquals": {
                "kms:EncryptionContext:aws:logs:arn": [
                    names.arn("logs", region, account_id, f"log-group:{group}") for group in log_groups
                ]
            }
        },
    }
