"""When an object counts as done: after it was applied, and after it was deleted.

The kinds that are waited for, and their 10 minutes, are those of the official provider's documentation
(the docstrings of pulumi_kubernetes 4.34: Deployment, StatefulSet, Job, Pod, Service); DaemonSet,
PersistentVolumeClaim and CustomResourceDefinition are waited for likewise. A custom resource is not: its
controller may not run here. `pulumi.com/skipAwait: "true"` turns the wait off, `customTimeouts` sets its
length.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, Final

from sandbox.plugins.kubernetes.client import Client
from sandbox.plugins.kubernetes.reasons import reasons_for

Object = dict[str, Any]

DEFAULT_S: Final = 600.0
"""Ten minutes, as the official provider documents for each kind."""

SKIP: Final = "pulumi.com/skipAwait"

FIRST_LOOK_S: Final = 0.1
LONGEST_LOOK_S: Final = 2.0
"""The pause between looks grows from a tenth of a second to two: quick objects are not held up, slow ones
are cheap."""

SAY_EVERY_S: Final = 3.0


class NotReadyError(Exception):
    """The wait ended without success: `live` is the object as last seen, `reasons` say why."""

    def __init__(self, live: Object, reasons: list[str]) -> None:
        super().__init__("; ".join(reasons))
        self.live, self.reasons = live, reasons


class Hopeless(Exception):  # noqa: N818 - a verdict, raised by a readiness function
    """No waiting will help."""


def until_ready(
    client: Client,
    live: Object,
    look: Callable[[], Object | None],
    say: Callable[[str], None],
    timeout: float,
    cancelled: threading.Event,
) -> Object:
    """Waits until the object is ready by its kind's rule; returns it as last seen. Raises `NotReadyError`.

    `look` fetches the object, `say` shows a progress line, `timeout` is in seconds (0: the default).
    """
    ready = READY.get((_group(live), live.get("kind", "")))
    annotations = live["metadata"].get("annotations") or {}
    if ready is None or annotations.get(SKIP, "").lower() == "true":
        return live
    began, pause, said = time.monotonic(), FIRST_LOOK_S, 0.0
    limit = timeout or DEFAULT_S
    name = f"{live['kind']} {live['metadata']['name']}"
    while True:
        try:
            missing = ready(client, live)
        except Hopeless as error:
            raise NotReadyError(live, [f"{name}: {error}", *_new(client, live, str(error))]) from None
        if missing is None:
            return live
        waited = time.monotonic() - began
        if waited >= limit or cancelled.is_set():
            ended = "was interrupted" if cancelled.is_set() else f"is not ready after {limit:.0f} s"
            raise NotReadyError(live, [*reasons_for(client, [live]), f"{name} {ended}: {missing}"])
        if waited - said >= SAY_EVERY_S:
            said = waited
            say(f"{missing}" + "".join(f"; {line}" for line in reasons_for(client, [live])[:2]))
        cancelled.wait(min(pause, max(limit - waited, FIRST_LOOK_S)))
        pause = min(pause * 1.5, LONGEST_LOOK_S)
        found = look()
        if found is None:
            raise NotReadyError(live, [f"{name} was deleted by someone while it was waited for"])
        live = found


def _new(client: Client, live: Object, known: str) -> list[str]:
    return [line for line in reasons_for(client, [live]) if known not in line]


def _group(item: Object) -> str:
    version = item.get("apiVersion", "")
    return version.split("/")[0] if "/" in version else ""


def until_gone(
    path: str, client: Client, uid: str | None, timeout: float, cancelled: threading.Event
) -> Object | None:
    """Waits until nothing (or another object) is at the path; returns what is still there after the
    timeout."""
    began, pause = time.monotonic(), FIRST_LOOK_S
    while True:
        found = client.find(path)
        if found is None or (uid and found["metadata"].get("uid") != uid):
            return None
        if time.monotonic() - began >= (timeout or DEFAULT_S) or cancelled.is_set():
            return found
        cancelled.wait(pause)
        pause = min(pause * 1.5, LONGEST_LOOK_S)


def why_not_gone(live: Object) -> str:
    """What holds a deleted object: its finalizers, or what a namespace still contains."""
    conditions = (live.get("status") or {}).get("conditions") or []
    content = [item.get("message", "") for item in conditions if item.get("status") == "True"]
    holders = live["metadata"].get("finalizers") or []
    if live.get("kind") == "Namespace":
        return "; ".join(text for text in content if text) or "it is still being emptied"
    if holders:
        told = [
            item["message"] for item in conditions if item["type"] == "Terminating" and item.get("message")
        ]
        text = f"finalizers hold it until their controllers remove them: {', '.join(holders)}"
        return "; ".join([text, *told])
    return "the API server has not removed it yet; its grace period may be long"


def _rolled_out(kind_ready: Callable[[Object, Object], str | None]) -> Callable[[Client, Object], str | None]:
    def judge(_client: Client, live: Object) -> str | None:
        status = live.get("status") or {}
        if (status.get("observedGeneration") or 0) < live["metadata"].get("generation", 0):
            return "its controller has not seen the change yet"
        return kind_ready(live.get("spec") or {}, status)

    return judge


def _deployment(spec: Object, status: Object) -> str | None:
    wanted = spec.get("replicas", 1)
    for condition in status.get("conditions") or []:
        if condition.get("type") == "Progressing" and condition.get("status") == "False":
            raise Hopeless(f"{condition.get('reason')}: {condition.get('message')}")
    updated, available = status.get("updatedReplicas", 0), status.get("availableReplicas", 0)
    if updated < wanted:
        return f"{updated} of {wanted} replicas are of the new version"
    if status.get("replicas", 0) > updated:
        return f"{status['replicas'] - updated} old replicas are still there"
    return f"{available} of {wanted} replicas are available" if available < wanted else None


def _stateful_set(spec: Object, status: Object) -> str | None:
    wanted, ready = spec.get("replicas", 1), status.get("readyReplicas", 0)
    if ready < wanted:
        return f"{ready} of {wanted} replicas are ready"
    strategy = spec.get("updateStrategy") or {}
    if strategy.get("type") == "OnDelete" or (strategy.get("rollingUpdate") or {}).get("partition"):
        return None  # such a set is updated by someone else, or in part only, on purpose
    if status.get("updateRevision") != status.get("currentRevision"):
        return f"{status.get('updatedReplicas', 0)} of {wanted} replicas are of the new version"
    return None


def _daemon_set(spec: Object, status: Object) -> str | None:
    wanted = status.get("desiredNumberScheduled", 0)
    on_delete = (spec.get("updateStrategy") or {}).get("type") == "OnDelete"
    if not on_delete and status.get("updatedNumberScheduled", 0) < wanted:
        return f"{status.get('updatedNumberScheduled', 0)} of {wanted} nodes have the new version"
    available = status.get("numberAvailable", 0)
    return f"{available} of {wanted} nodes have an available pod" if available < wanted else None


def _job(_client: Client, live: Object) -> str | None:
    if (live.get("spec") or {}).get("suspend"):
        return None
    status = live.get("status") or {}
    for condition in status.get("conditions") or []:
        if condition.get("status") == "True" and condition["type"] == "Complete":
            return None
        if condition.get("status") == "True" and condition["type"] == "Failed":
            raise Hopeless(f"{condition.get('reason')}: {condition.get('message')}")
    return f"it runs: {status.get('succeeded', 0)} pods succeeded, {status.get('failed', 0)} failed"


def _pod(_client: Client, live: Object) -> str | None:
    status = live.get("status") or {}
    if status.get("phase") == "Succeeded":
        return None
    if status.get("phase") == "Failed":
        raise Hopeless("it failed")
    ready = any(
        item["type"] == "Ready" and item["status"] == "True" for item in status.get("conditions") or []
    )
    return None if ready else f"its phase is {status.get('phase', 'unknown')} and it is not ready"


def _service(client: Client, live: Object) -> str | None:
    spec, meta = live.get("spec") or {}, live["metadata"]
    if spec.get("type") == "ExternalName":
        return None
    if spec.get("type") == "LoadBalancer":
        balancer = (live.get("status") or {}).get("loadBalancer") or {}
        if not balancer.get("ingress"):
            return "no load balancer has given it an address yet"
    if not spec.get("selector"):
        return None
    slices = client.items(
        f"/apis/discovery.k8s.io/v1/namespaces/{meta['namespace']}/endpointslices",
        {"labelSelector": f"kubernetes.io/service-name={meta['name']}"},
    )
    for found in slices:
        for endpoint in found.get("endpoints") or []:
            if (endpoint.get("conditions") or {}).get("ready", True):
                return None
    return f"no ready pod matches its selector {spec['selector']}"


def _claim(client: Client, live: Object) -> str | None:
    if (live.get("status") or {}).get("phase") == "Bound":
        return None
    name = (live.get("spec") or {}).get("storageClassName")
    storage = client.find(f"/apis/storage.k8s.io/v1/storageclasses/{name}") if name else None
    if storage and storage.get("volumeBindingMode") == "WaitForFirstConsumer":
        return None  # it is bound when a pod uses it, which comes after this object
    return f"it is not bound to a volume (storage class {name or 'none'})"


def _crd(_client: Client, live: Object) -> str | None:
    conditions = (live.get("status") or {}).get("conditions") or []
    for condition in conditions:
        if condition["type"] == "NamesAccepted" and condition["status"] == "False":
            raise Hopeless(f"{condition.get('reason')}: {condition.get('message')}")
    established = any(item["type"] == "Established" and item["status"] == "True" for item in conditions)
    return None if established else "it is not established yet"


READY: Final[dict[tuple[str, str], Callable[[Client, Object], str | None]]] = {
    ("apps", "Deployment"): _rolled_out(_deployment),
    ("apps", "StatefulSet"): _rolled_out(_stateful_set),
    ("apps", "DaemonSet"): _rolled_out(_daemon_set),
    ("batch", "Job"): _job,
    ("", "Pod"): _pod,
    ("", "Service"): _service,
    ("", "PersistentVolumeClaim"): _claim,
    ("apiextensions.k8s.io", "CustomResourceDefinition"): _crd,
}
"""By API group and kind: what is still missing, or None when it is ready; `Hopeless` when it will never
be."""
