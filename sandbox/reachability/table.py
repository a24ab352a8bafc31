"""The rows of a namespace's table: for each workload who gets in, and what it gets out to. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from sandbox.reachability import imagined
from sandbox.reachability.objects import Cluster, OwnNode, Pod
from sandbox.reachability.places import Place, pieces
from sandbox.reachability.policies import Direction, reach
from sandbox.reachability.ports import Ports

Side = Literal["reached by", "reaches"]


@dataclass(frozen=True)
class Row:
    """One peer of one workload. Without ports it is shut out."""

    workload: str
    side: Side
    peer: str
    ports: Ports
    because: tuple[str, ...]


@dataclass(frozen=True)
class View:
    """A cluster as it was read: what policies see, its pods, and the places around it."""

    cluster: Cluster
    pods: tuple[Pod, ...]
    places: tuple[Place, ...]


def workload(pod: Pod) -> str:
    """What a person calls the pod: its namespace and its owner's name, or its own."""
    return f"{pod.namespace}/{pod.owner or 'Pod/' + pod.name}"


def grouped(pods: Iterable[Pod]) -> list[Pod]:
    """One pod for each workload and set of labels: its replicas are alike to every policy but by their addresses."""
    found: dict[tuple[str, frozenset[tuple[str, str]]], Pod] = {}
    for pod in sorted(pods, key=lambda each: (each.namespace, each.name)):
        # Labels that differ from replica to replica are made by its controller; no policy of sense reads them.
        labels = {key: value for key, value in pod.labels.items() if key not in _OF_ONE_REPLICA}
        found.setdefault((workload(pod), frozenset(labels.items())), pod)
    return list(found.values())


_OF_ONE_REPLICA = (
    "apps.kubernetes.io/pod-index",
    "statefulset.kubernetes.io/pod-name",
    "controller-revision-hash",
    "pod-template-hash",
    "leaderworkerset.sigs.k8s.io/group-index",
    "leaderworkerset.sigs.k8s.io/group-key",
    "leaderworkerset.sigs.k8s.io/worker-index",
    "batch.kubernetes.io/job-completion-index",
)


def rows(view: View, namespace: str) -> list[Row]:
    """All rows of a namespace, those of one workload together."""
    return [
        row
        for pod in grouped(each for each in view.pods if each.namespace == namespace)
        for side in ("reached by", "reaches")
        for row in _rows(view, pod, side)
    ]


def _rows(view: View, pod: Pod, side: Side) -> list[Row]:
    direction: Direction = "Ingress" if side == "reached by" else "Egress"
    mine = workload(pod)
    found = []
    if side == "reached by":
        kubelet = reach(view.cluster, OwnNode(), pod)
        found.append(Row(mine, side, "its own node (kubelet: probes)", kubelet.ports, kubelet.because))
    could = imagined.admitted(view.cluster, pod, direction)
    open_somewhere = {labels for labels, ports, _ in could if ports}
    for (labels, ports, because), spaces in could.items():
        where = "any namespace" if len(spaces) == len(view.cluster.namespaces) else ", ".join(spaces)
        if not ports and labels in open_somewhere:
            where = "any other namespace"
        found.append(Row(mine, side, f"{imagined.told(labels)} in {where}", ports, because))
    for other in grouped(view.pods):
        if other == pod:
            continue
        ends = (other, pod) if side == "reached by" else (pod, other)
        seen = reach(view.cluster, *ends)
        host = " (host network)" if other.host_network else ""
        found.append(Row(mine, side, workload(other) + host, seen.ports, seen.because))
    for there in view.places:
        for piece in pieces(view.cluster, pod, direction, there):
            blocks = ", ".join(map(str, piece.networks[:3])) + (
                " and more" if len(piece.networks) > 3 else ""
            )
            name = there.name if piece.whole else f"{there.name}: {blocks}"
            found.append(Row(mine, side, name, piece.admitted.ports, piece.admitted.because))
    return found
