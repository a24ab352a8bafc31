"""What the gateway needs to know of its Postgres, and what RDS is told. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from bastide import names
from bastide.settings import CreatedDatabase, ExistingDatabase, Settings

PORT: Final = 5432
"""PostgreSQL's own port."""

ADMINISTRATOR: Final = "bastide_admin"
"""Name of the instance's first user. RDS makes and changes its password; only migrations use it."""

CA: Final = "rds-ca-rsa2048-g1"
"""RDS's certificate authority that signs the server's certificate: RDS's default since 2024, named so that a new
default changes nothing by itself (RDS user guide, 'Using SSL/TLS to encrypt a connection')."""

LOGS: Final = ("postgresql", "upgrade")
"""Logs that RDS for PostgreSQL can export."""

PARAMETERS: Final = {
    # PostgreSQL 15 and later have it by default; here it cannot be lost with a default.
    "rds.force_ssl": "1",
    # No statement, and of an error no DETAIL: both carry values that callers sent.
    "log_statement": "none",
    "log_error_verbosity": "terse",
}
"""What differs from the family's own parameters."""


@dataclass(frozen=True)
class Connection:
    """What the gateway's pods are told of their Postgres, besides its host."""

    port: int
    database: str
    user: str
    auth: str
    """`iam` or `password`."""
    ca: str | None
    """CA certificates in PEM; None for the public ones."""


def identifier(settings: Settings) -> str:
    """Name of the instance; at most 43 of RDS's 63 characters."""
    return f"{settings.prefix}-gateway"


def final_snapshot(settings: Settings) -> str:
    """Name of the snapshot that a protected stack's instance leaves when it is deleted."""
    return f"{identifier(settings)}-final"


def log_groups(settings: Settings) -> list[str]:
    """Log groups that RDS writes to; RDS makes the name."""
    return [f"/aws/rds/instance/{identifier(settings)}/{each}" for each in LOGS]


def connection(settings: Settings) -> Connection:
    """What is known of the database before anything exists."""
    wanted = settings.database
    port = wanted.port if isinstance(wanted, ExistingDatabase) else PORT
    return Connection(port, wanted.database, wanted.user, wanted.auth, wanted.ca)


def connect_statement(settings: Settings, resource_id: str, user: str) -> dict[str, Any]:
    """The right to sign in as one user of one instance by IAM (RDS user guide, 'Creating and using an IAM policy for
    IAM database access'). `resource_id` is the instance's DbiResourceId."""
    resource = f"dbuser:{resource_id}/{user}"
    return {
        "Sid": "SignInToDatabase",
        "Effect": "Allow",
        "Action": ["rds-db:connect"],
        "Resource": [names.arn("rds-db", settings.region, settings.account_id, resource)],
    }


def administrator_statements(settings: Settings, secret_arn: str, key_arn: str) -> list[dict[str, Any]]:
    """The right of migrations to read the first user's password, which RDS keeps and changes."""
    return [
        {
            "Sid": "ReadAdministratorsPassword",
            "Effect": "Allow",
            "Action": ["secretsmanager:GetSecretValue"],
            "Resource": [secret_arn],
        },
        {
            "Sid": "DecryptIt",
            "Effect": "Allow",
            "Action": ["kms:Decrypt"],
            "Resource": [key_arn],
            "Condition": {
                "StringEquals": {"kms:ViaService": f"secretsmanager.{settings.region}.amazonaws.com"}
            },
        },
    ]


def user_statements(wanted: CreatedDatabase) -> list[str]:
    """SQL that makes the gateway's user, to be run by the administrator in the gateway's database; each may be run
    again. Names need no quotes: the settings admit no others.

    With `iam` the user gets the role by which RDS takes tokens instead of a password; with `password` the caller sets
    one by `ALTER USER`, so that it stands in no statement here."""
    user, database = wanted.user, wanted.database
    found = [
        # Not `$$`, of which Kubernetes makes one `$` in the environment that carries it.
        f"DO $made$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{user}') THEN "
        f"CREATE ROLE {user} LOGIN; END IF; END $made$",
        f"GRANT CONNECT, TEMPORARY ON DATABASE {database} TO {user}",
        f"REVOKE ALL ON DATABASE {database} FROM PUBLIC",
        f"GRANT USAGE, CREATE ON SCHEMA public TO {user}",
    ]
    return [*found, f"GRANT rds_iam TO {user}"] if wanted.auth == "iam" else found
