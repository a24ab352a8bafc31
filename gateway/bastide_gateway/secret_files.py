"""Secrets: read from mounted files into this process's own environment, where LiteLLM looks for them.

They stand in no pod specification, no argument and no ConfigMap. A process that this one starts inherits them: that is
Prisma's engine, in the same container."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlencode

from bastide_gateway.environment import Database
from bastide_gateway.errors import StartError

KNOWN: Final = {"gateway-master-key": "LITELLM_MASTER_KEY", "gateway-salt-key": "LITELLM_SALT_KEY"}
"""Files whose variable LiteLLM names. Every other has its own name in capitals, with `_` for `-`."""

_REFERENCE: Final = re.compile(r"os\.environ/([A-Za-z_][A-Za-z0-9_]*)")

CONNECTIONS: Final = 10
"""Of one process to Postgres. Three replicas have 30; the smallest RDS class (db.t4g.micro, 1 GiB) admits about 112 by
the default of its parameter group, LEAST(DBInstanceClassMemory/9531392, 5000)."""


def read(folder: Path) -> dict[str, str]:
    """By file: what it holds, without the line's end. Raises `StartError` where the folder is not there
    or a file is empty."""
    if not folder.is_dir():
        raise StartError(
            f"there is no folder of secrets at {folder}; the Secret gateway-secrets is mounted there"
        )
    found: dict[str, str] = {}
    for path in sorted(folder.iterdir()):
        # Kubernetes keeps the data in a folder `..data`, to which the names link.
        if path.name.startswith(".") or not path.is_file():
            continue
        text = path.read_text().rstrip("\n")
        if not text:
            raise StartError(f"the secret {path.name} is empty; has External Secrets delivered it?")
        found[path.name] = text
    return found


def variable(name: str) -> str:
    """The environment variable of a secret's file."""
    return KNOWN.get(name, re.sub(r"[^A-Z0-9]", "_", name.upper()))


def variables(secrets: Mapping[str, str]) -> dict[str, str]:
    """What LiteLLM's configuration refers to. Raises `StartError` without the two that it must have."""
    for name in KNOWN:
        if name not in secrets:
            raise StartError(
                f"the secret {name} is missing; allowed names are files of the Secret gateway-secrets"
            )
    if not secrets["gateway-master-key"].startswith("sk-"):
        raise StartError(
            "the secret gateway-master-key does not start with 'sk-', which LiteLLM asks of every key"
        )
    return {variable(name): value for name, value in secrets.items()}


def database_url(database: Database, password: str | None) -> str:
    """Prisma's address of Postgres. Raises `StartError` without a password."""
    if password is None:
        raise StartError("the secret database-password is missing, and DATABASE_AUTH is 'password'")
    query = urlencode(database_settings(database), safe="/")
    who = f"{quote(database.user, safe='')}:{quote(password, safe='')}"
    return f"postgresql://{who}@{database.host}:{database.port}/{quote(database.name, safe='')}?{query}"


def database_settings(database: Database) -> dict[str, str]:
    """How Prisma connects: bounds, and by which authority it knows the server."""
    found = {"connection_limit": str(CONNECTIONS), "pool_timeout": "5", "connect_timeout": "5"}
    if database.ca is not None:
        found |= {"sslmode": "require", "sslaccept": "strict", "sslcert": str(database.ca)}
    return found


def missing(config: object, present: Mapping[str, str]) -> list[str]:
    """Variables that the configuration refers to and nobody has set."""
    return sorted({name for name in _references(config) if not present.get(name)})


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield from _REFERENCE.findall(value)
    elif isinstance(value, dict):
        for item in value.values():
            yield from _references(item)
    elif isinstance(value, list):
        for item in value:
            yield from _references(item)
