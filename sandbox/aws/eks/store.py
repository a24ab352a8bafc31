"""EKS's state: clusters by region and name, and what belongs to them."""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sandbox.aws.errors import ApiError
from sandbox.state import ACCOUNT_ID


def now() -> float:
    """Wall time as the JSON protocols carry it: seconds since 1970."""
    return round(datetime.now(UTC).timestamp(), 3)


@dataclass
class Update:
    """An asynchronous change, as DescribeUpdate shows it."""

    kind: str
    params: dict[str, Any]
    nodegroup: str | None = None
    addon: str | None = None
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    status: str = "InProgress"
    errors: list[dict[str, Any]] = field(default_factory=list)
    created_at: float = field(default_factory=now)

    def document(self) -> dict[str, Any]:
        """The API's Update."""
        params = [{"type": name, "value": str(value)} for name, value in self.params.items()]
        return {
            "id": self.id,
            "status": self.status,
            "type": self.kind,
            "params": params,
            "createdAt": self.created_at,
            "errors": self.errors,
        }


@dataclass
class AccessEntry:
    """An IAM principal that may use the cluster's API; policies by ARN with their scope."""

    principal_arn: str
    type: str
    username: str
    groups: list[str]
    tags: dict[str, str]
    arn: str
    policies: dict[str, dict[str, Any]] = field(default_factory=dict)
    created_at: float = field(default_factory=now)
    modified_at: float = field(default_factory=now)


@dataclass
class Addon:
    """An installed add-on."""

    name: str
    version: str
    arn: str
    configuration: str | None
    role_arn: str | None
    tags: dict[str, str]
    associations: list[str] = field(default_factory=list)
    status: str = "CREATING"
    issues: list[dict[str, Any]] = field(default_factory=list)
    update: Update | None = None
    since: float = field(default_factory=time.monotonic)
    created_at: float = field(default_factory=now)
    modified_at: float = field(default_factory=now)


@dataclass
class Association:
    """A Pod Identity association: a service account and the role its pods get."""

    id: str
    arn: str
    namespace: str
    service_account: str
    role_arn: str
    tags: dict[str, str]
    disable_session_tags: bool = False
    target_role_arn: str | None = None
    owner_arn: str | None = None
    created_at: float = field(default_factory=now)
    modified_at: float = field(default_factory=now)


@dataclass(frozen=True)
class Born:
    """What an instance was launched with; one that differs from what its group asks for now is replaced."""

    version: str
    release_version: str
    template: tuple[str, str] | None
    """The launch template's id and version."""


@dataclass
class Drain:
    """A node that has to be drained: since when (monotonic), whether it is, and what refused an eviction last."""

    since: float
    done: bool = False
    refusal: str = ""


@dataclass
class NodeGroup:
    """A managed node group and the EC2 instances that it holds.

    `instances` maps an instance's id to what it was launched with; `joined` are those whose Kubernetes nodes
    were reported. `surge`, `cordoned` and `force` belong to an update that is under way.
    """

    name: str
    arn: str
    request: dict[str, Any]
    image: str | None
    asg: str
    instance_types: list[str]
    version: str
    release_version: str
    template: dict[str, str] | None
    scaling: dict[str, int]
    labels: dict[str, str]
    taints: list[dict[str, str]]
    tags: dict[str, str]
    update_config: dict[str, Any]
    status: str = "CREATING"
    issues: list[dict[str, Any]] = field(default_factory=list)
    instances: dict[str, Born] = field(default_factory=dict)
    joined: set[str] = field(default_factory=set)
    drains: dict[str, Drain] = field(default_factory=dict)
    surge: int | None = None
    cordoned: bool = False
    force: bool = False
    update: Update | None = None
    before: dict[str, Any] | None = None
    since: float = field(default_factory=time.monotonic)
    created_at: float = field(default_factory=now)
    modified_at: float = field(default_factory=now)

    def present(self) -> Born:
        """What an instance launched now gets."""
        template = (self.template["id"], self.template["version"]) if self.template else None
        return Born(self.version, self.release_version, template)


@dataclass
class Cluster:
    """An EKS cluster. `target` is the Kubernetes version of an update that is under way."""

    region: str
    name: str
    arn: str
    request: dict[str, Any]
    version: str
    vpc_config: dict[str, Any]
    access_config: dict[str, Any]
    logging: dict[str, Any]
    upgrade_policy: dict[str, str]
    encryption: list[dict[str, Any]]
    tags: dict[str, str]
    oidc_id: str
    deletion_protection: bool
    interfaces: list[str] = field(default_factory=list)
    status: str = "CREATING"
    target: str | None = None
    endpoint: str | None = None
    ca: str | None = None
    access: dict[str, AccessEntry] = field(default_factory=dict)
    addons: dict[str, Addon] = field(default_factory=dict)
    associations: dict[str, Association] = field(default_factory=dict)
    nodegroups: dict[str, NodeGroup] = field(default_factory=dict)
    updates: dict[str, Update] = field(default_factory=dict)
    created_at: float = field(default_factory=now)

    def nodegroup(self, name: str) -> NodeGroup:
        """The node group, or what EKS answers when there is none."""
        if name not in self.nodegroups:
            raise ApiError(
                "ResourceNotFoundException",
                f"No node group found for name: {name}.",
                404,
                clusterName=self.name,
                nodegroupName=name,
            )
        return self.nodegroups[name]

    def sub_arn(self, kind: str, name: str) -> str:
        """ARN of something inside the cluster, with the unique last part that EKS gives."""
        return f"arn:aws:eks:{self.region}:{ACCOUNT_ID}:{kind}/{self.name}/{name}/{uuid.uuid4()}"

    def require(self, *statuses: str) -> None:
        """Raises unless the cluster is in one of these statuses."""
        if self.status not in statuses:
            raise ApiError(
                "InvalidRequestException",
                f"Cluster '{self.name}' is not in {' or '.join(statuses)} status",
                clusterName=self.name,
            )

    def start(self, update: Update) -> Update:
        """Records an update."""
        self.updates[update.id] = update
        return update


@dataclass
class Store:
    """All clusters of the account."""

    clusters: dict[tuple[str, str], Cluster] = field(default_factory=dict)

    def cluster(self, region: str, name: str) -> Cluster:
        """The cluster, or what EKS answers when there is none."""
        found = self.clusters.get((region, name))
        if found is None:
            raise ApiError(
                "ResourceNotFoundException", f"No cluster found for name: {name}.", 404, clusterName=name
            )
        return found
