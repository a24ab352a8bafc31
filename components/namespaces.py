"""The kit's namespaces, each with a pod security level and closed to all traffic that no policy opens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import pulumi
import pulumi_kubernetes as kubernetes

from bastide import names
from bastide.settings import Settings

PRIVILEGED_REASON: Final = "device plugins register with kubelet by a folder of the node (hostPath)"
"""Why `bastide-system` is privileged: baseline already refuses hostPath volumes (Pod Security Standards)."""

LEVELS: Final = {"system": "privileged", "serving": "restricted", "gateway": "restricted"}
"""Pod security level of each namespace, by its purpose."""


@dataclass(frozen=True)
class NamespacesArgs:
    """The stack's settings."""

    settings: Settings


class Namespaces(pulumi.ComponentResource):
    """Namespaces for node agents, engines and the gateway."""

    def __init__(self, name: str, args: NamespacesArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("bastide:kubernetes:Namespaces", name, None, opts)
        for purpose, level in LEVELS.items():
            self._namespace(name, args.settings, purpose, level)
        self.register_outputs({"names": [names.namespace(purpose) for purpose in LEVELS]})

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
        # A policy that selects all pods and allows nothing: each chart opens what its own pods need.
        kubernetes.networking.v1.NetworkPolicy(
            f"{name}-{purpose}-default-deny",
            metadata={
                "name": "default-deny",
                "namespace": names.namespace(purpose),
                "labels": labels,
            },
            spec={"pod_selector": {}, "policy_types": ["Ingress", "Egress"]},
            # By name and not by output, so that a first preview shows it; the order must then be said.
            opts=pulumi.ResourceOptions(parent=self, depends_on=[namespace]),
        )


def pod_security(level: str) -> dict[str, str]:
    """Labels by which the API server enforces a level, warns of it and notes it in the audit log."""
    return {
        f"pod-security.kubernetes.io/{what}": value
        for mode in ("enforce", "warn", "audit")
        for what, value in ((mode, level), (f"{mode}-version", "latest"))
    }
