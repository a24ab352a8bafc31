"""From a stack's settings to the values of `charts/gateway`. Pure.

No value holds a secret: what is secret comes as a file of the Secret `gateway-secrets`. `no_secrets` looks over what
was made, so that a mistake in any part that adds to it ends the run and not in a ConfigMap."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from bastide import names
from bastide.catalogues.secrets import DATABASE_PASSWORD, MASTER_KEY
from bastide.plans import edge, engine_proxy, priorities
from bastide.plans.no_secrets import refuse_secrets
from bastide.plans.serving import endpoint_blocks, image_values
from bastide.settings import Settings
from bastide.settings.gateway import GatewayClient

API_PORT: Final = 4000
"""Port for clients, of the pods."""
METRICS_PORT: Final = 4001
"""Port for Prometheus, of the pods."""
ADMIN_PORT: Final = 4002
"""Port for management calls, of the pods and of the Service."""
SERVICE_PORT: Final = 443
"""Port for clients, of the Service."""
PII_PORTS: Final = {"https": 8443, "http": 8080}
"""Port of the service that finds personal data, with TLS and without."""

CONFIG: Final = "/etc/bastide/gateway"
PACKAGE: Final = "/opt/bastide/gateway"
SECRETS: Final = "/etc/bastide/secrets"
TLS: Final = "/etc/bastide/tls"
AUTHORITY: Final = "/etc/bastide/ca/ca.crt"
"""Root of the private CA, by which engines, the pii service and the gateway itself are known."""
DATABASE_AUTHORITY: Final = "/etc/bastide/database/ca.pem"
REDIS_AUTHORITY: Final = "/etc/bastide/redis/ca.pem"

MOST_DRAIN_SECONDS: Final = 3600
"""Longest drain that follows from routes: a batch request may take a day, and no update waits for one."""

KEEP_ALIVE_SECONDS: Final = 75
"""Without a load balancer of the stack: above the 60 s that most have by default."""
SPARE_SECONDS: Final = 15
"""By how much the pods keep connections longer than the load balancer. A choice."""

TMP: Final = "/tmp"  # noqa: S108 - the pod's own volume
TMP_MIB: Final = 512
"""Size of /tmp, all that LiteLLM may write to: the migrations that it applies, and uploads larger than 1 MiB. A
choice."""


@dataclass(frozen=True)
class Store:
    """A database or Redis as the gateway's pods see it: environment, where it is, and who signed its certificate."""

    env: Mapping[str, str]
    cidrs: Sequence[str]
    port: int
    authority: str = ""
    """PEM; empty where the image's own list is meant."""


@dataclass(frozen=True)
class Surroundings:
    """What other parts know and the gateway needs."""

    config: str
    """LiteLLM's config.yaml."""
    routes: str
    """routes.json."""
    package: Mapping[str, str]
    database: Store
    redis: Store
    edge_cidrs: Sequence[str] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    """More non-secret environment: audit trail, sign-in."""
    jobs_env: Mapping[str, str] = field(default_factory=dict)
    """More of it for the migration alone."""
    secrets_version: str = ""
    """A text that changes when a secret was renewed: processes read secrets once."""
    endpoints: bool = False
    """Whether the pods call AWS: for the audit trail, Bedrock or tokens."""
    internet_ports: Sequence[int] = ()
    """Ports of hosted providers and callers' identity providers; none: no way out."""
    guards: Sequence[str] = ()
    """Names of the guards that some class or route asks for."""


def service_host() -> str:
    """Name of the gateway inside the cluster."""
    return f"{names.GATEWAY}.{names.namespace('gateway')}.svc"


def url(settings: Settings) -> str:
    """Base URL of the gateway inside the cluster, without a path."""
    return f"{scheme(settings)}://{service_host()}:{SERVICE_PORT}"


def scheme(settings: Settings) -> str:
    """How pods speak to one another: https where the private CA runs."""
    return "https" if settings.certificates.internal else "http"


def tls_secret(settings: Settings, service: str) -> str:
    """Secret of the certificate of a Service in the gateway's namespace; empty without the private CA."""
    return f"{service}-tls" if settings.certificates.internal else ""


def pii_url(settings: Settings) -> str:
    """Base URL of the service that finds personal data."""
    return f"{scheme(settings)}://pii.{names.namespace('gateway')}.svc:{PII_PORTS[scheme(settings)]}"


def engine_url(settings: Settings, engine: str) -> str:
    """Base URL of an engine, as the gateway calls it."""
    release, namespace = names.engine_release(engine), names.namespace("serving")
    return f"{scheme(settings)}://{release}.{namespace}.svc:{engine_proxy.PORT}/v1"


def shutdown_seconds(settings: Settings) -> int:
    """Seconds for requests in flight to end: what was given, or as long as clients wait at most."""
    if settings.gateway.drain.shutdown_seconds is not None:
        return settings.gateway.drain.shutdown_seconds
    longest = max((route.client_timeout_seconds for route in settings.routes), default=600)
    return min(MOST_DRAIN_SECONDS, -int(-longest // 1))


def keep_alive_seconds(settings: Settings) -> int:
    """Seconds for which a connection without a request is kept: longer than the load balancer keeps it, or it would
    send a request into a connection that just closed, and answer 502."""
    return KEEP_ALIVE_SECONDS if settings.edge is None else edge.idle_seconds(settings) + SPARE_SECONDS


def chart_values(settings: Settings, around: Surroundings) -> dict[str, Any]:
    """Values of `charts/gateway`; JSON-able. Raises SecretInValuesError where one of them looks like a secret."""
    wanted = settings.gateway
    values: dict[str, Any] = {
        "images": {
            "allowUnresolved": settings.sandbox,
            "gateway": image_values(settings.images.gateway),
            "pii": image_values(settings.images.pii),
        },
        "replicas": wanted.replicas,
        **(
            {}
            if wanted.autoscaling is None
            else {
                "autoscaling": {
                    "maxReplicas": wanted.autoscaling.max_replicas,
                    "targetCpuPercent": wanted.autoscaling.target_cpu_percent,
                }
            }
        ),
        "pool": names.SYSTEM_POOL,
        "priorityClassName": priorities.SERVING.name,
        "resources": {
            "cpuMilli": wanted.resources.cpu_milli,
            "memoryMib": wanted.resources.memory_mib,
            "tmpMib": TMP_MIB,
        },
        "startupSeconds": wanted.startup_seconds,
        "drain": {
            "preStopSeconds": wanted.drain.pre_stop_seconds,
            "shutdownSeconds": shutdown_seconds(settings),
        },
        "ports": {"api": API_PORT, "metrics": METRICS_PORT, "admin": ADMIN_PORT},
        "service": {"port": SERVICE_PORT},
        "tls": {"secretName": tls_secret(settings, names.GATEWAY)},
        "secrets": {
            "secretName": names.GATEWAY_SECRETS,
            "migrate": [DATABASE_PASSWORD.name] if settings.database.auth == "password" else [],
            "teams": [MASTER_KEY.name],
            "version": around.secrets_version,
        },
        "config": {"config.yaml": around.config, "routes.json": around.routes},
        "package": dict(around.package),
        "env": environment(settings, around),
        "trust": {"database": around.database.authority, "redis": around.redis.authority},
        "jobs": {"env": dict(around.jobs_env)},
        "pii": {
            "enabled": "pii" in around.guards,
            "replicas": wanted.pii.replicas,
            "cpuMilli": wanted.pii.cpu_milli,
            "memoryMib": wanted.pii.memory_mib,
            "port": PII_PORTS[scheme(settings)],
            "tlsSecretName": tls_secret(settings, "pii"),
        },
        "network": {
            "edgeCidrs": list(around.edge_cidrs),
            "clients": _clients(wanted.clients),
            "adminClients": _clients(wanted.admin_clients),
            "engines": {"namespace": names.namespace("serving"), "port": engine_proxy.PORT},
            "database": {"cidrs": list(around.database.cidrs), "port": around.database.port},
            "redis": {"cidrs": list(around.redis.cidrs), "port": around.redis.port},
            "httpsCidrs": endpoint_blocks(settings) if around.endpoints else [],
            "internetPorts": sorted(set(around.internet_ports)),
            "privateCidrs": [str(each) for each in wanted.private_cidrs],
        },
    }
    refuse_secrets(values, "the Helm values of the gateway")
    return values


def environment(settings: Settings, around: Surroundings) -> dict[str, str]:
    """Environment of LiteLLM's containers; nothing secret."""
    secured = {"BASTIDE_CA": AUTHORITY} if settings.certificates.internal else {}
    return {
        "AWS_REGION": settings.region,
        "BASTIDE_GATEWAY_CONFIG": CONFIG,
        "BASTIDE_SECRETS": SECRETS,
        "BASTIDE_TLS": TLS,
        "BASTIDE_GATEWAY_PORT": str(API_PORT),
        "BASTIDE_METRICS_PORT": str(METRICS_PORT),
        "BASTIDE_ADMIN_PORT": str(ADMIN_PORT),
        "BASTIDE_DRAIN_SECONDS": str(shutdown_seconds(settings)),
        "BASTIDE_KEEP_ALIVE_SECONDS": str(keep_alive_seconds(settings)),
        "BASTIDE_MOST_CONNECTIONS": str(settings.gateway.connections.most),
        "BASTIDE_HEADER_SECONDS": str(settings.gateway.connections.header_seconds),
        "BASTIDE_BODY_SECONDS": str(settings.gateway.connections.body_seconds),
        "LITELLM_LOG": settings.gateway.log_level.upper(),
        **secured,
        **around.database.env,
        **around.redis.env,
        **around.env,
        # Nothing is fetched at the start: prices are ours.
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        # Migrations are the job's.
        "DISABLE_SCHEMA_UPDATE": "true",
        "DO_NOT_TRACK": "1",
        "HOME": TMP,
        "PYTHONPATH": PACKAGE,
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
    }


def _clients(clients: Sequence[GatewayClient]) -> list[dict[str, Any]]:
    return [{"namespace": each.namespace, "labels": dict(each.labels)} for each in clients]
