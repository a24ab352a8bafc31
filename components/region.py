"""One region: everything of a stack, wired in an order that also holds backwards.

Creation: network and control plane; the add-ons that nodes need; nodes; the add-ons that need nodes;
Kubernetes objects; engines. Destruction is the reverse, so that no Kubernetes object is left without nodes
to end on and without an API server to delete it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

import pulumi

from bastide import names
from bastide.adopted.cluster import ClusterFacts
from bastide.catalogues.addon_versions import AFTER_NODES, BEFORE_NODES
from bastide.plans import audit, karpenter_plan, secrets
from bastide.settings import CreatedCache, CreatedCluster, CreatedDatabase, Settings
from bastide.settings.secrets import AwsSecretsManager
from components import secret_values
from components.access import AccessEntries, AccessEntriesArgs, AccessRoles, AccessRolesArgs
from components.addons import Addons, AddonsArgs
from components.adopted import refuse_unusable
from components.audit_store import AuditStore, AuditStoreArgs
from components.boundary import bounded
from components.break_glass import BreakGlass, BreakGlassArgs
from components.cache import Cache, CacheArgs
from components.certificate_edge import EdgeCertificate
from components.certificates import Certificates
from components.cluster import Cluster, ClusterArgs, log_group
from components.cluster_adopted import ClusterAdopted, ClusterAdoptedArgs
from components.cluster_reading import read_cluster
from components.database import Database, DatabaseArgs
from components.edge import Edge, EdgeArgs
from components.edge_controller import EdgeController, EdgeControllerArgs
from components.external_secrets import ExternalSecrets
from components.gateway import Gateway, gateway_args
from components.gateway_access import GatewayAccess, GatewayAccessArgs
from components.gpu_pool import GpuPool, GpuPoolArgs
from components.identity import PodIdentity, PodIdentityArgs, model_reader_policy
from components.karpenter import Karpenter, KarpenterAccess, KarpenterAccessArgs
from components.karpenter_pool import KarpenterPool, KarpenterPoolArgs
from components.key import Key, KeyArgs, logs_statement
from components.model_store import ModelStore, ModelStoreArgs
from components.multi_node import MultiNode
from components.namespaces import Namespaces, NamespacesArgs
from components.network import Network, NetworkArgs, flow_log_group
from components.node_agents import NodeAgents, NodeAgentsArgs
from components.priorities import Priorities
from components.providers import aws_provider, kubernetes_provider
from components.scaling import Scaling
from components.secrets import Secrets, SecretsArgs
from components.system_pool import SystemPool, SystemPoolArgs
from components.vllm_release import VllmRelease, VllmReleaseArgs

OPERATED: Final = ("system", "serving", "gateway")
"""Namespaces, by purpose, in which operators scale and restart: those that hold what the kit runs."""


@dataclass(frozen=True)
class RegionArgs:
    """The stack's settings."""

    settings: Settings


class Region(pulumi.ComponentResource):
    """A whole region by its own two providers."""

    cluster_name: pulumi.Output[str]
    cluster_endpoint: pulumi.Output[str]
    model_bucket: pulumi.Output[str]
    engine_services: dict[str, str]
    """Service of each engine inside the cluster, `name.namespace`, by the engine's name."""

    def __init__(self, name: str, args: RegionArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        bound = bounded(args.settings)
        super().__init__("bastide:region:Region", name, None, pulumi.ResourceOptions.merge(opts, bound))
        self._name, self._settings = name, args.settings
        settings = args.settings
        secret_values.refuse(settings)
        provider = aws_provider(f"{name}-aws", settings, pulumi.ResourceOptions(parent=self))
        self._on_aws = pulumi.ResourceOptions(parent=self, provider=provider)
        refuse_unusable(settings, provider)
        facts = read_cluster(settings, provider)
        logs_key = Key(
            f"{name}-logs-key",
            KeyArgs(
                settings,
                "logs",
                "Encryption of flow logs and control plane logs",
                [
                    logs_statement(
                        settings.region,
                        settings.account_id,
                        [flow_log_group(settings), *self._cluster_logs()],
                    )
                ],
            ),
            opts=self._on_aws,
        )
        network = Network(f"{name}-network", NetworkArgs(settings, logs_key.arn), opts=self._on_aws)
        store = ModelStore(f"{name}-models", ModelStoreArgs(settings), opts=self._on_aws)
        cluster = self._cluster(facts, network, logs_key)
        self._access(cluster)
        self._database, self._cache = self._stores(network, cluster)
        pools = self._nodes(network, cluster)
        identities = [*self._identities(cluster, store), *self._gateway_access(cluster)]
        self._secrets = self._stored_secrets(cluster)
        self._entrance = self._edge(network, cluster)
        self._kubernetes(network, cluster, store, [*pools, *identities])

        self.cluster_name = cluster.cluster_name
        self.cluster_endpoint = cluster.endpoint
        self.model_bucket = store.bucket
        self.engine_services = {
            engine.name: f"{names.engine_release(engine.name)}.{names.namespace('serving')}"
            for engine in settings.engines
        }
        self.register_outputs(
            {
                "clusterName": self.cluster_name,
                "clusterEndpoint": self.cluster_endpoint,
                "modelBucket": self.model_bucket,
                "engineServices": self.engine_services,
            }
        )

    def _cluster_logs(self) -> list[str]:
        """The control plane's log group, where it is the stack's."""
        return [log_group(self._settings)] if isinstance(self._settings.cluster, CreatedCluster) else []

    def _cluster(
        self, facts: ClusterFacts | None, network: Network, logs_key: Key
    ) -> Cluster | ClusterAdopted:
        settings, wanted = self._settings, self._settings.cluster
        if isinstance(wanted, CreatedCluster):
            return Cluster(
                f"{self._name}-cluster",
                ClusterArgs(settings, wanted, network.vpc_id, network.private_subnet_ids, logs_key.arn),
                opts=self._on_aws,
            )
        if facts is None:
            raise AssertionError("an adopted cluster that is not there is refused before")
        return ClusterAdopted(f"{self._name}-cluster", ClusterAdoptedArgs(facts), opts=self._on_aws)

    def _access(self, cluster: Cluster | ClusterAdopted) -> None:
        """People's ways into the cluster, besides its administrators'."""
        settings, wanted = self._settings, self._settings.access
        if any(wanted.by_role().values()):
            AccessEntries(
                f"{self._name}-access",
                AccessEntriesArgs(settings, cluster.cluster_name),
                opts=self._after(cluster),
            )
        if wanted.break_glass is not None:
            BreakGlass(
                f"{self._name}-break-glass",
                BreakGlassArgs(settings, wanted.break_glass, cluster.cluster_name, log_group(settings)),
                opts=self._after(cluster),
            )

    def _stores(
        self, network: Network, cluster: Cluster | ClusterAdopted
    ) -> tuple[Database | None, Cache | None]:
        """The gateway's Postgres and Redis, as far as they are the stack's own to make."""
        name, settings = self._name, self._settings
        if not settings.gateway.enabled:
            return None, None
        place = (network.vpc_id, network.private_subnet_ids, cluster.security_group_id)
        database, cache = settings.database, settings.cache
        return (
            Database(f"{name}-database", DatabaseArgs(settings, database, *place), opts=self._on_aws)
            if isinstance(database, CreatedDatabase)
            else None,
            Cache(f"{name}-cache", CacheArgs(settings, cache, *place), opts=self._on_aws)
            if isinstance(cache, CreatedCache)
            else None,
        )

    def _stored_secrets(self, cluster: Cluster | ClusterAdopted) -> Secrets | None:
        """The stack's secrets in AWS, where something needs them and they lie there."""
        settings, store = self._settings, self._settings.secrets.store
        if not secrets.wanted(settings) or not isinstance(store, AwsSecretsManager):
            return None
        wanted = SecretsArgs(settings, store, cluster.cluster_name)
        return Secrets(f"{self._name}-secrets", wanted, opts=self._on_aws)

    def _delivered_secrets(
        self, namespaces: Namespaces, after: Callable[..., pulumi.ResourceOptions]
    ) -> list[pulumi.Resource]:
        """External Secrets. Who uses a secret comes after it, and so goes before."""
        if not secrets.wanted(self._settings):
            return []
        stored = [self._secrets] if self._secrets is not None else []
        version = self._secrets.version if self._secrets is not None else pulumi.Output.from_input("")
        options = after(namespaces, *stored)
        return [ExternalSecrets(f"{self._name}-external-secrets", self._settings, version, options)]

    def _edge(self, network: Network, cluster: Cluster | ClusterAdopted) -> Edge | None:
        """The public certificate, where the stack has a domain, and the entrance that shows it."""
        name, settings = f"{self._name}-edge", self._settings
        found, wanted = settings.certificates, settings.edge
        if found.domain is None or found.zone_id is None:
            return None
        certificate = EdgeCertificate(name, settings, found.domain, found.zone_id, opts=self._on_aws)
        if wanted is None or not settings.gateway.enabled:
            return None
        args = EdgeArgs(
            settings=settings,
            wanted=wanted,
            vpc_id=network.vpc_id,
            subnet_ids=network.public_subnet_ids if wanted.scheme == "public" else network.private_subnet_ids,
            pod_group_id=cluster.security_group_id,
            cluster_name=cluster.cluster_name,
            certificate_arn=certificate.certificate_arn,
            domain=found.domain,
            zone_id=found.zone_id,
        )
        return Edge(f"{self._name}-entrance", args, opts=self._after(network))

    def _after(self, *needed: pulumi.Resource) -> pulumi.ResourceOptions:
        return pulumi.ResourceOptions.merge(self._on_aws, pulumi.ResourceOptions(depends_on=list(needed)))

    def _addons(
        self, suffix: str, cluster: Cluster | ClusterAdopted, group: tuple[str, ...], *needed: pulumi.Resource
    ) -> list[pulumi.Resource]:
        """The add-ons of a group that the stack manages; in an adopted cluster that may be none."""
        versions = {
            each: version for each, version in self._settings.cluster.managed().items() if each in group
        }
        if not versions:
            return []
        return [
            Addons(
                f"{self._name}-{suffix}",
                AddonsArgs(cluster.cluster_name, versions),
                opts=self._after(*needed),
            )
        ]

    def _cni_identity(self, cluster: Cluster | ClusterAdopted) -> list[pulumi.Resource]:
        settings = self._settings
        if "vpc-cni" not in settings.cluster.managed():
            return []
        return [
            PodIdentity(
                f"{self._name}-vpc-cni",
                PodIdentityArgs(
                    settings=settings,
                    cluster_name=cluster.cluster_name,
                    role_name=f"{settings.prefix}-vpc-cni",
                    namespace="kube-system",
                    service_account="aws-node",
                    managed_policies=["AmazonEKS_CNI_Policy"],
                ),
                opts=self._on_aws,
            )
        ]

    def _nodes(self, network: Network, cluster: Cluster | ClusterAdopted) -> list[pulumi.Resource]:
        """All that has to be there before a pod can run."""
        name, settings = self._name, self._settings
        before = self._addons("node-addons", cluster, BEFORE_NODES, cluster, *self._cni_identity(cluster))
        # Nodes reach EKS and the image registries by the network's routes and endpoints.
        node_opts = self._after(network, cluster, *before)
        system = SystemPool(
            f"{name}-system-pool",
            SystemPoolArgs(settings, cluster.cluster_name, network.private_subnet_ids),
            opts=node_opts,
        )
        gpu_pools = [
            GpuPool(
                f"{name}-gpu-pool-{pool.name}",
                GpuPoolArgs(
                    settings=settings,
                    pool=pool,
                    cluster_name=cluster.cluster_name,
                    subnet_ids=network.private_subnet_ids,
                    vpc_id=network.vpc_id,
                    cluster_security_group_id=cluster.security_group_id,
                ),
                opts=node_opts,
            )
            for pool in settings.pools
            if pool.provisioner == "nodeGroup"
        ]
        return [system, *gpu_pools, *self._addons("addons", cluster, AFTER_NODES, system)]

    def _identities(self, cluster: Cluster | ClusterAdopted, store: ModelStore) -> list[pulumi.Resource]:
        settings = self._settings
        return [
            PodIdentity(
                f"{self._name}-engine-{engine.name}",
                PodIdentityArgs(
                    settings=settings,
                    cluster_name=cluster.cluster_name,
                    role_name=names.engine_role(settings.prefix, engine.name),
                    namespace=names.namespace("serving"),
                    service_account=names.service_account(engine.name),
                    policy=store.key_arn.apply(partial(model_reader_policy, settings, engine)),
                ),
                opts=self._on_aws,
            )
            for engine in settings.engines
        ]

    def _gateway_access(self, cluster: Cluster | ClusterAdopted) -> list[pulumi.Resource]:
        """The gateway's rights and the bucket of its audit trail, where the stack has them."""
        settings = self._settings
        if not settings.gateway.enabled:
            return []
        wanted = GatewayAccessArgs(settings, cluster.cluster_name, self._database)
        access = GatewayAccess(f"{self._name}-gateway-access", wanted, opts=self._on_aws)
        if audit.wanted(settings) is None:
            return [access]
        return [access, AuditStore(f"{self._name}-audit", AuditStoreArgs(settings), opts=self._on_aws)]

    def _karpenter(
        self, network: Network, cluster: Cluster | ClusterAdopted, opts: pulumi.ResourceOptions
    ) -> list[pulumi.Resource]:
        """Karpenter and its pools, where a pool asks for it. An engine on one comes after it, and so goes before."""
        name, settings = self._name, self._settings
        pools = karpenter_plan.pools(settings)
        if not pools:
            return []
        rights = KarpenterAccess(
            f"{name}-karpenter-access",
            KarpenterAccessArgs(settings, cluster.cluster_name),
            opts=self._after(cluster),
        )

        def after(*resources: pulumi.Resource) -> pulumi.ResourceOptions:
            return pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=list(resources)))

        controller = Karpenter(f"{name}-karpenter", settings, after(rights))
        return [
            KarpenterPool(
                f"{name}-karpenter-pool-{pool.name}",
                KarpenterPoolArgs(settings, pool, network.private_subnet_ids, cluster.security_group_id),
                after(controller),
            )
            for pool in pools
        ]

    def _controllers(self, opts: pulumi.ResourceOptions) -> list[pulumi.Resource]:
        """Those that engines' objects need. An engine comes after them, and so goes before."""
        settings = self._settings
        found: list[pulumi.Resource] = []
        if settings.scaling.enabled:
            found.append(Scaling(f"{self._name}-scaling", settings, opts))
        if settings.multi_node.enabled:
            found.append(MultiNode(f"{self._name}-multi-node", settings, opts))
        return found

    def _kubernetes(
        self,
        network: Network,
        cluster: Cluster | ClusterAdopted,
        store: ModelStore,
        needed: list[pulumi.Resource],
    ) -> None:
        name, settings = self._name, self._settings
        provider = kubernetes_provider(
            f"{name}-kubernetes",
            settings,
            cluster.endpoint,
            cluster.certificate_authority,
            # The access entries are among the cluster's children: before them every request is refused.
            pulumi.ResourceOptions(parent=self, depends_on=[cluster]),
        )

        def after(*resources: pulumi.Resource) -> pulumi.ResourceOptions:
            return pulumi.ResourceOptions(parent=self, provider=provider, depends_on=list(resources))

        namespaces = Namespaces(
            f"{name}-namespaces", NamespacesArgs(settings=settings), after(cluster, *needed)
        )
        if any(settings.access.by_role().values()):
            AccessRoles(
                f"{name}-access-roles",
                AccessRolesArgs(settings, [names.namespace(purpose) for purpose in OPERATED]),
                after(namespaces, *needed),
            )
        certificates: list[pulumi.Resource] = []
        if settings.certificates.internal:
            certificates = [Certificates(f"{name}-certificates", settings, after(namespaces, *needed))]
        priorities = Priorities(f"{name}-priorities", settings, after(cluster, *needed))
        agents = NodeAgents(
            f"{name}-node-agents", NodeAgentsArgs(settings=settings), after(namespaces, *needed)
        )
        elastic = self._karpenter(network, cluster, after(cluster, *needed))
        controllers = self._controllers(after(namespaces, *needed))
        for engine in settings.engines:
            VllmRelease(
                f"{name}-vllm-{engine.name}",
                VllmReleaseArgs(
                    settings=settings,
                    engine=engine,
                    bucket=store.bucket,
                    region=settings.region,
                    public_keys=store.public_keys,
                ),
                after(namespaces, priorities, agents, store, *certificates, *elastic, *controllers, *needed),
            )
        delivered = self._delivered_secrets(namespaces, partial(after, *needed))
        if settings.gateway.enabled:
            # Not after the engines: a gateway answers for hosted models as well, and says which engine is down.
            gateway = Gateway(
                f"{name}-gateway",
                gateway_args(
                    settings, self._database, self._cache, self._secrets.version if self._secrets else ""
                ),
                after(namespaces, priorities, *certificates, *delivered, *self._stores_made(), *needed),
            )
            if self._entrance is not None and settings.edge is not None:
                # It takes the gateway's pods out of the load balancer when it goes, so the gateway goes after it.
                EdgeController(
                    f"{name}-entrance-controller",
                    EdgeControllerArgs(
                        settings, settings.edge, network.vpc_id, self._entrance.target_group_arn
                    ),
                    after(namespaces, *certificates, gateway, self._entrance, *needed),
                )

    def _stores_made(self) -> list[pulumi.Resource]:
        """Stores of the stack's own: they go after the gateway."""
        return [each for each in (self._database, self._cache) if each is not None]
