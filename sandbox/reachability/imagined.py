"""Pods that need not be there: for each selector in a policy, what a pod would have to be that it admits. Pure.

They answer "who could get in", where pods that are there answer only "who does". Their own policies are not known, so
only the other side's are asked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any, Final

from sandbox.reachability.objects import Cluster, Object, Pod, selects
from sandbox.reachability.policies import Direction, governing, one_way
from sandbox.reachability.ports import Ports

ANY: Final = "any"
"""Value of a label of which a policy only wants that it is there."""

_MOST: Final = 64
"""Label sets that are tried for one selector; one has a handful."""

Labels = tuple[tuple[str, str], ...]


def label_sets(cluster: Cluster, pod: Pod, direction: Direction) -> list[Labels]:
    """No labels at all, and those by which the pod's own policies choose peers."""
    found: dict[Labels, None] = {(): None}
    for policy in governing(cluster, pod, direction):
        for rule in policy["spec"].get(direction.lower()) or ():
            for peer in rule.get("from" if direction == "Ingress" else "to") or ():
                for each in _samples(peer.get("podSelector") or {}):
                    found[each] = None
    return list(found)


def _samples(selector: Object) -> Iterator[Labels]:
    fixed: dict[str, str] = dict(selector.get("matchLabels") or {})
    choices: list[list[tuple[str, str]]] = []
    for each in selector.get("matchExpressions") or ():
        if each["operator"] == "In":
            choices.append([(each["key"], value) for value in each["values"]])
        elif each["operator"] == "Exists":
            choices.append([(each["key"], ANY)])
    for number, chosen in enumerate(product(*choices)):
        labels = {**dict(chosen), **fixed}
        if number < _MOST and selects(selector, labels):
            yield tuple(sorted(labels.items()))


def admitted(
    cluster: Cluster, pod: Pod, direction: Direction
) -> dict[tuple[Labels, Ports, tuple[str, ...]], list[str]]:
    """For each set of labels: the ports, the policies that open them, and the namespaces for which they do. Of labels
    that open nothing the ports are none."""
    found: dict[tuple[Labels, Ports, tuple[str, ...]], list[str]] = {}
    for labels in label_sets(cluster, pod, direction):
        for namespace in cluster.namespaces:
            peer = Pod(namespace, "", dict(labels))
            opened = one_way(cluster, pod, direction, peer)
            found.setdefault((labels, opened.ports, opened.because), []).append(namespace)
    return found


def told(labels: Mapping[str, str] | Labels) -> str:
    """A set of labels in words."""
    pairs: Any = labels.items() if isinstance(labels, Mapping) else labels
    words = [key if value == ANY else f"{key}={value}" for key, value in pairs]
    return f"any pod with {' and '.join(words)}" if words else "any pod without labels"
