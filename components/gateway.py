"""The gateway: certificates, its pods' identities, and the Helm release of charts/gateway, with values made by
`bastide.plans.gateway`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

import pulumi
import pulumi_kubernetes as kubernetes

from bastide import names
from bastide.plans import audit, edge, gateway, gateway_package, gateway_surroundings, private_ca
from bastide.plans import database as administrator
from bastide.plans.gateway import Store, Surroundings
from bastide.plans.routing import document, litellm_config
from bastide.plans.routing.notes import notes
from bastide.plans.routing.table import table
from bastide.settings import CreatedDatabase, ExistingCache, ExistingDatabase, Settings
from bastide.settings.cache import CacheSettings
from bastide.settings.database import DatabaseSettings
from components.cache import Cache
from components.charts import MAX_HISTORY, ROOT, with_digest
from components.database import Database

CHART: Final = "./charts/gateway"
"""Relative to the program, so that the state holds no path of a machine."""

PACKAGE: Final = ROOT / "gateway" / gateway_package.PACKAGE
"""What is mounted into LiteLLM."""


@dataclass(frozen=True)
class GatewayArgs:
    """The stack's settings, and what other parts know once they are there."""

    settings: Settings
    config: str
    """LiteLLM's config.yaml."""
    routes: str
    """routes.json."""
    database: pulumi.Input[Store]
    redis: pulumi.Input[Store]
    edge_cidrs: Sequence[str] = ()
    """Subnets of the load balancer."""
    env: Mapping[str, pulumi.Input[str]] = field(default_factory=dict)
    """More non-secret environment of LiteLLM's containers."""
    endpoints: bool = False
    """Whether the pods call AWS."""
    internet_ports: Sequence[int] = ()
    """Ports of hosted providers and callers' identity providers."""
    jobs_env: Mapping[str, pulumi.Input[str]] = field(default_factory=dict)
    """More non-secret environment of the migration."""
    secrets_version: pulumi.Input[str] = ""
    """A text that changes when a secret was renewed."""


class Gateway(pulumi.ComponentResource):
    """LiteLLM's pods and the service that finds personal data. `url` is the gateway's base URL inside the cluster."""

    url: str

    def __init__(self, name: str, args: GatewayArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("bastide:gateway:Gateway", name, None, opts)
        settings = args.settings
        package = gateway_package.read(PACKAGE)
        guards = gateway_surroundings.guards_in_use(settings)
        if settings.gateway.autoscaling is not None:
            pulumi.log.warn(
                "gateway: autoscaling by CPU needs metrics-server in the cluster, which the kit does not install; "
                f"without it the gateway stays at {settings.gateway.replicas} pods",
                self,
            )
        for note in notes(settings, table(settings)):
            pulumi.log.warn(f"gateway: {note}", self)

        def values(known: Mapping[str, Any]) -> dict[str, Any]:
            around = Surroundings(
                config=args.config,
                routes=args.routes,
                package=package,
                database=known["database"],
                redis=known["redis"],
                edge_cidrs=args.edge_cidrs,
                env=known["env"],
                jobs_env=known["jobs_env"],
                secrets_version=known["secrets_version"],
                endpoints=args.endpoints,
                internet_ports=args.internet_ports,
                guards=guards,
            )
            return with_digest(CHART, gateway.chart_values(settings, around))

        services = [names.GATEWAY, *(["pii"] if "pii" in guards else [])]
        needed = [
            self._certificate(name, settings, each) for each in services if settings.certificates.internal
        ]
        kubernetes.helm.v3.Release(
            f"{name}-release",
            name=names.GATEWAY,
            namespace=names.namespace("gateway"),
            chart=CHART,
            values=pulumi.Output.all(
                database=args.database,
                redis=args.redis,
                env=dict(args.env),
                jobs_env=dict(args.jobs_env),
                secrets_version=args.secrets_version,
            ).apply(values),
            timeout=settings.rollout_timeout_seconds,
            max_history=MAX_HISTORY,
            opts=pulumi.ResourceOptions(parent=self, depends_on=needed),
        )
        self.url = gateway.url(settings)
        self.register_outputs({"url": self.url})

    def _certificate(self, name: str, settings: Settings, service: str) -> pulumi.Resource:
        """The certificate of a Service; the pods wait for its Secret."""
        wanted = private_ca.service_certificate(settings, service, "gateway")
        made: pulumi.Resource = kubernetes.apiextensions.CustomResource(
            f"{name}-certificate-{service}",
            api_version=wanted["apiVersion"],
            kind=wanted["kind"],
            metadata=wanted["metadata"],
            spec=wanted["spec"],
            opts=pulumi.ResourceOptions(parent=self),
        )
        return made


def gateway_args(
    settings: Settings,
    database: Database | None,
    redis: Cache | None,
    secrets_version: pulumi.Input[str] = "",
) -> GatewayArgs:
    """What the gateway is told of its stack; `database` and `redis` are those that the stack makes itself."""
    bedrock = bool(gateway_surroundings.bedrock_in_use(settings))
    return GatewayArgs(
        settings=settings,
        config=litellm_config.rendered(settings),
        routes=document.rendered(settings),
        database=_host(database, settings.database).apply(
            partial(gateway_surroundings.database_store, settings)
        ),
        redis=_host(redis, settings.cache).apply(partial(gateway_surroundings.redis_store, settings)),
        jobs_env={
            "DATABASE_ADMIN_SECRET_ARN": database.administrator_secret_arn,
            "DATABASE_ADMIN_STATEMENTS": json.dumps(administrator.user_statements(settings.database)),
        }
        if isinstance(settings.database, CreatedDatabase) and database is not None
        else {},
        edge_cidrs=edge.subnet_blocks(settings),
        # The administrator's password lies in Secrets Manager.
        endpoints=bedrock or database is not None or audit.wanted(settings) is not None,
        internet_ports=gateway_surroundings.provider_ports(settings),
        secrets_version=secrets_version,
    )


def _host(made: Database | Cache | None, wanted: DatabaseSettings | CacheSettings) -> pulumi.Output[str]:
    """Host name of a store: of the one that was made, or of the one that was there."""
    if made is not None:
        return made.host
    if isinstance(wanted, ExistingDatabase | ExistingCache):
        return pulumi.Output.from_input(wanted.host)
    raise AssertionError("a store that the stack makes is made before the gateway")
