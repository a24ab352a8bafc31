"""What the gateway is told by the parts around it: routes, stores, hosted providers. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlsplit

from bastide.plans import cache, database
from bastide.plans.gateway import DATABASE_AUTHORITY, REDIS_AUTHORITY, Store
from bastide.plans.routing.table import table
from bastide.plans.serving import endpoint_blocks
from bastide.settings import ExistingCache, ExistingDatabase, Settings
from bastide.settings.route_hosted import AzureOpenAi, Bedrock, HostedBase, OpenAiCompatible


def database_store(settings: Settings, host: str) -> Store:
    """The gateway's Postgres at that host."""
    known = database.connection(settings)
    env = {
        "DATABASE_HOST": host,
        "DATABASE_PORT": str(known.port),
        "DATABASE_NAME": known.database,
        "DATABASE_USER": known.user,
        "DATABASE_AUTH": known.auth,
        **({"DATABASE_CA": DATABASE_AUTHORITY} if known.ca else {}),
    }
    outside = isinstance(settings.database, ExistingDatabase)
    return Store(env, store_blocks(settings, outside), known.port, known.ca or "")


def store_blocks(settings: Settings, outside: bool) -> list[str]:
    """Blocks in which a store stands: the private subnets, and where somebody else made it the blocks that were given,
    and the VPC."""
    if not outside:
        return endpoint_blocks(settings)
    return [str(settings.network.cidr), *map(str, settings.gateway.private_cidrs)]


def hosted_in_use(settings: Settings) -> list[HostedBase]:
    """Hosted deployments that some class may use on some route; the others are asked by nobody, and no way is opened
    to them."""
    used = table(settings).used
    return [each for each in settings.hosted if each.name in used]


def provider_ports(settings: Settings) -> list[int]:
    """Ports of hosted providers outside AWS's own endpoints and of callers' identity provider, each once; none where
    neither is. Bedrock in the stack's region is reached inside the VPC, which a check makes sure of; an endpoint leads
    to no other region, so that Bedrock there is a provider as any."""
    signs = settings.gateway.sign_in
    issuer = set() if signs is None else {urlsplit(signs.jwks_url).port or 443}
    outside = [
        each
        for each in hosted_in_use(settings)
        if not isinstance(each, Bedrock) or each.region != settings.region
    ]
    return sorted({_port(each) for each in outside} | issuer)


def _port(hosted: HostedBase) -> int:
    address = (
        hosted.endpoint
        if isinstance(hosted, AzureOpenAi)
        else hosted.url
        if isinstance(hosted, OpenAiCompatible)
        else "https://any"
    )
    found = urlsplit(address)
    return found.port or {"http": 80, "https": 443}[found.scheme]


def bedrock_in_use(settings: Settings) -> list[Bedrock]:
    """Those of them at Bedrock."""
    return [each for each in hosted_in_use(settings) if isinstance(each, Bedrock)]


def guards_in_use(settings: Settings) -> list[str]:
    """Names of the guards that a class or a route asks for, each once."""
    named = {
        *(guard for each in type(settings.data_classes).model_fields for guard in _of(settings, each)),
        *(guard for route in settings.routes for guard in route.guards),
    }
    return sorted(named)


def _of(settings: Settings, data_class: str) -> Sequence[str]:
    found: Sequence[str] = getattr(settings.data_classes, data_class).guards
    return found


def redis_store(settings: Settings, host: str) -> Store:
    """The gateway's Redis at that host."""
    known = cache.connection(settings)
    env = {
        "REDIS_HOST": host,
        "REDIS_PORT": str(known.port),
        "REDIS_TLS": "true",
        "REDIS_USER": known.user,
        "REDIS_AUTH": known.auth,
        **({"REDIS_CACHE_NAME": known.cache_name} if known.cache_name else {}),
        **({"REDIS_CA": REDIS_AUTHORITY} if known.ca else {}),
    }
    outside = isinstance(settings.cache, ExistingCache)
    return Store(env, store_blocks(settings, outside), known.port, known.ca or "")
