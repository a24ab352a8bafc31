"""`python -m bastide_gateway.administrator`: the gateway's own user in a database that the stack made.

RDS makes an instance with one user, its administrator, and keeps that user's password in Secrets Manager. This signs in
as the administrator, runs the statements that the pod's specification gives (they make the user and may be run again),
and, where the user has a password, sets it to the mounted one. Nothing else ever signs in as the administrator."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from bastide_gateway import environment, migrate, secret_files
from bastide_gateway.errors import StartError

log = logging.getLogger("bastide.administrator")


def credentials(secret_arn: str, region: str | None) -> tuple[str, str]:
    """Name and password of the administrator, as RDS keeps them. Raises `StartError` where they cannot be read."""
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        client = boto3.client("secretsmanager", region_name=region)
        found = json.loads(client.get_secret_value(SecretId=secret_arn)["SecretString"])
        return str(found["username"]), str(found["password"])
    except (BotoCoreError, ClientError) as error:
        raise StartError(f"the administrator's password cannot be read from {secret_arn}: {error}") from None
    except (KeyError, TypeError, ValueError):
        # The text of such an error could have a part of the secret.
        raise StartError(f"the secret {secret_arn} is not what RDS writes: username and password") from None


def statements(given: Mapping[str, str]) -> list[str]:
    """What is to be run. Raises `StartError` where it is no list of texts."""
    try:
        found = json.loads(given.get("DATABASE_ADMIN_STATEMENTS", ""))
    except ValueError:
        found = None
    if not isinstance(found, list) or not found or not all(isinstance(each, str) for each in found):
        raise StartError("DATABASE_ADMIN_STATEMENTS is not a JSON list of SQL statements; the chart sets it")
    return found


def apply(connection: Any, wanted: Sequence[str], user: str, password: str | None) -> None:
    """Runs the statements, and sets the user's password where there is one. Raises `StartError` for one that fails."""
    import psycopg
    from psycopg import sql

    each = ""
    try:
        for each in wanted:
            connection.execute(each)
        if password is not None:
            # The server logs no statements (its parameters), and this tells none with a password in it.
            each = f"ALTER ROLE {user} PASSWORD"
            connection.execute(
                sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(user), sql.Literal(password))
            )
    except psycopg.Error as error:
        raise StartError(f"{each}: {error.diag.message_primary or type(error).__name__}") from None


def main() -> int:
    """The program."""
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(levelname)s %(name)s %(message)s")
    try:
        given = environment.read(os.environ)
        if given.database is None:
            raise StartError("DATABASE_HOST is not set: there is no database")
        wanted = statements(os.environ)
        password = None
        if not given.database.iam:
            password = migrate.password_of(given.database, secret_files.read(given.secrets))
        name, own = credentials(os.environ.get("DATABASE_ADMIN_SECRET_ARN", ""), os.environ.get("AWS_REGION"))
        with migrate.connect(replace(given.database, user=name), own) as connection:
            apply(connection, wanted, given.database.user, password)
    except StartError as error:
        log.error("%s", error)
        return 1
    log.info("the user %s is there", given.database.user)
    return 0


if __name__ == "__main__":
    sys.exit(main())
