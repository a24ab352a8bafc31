"""By which keys models are signed, and the public halves that engines trust."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws

from bastide import names
from bastide.plans.model_store_policy import publishers
from bastide.settings import CreatedCluster, CreatedModelStore, Settings
from bastide.settings.signing import AllowUnsigned, KmsSigning
from components.key import DELETION_WINDOW_OPEN, DELETION_WINDOW_PROTECTED


@dataclass(frozen=True)
class ModelSigningArgs:
    """The stack's settings."""

    settings: Settings


class ModelSigning(pulumi.ComponentResource):
    """The KMS key that signs models, where the kit makes it or it is named; nothing where keys are kept elsewhere."""

    public_keys: pulumi.Output[list[str]]
    """In PEM: that of the key in KMS, and those that the settings trust."""

    def __init__(self, name: str, args: ModelSigningArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("bastide:models:ModelSigning", name, None, opts)
        self._name, self._settings = name, args.settings
        signing = args.settings.model_store.signing
        if isinstance(signing, AllowUnsigned):
            self.public_keys = pulumi.Output.from_input(list[str]())
        elif isinstance(signing, KmsSigning):
            key: pulumi.Input[str] = signing.key_arn or self._key()
            found = aws.kms.get_public_key_output(key_id=key, opts=pulumi.InvokeOutputOptions(parent=self))
            self.public_keys = found.public_key_pem.apply(lambda pem: [pem, *signing.trusted_keys])
        else:
            self.public_keys = pulumi.Output.from_input(list(signing.trusted_keys))
        self.register_outputs({"publicKeys": self.public_keys})

    def _key(self) -> pulumi.Output[str]:
        """A key that cannot leave KMS, and with which only publishers may sign."""
        settings, name = self._settings, self._name
        child = pulumi.ResourceOptions(parent=self, protect=settings.protection)
        key = aws.kms.Key(
            f"{name}-key",
            description="Signatures of models",
            customer_master_key_spec="ECC_NIST_P256",
            key_usage="SIGN_VERIFY",
            # KMS rotates symmetric keys alone; the successor of this one is trusted beside it first (trustedKeys).
            enable_key_rotation=False,
            deletion_window_in_days=DELETION_WINDOW_PROTECTED
            if settings.protection
            else DELETION_WINDOW_OPEN,
            policy=names.policy_document(*key_statements(settings)),
            opts=child,
        )
        aws.kms.Alias(
            f"{name}-alias",
            name=names.signing_alias(settings.prefix),
            target_key_id=key.key_id,
            opts=pulumi.ResourceOptions(parent=self),
        )
        found: pulumi.Output[str] = key.key_id
        return found


def _signers(settings: Settings) -> list[str]:
    """ARNs of those who may sign: publishers. Of an adopted bucket the kit does not know who writes to it: the
    cluster's administrators; and of an adopted cluster not even those, so that IAM alone decides."""
    store = settings.model_store
    if isinstance(store, CreatedModelStore):
        return publishers(settings, store)
    if isinstance(settings.cluster, CreatedCluster):
        return sorted(set(settings.cluster.admin_principals))
    return []


def key_statements(settings: Settings) -> list[dict[str, Any]]:
    """IAM decides in the account, and of those whom it lets, only publishers sign."""
    account = {
        "Sid": "AccountDecidesByIam",
        "Effect": "Allow",
        "Principal": {"AWS": names.arn("iam", "", settings.account_id, "root")},
        "Action": "kms:*",
        "Resource": "*",
    }
    allowed = _signers(settings)
    if not allowed:
        return [account]
    return [
        account,
        {
            "Sid": "DenySigningByOthers",
            "Effect": "Deny",
            "Principal": {"AWS": "*"},
            "Action": "kms:Sign",
            "Resource": "*",
            "Condition": {"ArnNotEquals": {"aws:PrincipalArn": allowed}},
        },
    ]
