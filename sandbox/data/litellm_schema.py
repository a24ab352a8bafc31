"""LiteLLM's tables, from the migrations that it ships."""

from __future__ import annotations

from sandbox.data.postgres import Postgres
from sandbox.toolchain import environments


def apply(database: Postgres) -> None:
    """Makes the tables of the LiteLLM that the environment has, in an empty database (0.6 s).

    For tests and measurements; the kit's own step is `python -m bastide_gateway.migrate`."""
    folder = next(
        environments.LITELLM.folder.glob("lib/python*/site-packages/litellm_proxy_extras/migrations")
    )
    # Their names begin with the time; not in one transaction, for some make an index CONCURRENTLY.
    steps = sorted(folder.glob("*/migration.sql"), key=lambda path: path.parent.name)
    database.query("set client_min_messages = warning;\n" + "\n".join(step.read_text() for step in steps))
