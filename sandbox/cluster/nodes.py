"""The Node object of an EC2 instance, as a kubelet on EKS's own image would register it.

There is no kubelet: nothing runs on these nodes, and `kubectl logs` and `exec` reach nobody. Labels and
names: EKS user guide, "Simplify node lifecycle with managed node groups"; well-known labels of Kubernetes;
the cloud controller's of AWS (`topology.k8s.aws/zone-id`).
"""

from __future__ import annotations

import datetime
from typing import Any, Final

from sandbox.cluster.capacity import allocatable, capacity
from sandbox.cluster.spec import Instance, NodeGroup

LEASE_SECONDS: Final = 40
"""The kubelet's default `nodeLeaseDurationSeconds`; it renews every quarter of that."""

DEVICE_GPU: Final = "nvidia.com/gpu"
DEVICE_EFA: Final = "vpc.amazonaws.com/efa"


def now() -> str:
    """This moment as Kubernetes writes it."""
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def node_name(region: str, private_ip: str) -> str:
    """The instance's private DNS name, which EKS's image gives the node (in us-east-1 the zone is
    ec2.internal)."""
    zone = "ec2.internal" if region == "us-east-1" else f"{region}.compute.internal"
    return f"ip-{private_ip.replace('.', '-')}.{zone}"


def has_driver(ami_type: str) -> bool:
    """Whether the node's image brings NVIDIA's driver, without which a device plugin finds nothing.

    AL2023_x86_64_NVIDIA and BOTTLEROCKET_*_NVIDIA do. What is in a CUSTOM image cannot be known here; it is
    trusted.
    """
    return "NVIDIA" in ami_type or ami_type == "CUSTOM"


def own_devices(group: NodeGroup, instance: Instance) -> dict[str, int]:
    """Devices that the node announces without any pod: Bottlerocket's NVIDIA variants bring the device plugin
    (Bottlerocket documentation, "settings.kubelet-device-plugins")."""
    if not group.ami_type.startswith("BOTTLEROCKET") or not has_driver(group.ami_type):
        return {}
    return {DEVICE_GPU: instance.shape.gpus * instance.gpu_shares}


def device_limits(group: NodeGroup, instance: Instance) -> dict[str, int]:
    """How many devices of each kind a plugin on this node would find."""
    return {
        DEVICE_GPU: instance.shape.gpus if has_driver(group.ami_type) else 0,
        DEVICE_EFA: instance.efa_interfaces,
    }


def labels(region: str, group: NodeGroup, instance: Instance) -> dict[str, str]:
    """The node's labels: Kubernetes's and EKS's, and the node group's own."""
    architecture = "arm64" if instance.shape.architecture == "arm64" else "amd64"
    return {
        "kubernetes.io/arch": architecture,
        "beta.kubernetes.io/arch": architecture,
        "kubernetes.io/os": "linux",
        "beta.kubernetes.io/os": "linux",
        "kubernetes.io/hostname": node_name(region, instance.private_ip),
        "node.kubernetes.io/instance-type": instance.shape.instance_type,
        "beta.kubernetes.io/instance-type": instance.shape.instance_type,
        "topology.kubernetes.io/region": region,
        "topology.kubernetes.io/zone": instance.zone,
        "failure-domain.beta.kubernetes.io/region": region,
        "failure-domain.beta.kubernetes.io/zone": instance.zone,
        "topology.k8s.aws/zone-id": instance.zone_id,
        "k8s.io/cloud-provider-aws": "sandbox",
        "eks.amazonaws.com/nodegroup": group.name,
        "eks.amazonaws.com/capacityType": group.capacity_type,
        "eks.amazonaws.com/nodegroup-image": instance.image_id,
        **(
            {
                "eks.amazonaws.com/sourceLaunchTemplateId": instance.launch_template[0],
                "eks.amazonaws.com/sourceLaunchTemplateVersion": instance.launch_template[1],
            }
            if instance.launch_template
            else {}
        ),
        **group.labels,
    }


def taints(group: NodeGroup) -> list[dict[str, str]]:
    """The node group's taints in Kubernetes's form."""
    return [
        {"key": taint.key, "effect": taint.effect, **({"value": taint.value} if taint.value else {})}
        for taint in group.taints
    ]


def conditions(ready: bool) -> list[dict[str, str]]:
    """The kubelet's conditions; a node whose CNI has not started yet is not ready, as in EKS."""
    moment = now()
    healthy = [
        ("MemoryPressure", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
        ("DiskPressure", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
        ("PIDPressure", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
    ]
    result = [
        {"type": kind, "status": "False", "reason": reason, "message": message}
        for kind, reason, message in healthy
    ]
    result.append(
        {
            "type": "Ready",
            "status": "True" if ready else "False",
            "reason": "KubeletReady" if ready else "KubeletNotReady",
            "message": "kubelet is posting ready status"
            if ready
            else "container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady "
            "message:Network plugin returns error: cni plugin not initialized (no aws-node pod runs here)",
        }
    )
    for condition in result:
        condition |= {"lastHeartbeatTime": moment, "lastTransitionTime": moment}
    return result


def status(
    region: str, version: str, group: NodeGroup, instance: Instance, ready: bool, devices: dict[str, int]
) -> dict[str, Any]:
    """The Node's status. `devices` are those that running device plugins have announced."""
    name = node_name(region, instance.private_ip)
    announced = {kind: str(count) for kind, count in devices.items() if count}
    return {
        "capacity": capacity(instance) | announced,
        "allocatable": allocatable(instance) | announced,
        "conditions": conditions(ready),
        "addresses": [
            {"type": "InternalIP", "address": instance.private_ip},
            {"type": "InternalDNS", "address": name},
            {"type": "Hostname", "address": name},
        ],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}},
        "nodeInfo": {
            "architecture": "arm64" if instance.shape.architecture == "arm64" else "amd64",
            "bootID": instance.instance_id,
            "machineID": instance.instance_id,
            "systemUUID": instance.instance_id,
            "containerRuntimeVersion": "emulated://bastide-sandbox",
            "kernelVersion": "emulated",
            "kubeProxyVersion": "",
            "kubeletVersion": instance.kubelet or f"v{version}.0-eks-emulated",
            "operatingSystem": "linux",
            "osImage": f"emulated {group.ami_type}",
        },
    }


def manifest(region: str, version: str, group: NodeGroup, instance: Instance) -> dict[str, Any]:
    """The Node as it first registers: not ready, no devices."""
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": node_name(region, instance.private_ip),
            "labels": labels(region, group, instance),
        },
        "spec": {
            "providerID": f"aws:///{instance.zone}/{instance.instance_id}",
            "taints": taints(group),
        },
        "status": status(region, version, group, instance, ready=False, devices={}),
    }


def lease(name: str) -> dict[str, Any]:
    """The node's heartbeat, by which the controller manager knows that it lives."""
    moment = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": name, "namespace": "kube-node-lease"},
        "spec": {"holderIdentity": name, "leaseDurationSeconds": LEASE_SECONDS, "renewTime": moment},
    }
