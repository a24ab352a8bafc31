"""The stack's secrets in AWS Secrets Manager, under a key of their own."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from bastide import names
from bastide.catalogues.secrets import Source
from bastide.plans import secret_access, secret_delivery, secrets
from bastide.settings import Settings
from bastide.settings.secrets import AwsSecretsManager
from components import secret_values
from components.identity import PodIdentity, PodIdentityArgs
from components.key import Key, KeyArgs


@dataclass(frozen=True)
class SecretsArgs:
    """The stack's settings, its store, and the cluster into which secrets are read."""

    settings: Settings
    store: AwsSecretsManager
    cluster_name: pulumi.Input[str]


class Secrets(pulumi.ComponentResource):
    """Secrets, their key, and the role that reads them."""

    version: pulumi.Output[str]
    """Changes with every value that the kit makes or is given; empty in a preview that makes one."""

    def __init__(self, name: str, args: SecretsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("bastide:secrets:Secrets", name, None, opts)
        settings = args.settings
        child = pulumi.ResourceOptions(parent=self)
        key = Key(
            f"{name}-key", KeyArgs(settings, "secrets", "Encryption of the stack's secrets"), opts=child
        )
        versions = {
            each.name: self._secret(name, args, each, key.arn)
            for each in secrets.wanted(settings)
            if each.source is not Source.STORED
        }
        PodIdentity(
            f"{name}-reader",
            PodIdentityArgs(
                settings=settings,
                cluster_name=args.cluster_name,
                role_name=names.secrets_reader_role(settings.prefix),
                namespace=names.namespace("secrets"),
                service_account=secret_delivery.SERVICE_ACCOUNT,
                policy=key.arn.apply(lambda arn: secret_access.reader_policy(settings, arn)),
            ),
            opts=child,
        )
        self.version = pulumi.Output.all(**versions).apply(secret_values.version)
        self.register_outputs({"names": [each.name for each in secrets.wanted(settings)]})

    def _secret(
        self, name: str, args: SecretsArgs, secret: secrets.Wanted, key_arn: pulumi.Output[str]
    ) -> pulumi.Output[str]:
        """One secret; gives the id of the version that has its value."""
        settings = args.settings
        made = aws.secretsmanager.Secret(
            f"{name}-{secret.name}",
            name=secrets.store_name(settings, secret.name),
            description=secret.kind.what,
            kms_key_id=key_arn,
            recovery_window_in_days=args.store.recovery_days if settings.protection else 0,
            tags={secrets.ROTATION_TAG: str(secret.rotation_days or "never")},
            opts=pulumi.ResourceOptions(parent=self, protect=settings.protection),
        )
        policy = aws.secretsmanager.SecretPolicy(
            f"{name}-{secret.name}-policy",
            secret_arn=made.arn,
            policy=secret_access.secret_policy(settings),
            block_public_policy=True,
            opts=pulumi.ResourceOptions(parent=self),
        )
        # The value comes after the policy: there is no moment in which others could read it.
        guarded = pulumi.Output.all(made.arn, policy.id)
        if secret.source is Source.GENERATED:
            return guarded.apply(lambda known: secret_values.ensure(settings, secret, known[0]))
        version = aws.secretsmanager.SecretVersion(
            f"{name}-{secret.name}-value",
            secret_id=made.id,
            secret_string=secret_values.value_of(secret.name),
            opts=pulumi.ResourceOptions(
                parent=self, depends_on=[policy], additional_secret_outputs=["secretString"]
            ),
        )
        pulumi.Output.all(made.arn, version.version_id).apply(
            lambda known: secret_values.remind(settings, secret, known[0])
        )
        version_id: pulumi.Output[str] = version.version_id
        return version_id
