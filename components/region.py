"""One region: everything of a stack, wired in an order that also holds backwards.

Creation: network and control plane; the add-ons that nodes need; nodes; the add-ons that need nodes;
Kubernetes objects; engines. Destruction is the reverse, so that no Kubernetes object is left without nodes
to end on and without an API server to delete it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Final

import pulumi

from bastide import names
from bastide.adopted.cluster import ClusterFacts
from bastide.catalogues.addon_versions import AFTER_NODES, BEFORE_NODES
from bastide.plans import karpenter_plan
from bastide.settings import CreatedCluster, Settings
from components import secret_values
from components.access import AccessEntries, AccessEntriesArgs, AccessRoles, AccessRolesArgs
from components.addons import Addons, AddonsArgs
from components.adopted import refuse_unusable
from components.boundary import bounded
from components.break_glass import BreakGlass, BreakGlassArgs
from components.certificate_edge import EdgeCertificate
from components.certificates import Certificates
from components.cluster import Cluster, ClusterArgs, log_group
from components.cluster_adopted import ClusterAdopted, ClusterAdoptedArgs
from components.cluster_reading import read_cluster
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
from components.region_gateway import RegionGateway, RegionGatewayArgs
from components.scaling import Scaling
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
        secret_values.refuse(args.settings)
        bound = bounded(args.settings)
        super().__init__("bastide:region:Region", name, None, pulumi.ResourceOptions.merge(opts, bound))
        self._name, self._settings = name, args.settings
        settings = args.settings
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
        self._gateway = self._gateway_parts(network, cluster)
        pools = self._nodes(network, cluster)
        identities = self._identities(cluster, store)
        needed = self._gateway.needed if self._gateway is not None else []
        self._kubernetes(network, cluster, store, [*pools, *identities, *needed])

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

    def _gateway_parts(self, network: Network, cluster: Cluster | ClusterAdopted) -> RegionGateway | None:
        """The public certificate, where the stack has a domain, and the gateway, where the stack asks for one."""
        settings, found = self._settings, self._settings.certificates
        certificate = None
        if found.domain is not None and found.zone_id is not None:
            certificate = EdgeCertificate(
                f"{self._name}-edge", settings, found.domain, found.zone_id, opts=self._on_aws
            )
        if not settings.gateway.enabled:
            return None
        args = RegionGatewayArgs(settings, network, cluster, certificate)
        return RegionGateway(self._name, args, self._on_aws)

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
        if self._gateway is not None:
            # Not after the engines: it answers for hosted models as well, and says which engine is down.
            self._gateway.install(namespaces, [priorities, *certificates], partial(after, *needed))
