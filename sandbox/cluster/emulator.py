"""The nodes and pods of one cluster, kept in step with AWS's instances and with the API server.

Two threads: one watches pods, and a few workers answer for the kubelets at once; the other keeps nodes, their
heartbeats and devices, and tries blocked pods again.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING, Any, Final

import urllib3

from sandbox.cluster import local_volumes, nodes, pods
from sandbox.cluster.addons import CNI_LABEL
from sandbox.cluster.addresses import AddressPool
from sandbox.cluster.drain import Journal, lost
from sandbox.cluster.kube import ExpiredError, Kube, KubeError
from sandbox.cluster.spec import Cluster, Instance, NodeGroup

if TYPE_CHECKING:
    from sandbox.live.world import LiveWorld

_HEARTBEAT: Final = nodes.LEASE_SECONDS / 4
_WORKERS: Final = 4
"""Threads that write pod statuses: 50 pods take about 0.3 s with them (tests/sandbox_cluster)."""

_LOG = logging.getLogger(__name__)


@dataclass
class _Node:
    """A node that stands in the cluster now."""

    group: NodeGroup
    instance: Instance
    ready: bool = False
    devices: dict[str, int] | None = None
    live: bool = False
    """A real kubelet answers for it, not we."""


class Emulator:
    """Answers for the kubelets of one cluster until `stop`."""

    def __init__(
        self,
        kube: Kube,
        cluster: Cluster,
        joined: Callable[[str], None],
        journal: Journal | None = None,
        live: LiveWorld | None = None,
    ) -> None:
        """`joined` is called with an instance id once its node is ready; `journal` hears of pods that went with
        their node; `live` runs the nodes."""
        self._live = live
        self._kube, self._cluster, self._joined, self._journal = kube, cluster, joined, journal
        self._nodes: dict[str, _Node] = {}
        self._pods: dict[str, pods.Pod] = {}
        self._blocked: dict[str, str] = {}
        self._plugin_shares: dict[str, int] = {}
        self._addresses = AddressPool()
        self._lock = Lock()
        self._wake = Event()
        self._stopped = Event()
        self._heartbeat_at = 0.0
        self._workers = ThreadPoolExecutor(_WORKERS, thread_name_prefix=f"pods-{cluster.name}")
        self._threads = [
            Thread(target=self._keep_pods, name=f"watch-{cluster.name}", daemon=True),
            Thread(target=self._keep_nodes, name=f"nodes-{cluster.name}", daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def update(self, cluster: Cluster) -> None:
        """Takes over what AWS has now; the node thread acts on it at once."""
        if cluster != self._cluster:
            self._cluster = cluster
            self._wake.set()

    def stop(self) -> None:
        """Ends the threads; objects stay as they are, for the control plane ends next."""
        self._stopped.set()
        self._wake.set()
        self._workers.shutdown(wait=False, cancel_futures=True)

    def describe(self) -> list[dict[str, Any]]:
        """Each node with its instance, type, readiness, announced devices, number of pods, and whether a real kubelet
        runs them, for `status`."""
        with self._lock:
            counts: dict[str, int] = {}
            for pod in self._pods.values():
                name = pod["spec"].get("nodeName", "")
                counts[name] = counts.get(name, 0) + 1
            return [
                {
                    "name": name,
                    "instance": node.instance.instance_id,
                    "type": node.instance.shape.instance_type,
                    "group": node.group.name,
                    "zone": node.instance.zone,
                    "ready": node.ready,
                    "live": node.live,
                    "devices": {kind: count for kind, count in (node.devices or {}).items() if count},
                    "pods": counts.get(name, 0),
                }
                for name, node in sorted(self._nodes.items())
            ]

    # Nodes

    def _keep_nodes(self) -> None:
        while not self._stopped.is_set():
            self._wake.wait(1.0)
            self._wake.clear()
            if self._stopped.is_set():
                return
            try:
                self._match_instances()
                self._refresh_nodes()
                if time.monotonic() - self._heartbeat_at >= _HEARTBEAT:
                    self._heartbeat_at = time.monotonic()
                    for name, node in list(self._nodes.items()):
                        if not node.live:
                            self._renew(name)
                self._retry_blocked()
                self._keep_volumes()
            except (KubeError, urllib3.exceptions.HTTPError, OSError) as error:
                if not self._stopped.is_set():
                    _LOG.warning("nodes of %s: %s", self._cluster.name, error)
            except Exception:  # without this thread every node of the cluster would fall silent
                _LOG.exception("nodes of %s: tried again", self._cluster.name)

    def _match_instances(self) -> None:
        cluster = self._cluster
        wanted = {
            nodes.node_name(cluster.region, instance.private_ip): (group, instance)
            for group in cluster.node_groups
            for instance in group.instances
        }
        for name in self._nodes.keys() - wanted.keys():
            self._remove_node(name)
        for name, (group, instance) in wanted.items():
            standing = self._nodes.get(name)
            if standing is not None and standing.instance.instance_id != instance.instance_id:
                self._remove_node(name)  # another machine got the address of one that went a moment ago
                standing = None
            if standing is None:
                self._add_node(name, group, instance)
            elif standing.group != group:
                standing.instance = instance
                self._relabel(name, standing, group)

    def _add_node(self, name: str, group: NodeGroup, instance: Instance) -> None:
        cluster = self._cluster
        try:
            self._kube.request(
                "POST", "/api/v1/nodes", nodes.manifest(cluster.region, cluster.version, group, instance)
            )
        except KubeError as error:
            if error.status != 409:  # left from before a restart of these threads
                raise
        live = self._live is not None
        if self._live is not None:
            reserved = {each.private_ip for other in cluster.node_groups for each in other.instances}
            self._live.add(name, instance, self._addresses.take, reserved)
        else:
            self._renew(name)
        with self._lock:
            self._nodes[name] = _Node(group, instance, live=live)
        _LOG.info(
            "%s: node %s joined (%s, %s)", cluster.name, name, instance.shape.instance_type, instance.zone
        )

    def _relabel(self, name: str, standing: _Node, group: NodeGroup) -> None:
        """EKS carries changes of a node group's labels and taints to its nodes without replacing them."""
        old, new = standing.group, group
        if (old.labels, old.taints) != (new.labels, new.taints):
            labels: dict[str, str | None] = dict.fromkeys(old.labels.keys() - new.labels.keys())
            labels |= nodes.labels(self._cluster.region, new, standing.instance)
            known = {(taint.key, taint.effect) for taint in (*old.taints, *new.taints)}
            current = self._kube.request("GET", f"/api/v1/nodes/{name}")["spec"].get("taints", [])
            others = [taint for taint in current if (taint["key"], taint["effect"]) not in known]
            self._kube.merge(
                f"/api/v1/nodes/{name}",
                {"metadata": {"labels": labels}, "spec": {"taints": others + nodes.taints(new)}},
            )
        standing.group = group

    def _remove_node(self, name: str) -> None:
        if self._live is not None and self._nodes[name].live:
            self._live.remove(name, self._addresses.release)
        self._kube.delete(f"/api/v1/nodes/{name}")
        self._kube.delete(f"/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/{name}")
        with self._lock:
            del self._nodes[name]
            orphans = [pod for pod in self._pods.values() if pod["spec"].get("nodeName") == name]
        if self._journal is not None:
            lost(self._journal, self._kube, self._cluster.name, name, orphans)
        for pod in orphans:
            self._kube.delete(_path(pod), grace_seconds=0, uid=pod["metadata"]["uid"])
        _LOG.info("%s: node %s is gone, and %d pods with it", self._cluster.name, name, len(orphans))

    def _renew(self, name: str) -> None:
        path = f"/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/{name}"
        self._kube.apply(path, nodes.lease(name))

    def _refresh_nodes(self) -> None:
        for name, node in list(self._nodes.items()):
            with self._lock:
                here = [pod for pod in self._pods.values() if pod["spec"].get("nodeName") == name]
            label, value = CNI_LABEL
            ready = any(
                pod["metadata"].get("labels", {}).get(label) == value
                and pod.get("status", {}).get("phase") == "Running"
                for pod in here
            )
            limits = nodes.device_limits(node.group, node.instance)
            announced = nodes.own_devices(node.group, node.instance) if ready else {}
            for pod in here:
                kind = pods.announced_device(pod)
                if kind is not None:
                    announced[kind] = limits[kind] * self._shares(pod, kind)
            if self._live is not None and node.live:
                ready = self._kubelet_ready(name)
                self._live.announce(name, announced)
            if (ready, announced) == (node.ready, node.devices):
                continue
            if not node.live:
                self._write_status(name, node, ready, announced)
            if ready and not node.ready:
                self._joined(node.instance.instance_id)
            node.ready, node.devices = ready, announced

    def _keep_volumes(self) -> None:
        with self._lock:
            here = {name: node.instance for name, node in self._nodes.items() if node.ready and not node.live}
            running = list(self._pods.values())
        local_volumes.keep(self._kube, here, running)

    def _kubelet_ready(self, name: str) -> bool:
        """What a live node's kubelet says of it."""
        status = self._kube.request("GET", f"/api/v1/nodes/{name}")["status"]
        return any(c["type"] == "Ready" and c["status"] == "True" for c in status.get("conditions", []))

    def _shares(self, pod: pods.Pod, kind: str) -> int:
        """As how many devices the plugin in this pod announces each, by the ConfigMap that it reads when it
        starts."""
        named = pods.plugin_configuration(pod)
        uid = pod["metadata"]["uid"]
        if named is None:
            return 1
        if uid not in self._plugin_shares:
            path = f"/api/v1/namespaces/{pod['metadata']['namespace']}/configmaps/{named[0]}"
            document = self._kube.request("GET", path).get("data", {}).get(named[1], "")
            self._plugin_shares[uid] = pods.time_slices(document, kind)
        return self._plugin_shares[uid]

    def _write_status(self, name: str, node: _Node, ready: bool, announced: dict[str, int]) -> None:
        cluster = self._cluster
        status = nodes.status(cluster.region, cluster.version, node.group, node.instance, ready, announced)
        for kind in (nodes.DEVICE_GPU, nodes.DEVICE_EFA):
            # A merge patch removes a key only by null.
            status["capacity"].setdefault(kind, None)
            status["allocatable"].setdefault(kind, None)
        self._kube.merge(f"/api/v1/nodes/{name}/status", {"status": status})

    # Pods

    def _keep_pods(self) -> None:
        while not self._stopped.is_set():
            try:
                self._watch_pods(self._list_pods())
            except ExpiredError:
                continue
            except (KubeError, urllib3.exceptions.HTTPError, OSError) as error:
                if self._stopped.wait(0.5):
                    return
                _LOG.info("watch of %s's pods starts again: %s", self._cluster.name, error)
            except Exception:  # without this thread no pod of the cluster would start any more
                _LOG.exception("watch of %s's pods starts again", self._cluster.name)
                if self._stopped.wait(0.5):
                    return

    def _list_pods(self) -> str:
        answer = self._kube.request("GET", "/api/v1/pods")
        listed = {pod["metadata"]["uid"]: pod for pod in answer["items"]}
        with self._lock:
            gone = self._pods.keys() - listed.keys()
            self._pods = listed
        for uid in gone:
            self._forget(uid)
        for pod in listed.values():
            self._seen(pod)
        return str(answer["metadata"]["resourceVersion"])

    def _watch_pods(self, version: str) -> None:
        while not self._stopped.is_set():
            for event in self._kube.watch("/api/v1/pods", version):
                pod = event["object"]
                version = pod["metadata"]["resourceVersion"]
                if event["type"] == "DELETED":
                    with self._lock:
                        self._pods.pop(pod["metadata"]["uid"], None)
                    self._forget(pod["metadata"]["uid"])
                elif event["type"] != "BOOKMARK":
                    with self._lock:
                        self._pods[pod["metadata"]["uid"]] = pod
                    self._seen(pod)

    def _forget(self, uid: str) -> None:
        self._addresses.release(uid)
        self._blocked.pop(uid, None)
        self._plugin_shares.pop(uid, None)
        self._wake.set()

    def _seen(self, pod: pods.Pod) -> None:
        if not pod["spec"].get("nodeName"):
            return
        node = self._nodes.get(pod["spec"]["nodeName"])
        if node is not None and node.live:
            self._wake.set()
            return
        phase = pod.get("status", {}).get("phase")
        if pod["metadata"].get("deletionTimestamp") or phase == "Pending":
            try:
                self._workers.submit(self._attend, pod)
            except RuntimeError:  # the emulator is stopping
                return
        if phase == "Running":
            self._wake.set()  # it may be a device plugin or a CNI

    def _attend(self, pod: pods.Pod) -> None:
        try:
            if pod["metadata"].get("deletionTimestamp"):
                # Containers that do not exist end at once, whatever the grace.
                self._kube.delete(_path(pod), grace_seconds=0, uid=pod["metadata"]["uid"])
            else:
                self._start(pod)
        except KubeError as error:
            if error.status not in (404, 409):
                _LOG.warning("pod %s: %s", _path(pod), error)
        except (urllib3.exceptions.HTTPError, LookupError) as error:
            if not self._stopped.is_set():
                _LOG.warning("pod %s: %s", _path(pod), error)
        except Exception:  # a worker's exception is kept in a future that nobody asks
            _LOG.exception("pod %s", _path(pod))

    def _start(self, pod: pods.Pod) -> None:
        node = self._nodes.get(pod["spec"]["nodeName"])
        if node is None or node.live:
            return
        uid, address = pod["metadata"]["uid"], node.instance.private_ip
        host_network = pod["spec"].get("hostNetwork", False)
        missing = self._missing(pod)
        if missing is not None or not (node.ready or host_network):
            self._block(pod, address, missing)
            return
        if not host_network:
            reserved = {other.instance.private_ip for other in self._nodes.values()}
            address = self._addresses.take(uid, node.instance.subnet_cidr, reserved)
        status = pods.started_status(pod, node.instance.private_ip, address)
        self._kube.merge(f"{_path(pod)}/status", {"status": {**status, "message": None}})
        self._blocked.pop(uid, None)

    def _missing(self, pod: pods.Pod) -> pods.Reference | None:
        namespace = pod["metadata"]["namespace"]
        for reference in sorted(pods.references(pod), key=lambda r: (r.kind, r.name)):
            try:
                self._kube.request(
                    "GET", f"/api/v1/namespaces/{namespace}/{reference.plural}/{reference.name}"
                )
            except KubeError as error:
                if error.status == 404:
                    return reference
                raise
        return None

    def _block(self, pod: pods.Pod, node_ip: str, missing: pods.Reference | None) -> None:
        uid, reason = pod["metadata"]["uid"], repr(missing)
        if self._blocked.get(uid) == reason:
            return
        first_time = uid not in self._blocked
        self._blocked[uid] = reason
        if missing is not None and missing.name == "kube-root-ca.crt" and first_time:
            return  # the controller manager writes it into a new namespace within moments
        self._kube.merge(f"{_path(pod)}/status", {"status": pods.blocked_status(pod, node_ip, missing)})
        namespace = pod["metadata"]["namespace"]
        self._kube.request("POST", f"/api/v1/namespaces/{namespace}/events", pods.blocked_event(pod, missing))

    def _retry_blocked(self) -> None:
        with self._lock:
            waiting = [
                pod
                for pod in self._pods.values()
                if pod["spec"].get("nodeName") in self._nodes
                and not self._nodes[pod["spec"]["nodeName"]].live
                and pod.get("status", {}).get("phase") == "Pending"
                and not pod["metadata"].get("deletionTimestamp")
            ]
        for pod in waiting:
            self._attend(pod)


def _path(pod: pods.Pod) -> str:
    metadata = pod["metadata"]
    return f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}"
