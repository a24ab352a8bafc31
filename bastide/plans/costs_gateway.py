"""What the gateway's stores, secrets and entrance are made of, for the estimate of costs. Pure. No price of theirs has
been read from AWS's list, so each is unpriced."""

from __future__ import annotations

from collections.abc import Iterator

from bastide.catalogues.secrets import Source
from bastide.plans import audit, firewall, secrets
from bastide.settings import CreatedCache, CreatedDatabase, Settings
from bastide.settings.secrets import AwsSecretsManager

NOT_READ = "no price of it has been read from AWS's list"


def rows(settings: Settings) -> Iterator[tuple[str, str, int, str]]:
    """Name, unit, how many, and why there is no price."""
    if not settings.gateway.enabled:
        return
    database, cache = settings.database, settings.cache
    if isinstance(database, CreatedDatabase):
        zones = 2 if database.multi_az else 1
        yield "gateway's database", f"{database.instance_class} for PostgreSQL", zones, NOT_READ
        yield "its storage", "GiB of gp3", database.storage_gib * zones, NOT_READ
    if isinstance(cache, CreatedCache):
        yield "gateway's cache", f"{cache.node_type}, {cache.engine}", cache.nodes, NOT_READ
    if isinstance(settings.secrets.store, AwsSecretsManager):
        made = sum(each.source is not Source.STORED for each in secrets.wanted(settings))
        yield "secrets", "secrets in AWS Secrets Manager", made, NOT_READ
    if settings.edge is not None:
        yield "load balancer", "application load balancers", 1, NOT_READ
        yield "firewall", "rules of a web ACL", len(firewall.rules(settings.edge.firewall)), NOT_READ


def keys(settings: Settings) -> list[str]:
    """KMS keys of theirs, by what they encrypt."""
    if not settings.gateway.enabled:
        return []
    database = ["gateway's database"] if isinstance(settings.database, CreatedDatabase) else []
    cache = ["gateway's cache"] if isinstance(settings.cache, CreatedCache) else []
    kept = ["secrets"] if isinstance(settings.secrets.store, AwsSecretsManager) else []
    trail = ["audit trail"] if audit.wanted(settings) is not None else []
    return [*database, *cache, *kept, *trail, *(["firewall log"] if settings.edge is not None else [])]


def by_use(settings: Settings) -> Iterator[str]:
    """What is billed by use."""
    if not settings.gateway.enabled:
        return
    if isinstance(settings.database, CreatedDatabase):
        yield "the database's backups beyond its own size, and its logs"
    if audit.wanted(settings) is not None:
        yield "S3: the audit trail's objects and requests"
    if settings.edge is not None:
        yield "load balancer: capacity units by connections and traffic; firewall: requests; their logs"
