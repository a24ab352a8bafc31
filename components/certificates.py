"""cert-manager by its own chart, and the private CA that it runs."""

from __future__ import annotations

import pulumi
import pulumi_kubernetes as kubernetes

from bastide import names
from bastide.plans import cert_manager
from bastide.settings import Settings
from components.certificate_authority import CertificateAuthority
from components.charts import MAX_HISTORY


class Certificates(pulumi.ComponentResource):
    """Certificates inside the cluster. The one at the edge is `components.certificate_edge`."""

    def __init__(self, name: str, settings: Settings, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("bastide:certificates:Certificates", name, None, opts)
        namespace = names.namespace("certificates")
        way = kubernetes.networking.v1.NetworkPolicy(
            f"{name}-startup-check",
            metadata={
                "name": "startup-check",
                "namespace": namespace,
                "labels": names.labels("bastide", settings.name, "certificates"),
            },
            spec=cert_manager.startup_check_policy(settings),
            opts=pulumi.ResourceOptions(parent=self),
        )
        release = kubernetes.helm.v3.Release(
            f"{name}-release",
            name=cert_manager.RELEASE,
            namespace=namespace,
            chart="cert-manager",
            version=settings.certificates.chart_version,
            repository_opts=kubernetes.helm.v3.RepositoryOptsArgs(
                repo=settings.certificates.chart_repository
            ),
            values=cert_manager.release_values(settings),
            timeout=settings.rollout_timeout_seconds,
            max_history=MAX_HISTORY,
            opts=pulumi.ResourceOptions(parent=self, depends_on=[way]),
        )
        CertificateAuthority(
            f"{name}-ca", settings, pulumi.ResourceOptions(parent=self, depends_on=[release])
        )
        self.register_outputs({"release": cert_manager.RELEASE})
