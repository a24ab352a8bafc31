"""Why an object is not ready, in the words of the scheduler, the controllers and the pods' containers.

`reasons_for` is one look at the cluster; it is used while waiting (as progress), when a wait ends without
success, and for everything that a Helm release installed. An empty list means that nothing has gone wrong
visibly.

Blind spot: an emulated node's pods are Ready by decree, so on those only scheduling, admission and quota
can fail.
"""

from __future__ import annotations

from typing import Any, Final

from sandbox.plugins.kubernetes.client import ApiError, Client

Object = dict[str, Any]

MOST: Final = 10
"""Lines shown at most: a hundred pods that fail alike are one line already, and more than ten are not
read."""

QUIET: Final = {"ContainerCreating", "PodInitializing"}
"""Waiting reasons that every container passes through."""

WORKLOADS: Final = {"Deployment", "ReplicaSet", "StatefulSet", "DaemonSet", "Job", "Pod"}


def reasons_for(client: Client, objects: list[Object]) -> list[str]:
    """Why these live objects are not ready: one line per cause, pods that share a cause on one line."""
    causes: dict[str, list[str]] = {}
    for item in objects:
        for subject, cause in _causes(client, item):
            subjects = causes.setdefault(cause, [])
            if subject not in subjects:
                subjects.append(subject)
    lines = [f"{_several(subjects)}: {cause}" for cause, subjects in causes.items()]
    if len(lines) > MOST:
        lines = [*lines[:MOST], f"and {len(lines) - MOST} more causes"]
    return lines


def _several(subjects: list[str]) -> str:
    shown = ", ".join(subjects[:3])
    return f"{shown} and {len(subjects) - 3} more" if len(subjects) > 3 else shown


def _causes(client: Client, item: Object) -> list[tuple[str, str]]:
    kind, meta = item.get("kind", ""), item["metadata"]
    subject, namespace = f"{kind} {meta['name']}", meta.get("namespace")
    found: list[tuple[str, str]] = []
    for condition in (item.get("status") or {}).get("conditions") or []:
        if _bad_condition(kind, condition):
            text = f"{condition.get('reason', condition['type'])}: {condition.get('message', '')}"
            found.append((subject, text.rstrip(": ")))
    if kind == "Pod":
        return pod_causes(client, item)
    if kind in WORKLOADS and namespace:
        pods = _pods_of(client, item, namespace)
        for pod in pods:
            found += pod_causes(client, pod)
        # Pods that admission or quota refused never existed: only an event of their maker tells of them.
        if not any(who.startswith("pod ") for who, _ in found):
            found += _maker_events(client, item, namespace)
    elif kind in ("Service", "PersistentVolumeClaim") and namespace:
        found += [(subject, text) for text in warnings(client, namespace, meta["uid"])]
    return found


def _bad_condition(kind: str, condition: Object) -> bool:
    pair = (condition.get("type"), condition.get("status"))
    bad = {
        "Deployment": {("Progressing", "False"), ("ReplicaFailure", "True")},
        "ReplicaSet": {("ReplicaFailure", "True")},
        "Job": {("Failed", "True")},
        "CustomResourceDefinition": {("NamesAccepted", "False"), ("NonStructuralSchema", "True")},
    }
    return pair in bad.get(kind, set())


def _pods_of(client: Client, item: Object, namespace: str) -> list[Object]:
    selector = (item.get("spec") or {}).get("selector") or {}
    wanted = [f"{key}={value}" for key, value in (selector.get("matchLabels") or {}).items()]
    for rule in selector.get("matchExpressions") or []:
        listed = f"({','.join(rule.get('values') or [])})"
        wanted.append(
            {
                "In": f"{rule['key']} in {listed}",
                "NotIn": f"{rule['key']} notin {listed}",
                "Exists": rule["key"],
                "DoesNotExist": f"!{rule['key']}",
            }[rule["operator"]]
        )
    if not wanted:
        return []
    return client.items(f"/api/v1/namespaces/{namespace}/pods", {"labelSelector": ",".join(wanted)})


def pod_causes(client: Client, pod: Object) -> list[tuple[str, str]]:
    """(`pod NAME`, cause) for each thing that keeps this pod from being ready; empty if it is or has
    succeeded."""
    meta, status = pod["metadata"], pod.get("status") or {}
    conditions = {item["type"]: item for item in status.get("conditions") or []}
    if status.get("phase") == "Succeeded" or conditions.get("Ready", {}).get("status") == "True":
        return []
    subject = f"pod {meta['name']}"
    if meta.get("deletionTimestamp"):
        return [(subject, "Terminating: it is being deleted")]
    scheduled = conditions.get("PodScheduled", {})
    if scheduled.get("status") == "False":
        refusal = f"{scheduled.get('reason', 'Unschedulable')}: {scheduled.get('message', '')}"
        return [(subject, refusal + _awaits_karpenter(client, pod))]
    if status.get("phase") == "Failed" and status.get("reason"):
        return [(subject, f"{status['reason']}: {status.get('message', '')}".rstrip(": "))]
    containers = (status.get("initContainerStatuses") or []) + (status.get("containerStatuses") or [])
    found = [(subject, text) for item in containers if (text := _container_cause(item))]
    if found:
        return found
    said = warnings(client, meta["namespace"], meta["uid"])
    if not said and (unready := conditions.get("ContainersReady", {}).get("message")):
        said = [f"ContainersNotReady: {unready}"]
    return [(subject, text) for text in said[-1:]]


def _awaits_karpenter(client: Client, pod: Object) -> str:
    """Said of a pod whose node Karpenter would make: the sandbox has its objects and no controller."""
    wanted = (pod.get("spec") or {}).get("nodeSelector") or {}
    try:
        pools = client.items("/apis/karpenter.sh/v1/nodepools") if wanted else []
    except ApiError:
        return ""  # the cluster has no such definitions
    for pool in pools:
        labels = (pool["spec"]["template"].get("metadata") or {}).get("labels") or {}
        if wanted.items() <= labels.items():
            return (
                f"; Karpenter would make a node of NodePool {pool['metadata']['name']} for it, and in the sandbox "
                "nothing does: use a pool with provisioner nodeGroup here"
            )
    return ""


def _container_cause(item: Object) -> str | None:
    name = item["name"]
    waiting = (item.get("state") or {}).get("waiting") or {}
    ended = (
        (item.get("state") or {}).get("terminated") or (item.get("lastState") or {}).get("terminated") or {}
    )
    exit_text = ""
    if ended.get("exitCode"):
        last = (ended.get("message") or "").strip().splitlines()
        exit_text = f"exit code {ended['exitCode']}" + (
            f" ({ended['reason']})" if ended.get("reason") else ""
        )
        exit_text += f": {last[-1][:300]}" if last else ""
    reason = waiting.get("reason")
    if reason and reason not in QUIET:
        text = exit_text or waiting.get("message") or ""
        return f"container {name}: {reason}: {text}".rstrip(": ")
    if exit_text and (item.get("state") or {}).get("terminated"):
        return f"container {name}: {exit_text}"
    return None


def _maker_events(client: Client, item: Object, namespace: str) -> list[tuple[str, str]]:
    meta = item["metadata"]
    found = [(f"{item['kind']} {meta['name']}", text) for text in warnings(client, namespace, meta["uid"])]
    if item["kind"] != "Deployment":
        return found
    for owned in client.items(f"/apis/apps/v1/namespaces/{namespace}/replicasets"):
        owners = owned["metadata"].get("ownerReferences") or []
        if any(owner["uid"] == meta["uid"] for owner in owners):
            said = warnings(client, namespace, owned["metadata"]["uid"])
            found += [(f"ReplicaSet {owned['metadata']['name']}", text) for text in said]
    return found


def warnings(client: Client, namespace: str, uid: str) -> list[str]:
    """The Warning events of one object, oldest first, each reason once."""
    try:
        events = client.items(
            f"/api/v1/namespaces/{namespace}/events",
            {"fieldSelector": f"involvedObject.uid={uid},type=Warning"},
        )
    except ApiError:
        return []  # who may not read events still gets the conditions' reasons
    events.sort(key=lambda event: event.get("lastTimestamp") or event.get("eventTime") or "")
    latest = {event.get("reason", "Warning"): event.get("message", "") for event in events}
    return [f"{reason}: {message}" for reason, message in latest.items()]
