"""Settings of the gateway's Redis, in which its replicas count limits together: made by the kit, or brought along."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, Tag

from bastide.settings.base import Strict, matching
from bastide.settings.database import HostName, WeeklyWindow
from bastide.settings.trust import PemCertificates
from bastide.settings.variants import by_kind

NodeType = Annotated[
    str,
    matching(
        r"cache\.[a-z0-9]+\.[a-z0-9-]+",
        "is not an ElastiCache node type; allowed: cache.<family>.<size> such as cache.m7g.large",
    ),
]


class CreatedCache(Strict):
    """ElastiCache of the stack's own, in the private subnets: TLS alone, encrypted by its own key, signed in to by
    IAM, reached by the gateway's pods alone."""

    kind: Literal["create"] = "create"
    """`create`: the kit makes the replication group, its key, its user and its network group."""

    engine: Literal["valkey", "redis"] = "valkey"
    """`valkey`, whose licence is open, or `redis` (Redis OSS 7.1, the last that ElastiCache has)."""

    node_type: NodeType = "cache.m7g.large"
    """ElastiCache node type. The default has 6.4 GiB and no CPU credits that run out."""

    nodes: int = Field(2, ge=1, le=6)
    """Nodes, each in another zone while there are zones: a primary and its replicas, one of which takes over by
    itself. 6 is ElastiCache's most for one group of nodes. 1 is for sandbox and dev only."""

    maintenance_window: WeeklyWindow = "sun:04:30-sun:05:30"
    """When minor versions and patches are put on, UTC."""

    ca: PemCertificates | None = None
    """CA certificates, in PEM, by which the gateway knows the server. ElastiCache's are signed by Amazon's public CA,
    so that none are needed outside a sandbox."""


class ExistingCache(Strict):
    """A Redis or Valkey that somebody else made and keeps; its network must let the gateway's pods in. It must not
    throw keys away when it is full (`maxmemory-policy noeviction`): they are what limits are counted by."""

    kind: Literal["existing"]
    """`existing`: the server is there already."""

    host: HostName
    """Its host name, as its certificate has it."""

    port: int = Field(6379, ge=1, le=65535)
    """Its port; 6379 is Redis' own."""

    user: str = Field("default", pattern=r"^[A-Za-z0-9_.-]{1,64}$")
    """Name of the user by which the gateway connects."""

    auth: Literal["password"] = "password"
    """`password`: the secret `redis-password`, given once."""

    ca: PemCertificates | None = None
    """CA certificates, in PEM, by which the gateway knows the server. Without them the image's public ones do."""


CacheSettings = Annotated[
    Annotated[CreatedCache, Tag("create")] | Annotated[ExistingCache, Tag("existing")],
    by_kind("create"),
]
