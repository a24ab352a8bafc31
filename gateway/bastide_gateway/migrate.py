"""`python -m bastide_gateway.migrate`: LiteLLM's tables, before any new pod starts.

The SQL is what LiteLLM ships (litellm_proxy_extras/migrations), applied in its order, each file once, and noted in
Prisma's own table, so that Prisma's `migrate` and this one know the same. Prisma's program for it is not needed, which
cannot be had everywhere and writes into its package's folder. Two jobs at a time wait for each other."""

from __future__ import annotations

import hashlib
import logging
import os
import sys
import uuid
from pathlib import Path
from typing import Any, Final

from bastide_gateway import environment, secret_files
from bastide_gateway.errors import StartError

log = logging.getLogger("bastide.migrate")

LOCK: Final = 72707369
"""The advisory lock that Prisma's own migrations take (its documentation, "Advisory locking"): neither
runs into the other."""

LEDGER: Final = """
CREATE TABLE IF NOT EXISTS "_prisma_migrations" (
    "id" VARCHAR(36) PRIMARY KEY NOT NULL,
    "checksum" VARCHAR(64) NOT NULL,
    "finished_at" TIMESTAMPTZ,
    "migration_name" VARCHAR(255) NOT NULL,
    "logs" TEXT,
    "rolled_back_at" TIMESTAMPTZ,
    "started_at" TIMESTAMPTZ NOT NULL DEFAULT now(),
    "applied_steps_count" INTEGER NOT NULL DEFAULT 0
)"""


def shipped() -> list[Path]:
    """The files of the LiteLLM that is installed, in their order. Raises `StartError` without any."""
    import litellm_proxy_extras

    folder = Path(str(litellm_proxy_extras.__file__)).parent / "migrations"
    found = sorted(folder.glob("*/migration.sql"), key=lambda path: path.parent.name)
    if not found:
        raise StartError(f"there are no migrations in {folder}; is this LiteLLM's image?")
    return found


def apply(connection: Any, files: list[Path]) -> list[str]:
    """Applies what the database does not have yet, and gives the names. The connection commits by itself.

    Raises `StartError` naming the one that failed: it is noted as unfinished, and the next run stops at it too."""
    connection.execute("SELECT pg_advisory_lock(%s)", (LOCK,))
    try:
        connection.execute(LEDGER)
        rows = connection.execute(
            'SELECT migration_name, finished_at FROM "_prisma_migrations" WHERE rolled_back_at IS NULL'
        ).fetchall()
        broken = sorted(name for name, finished in rows if finished is None)
        if broken:
            raise StartError(
                f"the migration {broken[0]} was begun and not finished; look at the database, set its "
                "rolled_back_at in "
                '"_prisma_migrations" when nothing of it is left, and run this again'
            )
        done = {name for name, _ in rows}
        applied = []
        for path in files:
            if path.parent.name not in done:
                _one(connection, path)
                applied.append(path.parent.name)
        return applied
    finally:
        if not connection.closed:
            connection.execute("SELECT pg_advisory_unlock(%s)", (LOCK,))


def _one(connection: Any, path: Path) -> None:
    import psycopg

    name, text = path.parent.name, path.read_bytes()
    identity = str(uuid.uuid4())
    connection.execute(
        'INSERT INTO "_prisma_migrations" (id, checksum, migration_name) VALUES (%s, %s, %s)',
        (identity, hashlib.sha256(text).hexdigest(), name),
    )
    try:
        # Without parameters it goes as one simple query: all of it or nothing, as Prisma does it.
        connection.execute(text)
    except psycopg.Error as error:
        raise StartError(
            f"the migration {name} failed: {error.diag.message_primary or type(error).__name__}"
        ) from error
    connection.execute(
        'UPDATE "_prisma_migrations" SET finished_at = now(), applied_steps_count = 1 WHERE id = %s',
        (identity,),
    )


def connect(database: environment.Database, password: str) -> Any:
    """A connection to Postgres that commits each statement. Raises `StartError` where it does not answer."""
    import psycopg

    tls = {"sslmode": "verify-full", "sslrootcert": str(database.ca)} if database.ca is not None else {}
    try:
        return psycopg.connect(
            host=database.host,
            port=database.port,
            dbname=database.name,
            user=database.user,
            password=password,
            connect_timeout=10,
            autocommit=True,
            **tls,
        )
    except psycopg.Error as error:
        raise StartError(
            f"Postgres at {database.host}:{database.port} cannot be used: {type(error).__name__}: {error}"
        ) from error


def password_of(database: environment.Database, secrets: dict[str, str]) -> str:
    """The mounted password, or a token of AWS. Raises `StartError` without one."""
    if not database.iam:
        if "database-password" not in secrets:
            raise StartError("the secret database-password is missing, and DATABASE_AUTH is 'password'")
        return secrets["database-password"]
    import boto3

    region = os.environ.get("AWS_REGION")
    client = boto3.client("rds", region_name=region)
    return str(
        client.generate_db_auth_token(
            DBHostname=database.host, Port=database.port, DBUsername=database.user, Region=region
        )
    )


def main() -> int:
    """The program."""
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(levelname)s %(name)s %(message)s")
    try:
        given = environment.read(os.environ)
        if given.database is None:
            raise StartError("DATABASE_HOST is not set: there is nothing to migrate")
        secrets = {} if given.database.iam else secret_files.read(given.secrets)
        with connect(given.database, password_of(given.database, secrets)) as connection:
            applied = apply(connection, shipped())
    except StartError as error:
        log.error("%s", error)
        return 1
    log.info("%d migrations applied%s", len(applied), f", the last {applied[-1]}" if applied else "")
    return 0


if __name__ == "__main__":
    sys.exit(main())
