"""The kit's namespaces, each with a pod security level, closed to all traffic that no policy opens, and bounded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import pulumi
import pulumi_kubernetes as kubernetes

from bastide import names
from bastide.plans import namespace_quotas, secrets
from bastide.settings import Settings

PRIVILEGED_REASON: Final = "device plugins register with kubelet by a folder of the node (hostPath)"
"""Why `bastide-system` is privileged: baseline already refuses hostPath volumes (Pod Security Standards)."""

LEVELS: Final = {"system": "privileged", "serving": "restricted", "gateway": "restricted"}
"""Pod security level of each namespace that every cluster has, by its purpose."""

WITH_CERTIFICATES: Final = {"certificates": "restricted", "pki": "restricted"}
"""Those that come with cert-manager."""


def levels(settings: Settings) -> dict[str, str]:
    """Pod security level of each namespace of a stack, by its purpose. Pure."""
    return (
        LEVELS
        | (WITH_CERTIFICATES if settings.certificates.internal else {})
        | ({"scaling": "restricted"} if settings.scaling.enabled else {})
        | ({"groups": "restricted"} if settings.multi_node.enabled else {})
        | ({"edge": "restricted"} if settings.edge is not None and settings.gateway.enabled else {})
        | ({"secrets": "restricted"} if secrets.wanted(settings) else {})
    )


@dataclass(frozen=True)
class NamespacesArgs:
    """The stack's settings."""

    settings: Settings


class Namespaces(pulumi.ComponentResource):
    """Namespaces for node agents, engines and the gateway."""

    def __init__(self, name: str, args: NamespacesArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("bastide:kubernetes:Namespaces", name, None, opts)
        found = levels(args.settings)
        for purpose, level in found.items():
            self._namespace(name, args.settings, purpose, level)
        self.register_outputs({"names": [names.namespace(purpose) for purpose in found]})

    def _namespace(self, name: str, settings: Settings, purpose: str, level: str) -> None:
        labels = names.labels("bastide", settings.name, purpose)
        namespace = kubernetes.core.v1.Namespace(
            f"{name}-{purpose}",
            metadata={
                "name": names.namespace(purpose),
                "labels": labels | pod_security(level),
                "annotations": {"bastide.dev/privileged-because": PRIVILEGED_REASON}
                if level == "privileged"
                else {},
            },
            opts=pulumi.ResourceOptions(parent=self),
        )
        # By name and not by output, so that a first preview shows it; the order must then be said.
        inside = pulumi.ResourceOptions(parent=self, depends_on=[namespace])

        def called(what: str) -> dict[str, object]:
            return {"name": what, "namespace": names.namespace(purpose), "labels": labels}

        # A policy that selects all pods and allows nothing: each chart opens what its own pods need.
        kubernetes.networking.v1.NetworkPolicy(
            f"{name}-{purpose}-default-deny",
            metadata=called("default-deny"),
            spec={"pod_selector": {}, "policy_types": ["Ingress", "Egress"]},
            opts=inside,
        )
        kubernetes.core.v1.ResourceQuota(
            f"{name}-{purpose}-quota",
            metadata=called("bounds"),
            spec={"hard": namespace_quotas.hard(settings, purpose)},
            opts=inside,
        )
        kubernetes.core.v1.LimitRange(
            f"{name}-{purpose}-limits",
            metadata=called("container-defaults"),
            spec={
                "limits": [{"type": "Container", **namespace_quotas.container_defaults(settings, purpose)}]
            },
            opts=inside,
        )


def pod_security(level: str) -> dict[str, str]:
    """Labels by which the API server enforces a level, warns of it and notes it in the audit log."""
    return {
        f"pod-security.kubernetes.io/{what}": value
        for mode in ("enforce", "warn", "audit")
        for what, value in ((mode, level), (f"{mode}-version", "latest"))
    }
