"""What EKS refuses of a node group: contradictions with its launch template, unknown types, impossible
sizes."""

from __future__ import annotations

from typing import Any, Final

from sandbox.aws import catalogue
from sandbox.aws.eks import network
from sandbox.aws.eks.store import Cluster
from sandbox.aws.eks.tables import LAST_AL2_VERSION
from sandbox.aws.errors import ApiError

FORBIDDEN_IN_TEMPLATE: Final = {
    "IamInstanceProfile": "an instance profile: EKS makes one of the node role in the request",
    "InstanceInitiatedShutdownBehavior": "a shutdown behaviour: EKS sets the instances' lifecycle",
    "HibernationOptions": "hibernation: EKS sets the instances' lifecycle",
}
"""EKS user guide, launch-templates, "Launch template configuration basics"."""

DEFAULT_AMI_TYPE: Final = "AL2023_x86_64_STANDARD"
"""For a node group that names none (API reference, AMITypes; Amazon Linux 2 ended with 1.32)."""

MAX_SKEW: Final = 3
"""Minor versions that a kubelet may be older than the API server (kubernetes.io, "Version Skew Policy")."""

DEFAULT_INSTANCE_TYPE: Final = "t3.medium"
DEFAULT_DISK_GIB: Final = 20
"""API reference, CreateNodegroup: instanceTypes and diskSize."""


def _invalid(message: str) -> ApiError:
    return ApiError("InvalidParameterException", message)


def template_of(region: str, given: dict[str, str]) -> tuple[dict[str, str], dict[str, Any]]:
    """The template named in a request: its id, name and version as a number, and its data."""
    if ("id" in given) == ("name" in given):
        raise _invalid("A launch template is named by exactly one of id and name.")
    backend = network.ec2(region)
    found = next(
        (
            t
            for t in backend.launch_templates.values()
            if t.id == given.get("id") or t.name == given.get("name")
        ),
        None,
    )
    if found is None:
        raise _invalid(f"Launch template {given.get('id') or given.get('name')} does not exist in {region}.")
    wanted = str(given.get("version") or found.default_version_number)
    try:
        version = found.get_version(wanted)
    except Exception:
        raise _invalid(f"Launch template {found.id} has no version {wanted}.") from None
    return {"id": found.id, "name": found.name, "version": str(version.number)}, version.data


def check_scaling(given: dict[str, int]) -> dict[str, int]:
    """Sizes in order: min <= desired <= max, and max at least 1."""
    low, high, wanted = given["minSize"], given["maxSize"], given["desiredSize"]
    if high < 1:
        raise _invalid(f"maxSize is {high}: at least 1.")
    if low > wanted:
        raise _invalid(f"Minimum capacity {low} can't be greater than desired size {wanted}")
    if wanted > high:
        raise _invalid(f"desired capacity {wanted} can't be greater than max size {high}")
    return {"minSize": low, "maxSize": high, "desiredSize": wanted}


def check_template(given: dict[str, Any], data: dict[str, Any]) -> None:
    """Refuses what both the request and the template say, and what only EKS may say."""
    if given.get("diskSize"):
        raise _invalid("Disk size must be specified within the launch template.")
    if given.get("remoteAccess"):
        raise _invalid("Remote access configuration cannot be specified with a launch template.")
    if data.get("InstanceType") and given.get("instanceTypes"):
        raise _invalid("Cannot specify instance types in launch template and API request")
    for name, what in FORBIDDEN_IN_TEMPLATE.items():
        if data.get(name):
            raise _invalid(f"Launch template should not specify {what}.")
    interfaces = data.get("NetworkInterfaces") or []
    if any(interface.get("SubnetId") for interface in interfaces):
        raise _invalid("Launch template should not specify subnets: the node group's subnets are used.")
    if interfaces and data.get("SecurityGroupIds"):
        raise _invalid(
            "Launch template should specify security groups either in its network interfaces or beside them."
        )
    if data.get("ImageId"):
        if given.get("amiType") not in (None, "CUSTOM"):
            raise _invalid(
                "You cannot specify an AMI Type other than CUSTOM, when specifying an image id in your "
                "launch template."
            )
        if given.get("version") or given.get("releaseVersion"):
            raise _invalid(
                "You cannot specify a version or release version when the launch template names an image id."
            )
    elif given.get("amiType") == "CUSTOM":
        raise _invalid("The AMI type CUSTOM needs an image id in the launch template.")


def check_types(region: str, types: list[str], ami_type: str, kubernetes: str) -> None:
    """Types must exist, be offered in the region and have the AMI's architecture; AL2 ended."""
    unknown = [name for name in types if catalogue.describe(name) is None]
    if unknown:
        raise _invalid(f"The following supplied instance types do not exist: [{', '.join(unknown)}]")
    absent = [name for name in types if not catalogue.zones(region, name)]
    if absent:
        raise _invalid(f"[{', '.join(absent)}] are not offered in region {region}.")
    if ami_type.startswith("AL2_") and minor(kubernetes) > minor(LAST_AL2_VERSION):
        raise _invalid(
            f"AMI Type {ami_type} is only supported for kubernetes versions {LAST_AL2_VERSION} or earlier"
        )
    if ami_type != "CUSTOM":
        wanted = "arm64" if "ARM_64" in ami_type else "x86_64"
        wrong = [name for name in types if wanted not in catalogue.architectures(name)]
        if wrong:
            raise _invalid(
                f"[{', '.join(wrong)}] is not a valid instance type for requested amiType {ami_type}"
            )


def check_version(cluster: Cluster, version: str) -> None:
    """Nodes may be as new as the control plane and up to three minors older (Kubernetes' version skew
    policy)."""
    if not minor(cluster.version) - MAX_SKEW <= minor(version) <= minor(cluster.version):
        raise _invalid(
            f"Requested nodegroup Kubernetes version {version} does not go with cluster version "
            f"{cluster.version}: "
            "nodes are at most three minor versions older and never newer."
        )


def check_update_config(given: dict[str, Any]) -> dict[str, Any]:
    """One of a number and a percentage of nodes that a rollout takes at once; one node by default."""
    if given.get("maxUnavailable") and given.get("maxUnavailablePercentage"):
        raise _invalid("give one of maxUnavailable and maxUnavailablePercentage")
    chosen = {name: value for name, value in given.items() if value}
    if "maxUnavailable" not in chosen and "maxUnavailablePercentage" not in chosen:
        chosen["maxUnavailable"] = 1
    return chosen


def check_taints(taints: list[dict[str, str]]) -> list[dict[str, str]]:
    """A taint is known by key and effect; the same twice is refused."""
    seen = [(taint.get("key"), taint.get("effect")) for taint in taints]
    if len(seen) != len(set(seen)):
        raise _invalid("Two taints have the same key and effect.")
    if any(not key or not effect for key, effect in seen):
        raise _invalid("A taint has a key and an effect.")
    return taints


def minor(version: str) -> int:
    """34 of 1.34."""
    return int(version.partition(".")[2])


def check_repair(given: dict[str, Any] | None) -> dict[str, Any] | None:
    """A count and a percentage of the same limit exclude one another (API reference, NodeRepairConfig)."""
    for limit in ("maxUnhealthyNodeThreshold", "maxParallelNodesRepaired"):
        if (given or {}).get(f"{limit}Count") and (given or {}).get(f"{limit}Percentage"):
            raise _invalid(f"nodeRepairConfig: give one of {limit}Count and {limit}Percentage")
    return given
