"""Nodes are emptied by evictions that the API server judges, as EKS does before it ends an instance.

An eviction (policy/v1, as `kubectl drain` sends it) is refused while it would break a PodDisruptionBudget, and
is tried again. Every step is written to a journal, one JSON object a line, so that anyone can read who was
disrupted, when, and what the budgets said at that moment:

    {"time": ..., "event": "evicted", "node": ..., "pod": "serving/a-0", "ready": true, "budgets": [...]}

`event`: cordoned, uncordoned, evicted, refused (once for each reason), drained, and lost for a pod whose node
went before it was evicted, which no budget allowed.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Any, Final
from urllib.parse import quote

import urllib3

from sandbox.cluster import nodes
from sandbox.cluster.kube import Kube, KubeError
from sandbox.cluster.pods import Pod, owner_kind
from sandbox.cluster.spec import Cluster

_INTERVAL: Final = 0.5
"""Seconds between two tries. `kubectl drain` waits 5; the sandbox's pods are ready in less than one."""

_EXCLUDED: Final = "node.kubernetes.io/exclude-from-external-load-balancers"
"""EKS labels old nodes so when an update begins (EKS user guide, "Understand each phase of node updates")."""

_LOG = logging.getLogger(__name__)

Told = Callable[[list[str], dict[str, str]], None]
"""Takes the ids of instances whose nodes are drained, and for others why a pod could not be evicted."""


class Journal:
    """Appends to a file; safe for use by several threads."""

    def __init__(self, path: Path) -> None:
        self.path, self._lock = path, Lock()

    def write(self, event: str, **about: Any) -> None:
        """One line."""
        line = json.dumps(
            {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), "event": event, **about}
        )
        with self._lock, self.path.open("a") as file:
            file.write(line + "\n")


def movable(pod: Pod) -> bool:
    """Whether a drain evicts the pod: not those of DaemonSets, of the node itself, or that have ended."""
    return (
        owner_kind(pod) not in ("DaemonSet", "Node")
        and pod.get("status", {}).get("phase") not in ("Succeeded", "Failed")
        and "kubernetes.io/config.mirror" not in pod["metadata"].get("annotations", {})
    )


def selects(selector: dict[str, Any] | None, labels: dict[str, str]) -> bool:
    """Whether a label selector matches; an absent one matches nothing, an empty one everything."""
    if selector is None:
        return False
    if any(labels.get(key) != value for key, value in (selector.get("matchLabels") or {}).items()):
        return False
    for rule in selector.get("matchExpressions") or []:
        key, values = rule["key"], rule.get("values") or []
        holds = {
            "In": labels.get(key) in values,
            "NotIn": labels.get(key) not in values,
            "Exists": key in labels,
            "DoesNotExist": key not in labels,
        }
        if not holds.get(rule["operator"], False):
            return False
    return True


def is_ready(pod: Pod) -> bool:
    """Whether the pod counts as healthy; one that is not may leave while its budget is kept by the others."""
    found = pod.get("status", {}).get("conditions", [])
    return any(one["type"] == "Ready" and one["status"] == "True" for one in found)


def budgets_of(kube: Kube, pod: Pod) -> list[dict[str, Any]]:
    """The budgets over a pod, each with what the disruption controller says of it now."""
    namespace, labels = pod["metadata"]["namespace"], pod["metadata"].get("labels", {})
    found = kube.request("GET", f"/apis/policy/v1/namespaces/{namespace}/poddisruptionbudgets")["items"]
    counts = ("currentHealthy", "desiredHealthy", "disruptionsAllowed", "expectedPods")
    return [
        {"name": one["metadata"]["name"], **{name: one.get("status", {}).get(name, 0) for name in counts}}
        for one in found
        if selects(one["spec"].get("selector"), labels)
    ]


class Drainer:
    """Cordons and drains what AWS asks for, until `stop`."""

    def __init__(self, kube: Kube, cluster: Cluster, journal: Journal, told: Told) -> None:
        self._kube, self._cluster, self._journal, self._told = kube, cluster, journal, told
        self._cordoned: dict[str, str] = {}
        self._drained: set[str] = set()
        self._refusals: dict[str, str] = {}
        self._wake, self._stopped = Event(), Event()
        self._thread = Thread(target=self._run, name=f"drain-{cluster.name}", daemon=True)
        self._thread.start()

    def update(self, cluster: Cluster) -> None:
        """What AWS has now."""
        self._cluster = cluster
        self._wake.set()

    def stop(self) -> None:
        """Ends the thread."""
        self._stopped.set()
        self._wake.set()

    def _run(self) -> None:
        while not self._stopped.is_set():
            busy = True
            try:
                busy = self._step()
            except (KubeError, urllib3.exceptions.HTTPError, OSError) as error:
                if not self._stopped.is_set():
                    _LOG.warning("draining nodes of %s: %s", self._cluster.name, error)
            except Exception:  # without this thread every update of a node group would end in a failure
                _LOG.exception("draining nodes of %s: tried again", self._cluster.name)
            self._wake.wait(_INTERVAL if busy else None)
            self._wake.clear()

    def _step(self) -> bool:
        """One look at every node; true while there is something to do."""
        cluster = self._cluster
        wanted = {
            nodes.node_name(cluster.region, instance.private_ip): instance
            for group in cluster.node_groups
            for instance in group.instances
        }
        # A name belongs to an address, which another instance may have got meanwhile.
        for name, instance_id in list(self._cordoned.items()):
            if name not in wanted or wanted[name].instance_id != instance_id:
                del self._cordoned[name]
            elif not wanted[name].cordon:
                self._cordon(name, instance_id, False)
        for name, instance in wanted.items():
            if instance.cordon and name not in self._cordoned:
                self._cordon(name, instance.instance_id, True)
        leaving = {name: instance.instance_id for name, instance in wanted.items() if instance.drain}
        self._drained &= set(leaving.values())
        for name, instance_id in leaving.items():
            if instance_id not in self._drained:
                self._drain(name, instance_id)
        return any(instance_id not in self._drained for instance_id in leaving.values())

    def _cordon(self, name: str, instance_id: str, cordoned: bool) -> None:
        labels = {_EXCLUDED: "true" if cordoned else None}
        try:
            self._kube.merge(
                f"/api/v1/nodes/{name}",
                {"metadata": {"labels": labels}, "spec": {"unschedulable": True if cordoned else None}},
            )
        except KubeError as error:
            if error.status != 404:
                raise
            return  # it has not joined yet, or is gone
        if cordoned:
            self._cordoned[name] = instance_id
        else:
            del self._cordoned[name]
        self._journal.write("cordoned" if cordoned else "uncordoned", cluster=self._cluster.name, node=name)

    def _drain(self, name: str, instance_id: str) -> None:
        selector = quote(f"spec.nodeName={name}")
        here = self._kube.request("GET", f"/api/v1/pods?fieldSelector={selector}")["items"]
        left = [pod for pod in here if movable(pod)]
        refused = [why for why in (self._evict(name, pod) for pod in left) if why]
        if refused:
            self._told([], {instance_id: "; ".join(dict.fromkeys(refused))})
        if not left:
            self._told([instance_id], {})
            self._drained.add(instance_id)
            self._journal.write("drained", cluster=self._cluster.name, node=name, instance=instance_id)

    def _evict(self, node: str, pod: Pod) -> str:
        """Asks for the eviction of one pod; gives the API server's reason where it refuses."""
        metadata = pod["metadata"]
        if metadata.get("deletionTimestamp"):
            return ""
        who = f"{metadata['namespace']}/{metadata['name']}"
        about: dict[str, Any] = {"cluster": self._cluster.name, "node": node, "pod": who}
        about |= {"uid": metadata["uid"], "ready": is_ready(pod)}
        budgets = budgets_of(self._kube, pod)
        eviction = {
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"name": metadata["name"], "namespace": metadata["namespace"]},
            "deleteOptions": {"preconditions": {"uid": metadata["uid"]}},
        }
        path = f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}/eviction"
        try:
            self._kube.request("POST", path, eviction)
        except KubeError as error:
            if error.status in (404, 409):
                return ""
            why = f"{who}: {error}"
            if self._refusals.get(metadata["uid"]) != why:
                self._refusals[metadata["uid"]] = why
                self._journal.write("refused", **about, why=str(error), budgets=budgets)
            return why
        self._refusals.pop(metadata["uid"], None)
        self._journal.write("evicted", **about, budgets=budgets)
        return ""


def lost(journal: Journal, kube: Kube, cluster: str, node: str, orphans: Iterable[Pod]) -> None:
    """Writes down the pods that a node took with it: nobody asked a budget for them."""
    for pod in orphans:
        if movable(pod) and not pod["metadata"].get("deletionTimestamp"):
            metadata = pod["metadata"]
            journal.write(
                "lost",
                cluster=cluster,
                node=node,
                pod=f"{metadata['namespace']}/{metadata['name']}",
                uid=metadata["uid"],
                budgets=budgets_of(kube, pod),
            )
