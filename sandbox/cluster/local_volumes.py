"""Local volumes of nodes, as sig-storage's local static provisioner and its node cleanup controller would have them.

Neither runs here. While a DaemonSet's pod of the provisioner is on a node, the mount points that the node's user data
made in the folder of the provisioner's configuration are PersistentVolumes; one whose claim is gone is emptied, and so
is offered again at once. While a pod of the cleanup controller runs, claims and volumes of nodes that are gone go too,
without the minute that it waits. Binding, scheduling and the claims of StatefulSets are the real controllers'.

Names, annotations and what is deleted when: the provisioner's documentation (docs/provisioner.md,
docs/node-cleanup-controller.md) and its `generatePVName`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Final

import yaml

from sandbox.cluster.capacity import disk_gib
from sandbox.cluster.kube import Kube, KubeError
from sandbox.cluster.pods import Pod, owner_kind, repository
from sandbox.cluster.spec import Instance

PROVISIONER: Final = "local-volume-provisioner"
CLEANUP: Final = "local-volume-node-cleanup"
"""Last parts of the images' names, by which their pods are known."""

_CONFIGURATION: Final = "/etc/provisioner/config"
_HOSTNAME: Final = "kubernetes.io/hostname"
_VOLUMES: Final = "/api/v1/persistentvolumes"

Object = dict[str, Any]


@dataclass(frozen=True)
class Found:
    """A class and the folder in which its volumes are mounted."""

    storage_class: str
    folder: str


def keep(kube: Kube, nodes: Mapping[str, Instance], pods: Sequence[Pod]) -> None:
    """Brings volumes in step with `nodes` (the emulated ones, by name) and the pods that run."""
    running = [pod for pod in pods if pod.get("status", {}).get("phase") == "Running"]
    provisioners = [pod for pod in running if _runs(pod, PROVISIONER) and owner_kind(pod) == "DaemonSet"]
    cleaned = {name for pod in running if _runs(pod, CLEANUP) for name in _cleaned(pod)}
    if not provisioners and not cleaned:
        return
    volumes: list[Object] = kube.request("GET", _VOLUMES)["items"]
    if cleaned:
        _clean(kube, [each for each in volumes if each["spec"].get("storageClassName") in cleaned])
    for pod in provisioners:
        name = pod["spec"].get("nodeName", "")
        if name in nodes:
            for found in _configured(kube, pod):
                _provision(kube, name, nodes[name], found, volumes)


def _runs(pod: Pod, program: str) -> bool:
    return any(repository(each["image"]).rpartition("/")[2] == program for each in pod["spec"]["containers"])


def _configured(kube: Kube, pod: Pod) -> Iterator[Found]:
    """Classes that the pod's ConfigMap names, of whose folder the pod sees the node's mounts."""
    (container,) = [
        each for each in pod["spec"]["containers"] if repository(each["image"]).endswith(f"/{PROVISIONER}")
    ]
    volumes = {each["name"]: each for each in pod["spec"].get("volumes", [])}
    mounted = {each["mountPath"].rstrip("/"): each for each in container.get("volumeMounts", [])}
    source = volumes.get(mounted.get(_CONFIGURATION, {}).get("name", ""), {}).get("configMap")
    if source is None:
        return
    path = f"/api/v1/namespaces/{pod['metadata']['namespace']}/configmaps/{source['name']}"
    try:
        classes = yaml.safe_load(kube.request("GET", path).get("data", {}).get("storageClassMap", "")) or {}
    except (KubeError, yaml.YAMLError):
        return
    for name, given in classes.items():
        mount = mounted.get(str(given.get("mountDir", "")).rstrip("/"), {})
        folder = str(given.get("hostDir", "")).rstrip("/")
        behind = volumes.get(mount.get("name", ""), {}).get("hostPath", {}).get("path", "").rstrip("/")
        if (
            folder
            and behind == folder
            and mount.get("mountPropagation") in ("HostToContainer", "Bidirectional")
        ):
            yield Found(str(name), folder)


def _provision(kube: Kube, node: str, instance: Instance, found: Found, volumes: list[Object]) -> None:
    try:
        policy = kube.request("GET", f"/apis/storage.k8s.io/v1/storageclasses/{found.storage_class}")[
            "reclaimPolicy"
        ]
    except KubeError as error:
        if error.status == 404:
            return
        raise
    standing = {each["metadata"]["name"]: each for each in volumes}
    for path in instance.mounts:
        if str(PurePosixPath(path).parent) != found.folder:
            continue
        made = volume(node, instance, found.storage_class, path, policy)
        there = standing.get(made["metadata"]["name"])
        if there is None:
            kube.request("POST", _VOLUMES, made)
        elif there["status"].get("phase") == "Released" and policy == "Delete":
            kube.delete(f"{_VOLUMES}/{there['metadata']['name']}")


def volume(node: str, instance: Instance, storage_class: str, path: str, policy: str) -> Object:
    """The PersistentVolume of one mount point. Mounts share the node's disk, and each shows the whole of it."""
    file = PurePosixPath(path).name
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {
            "name": f"local-pv-{_fnv(file + node + storage_class):x}",
            "annotations": {"pv.kubernetes.io/provisioned-by": f"local-volume-provisioner-{node}"},
        },
        "spec": {
            "capacity": {"storage": f"{disk_gib(instance)}Gi"},
            "accessModes": ["ReadWriteOnce"],
            "volumeMode": "Filesystem",
            "persistentVolumeReclaimPolicy": policy,
            "storageClassName": storage_class,
            "local": {"path": path},
            "nodeAffinity": {
                "required": {
                    "nodeSelectorTerms": [
                        {"matchExpressions": [{"key": _HOSTNAME, "operator": "In", "values": [node]}]}
                    ]
                }
            },
        },
    }


def _fnv(text: str) -> int:
    """The FNV-1a hash of 32 bits."""
    value = 2166136261
    for byte in text.encode():
        value = (value ^ byte) * 16777619 % 2**32
    return value


def _cleaned(pod: Pod) -> Iterator[str]:
    for container in pod["spec"]["containers"]:
        for argument in container.get("args", []):
            if argument.startswith("--storageclass-names="):
                yield from argument.partition("=")[2].split(",")


def _clean(kube: Kube, volumes: list[Object]) -> None:
    """Takes away what belongs to nodes that are gone."""
    there = {each["metadata"]["name"] for each in kube.request("GET", "/api/v1/nodes")["items"]}
    for each in volumes:
        named = _nodes_of(each)
        if not named or named & there:
            continue
        phase, policy = each["status"].get("phase"), each["spec"].get("persistentVolumeReclaimPolicy")
        claim = each["spec"].get("claimRef")
        if phase == "Bound" and claim:
            path = f"/api/v1/namespaces/{claim['namespace']}/persistentvolumeclaims/{claim['name']}"
            kube.delete(path, uid=claim.get("uid"))
        elif phase == "Available" or (phase == "Released" and policy == "Delete"):
            kube.delete(f"{_VOLUMES}/{each['metadata']['name']}")


def _nodes_of(each: Object) -> set[str]:
    terms = each["spec"].get("nodeAffinity", {}).get("required", {}).get("nodeSelectorTerms", [])
    return {
        value
        for term in terms
        for expression in term.get("matchExpressions", [])
        if expression["key"] == _HOSTNAME and expression["operator"] == "In"
        for value in expression.get("values", [])
    }
