"""The commands by which the gateway's database comes back (docs/gateway-operations.md), with the rights that its user
has: no superuser, no owner of the database or of the schema."""

from __future__ import annotations

import os
import subprocess
from contextlib import closing
from pathlib import Path

from bastide.plans.database import user_statements
from bastide.settings import CreatedDatabase
from sandbox.data.postgres import Postgres
from sandbox.toolchain import databases

USER, PASSWORD = "gateway", "of-the-test"
TABLES = """
CREATE TYPE state AS ENUM ('open', 'closed');
CREATE TABLE teams (id serial PRIMARY KEY, name text UNIQUE, spend numeric, at state DEFAULT 'open');
CREATE TABLE keys (id text PRIMARY KEY, team int REFERENCES teams);
INSERT INTO teams (name, spend) VALUES ('research', 1.5); INSERT INTO keys VALUES ('hash', 1);
"""


def as_gateway(database: Postgres, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A program of Postgres's as the gateway's user, as the page has it."""
    programs = databases.postgres()
    who = {"PGUSER": USER, "PGDATABASE": "litellm", "PGPASSWORD": PASSWORD, "PGPORT": str(database.port)}
    return subprocess.run(
        [programs[program], "-h", database.host, *arguments],
        capture_output=True, text=True, check=False, env=os.environ | dict(programs.env) | who,
    )  # fmt: skip


def with_gateways_user(folder: Path) -> Postgres:
    """A database in which RDS's first user made the gateway's."""
    database = Postgres.start(folder, user="bastide_admin")
    for statement in user_statements(CreatedDatabase(auth="password")):
        database.query(statement)
    database.query(f"ALTER USER {USER} PASSWORD '{PASSWORD}'")
    return database


def test_the_data_of_a_copy_replaces_the_stacks_own_and_stays_the_users(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs/gateway-operations.md").read_text()
    dump = ["-Fc", "--no-owner", "--no-privileges"]
    restore = ["--clean", "--if-exists", "--no-owner", "--single-transaction"]
    assert f"pg_dump -h COPY {' '.join(dump)} -f" in page
    assert f"pg_restore -h OWN -d litellm {' '.join(restore)} gateway.dump" in page
    file = str(tmp_path / "gateway.dump")
    with (
        closing(with_gateways_user(tmp_path / "copy")) as copy,
        closing(with_gateways_user(tmp_path / "own")) as own,
    ):
        for database in (copy, own):
            assert as_gateway(database, "psql", "-v", "ON_ERROR_STOP=1", "-c", TABLES).returncode == 0
        own.query("UPDATE teams SET spend = 99; DELETE FROM keys; CREATE TABLE unrelated (id int)")
        taken = as_gateway(copy, "pg_dump", *dump, "-f", file)
        assert taken.returncode == 0, taken.stderr
        given = as_gateway(own, "pg_restore", "-d", "litellm", *restore, file)
        assert given.returncode == 0, given.stderr
        assert own.query("SELECT name, spend, at FROM teams") == [["research", "1.5", "open"]]
        assert own.query("SELECT * FROM keys") == [["hash", "1"]]
        owners = own.query("SELECT DISTINCT tableowner FROM pg_tables WHERE tablename IN ('teams', 'keys')")
        assert owners == [[USER]]
        # What migrations need afterwards.
        changed = as_gateway(own, "psql", "-v", "ON_ERROR_STOP=1", "-c", "ALTER TABLE teams ADD more text")
        assert changed.returncode == 0, changed.stderr
        # Cut off in the middle, nothing has changed.
        own.query("CREATE VIEW seen AS SELECT name FROM teams")
        refused = as_gateway(own, "pg_restore", "-d", "litellm", *restore, file)
        assert refused.returncode != 0
        assert own.query("SELECT more IS NULL, name FROM teams") == [["t", "research"]]
