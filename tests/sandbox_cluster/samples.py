"""A cluster, a node group and pods as the tests of the Kubernetes side use them."""

from __future__ import annotations

from typing import Any

from sandbox.cluster.spec import AccessEntry, AccessPolicy, Cluster, Instance, NodeGroup, Shape, Taint

REGION = "us-east-1"
ROLE = "arn:aws:iam::123456789012:role/teams/ml/operators"

P5 = Shape("p5.48xlarge", "x86_64", 192, 2097152, 8, 100, 30400)
M5 = Shape("m5.large", "x86_64", 2, 8192, 0, 29, 0)


def instance(shape: Shape = P5, **changes: Any) -> Instance:
    given: dict[str, Any] = {
        "instance_id": "i-0abc",
        "shape": shape,
        "zone": "us-east-1a",
        "zone_id": "use1-az6",
        "private_ip": "10.0.1.7",
        "subnet_cidr": "10.0.1.0/24",
        "root_volume_gib": 500,
        "efa_interfaces": 32,
        "local_storage_raid": False,
        "image_id": "ami-1",
    }
    return Instance(**given | changes)


def group(*instances: Instance, ami_type: str = "AL2023_x86_64_NVIDIA", **changes: Any) -> NodeGroup:
    given: dict[str, Any] = {
        "name": "p5",
        "capacity_type": "ON_DEMAND",
        "labels": {"bastide.dev/pool": "p5"},
        "taints": (Taint("nvidia.com/gpu", "present", "NoSchedule"),),
    }
    return NodeGroup(ami_type=ami_type, instances=instances, **given | changes)


def cluster(*entries: AccessEntry, name: str = "serving") -> Cluster:
    return Cluster(
        region=REGION,
        name=name,
        status="ACTIVE",
        version="1.33",
        service_cidr="10.100.0.0/16",
        issuer="https://oidc.eks.us-east-1.amazonaws.com/id/A",
        audit=False,
        addons=(),
        access_entries=entries,
    )


def entry(principal: str, *policies: AccessPolicy, username: str = "someone") -> AccessEntry:
    return AccessEntry(principal, username, (), policies)


def pod(**changes: Any) -> dict[str, Any]:
    spec = {"nodeName": "n", "containers": [{"name": "main", "image": "registry.example/app:1"}]}
    return {
        "metadata": {"name": "p", "namespace": "default", "uid": "u1", **changes.pop("metadata", {})},
        "spec": spec | changes.pop("spec", {}),
        "status": {"phase": "Pending"} | changes.pop("status", {}),
    }


def plugin_pod(
    image: str, path: str = "/var/lib/kubelet/device-plugins", owner: str = "DaemonSet"
) -> dict[str, Any]:
    return pod(
        metadata={"ownerReferences": [{"kind": owner, "name": "d", "controller": True}]},
        spec={
            "containers": [{"name": "c", "image": image, "volumeMounts": [{"name": "v", "mountPath": path}]}],
            "volumes": [{"name": "v", "hostPath": {"path": path}}],
        },
        status={"phase": "Running"},
    )
