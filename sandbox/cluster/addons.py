"""The objects that EKS add-ons bring, so that they take room on nodes and are there to be selected.

Their pods do nothing, as all pods here. Kept: names, namespaces, labels, priorities, tolerations, host
networking and resource requests, which are what the scheduler and policies see. Left out: probes, volumes,
configuration files.

Sources of requests and tolerations:
- vpc-cni: aws/amazon-vpc-cni-k8s, config/master/aws-k8s-cni.yaml (25m for each of its two containers);
- coredns: EKS's manifest as eksctl carries it (pkg/addons/default/assets), 100m and 70Mi, limit 170Mi, 2
  replicas;
- kube-proxy: the same place, 100m;
- eks-pod-identity-agent: aws/eks-pod-identity-agent, charts/eks-pod-identity-agent/values.yaml (no requests).
"""

from __future__ import annotations

import json
from typing import Any, Final

from sandbox.cluster.kube import Kube
from sandbox.cluster.spec import Addon

_NAMESPACE: Final = "kube-system"
_REGISTRY: Final = "602401143452.dkr.ecr.us-west-2.amazonaws.com"
"""AWS's registry of EKS images, as in the charts above. Nothing is pulled from it."""

_EVERYWHERE: Final = [{"operator": "Exists"}]

_OVERRIDES: Final = ("tolerations", "nodeSelector", "affinity", "priorityClassName")
"""Configuration values that go into the pod template under the same name, in all four add-ons' schemas."""

CNI_LABEL: Final = ("k8s-app", "aws-node")
"""Label of the pods without which a node is not ready."""


def _container(name: str, image: str, requests: dict[str, str], limits: dict[str, str]) -> dict[str, Any]:
    resources = {key: value for key, value in (("requests", requests), ("limits", limits)) if value}
    return {"name": name, "image": f"{_REGISTRY}/{image}:emulated", "resources": resources}


def _workload(
    kind: str, name: str, selector: dict[str, str], pod: dict[str, Any], replicas: int | None = None
) -> dict[str, Any]:
    spec: dict[str, Any] = {
        "selector": {"matchLabels": selector},
        "template": {"metadata": {"labels": selector}, "spec": {"serviceAccountName": name, **pod}},
    }
    if replicas is not None:
        spec["replicas"] = replicas
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {
            "name": name,
            "namespace": _NAMESPACE,
            "labels": {**selector, "eks.amazonaws.com/component": name},
        },
        "spec": spec,
    }


def _agent(name: str, selector: dict[str, str], containers: list[dict[str, Any]]) -> dict[str, Any]:
    pod = {
        "hostNetwork": True,
        "priorityClassName": "system-node-critical",
        "tolerations": _EVERYWHERE,
        "containers": containers,
    }
    return _workload("DaemonSet", name, selector, pod)


def _workloads() -> dict[str, dict[str, Any]]:
    key, value = CNI_LABEL
    coredns = {
        "priorityClassName": "system-cluster-critical",
        "tolerations": [
            {"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"},
            {"key": "CriticalAddonsOnly", "operator": "Exists"},
        ],
        "containers": [
            _container("coredns", "eks/coredns", {"cpu": "100m", "memory": "70Mi"}, {"memory": "170Mi"})
        ],
    }
    return {
        "vpc-cni": _agent(
            "aws-node",
            {key: value, "app.kubernetes.io/name": "aws-node"},
            [
                _container("aws-node", "amazon-k8s-cni", {"cpu": "25m"}, {}),
                _container("aws-eks-nodeagent", "amazon/aws-network-policy-agent", {"cpu": "25m"}, {}),
            ],
        ),
        "kube-proxy": _agent(
            "kube-proxy",
            {"k8s-app": "kube-proxy"},
            [_container("kube-proxy", "eks/kube-proxy", {"cpu": "100m"}, {})],
        ),
        "coredns": _workload(
            "Deployment",
            "coredns",
            {"k8s-app": "kube-dns", "eks.amazonaws.com/component": "coredns"},
            coredns,
            replicas=2,
        ),
        "eks-pod-identity-agent": _agent(
            "eks-pod-identity-agent",
            {"app.kubernetes.io/name": "eks-pod-identity-agent"},
            [_container("eks-pod-identity-agent", "eks/eks-pod-identity-agent", {}, {})],
        ),
    }


KNOWN: Final = frozenset(_workloads())
"""Add-ons that bring something here. Of any other add-on only AWS's record exists, which `status` says."""


def manifests(addon: Addon, service_cidr: str) -> list[dict[str, Any]]:
    """The add-on's objects with its configuration values applied; none for an add-on that is not in
    `KNOWN`."""
    if addon.name not in KNOWN:
        return []
    workload = _workloads()[addon.name]
    values: dict[str, Any] = json.loads(addon.configuration) if addon.configuration else {}
    pod = workload["spec"]["template"]["spec"]
    for name in _OVERRIDES:
        if name in values:
            pod[name] = values[name]
    if "resources" in values:
        pod["containers"][0]["resources"] = values["resources"]
    if "replicaCount" in values and workload["kind"] == "Deployment":
        workload["spec"]["replicas"] = values["replicaCount"]
    account = {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": workload["metadata"]["name"], "namespace": _NAMESPACE},
    }
    objects = [account, workload]
    if addon.name == "coredns":
        objects.append(_dns_service(service_cidr))
    return objects


def _dns_service(service_cidr: str) -> dict[str, Any]:
    base = service_cidr.split("/")[0].rsplit(".", 1)[0]
    # EKS gives the cluster's DNS the tenth address of the service range (nodeadm computes the same).
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "kube-dns", "namespace": _NAMESPACE, "labels": {"k8s-app": "kube-dns"}},
        "spec": {
            "clusterIP": f"{base}.10",
            "selector": {"k8s-app": "kube-dns"},
            "ports": [
                {"name": "dns", "port": 53, "protocol": "UDP"},
                {"name": "dns-tcp", "port": 53, "protocol": "TCP"},
                {"name": "metrics", "port": 9153, "protocol": "TCP"},
            ],
        },
    }


def path(manifest: dict[str, Any]) -> str:
    """The API path of one of these objects."""
    group = {"DaemonSet": "/apis/apps/v1", "Deployment": "/apis/apps/v1"}.get(manifest["kind"], "/api/v1")
    plural = manifest["kind"].lower() + "s"
    metadata = manifest["metadata"]
    return f"{group}/namespaces/{metadata['namespace']}/{plural}/{metadata['name']}"


class Installer:
    """Keeps the cluster's objects in step with its add-ons; remembers what it applied."""

    def __init__(self, kube: Kube, service_cidr: str) -> None:
        self._kube, self._service_cidr = kube, service_cidr
        self._applied: dict[str, Addon] = {}

    def reconcile(self, addons: tuple[Addon, ...]) -> None:
        """Applies what is new or changed, and deletes what is gone."""
        wanted = {addon.name: addon for addon in addons}
        for name in self._applied.keys() - wanted.keys():
            for manifest in manifests(self._applied[name], self._service_cidr):
                self._kube.delete(path(manifest))
            del self._applied[name]
        for name, addon in wanted.items():
            if self._applied.get(name) == addon:
                continue
            for manifest in manifests(addon, self._service_cidr):
                self._kube.apply(path(manifest), manifest)
            self._applied[name] = addon
