"""What a kubelet would say of a pod, by decree: no container runs.

A pod that is bound to a node runs and is ready as soon as what it refers to exists. What a kubelet refuses
before it starts anything is refused here too, with its words: a missing ConfigMap or Secret, a node without a
network.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

import yaml

from sandbox.cluster.nodes import DEVICE_EFA, DEVICE_GPU, now

PLUGIN_FOLDER: Final = "/var/lib/kubelet/device-plugins"
"""Where the kubelet listens for device plugins (Kubernetes documentation, "Device Plugins")."""

_PLUGINS: Final = (
    # The longer name first: AWS's EFA plugin's repository also ends in k8s-device-plugin.
    ("aws-efa-k8s-device-plugin", DEVICE_EFA),
    ("k8s-device-plugin", DEVICE_GPU),
)

Pod = dict[str, Any]


@dataclass(frozen=True)
class Reference:
    """A ConfigMap or Secret that a pod cannot start without. `mounted`: as a volume, else in the
    environment."""

    kind: str
    name: str
    mounted: bool

    @property
    def plural(self) -> str:
        """The resource's name in API paths."""
        return self.kind.lower() + "s"


def references(pod: Pod) -> set[Reference]:
    """What the pod's volumes and environment name and do not mark as optional."""
    found: set[Reference] = set()

    def add(kind: str, source: dict[str, Any] | None, name_key: str, mounted: bool) -> None:
        if source and not source.get("optional") and source.get(name_key):
            found.add(Reference(kind, source[name_key], mounted))

    for volume in pod["spec"].get("volumes", []):
        add("ConfigMap", volume.get("configMap"), "name", True)
        add("Secret", volume.get("secret"), "secretName", True)
        for source in volume.get("projected", {}).get("sources", []):
            add("ConfigMap", source.get("configMap"), "name", True)
            add("Secret", source.get("secret"), "name", True)
    for container in pod["spec"]["containers"] + pod["spec"].get("initContainers", []):
        for source in container.get("envFrom", []):
            add("ConfigMap", source.get("configMapRef"), "name", False)
            add("Secret", source.get("secretRef"), "name", False)
        for variable in container.get("env", []):
            origin = variable.get("valueFrom", {})
            add("ConfigMap", origin.get("configMapKeyRef"), "name", False)
            add("Secret", origin.get("secretKeyRef"), "name", False)
    return found


def repository(image: str) -> str:
    """`nvcr.io/nvidia/k8s-device-plugin` of `nvcr.io/nvidia/k8s-device-plugin:v0.17.1@sha256:...`."""
    return re.sub(r":[^/:]*$", "", image.split("@")[0])


def owner_kind(pod: Pod) -> str:
    """The kind of the controller that owns the pod, or ""."""
    for owner in pod["metadata"].get("ownerReferences", []):
        if owner.get("controller"):
            return str(owner["kind"])
    return ""


def announced_device(pod: Pod) -> str | None:
    """The device that this pod makes its node announce: it is a running device plugin of a DaemonSet.

    Recognised by the image's name and by the mount of the kubelet's folder, without which a plugin cannot
    register.
    """
    if owner_kind(pod) != "DaemonSet" or pod.get("status", {}).get("phase") != "Running":
        return None
    sockets = {
        volume["name"]
        for volume in pod["spec"].get("volumes", [])
        if volume.get("hostPath", {}).get("path", "").rstrip("/") == PLUGIN_FOLDER
    }
    for container in pod["spec"]["containers"]:
        if not any(
            mount["name"] in sockets and mount["mountPath"].rstrip("/") == PLUGIN_FOLDER
            for mount in container.get("volumeMounts", [])
        ):
            continue
        for suffix, device in _PLUGINS:
            if repository(container["image"]).endswith(suffix):
                return device
    return None


def plugin_configuration(pod: Pod) -> tuple[str, str] | None:
    """ConfigMap and key that NVIDIA's device plugin reads by `CONFIG_FILE`; None when it reads none."""
    for container in pod["spec"]["containers"]:
        path = next(
            (each.get("value", "") for each in container.get("env", []) if each["name"] == "CONFIG_FILE"), ""
        )
        for mount in container.get("volumeMounts", []):
            if not path.startswith(mount["mountPath"].rstrip("/") + "/"):
                continue
            for volume in pod["spec"].get("volumes", []):
                if volume["name"] == mount["name"] and "configMap" in volume:
                    return volume["configMap"]["name"], path.rpartition("/")[2]
    return None


def time_slices(document: str, device: str) -> int:
    """Replicas of each device in the plugin's configuration (NVIDIA k8s-device-plugin, "Shared Access to GPUs")."""
    try:
        found = yaml.safe_load(document)
        resources = found["sharing"]["timeSlicing"]["resources"]
        return next(int(each["replicas"]) for each in resources if each["name"] == device)
    except (yaml.YAMLError, KeyError, TypeError, ValueError, StopIteration):
        return 1


def _status(container: dict[str, Any], pod: Pod, state: dict[str, Any], up: bool) -> dict[str, Any]:
    return {
        "name": container["name"],
        "image": container["image"],
        "imageID": "",
        "containerID": f"emulated://{pod['metadata']['uid']}-{container['name']}",
        "restartCount": 0,
        "ready": up,
        "started": up,
        "state": state,
    }


def _conditions(pod: Pod, answers: dict[str, tuple[bool, str]]) -> list[dict[str, str]]:
    moment = now()
    kept = [c for c in pod.get("status", {}).get("conditions", []) if c["type"] not in answers]
    return kept + [
        {
            "type": kind,
            "status": "True" if holds else "False",
            "lastTransitionTime": moment,
            **({"reason": reason} if reason else {}),
        }
        for kind, (holds, reason) in answers.items()
    ]


def started_status(pod: Pod, node_ip: str, pod_ip: str) -> dict[str, Any]:
    """The status of a pod whose containers run and are ready; of a Job's pod, whose containers are done."""
    moment = now()
    done = owner_kind(pod) == "Job"
    running = {"running": {"startedAt": moment}}
    ended = {"terminated": {"exitCode": 0, "reason": "Completed", "startedAt": moment, "finishedAt": moment}}
    init = []
    for container in pod["spec"].get("initContainers", []):
        sidecar = container.get("restartPolicy") == "Always" and not done
        status = _status(container, pod, running if sidecar else ended, up=sidecar)
        # A finished init container counts as ready (kubelet, prober: "ready" of an init container is its
        # success).
        init.append(status | {"ready": True})
    containers = [
        _status(container, pod, ended if done else running, up=not done)
        for container in pod["spec"]["containers"]
    ]
    why = "PodCompleted" if done else ""
    return {
        "phase": "Succeeded" if done else "Running",
        "startTime": moment,
        "hostIP": node_ip,
        "hostIPs": [{"ip": node_ip}],
        "podIP": pod_ip,
        "podIPs": [{"ip": pod_ip}],
        "initContainerStatuses": init,
        "containerStatuses": containers,
        "conditions": _conditions(
            pod,
            {
                "PodReadyToStartContainers": (not done, ""),
                "Initialized": (True, why),
                "ContainersReady": (not done, why),
                "Ready": (not done, why),
            },
        ),
    }


def blocked_status(pod: Pod, node_ip: str, missing: Reference | None) -> dict[str, Any]:
    """The status of a pod that cannot start: for want of a reference, or (None) of the node's network."""
    if missing is not None and not missing.mounted:
        waiting = {
            "reason": "CreateContainerConfigError",
            "message": f'{missing.kind.lower()} "{missing.name}" not found',
        }
    else:
        waiting = {"reason": "ContainerCreating"}
    first = "PodInitializing" if pod["spec"].get("initContainers") else waiting["reason"]
    containers = [
        _status(c, pod, {"waiting": waiting if first == waiting["reason"] else {"reason": first}}, up=False)
        for c in pod["spec"]["containers"]
    ]
    init = [_status(c, pod, {"waiting": waiting}, up=False) for c in pod["spec"].get("initContainers", [])]
    names = ", ".join(c["name"] for c in pod["spec"]["containers"])
    return {
        "phase": "Pending",
        "hostIP": node_ip,
        "startTime": now(),
        "initContainerStatuses": init,
        "containerStatuses": containers,
        "conditions": _conditions(
            pod,
            {
                "Initialized": (not init, "ContainersNotInitialized" if init else ""),
                "ContainersReady": (False, "ContainersNotReady"),
                "Ready": (False, "ContainersNotReady"),
            },
        ),
        "message": f"containers with unready status: [{names}]",
    }


def blocked_event(pod: Pod, missing: Reference | None) -> dict[str, Any]:
    """The event that a kubelet writes about such a pod."""
    if missing is None:
        reason, message = "NetworkNotReady", "network is not ready: cni plugin not initialized"
    elif missing.mounted:
        reason = "FailedMount"
        message = f'MountVolume.SetUp failed: {missing.kind.lower()} "{missing.name}" not found'
    else:
        reason, message = "Failed", f'Error: {missing.kind.lower()} "{missing.name}" not found'
    metadata, moment = pod["metadata"], now()
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"generateName": f"{metadata['name']}.", "namespace": metadata["namespace"]},
        "involvedObject": {
            "apiVersion": "v1",
            "kind": "Pod",
            "name": metadata["name"],
            "namespace": metadata["namespace"],
            "uid": metadata["uid"],
        },
        "reason": reason,
        "message": message,
        "type": "Warning",
        "source": {"component": "kubelet", "host": pod["spec"].get("nodeName", "")},
        "firstTimestamp": moment,
        "lastTimestamp": moment,
        "count": 1,
    }
