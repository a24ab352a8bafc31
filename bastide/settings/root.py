"""All settings of a stack."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field

from bastide import names
from bastide.plans import network_plan
from bastide.settings import unresolved
from bastide.settings.access import AccessSettings
from bastide.settings.base import Strict, label
from bastide.settings.cache import CacheSettings, CreatedCache
from bastide.settings.certificates import CertificatesSettings
from bastide.settings.cloud import AwsCloud
from bastide.settings.cluster import AdoptedCluster, ClusterSettings
from bastide.settings.controllers import MultiNodeSettings, ScalingSettings
from bastide.settings.data_classes import DataClassesSettings
from bastide.settings.database import CreatedDatabase, DatabaseSettings
from bastide.settings.edge import EdgeSettings
from bastide.settings.engines import EngineSettings
from bastide.settings.gateway import GatewaySettings
from bastide.settings.images import ImagesSettings
from bastide.settings.karpenter import KarpenterSettings
from bastide.settings.model_store import AdoptedModelStore, CreatedModelStore, ModelStoreSettings
from bastide.settings.models import ModelSettings
from bastide.settings.namespaces import NamespacesSettings
from bastide.settings.network import AdoptedNetwork, NetworkSettings
from bastide.settings.pools import PoolSettings, SystemPoolSettings
from bastide.settings.route_guards import PII, GuardSettings, OnFailureSettings
from bastide.settings.route_hosted import HostedSettings
from bastide.settings.routes import RouteSettings
from bastide.settings.secrets import SecretsSettings
from bastide.settings.teams import TeamSettings


class Environment(StrEnum):
    """What a stack is for. It decides which shortcuts are allowed, never how things are built."""

    SANDBOX = "sandbox"
    """The local world. The only one in which unresolved digests and versions are accepted."""
    DEV = "dev"
    """A real account without data worth keeping: `protection` may be off."""
    STAGING = "staging"
    PROD = "prod"


class Settings(Strict):
    """A stack's settings, checked as a whole. Make one by `Settings.load`: it reports every mistake at
    once."""

    environment: Environment
    """What the stack is for: sandbox, dev, staging or prod."""

    cloud: AwsCloud
    """The cloud, and where in it."""

    network: NetworkSettings
    """The VPC."""

    cluster: ClusterSettings
    """The EKS cluster."""

    pools: tuple[PoolSettings, ...] = ()
    """Pools of GPU nodes."""

    models: tuple[ModelSettings, ...] = ()
    """Models that engines serve."""

    engines: tuple[EngineSettings, ...] = ()
    """Deployments of engines that serve models."""

    name: Annotated[str, label(names.MAX_NAME)] = "bastide"
    """First part of every AWS name; change it to have two installations in one account and region."""

    protection: bool = True
    """Whether keys, bucket and cluster are protected against deletion. Off is for sandbox and dev only."""

    system_pool: SystemPoolSettings = SystemPoolSettings()
    """Nodes for everything that is not an engine."""

    model_store: ModelStoreSettings = CreatedModelStore()
    """The model bucket."""

    namespaces: NamespacesSettings = NamespacesSettings()
    """Bounds and defaults of the kit's namespaces."""

    certificates: CertificatesSettings = CertificatesSettings()
    """Certificates inside the cluster and at the edge."""

    access: AccessSettings = AccessSettings()
    """Who may use the cluster by hand."""

    karpenter: KarpenterSettings = KarpenterSettings()
    """Karpenter, where a pool has `provisioner: karpenter`."""

    scaling: ScalingSettings = ScalingSettings()
    """KEDA, for engines with `autoscaling`."""

    multi_node: MultiNodeSettings = MultiNodeSettings()
    """LeaderWorkerSet, for engines with `nodes` above 1."""

    gateway: GatewaySettings = GatewaySettings()
    """The gateway: the one way to the engines and to hosted models."""

    routes: tuple[RouteSettings, ...] = ()
    """Public model names of the gateway, and what stands behind each."""

    hosted: tuple[HostedSettings, ...] = ()
    """Deployments that others run, for routes to use."""

    data_classes: DataClassesSettings = DataClassesSettings()
    """What may happen to text of each class."""

    teams: tuple[TeamSettings, ...] = ()
    """Who uses which routes, at what bounds."""

    guards: tuple[GuardSettings, ...] = (PII,)
    """Guards that classes and routes may name, in the order in which they see a request."""

    on_failure: OnFailureSettings = OnFailureSettings()
    """What the gateway does with a request while something that it needs is down."""

    database: DatabaseSettings = CreatedDatabase()
    """The gateway's Postgres: keys, teams and what was spent. Made only where the gateway is on."""

    cache: CacheSettings = CreatedCache()
    """The gateway's Redis, in which its replicas count limits together. Made only where the gateway is on."""

    secrets: SecretsSettings = SecretsSettings()
    """Where secrets lie, where their values come from, and how often they are renewed. Made only where something needs
    them."""

    edge: EdgeSettings | None = None
    """The gateway's entrance: load balancer and firewall. Without it the gateway is reached in the cluster alone."""

    images: ImagesSettings = ImagesSettings()
    """Container images."""

    tags: dict[str, str] = {}
    """Tags for every AWS resource, besides the kit's own."""

    rollout_timeout_seconds: int = Field(1800, ge=30, le=7200)
    """Seconds to wait for a release's pods. 1,800 allows for a node, an image of 9 GB, 141 GB of weights
    from S3 and the compilation of kernels."""

    @classmethod
    def load(cls, raw: Mapping[str, Any]) -> Settings:
        """Settings from a stack file's `bastide:` keys (given without that prefix). Raises SettingsError
        with every mistake, each with its path."""
        from bastide.settings.load import load

        return load(raw)

    @classmethod
    def json_schema(cls) -> dict[str, Any]:
        """JSON Schema of the stack file's `bastide:` keys, for editors and docs."""
        schema = cls.model_json_schema(by_alias=True)
        for setting in schema["properties"].values():
            # Pulumi writes plain values back as strings: `90` becomes `"90"`.
            if setting.get("type") in ("integer", "boolean"):
                setting["type"] = [setting["type"], "string"]
        return schema

    @property
    def sandbox(self) -> bool:
        """Whether the stack is for the local world."""
        return self.environment is Environment.SANDBOX

    @property
    def region(self) -> str:
        """AWS region."""
        return self.cloud.region

    @property
    def account_id(self) -> str:
        """AWS account, twelve digits."""
        return self.cloud.account_id

    @property
    def prefix(self) -> str:
        """What every AWS name starts with."""
        return names.prefix(self.name, self.environment, self.region)

    @property
    def cluster_name(self) -> str:
        """The EKS cluster's name."""
        if isinstance(self.cluster, AdoptedCluster):
            return self.cluster.name
        return names.cluster(self.name, self.environment, self.region)

    @property
    def model_bucket(self) -> str:
        """The model bucket's name."""
        if isinstance(self.model_store, AdoptedModelStore):
            return self.model_store.bucket
        return names.model_bucket(self.name, self.environment, self.region, self.account_id)

    @property
    def model_log_bucket(self) -> str:
        """The name of the bucket of a created model bucket's logs."""
        return names.model_log_bucket(self.name, self.environment, self.region, self.account_id)

    @property
    def audit_bucket(self) -> str:
        """The name of the bucket of the gateway's audit trail."""
        return names.audit_bucket(self.prefix, self.account_id)

    @property
    def all_tags(self) -> dict[str, str]:
        """Tags for every AWS resource: the kit's own and the stack's."""
        return {
            "bastide:name": self.name,
            "bastide:environment": str(self.environment),
            "bastide:managed-by": "pulumi",
            **self.tags,
        }

    def subnets(self) -> list[network_plan.ZonePlan]:
        """The blocks of each zone's subnets; of an adopted network none, since they are not the kit's to
        plan."""
        net = self.network
        if isinstance(net, AdoptedNetwork):
            return []
        return network_plan.plan(net.cidr, list(net.zones), net.private_prefix, net.public_prefix)

    def model(self, name: str) -> ModelSettings:
        """The model of that name; the loader made sure that each engine's exists."""
        return next(each for each in self.models if each.name == name)

    def pool(self, name: str) -> PoolSettings:
        """The pool of that name; the loader made sure that each engine's exists."""
        return next(each for each in self.pools if each.name == name)

    def unused_images(self) -> set[str]:
        """Fields of `images` of which the stack runs nothing."""
        return unresolved.unused_images(self)

    def unresolved(self) -> list[str]:
        """Paths of the digests and versions that are still `unresolved`."""
        return unresolved.paths(self)
