"""Secrets of the stack in AWS Secrets Manager, by name. Values that the store makes can be replaced and not read."""

from __future__ import annotations

from bastide.bootstrap.rights.base import Right, Scope
from bastide.catalogues.secrets import Source
from bastide.plans import secret_access
from bastide.plans.secrets import wanted
from bastide.settings.secrets import AwsSecretsManager


def rights(scope: Scope) -> list[Right]:
    """Nothing where the stack needs no secret, or has them in somebody else's store."""
    settings = scope.settings
    found = wanted(settings)
    if not found or not isinstance(settings.secrets.store, AwsSecretsManager):
        return []
    rights = [
        Right(
            "SecretsOwn",
            "secrets of the stack's name, their values put and not read",
            [
                *("secretsmanager:CreateSecret", "secretsmanager:DeleteResourcePolicy"),
                *("secretsmanager:DeleteSecret", "secretsmanager:DescribeSecret"),
                *("secretsmanager:GetResourcePolicy", "secretsmanager:PutResourcePolicy"),
                *("secretsmanager:PutSecretValue", "secretsmanager:TagResource"),
                *("secretsmanager:UntagResource", "secretsmanager:UpdateSecret"),
            ],
            [scope.arn("secretsmanager", f"secret:{settings.prefix}/*")],
        ),
        Right(
            "SecretsMade",
            "Secrets Manager makes values; the request has no resource",
            ["secretsmanager:GetRandomPassword"],
            ["*"],
            scope.in_region,
        ),
        Right(
            "SecretsSealed",
            "and encrypts them by the stack's key",
            ["kms:Decrypt", "kms:GenerateDataKey"],
            [scope.arn("kms", "key/*")],
            {
                **scope.owned_keys,
                "StringEquals": {
                    **scope.owned["StringEquals"],
                    "kms:ViaService": f"secretsmanager.{settings.region}.amazonaws.com",
                },
            },
        ),
    ]
    given = [each.name for each in found if each.source is Source.GIVEN]
    if given:
        rights.append(
            Right(
                "SecretsGiven",
                "a given value is compared with the store's; who runs this has it anyway",
                ["secretsmanager:GetSecretValue"],
                [secret_access.secret_arn(settings, name) for name in given],
            )
        )
    return rights
