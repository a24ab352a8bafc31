"""What the kit's controllers have in common: who may talk to them, and to whom they may. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from bastide import names
from bastide.plans.serving import image_values
from bastide.settings import UNRESOLVED, ImageSettings, Settings

Object = dict[str, Any]

ON_SYSTEM_NODES: Final[Mapping[str, str]] = {
    "kubernetes.io/os": "linux",
    names.POOL_LABEL: names.SYSTEM_POOL,
}
"""Node selector of controllers: a GPU node is not to be kept for them."""

CONTAINER_SECURITY: Final[Mapping[str, Any]] = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}
"""What the restricted level asks of a container, and a root file system that nobody writes to."""

POD_SECURITY: Final[Mapping[str, Any]] = {
    "runAsNonRoot": True,
    "seccompProfile": {"type": "RuntimeDefault"},
}


def tag(image: ImageSettings) -> str:
    """Tag and digest as one, for charts that know no digest: `v1@sha256:...`. Only a sandbox gets here with an
    unresolved one."""
    found = image_values(image)
    digest = found.get("digest", UNRESOLVED)
    return str(found["tag"]) if digest in ("", UNRESOLVED) else f"{found['tag']}@{digest}"


def resources(cpu_milli: int, memory_mib: int, limit_mib: int) -> Object:
    """Requests, and a limit of memory; CPU gets none, it would only throttle."""
    return {
        "requests": {"cpu": f"{cpu_milli}m", "memory": f"{memory_mib}Mi"},
        "limits": {"memory": f"{limit_mib}Mi"},
    }


def spread(labels: Mapping[str, str]) -> list[Object]:
    """Replicas on different nodes where there are several."""
    return [
        {
            "maxSkew": 1,
            "topologyKey": "kubernetes.io/hostname",
            "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": {"matchLabels": dict(labels)},
        }
    ]


def to_dns() -> Object:
    """The rule by which names are looked up."""
    return {
        "to": [
            {
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}},
                "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}},
            }
        ],
        "ports": [{"protocol": protocol, "port": 53} for protocol in ("UDP", "TCP")],
    }


def to_api_server(settings: Settings) -> Object:
    """The rule by which the API server is reached: by its Service, and by its interfaces in the VPC."""
    blocks = (str(settings.network.cidr), str(settings.cluster.service_cidr))
    return {
        "to": [{"ipBlock": {"cidr": block}} for block in blocks],
        "ports": [{"protocol": "TCP", "port": 443}],
    }


def from_api_server(settings: Settings, port: int) -> Object:
    """The rule by which the API server asks a webhook or an aggregated API: from its interfaces in the VPC."""
    return {
        "from": [{"ipBlock": {"cidr": str(settings.network.cidr)}}],
        "ports": [{"protocol": "TCP", "port": port}],
    }


def monitoring_peer() -> Object:
    """Pods of Prometheus, in namespaces of the kit."""
    return {
        "namespaceSelector": {"matchLabels": {"app.kubernetes.io/part-of": "bastide"}},
        "podSelector": {"matchLabels": {names.ROLE_LABEL: names.ROLE_MONITORING}},
    }


def from_monitoring(port: int) -> Object:
    """The rule by which Prometheus scrapes a port."""
    return {"from": [monitoring_peer()], "ports": [{"protocol": "TCP", "port": port}]}


def policy(labels: Mapping[str, str], inwards: Sequence[Object], outwards: Sequence[Object]) -> Object:
    """A NetworkPolicy's specification for the pods with these labels."""
    return {
        "podSelector": {"matchLabels": dict(labels)},
        "policyTypes": ["Ingress", "Egress"],
        "ingress": list(inwards),
        "egress": list(outwards),
    }
