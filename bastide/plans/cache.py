"""What the gateway needs to know of its Redis, and what ElastiCache is told. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from bastide import names
from bastide.settings import CreatedCache, ExistingCache, Settings

PORT: Final = 6379
"""Redis' own port."""

VERSIONS: Final = {"valkey": "8.0", "redis": "7.1"}
"""Engine versions (ElastiCache user guide, 'Supported engines and versions'): 7.1 is the last of Redis OSS there."""

FAMILIES: Final = {"valkey": "valkey8", "redis": "redis7"}
"""Parameter group families of these versions."""

PARAMETERS: Final = {"maxmemory-policy": "noeviction"}
"""ElastiCache's default, volatile-lru, throws away keys that have an end when memory is full, and a limit's counter has
one: whoever fills the cache would be counted from zero again. With `noeviction` a full cache refuses writes, and the
gateway does what its settings say of a dead Redis: it refuses."""

ACCESS: Final = "on ~bastide:cache:* ~{bastide}:limit:* +@all -@admin -@dangerous"
"""What the gateway's user may do: cache and count under the gateway's two prefixes (bastide_gateway's cache and
reservations), which its scripts name too, and nothing under another, should the store be shared. No channels. It
cannot change users, settings or replicas, list keys, nor flush."""

NOBODY: Final = "off ~* -@all"
"""What `default`, the user of whoever names none, may do: nothing, nor sign in."""


@dataclass(frozen=True)
class Connection:
    """What the gateway's pods are told of their Redis, besides its host."""

    port: int
    user: str
    auth: str
    """`iam` or `password`."""
    cache_name: str | None
    """The replication group's id, which a token is made for; None without IAM."""
    ca: str | None
    """CA certificates in PEM; None for the public ones."""


def identifier(settings: Settings) -> str:
    """Name of the replication group and of the gateway's user in it (IAM wants id and name to be equal); at most 38 of
    ElastiCache's 40 characters."""
    return f"{settings.prefix}-gw"


def nobody(settings: Settings) -> str:
    """Id of the user that stands for `default`."""
    return f"{settings.prefix}-no"


def connection(settings: Settings) -> Connection:
    """What is known of the cache before anything exists."""
    wanted = settings.cache
    if isinstance(wanted, ExistingCache):
        return Connection(wanted.port, wanted.user, wanted.auth, None, wanted.ca)
    name = identifier(settings)
    return Connection(PORT, name, "iam", name, wanted.ca)


def connect_statement(settings: Settings) -> dict[str, Any]:
    """The right to sign in to the created cache as the gateway's user (ElastiCache user guide, 'Authenticating with
    IAM')."""
    return {
        "Sid": "SignInToCache",
        "Effect": "Allow",
        "Action": ["elasticache:Connect"],
        "Resource": [
            names.arn("elasticache", settings.region, settings.account_id, f"{kind}:{identifier(settings)}")
            for kind in ("replicationgroup", "user")
        ],
    }


def several_zones(wanted: CreatedCache) -> bool:
    """Whether a replica takes over by itself; one node has none."""
    return wanted.nodes > 1
