"""Who may read a secret in AWS: the reader's right, and a policy on each secret against everybody else. Pure."""

from __future__ import annotations

from bastide import names
from bastide.plans import secrets
from bastide.settings import Settings

# The six characters that Secrets Manager puts behind a name (its user guide, "IAM policy examples").
_SUFFIX = "-??????"


def secret_arn(settings: Settings, name: str) -> str:
    """The ARN of a secret but for the characters that AWS puts behind its name."""
    return names.arn(
        "secretsmanager",
        settings.region,
        settings.account_id,
        f"secret:{secrets.store_name(settings, name)}{_SUFFIX}",
    )


def reader_policy(settings: Settings, key_arn: str) -> str:
    """What External Secrets may do in AWS: read the stack's secrets, one by one by name, and have them decrypted by
    Secrets Manager."""
    arns = [secret_arn(settings, each.name) for each in secrets.wanted(settings)]
    return names.policy_document(
        {
            "Sid": "ReadSecrets",
            "Effect": "Allow",
            "Action": ["secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue"],
            "Resource": arns,
        },
        {
            "Sid": "DecryptSecrets",
            "Effect": "Allow",
            "Action": "kms:Decrypt",
            "Resource": key_arn,
            "Condition": {
                "StringEquals": {"kms:ViaService": f"secretsmanager.{settings.region}.amazonaws.com"},
                "StringLike": {"kms:EncryptionContext:SecretARN": arns},
            },
        },
    )


def readers(settings: Settings) -> list[str]:
    """Principals that may read values at all: External Secrets, who runs `pulumi up`, the cluster's administrators, and
    the account itself, without which a mistaken policy could never be undone."""
    account = settings.account_id
    return [
        names.role_arn(account, names.secrets_reader_role(settings.prefix)),
        names.role_arn(account, names.deploy_role(settings.prefix)),
        *getattr(settings.cluster, "admin_principals", ()),
        names.arn("iam", "", account, "root"),
    ]


def secret_policy(settings: Settings) -> str:
    """The policy on each secret. A Deny holds against every Allow, also of an administrator of the account."""
    return names.policy_document(
        {
            "Sid": "OnlyItsReaders",
            "Effect": "Deny",
            "Principal": "*",
            "Action": "secretsmanager:GetSecretValue",
            "Resource": "*",
            "Condition": {"ArnNotLike": {"aws:PrincipalArn": readers(settings)}},
        },
    )
