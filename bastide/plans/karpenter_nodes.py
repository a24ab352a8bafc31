"""A pool's nodes as Karpenter's own objects. Pure.

Karpenter never moves a running engine to save money (only empty nodes are consolidated), never ends a node for its
age (expiry does not heed budgets, NodePool API, `expireAfter`), and replaces drifted nodes no more at a time than the
pool's `maxUnavailable`, within the engines' disruption budgets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from bastide import names
from bastide.catalogues import instances
from bastide.plans import karpenter_plan, pool_plan
from bastide.settings import UNRESOLVED, PoolSettings, Settings
from bastide.settings.capacity import Spot

Object = dict[str, Any]

API: Final = "karpenter.sh/v1"
CLASS_API: Final = "karpenter.k8s.aws/v1"


def instance_types(pool: PoolSettings) -> list[str]:
    """Types that its nodes may have."""
    return [pool.instance_type, *pool.fallback_instance_types]


def capacity_types(pool: PoolSettings) -> list[str]:
    """Karpenter takes the cheapest that AWS has: Spot before on-demand."""
    return ["spot", "on-demand"] if isinstance(pool.capacity, Spot) else ["on-demand"]


def ami_alias(pool: PoolSettings) -> str:
    """The pinned AMI release as Karpenter names it; the newest where none is pinned. The GPU variant follows from
    the instance type."""
    family = "bottlerocket" if pool.os == "bottlerocket" else "al2023"
    release = pool.ami_release
    if release is None or release == UNRESOLVED:
        return f"{family}@latest"
    version, _, date = str(release).partition("-")
    return f"{family}@v{version if family == 'bottlerocket' else date}"


def node_class(
    settings: Settings,
    pool: PoolSettings,
    subnet_ids: Sequence[Any],
    security_group_id: Any,
    disk_throughput_mib: int,
    disk_iops: int,
) -> Object:
    """The EC2NodeClass of a pool: what its instances are like. Ids may be outputs that are not known yet."""

    def disk(device: str, gib: int) -> Object:
        ebs = {
            "volumeSize": f"{gib}Gi",
            "volumeType": "gp3",
            "throughput": disk_throughput_mib,
            "iops": disk_iops,
            "encrypted": True,
            "deleteOnTermination": True,
        }
        return {"deviceName": device, "ebs": ebs}

    bottlerocket = pool.os == "bottlerocket"
    disks = [disk("/dev/xvda", pool.disk_gib)]
    if bottlerocket:
        small = disk("/dev/xvda", pool_plan.BOTTLEROCKET_OS_GIB)
        # Its disk for the operating system needs no more than gp3 has by itself.
        small["ebs"] = {key: part for key, part in small["ebs"].items() if key not in ("throughput", "iops")}
        disks = [small, disk("/dev/xvdb", pool.disk_gib)]
    spec: Object = {
        "amiFamily": "Bottlerocket" if bottlerocket else "AL2023",
        "amiSelectorTerms": [{"alias": ami_alias(pool)}],
        "instanceProfile": karpenter_plan.node_role(settings),
        "subnetSelectorTerms": [{"id": each} for each in subnet_ids],
        "securityGroupSelectorTerms": [{"id": security_group_id}],
        "associatePublicIPAddress": False,
        "metadataOptions": {
            "httpEndpoint": "enabled",
            "httpProtocolIPv6": "disabled",
            "httpTokens": "required",
            # One hop is the node itself: a pod's packet would need two.
            "httpPutResponseHopLimit": 1,
        },
        "blockDeviceMappings": disks,
        "tags": {**settings.all_tags, "Name": f"{settings.prefix}-{pool.name}"},
    }
    if pool_plan.uses_instance_store(pool):
        spec["instanceStorePolicy"] = "RAID0"
    if bottlerocket and (data := pool_plan.user_data(pool)):
        spec["userData"] = data
    return spec


_EFFECTS: Final = {
    "noSchedule": "NoSchedule",
    "preferNoSchedule": "PreferNoSchedule",
    "noExecute": "NoExecute",
}


def node_pool(settings: Settings, pool: PoolSettings, zones: Sequence[str]) -> Object:
    """The NodePool of a pool: which instances, how many, and when they may be taken away."""
    gpus = instances.CATALOGUE[pool.instance_type].gpus

    def one_of(key: str, values: Sequence[str]) -> Object:
        return {"key": key, "operator": "In", "values": list(values)}

    own = [{"key": each.key, "value": each.value, "effect": _EFFECTS[each.effect]} for each in pool.taints]
    return {
        "template": {
            "metadata": {"labels": {names.POOL_LABEL: pool.name, **pool.labels}},
            "spec": {
                "nodeClassRef": {"group": "karpenter.k8s.aws", "kind": "EC2NodeClass", "name": pool.name},
                "requirements": [
                    one_of("node.kubernetes.io/instance-type", instance_types(pool)),
                    one_of("karpenter.sh/capacity-type", capacity_types(pool)),
                    one_of("topology.kubernetes.io/zone", zones),
                    one_of("kubernetes.io/arch", ["amd64"]),
                    one_of("kubernetes.io/os", ["linux"]),
                ],
                "taints": [
                    {"key": names.GPU_TAINT_KEY, "value": names.GPU_TAINT_VALUE, "effect": "NoSchedule"},
                    *own,
                ],
                "expireAfter": "Never",
            },
        },
        # Every type of the pool has as many GPUs, so GPUs count nodes.
        "limits": {"nvidia.com/gpu": str(gpus * pool.size.max)},
        "disruption": {
            "consolidationPolicy": "WhenEmpty",
            "consolidateAfter": f"{settings.karpenter.empty_minutes}m",
            "budgets": [
                {"nodes": "100%", "reasons": ["Empty"]},
                {"nodes": "0", "reasons": ["Underutilized"]},
                {"nodes": str(pool.max_unavailable), "reasons": ["Drifted"]},
            ],
        },
    }
