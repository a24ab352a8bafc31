"""A region's gateway: all that it needs in AWS, and then what of it is in the cluster.

It goes before its stores, its secrets and its entrance, so that nothing is taken from under a request."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pulumi

from bastide.plans import audit
from bastide.settings import CreatedCache, CreatedDatabase, Settings
from bastide.settings.secrets import AwsSecretsManager
from components.audit_store import AuditStore, AuditStoreArgs
from components.cache import Cache, CacheArgs
from components.certificate_edge import EdgeCertificate
from components.cluster import Cluster
from components.cluster_adopted import ClusterAdopted
from components.database import Database, DatabaseArgs
from components.edge import Edge, EdgeArgs
from components.edge_controller import EdgeController, EdgeControllerArgs
from components.external_secrets import ExternalSecrets
from components.gateway import Gateway, gateway_args
from components.gateway_access import GatewayAccess, GatewayAccessArgs
from components.namespaces import Namespaces
from components.network import Network
from components.secrets import Secrets, SecretsArgs


@dataclass(frozen=True)
class RegionGatewayArgs:
    """The stack's settings, where the gateway is, and the public certificate where the stack has a domain."""

    settings: Settings
    network: Network
    cluster: Cluster | ClusterAdopted
    certificate: EdgeCertificate | None


class RegionGateway:
    """Parts of a region, which is the parent of each: `opts` are the region's options for AWS."""

    needed: list[pulumi.Resource]
    """Its rights and its audit trail's bucket, which have to be there before any pod of it."""

    def __init__(self, name: str, args: RegionGatewayArgs, opts: pulumi.ResourceOptions) -> None:
        self._name, self._args, self._on_aws = name, args, opts
        settings, cluster = args.settings, args.cluster
        place = (args.network.vpc_id, args.network.private_subnet_ids, cluster.security_group_id)
        database, cache = settings.database, settings.cache
        self._database = (
            Database(f"{name}-database", DatabaseArgs(settings, database, *place), opts=opts)
            if isinstance(database, CreatedDatabase)
            else None
        )
        self._cache = (
            Cache(f"{name}-cache", CacheArgs(settings, cache, *place), opts=opts)
            if isinstance(cache, CreatedCache)
            else None
        )
        rights = GatewayAccessArgs(settings, cluster.cluster_name, self._database)
        self.needed = [GatewayAccess(f"{name}-gateway-access", rights, opts=opts)]
        if audit.wanted(settings) is not None:
            self.needed.append(AuditStore(f"{name}-audit", AuditStoreArgs(settings), opts=opts))
        store = settings.secrets.store
        self._secrets = (
            Secrets(f"{name}-secrets", SecretsArgs(settings, store, cluster.cluster_name), opts=opts)
            if isinstance(store, AwsSecretsManager)
            else None
        )
        self._entrance = self._edge()

    def _edge(self) -> Edge | None:
        """The entrance that shows the public certificate."""
        args, settings = self._args, self._args.settings
        wanted, domain, zone_id = settings.edge, settings.certificates.domain, settings.certificates.zone_id
        if wanted is None or args.certificate is None or domain is None or zone_id is None:
            return None
        network = args.network
        entrance = EdgeArgs(
            settings=settings,
            wanted=wanted,
            vpc_id=network.vpc_id,
            subnet_ids=network.public_subnet_ids if wanted.scheme == "public" else network.private_subnet_ids,
            pod_group_id=args.cluster.security_group_id,
            cluster_name=args.cluster.cluster_name,
            certificate_arn=args.certificate.certificate_arn,
            domain=domain,
            zone_id=zone_id,
        )
        after = pulumi.ResourceOptions.merge(self._on_aws, pulumi.ResourceOptions(depends_on=[network]))
        return Edge(f"{self._name}-entrance", entrance, opts=after)

    def install(
        self,
        namespaces: Namespaces,
        surroundings: Sequence[pulumi.Resource],
        after: Callable[..., pulumi.ResourceOptions],
    ) -> None:
        """What is in the cluster. `surroundings` are the classes and issuers that its pods name; `after` gives the
        region's options for Kubernetes: after all that pods need, and after what it is called with."""
        name, settings = self._name, self._args.settings
        stored = [self._secrets] if self._secrets is not None else []
        version = self._secrets.version if self._secrets is not None else pulumi.Output.from_input("")
        # Who uses a secret comes after it, and so goes before.
        delivered = ExternalSecrets(f"{name}-external-secrets", settings, version, after(namespaces, *stored))
        stores = [each for each in (self._database, self._cache) if each is not None]
        gateway = Gateway(
            f"{name}-gateway",
            gateway_args(settings, self._database, self._cache, version if stored else ""),
            after(namespaces, *surroundings, delivered, *stores),
        )
        if self._entrance is not None and settings.edge is not None:
            # It takes the gateway's pods out of the load balancer when it goes, so the gateway goes after it.
            EdgeController(
                f"{name}-entrance-controller",
                EdgeControllerArgs(
                    settings, settings.edge, self._args.network.vpc_id, self._entrance.target_group_arn
                ),
                after(namespaces, *surroundings, gateway, self._entrance),
            )
