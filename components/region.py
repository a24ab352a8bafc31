"""One region: everything of a stack, wired in an order that also holds backwards.

Creation: network and control plane; the add-ons that nodes need; nodes; the add-ons that need nodes;
Kubernetes objects; engines. Destruction is the reverse, so that no Kubernetes object is left without nodes
to end on and without an API server to delete it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import pulumi

from bastide import names
from bastide.settings import Settings
from components.addons import AFTER_NODES, BEFORE_NODES, Addons, AddonsArgs
from components.cluster import Cluster, ClusterArgs, log_group
from components.gpu_pool import GpuPool, GpuPoolArgs
from components.identity import PodIdentity, PodIdentityArgs, model_reader_policy
from components.key import Key, KeyArgs, logs_statement
from components.model_store import ModelStore, ModelStoreArgs
from components.namespaces import Namespaces, NamespacesArgs
from components.network import Network, NetworkArgs, flow_log_group
from components.node_agents import NodeAgents, NodeAgentsArgs
from components.providers import aws_provider, kubernetes_provider
from components.system_pool import SystemPool, SystemPoolArgs
from components.vllm_release import VllmRelease, VllmReleaseArgs


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
        super().__init__("bastide:region:Region", name, None, opts)
        self._name, self._settings = name, args.settings
        settings = args.settings
        provider = aws_provider(f"{name}-aws", settings, pulumi.ResourceOptions(parent=self))
        self._on_aws = pulumi.ResourceOptions(parent=self, provider=provider)
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
                        [flow_log_group(settings), log_group(settings)],
                    )
                ],
            ),
            opts=self._on_aws,
        )
        network = Network(f"{name}-network", NetworkArgs(settings, logs_key.arn), opts=self._on_aws)
        store = ModelStore(f"{name}-models", ModelStoreArgs(settings), opts=self._on_aws)
        cluster = Cluster(
            f"{name}-cluster",
            ClusterArgs(settings, network.vpc_id, network.private_subnet_ids, logs_key.arn),
            opts=self._on_aws,
        )
        pools = self._nodes(network, cluster)
        engines = self._identities(cluster, store)
        self._kubernetes(cluster, store, [*pools, *engines])

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

    def _after(self, *needed: pulumi.Resource) -> pulumi.ResourceOptions:
        return pulumi.ResourceOptions.merge(self._on_aws, pulumi.ResourceOptions(depends_on=list(needed)))

    def _nodes(self, network: Network, cluster: Cluster) -> list[pulumi.Resource]:
        """All that has to be there before a pod can run."""
        name, settings = self._name, self._settings
        versions = settings.cluster.addons.named()
        cni = PodIdentity(
            f"{name}-vpc-cni",
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
        before = Addons(
            f"{name}-node-addons",
            AddonsArgs(cluster.cluster_name, {each: versions[each] for each in BEFORE_NODES}),
            opts=self._after(cluster, cni),
        )
        # Nodes reach EKS and the image registries by the network's routes and endpoints.
        node_opts = self._after(network, cluster, before)
        system = SystemPool(
            f"{name}-system-pool",
            SystemPoolArgs(settings, cluster.cluster_name, network.private_subnet_ids),
            opts=node_opts,
        )
        gpu_pools = [
            GpuPool(
                f"{name}-gpu-pool-{pool.name}",
                GpuPoolArgs(settings, pool, cluster.cluster_name, network.private_subnet_ids),
                opts=node_opts,
            )
            for pool in settings.pools
        ]
        after = Addons(
            f"{name}-addons",
            AddonsArgs(cluster.cluster_name, {each: versions[each] for each in AFTER_NODES}),
            opts=self._after(system),
        )
        return [system, *gpu_pools, after]

    def _identities(self, cluster: Cluster, store: ModelStore) -> list[pulumi.Resource]:
        settings = self._settings
        return [
            PodIdentity(
                f"{self._name}-engine-{engine.name}",
                PodIdentityArgs(
                    settings=settings,
                    cluster_name=cluster.cluster_name,
                    role_name=f"{settings.prefix}-engine-{engine.name}",
                    namespace=names.namespace("serving"),
                    service_account=names.service_account(engine.name),
                    policy=store.key_arn.apply(partial(model_reader_policy, settings, engine)),
                ),
                opts=self._on_aws,
            )
            for engine in settings.engines
        ]

    def _kubernetes(self, cluster: Cluster, store: ModelStore, needed: list[pulumi.Resource]) -> None:
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
        agents = NodeAgents(
            f"{name}-node-agents", NodeAgentsArgs(settings=settings), after(namespaces, *needed)
        )
        for engine in settings.engines:
            VllmRelease(
                f"{name}-vllm-{engine.name}",
                VllmReleaseArgs(
                    settings=settings, engine=engine, bucket=store.bucket, region=settings.region
                ),
                after(namespaces, agents, store, *needed),
            )
