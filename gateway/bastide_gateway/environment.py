"""The environment of the process: where its files lie, where the database and Redis are. Nothing in it is
secret."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bastide_gateway.errors import StartError
from bastide_gateway.redis_link import BOUND_S


@dataclass(frozen=True)
class Database:
    """Postgres."""

    host: str
    port: int
    name: str
    user: str
    iam: bool
    """Signs in with a token of AWS instead of a password."""

    ca: Path | None
    """Authorities that its certificate must come from; none: the connection is not encrypted (a local
    one)."""


@dataclass(frozen=True)
class RedisAddress:
    """Redis."""

    host: str
    port: int
    tls: bool
    user: str | None = None
    ca: Path | None = None
    """Authorities that its certificate must come from; none: the public ones."""

    cache_name: str | None = None
    """Name of the ElastiCache cache where the sign-in is by IAM; none: by password."""

    region: str | None = None

    bound_ms: int = int(BOUND_S * 1000)
    """How long one operation may take (redis_link.py). More only where the machine itself stands still for longer."""


@dataclass(frozen=True)
class Environment:
    """What the pod's specification says."""

    config: Path
    secrets: Path
    tls: Path | None
    """Folder with tls.crt and tls.key; none where it is not there: plain HTTP."""

    ca: Path | None
    """Authorities of the engines' certificates."""

    host: str
    port: int
    metrics_port: int
    admin_port: int
    database: Database | None
    redis: RedisAddress | None
    drain_s: int
    """How long requests under way may go on after the signal to end."""

    keep_alive_s: int = 75
    """How long a connection without a request is kept: longer than the load balancer keeps it."""

    most_connections: int = 1000
    """Connections that the public listener has at the same time."""

    header_s: int = 10
    """How long the headers of a request may take to come."""

    body_s: int = 30
    """How long the body of a request may take to come."""


def read(given: Mapping[str, str]) -> Environment:
    """Reads the variables. Raises `StartError` with the name of the one that is wrong."""
    tls = Path(given.get("BASTIDE_TLS", "/etc/bastide/tls"))
    ca = Path(given.get("BASTIDE_CA", "/etc/bastide/ca/ca.crt"))
    return Environment(
        config=Path(given.get("BASTIDE_GATEWAY_CONFIG", "/etc/bastide/gateway")),
        secrets=Path(given.get("BASTIDE_SECRETS", "/etc/bastide/secrets")),
        tls=tls if (tls / "tls.crt").exists() else None,
        ca=ca if ca.exists() else None,
        host=given.get("BASTIDE_GATEWAY_HOST", "0.0.0.0"),  # noqa: S104 - a pod's own address; NetworkPolicies admit
        port=_number(given, "BASTIDE_GATEWAY_PORT", 4000),
        metrics_port=_number(given, "BASTIDE_METRICS_PORT", 4001),
        admin_port=_number(given, "BASTIDE_ADMIN_PORT", 4002),
        database=_database(given),
        redis=_redis(given),
        drain_s=_number(given, "BASTIDE_DRAIN_SECONDS", 60),
        keep_alive_s=_number(given, "BASTIDE_KEEP_ALIVE_SECONDS", 75),
        most_connections=_number(given, "BASTIDE_MOST_CONNECTIONS", 1000),
        header_s=_number(given, "BASTIDE_HEADER_SECONDS", 10),
        body_s=_number(given, "BASTIDE_BODY_SECONDS", 30),
    )


def _database(given: Mapping[str, str]) -> Database | None:
    if not given.get("DATABASE_HOST"):
        return None
    auth = given.get("DATABASE_AUTH", "password")
    if auth not in ("password", "iam"):
        raise StartError(f"DATABASE_AUTH: {auth!r} is not known; allowed: password, iam")
    for name in ("DATABASE_NAME", "DATABASE_USER"):
        if not given.get(name):
            raise StartError(f"{name} is not set, and DATABASE_HOST is; set it in the pod's specification")
    ca = Path(given["DATABASE_CA"]) if given.get("DATABASE_CA") else None
    if ca is not None and not ca.exists():
        raise StartError(
            f"DATABASE_CA: there is no file {ca}; mount the authorities of the database's certificate there"
        )
    return Database(
        given["DATABASE_HOST"],
        _number(given, "DATABASE_PORT", 5432),
        given["DATABASE_NAME"],
        given["DATABASE_USER"],
        auth == "iam",
        ca,
    )


def _redis(given: Mapping[str, str]) -> RedisAddress | None:
    if not given.get("REDIS_HOST"):
        return None
    tls = given.get("REDIS_TLS", "true")
    if tls not in ("true", "false"):
        raise StartError(f"REDIS_TLS: {tls!r} is not known; allowed: true, false")
    auth = given.get("REDIS_AUTH", "password")
    if auth not in ("password", "iam"):
        raise StartError(f"REDIS_AUTH: {auth!r} is not known; allowed: password, iam")
    for name in ("REDIS_USER", "REDIS_CACHE_NAME", "AWS_REGION"):
        if auth == "iam" and not given.get(name):
            raise StartError(f"{name} is not set, and REDIS_AUTH is 'iam'; set it in the pod's specification")
    ca = Path(given["REDIS_CA"]) if given.get("REDIS_CA") else None
    if ca is not None and not ca.exists():
        raise StartError(
            f"REDIS_CA: there is no file {ca}; mount the authorities of Redis's certificate there"
        )
    return RedisAddress(
        given["REDIS_HOST"],
        _number(given, "REDIS_PORT", 6379),
        tls == "true",
        given.get("REDIS_USER") or None,
        ca,
        given.get("REDIS_CACHE_NAME") if auth == "iam" else None,
        given.get("AWS_REGION"),
        _number(given, "BASTIDE_REDIS_BOUND_MS", int(BOUND_S * 1000)),
    )


def _number(given: Mapping[str, str], name: str, otherwise: int) -> int:
    text = given.get(name, str(otherwise))
    if not text.isdigit():
        raise StartError(f"{name}: {text!r} is not a whole number")
    return int(text)
