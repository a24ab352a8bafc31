"""Settings of certificates: a private CA inside the cluster, and the public certificate at the edge."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from bastide.settings.base import Strict, matching
from bastide.settings.images import ImageSettings

CERT_MANAGER: str = "v1.21.2"
"""cert-manager's release (its Go module's newest, 2026-11); chart and images have the same version."""

ChartVersion = Annotated[
    str,
    matching(
        r"v?\d+\.\d+\.\d+",
        "is not a chart version; allowed: one exact version such as v1.21.2; a range would install what nobody "
        "reviewed",
    ),
]

DomainName = Annotated[
    str,
    matching(
        r"(?=.{1,253}$)(\*\.)?([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])",
        "is not a domain name that ACM takes; allowed: lower-case labels of up to 63 letters, digits and inner "
        "hyphens with dots between, the first of which may be '*', such as inference.example.com",
    ),
]

ZoneId = Annotated[
    str,
    matching(
        r"[A-Z0-9]{1,32}",
        "is not the id of a Route 53 hosted zone; allowed: up to 32 capital letters and digits; "
        "`aws route53 list-hosted-zones` prints it behind /hostedzone/",
    ),
]


class CertManagerImages(Strict):
    """The images of cert-manager's chart."""

    controller: ImageSettings = ImageSettings(
        repository="quay.io/jetstack/cert-manager-controller", tag=CERT_MANAGER
    )
    """Makes and renews certificates."""

    webhook: ImageSettings = ImageSettings(
        repository="quay.io/jetstack/cert-manager-webhook", tag=CERT_MANAGER
    )
    """Judges cert-manager's objects."""

    cainjector: ImageSettings = ImageSettings(
        repository="quay.io/jetstack/cert-manager-cainjector", tag=CERT_MANAGER
    )
    """Puts CA certificates into webhook configurations."""

    startup_check: ImageSettings = ImageSettings(
        repository="quay.io/jetstack/cert-manager-startupapicheck", tag=CERT_MANAGER
    )
    """Waits at installation until the webhook answers."""


class CertificatesSettings(Strict):
    """Who signs what, for how long. docs/certificates.md says what rotates by itself and what a person does."""

    internal: bool = False
    """Whether cert-manager and a private CA run in the cluster, for TLS between its pods."""

    chart_repository: str = "https://charts.jetstack.io"
    """Helm repository of cert-manager's chart; a mirror of yours where nodes and runners reach nothing else."""

    chart_version: ChartVersion = CERT_MANAGER
    """Version of cert-manager's chart."""

    images: CertManagerImages = CertManagerImages()
    """cert-manager's images."""

    root_days: int = Field(3650, ge=30, le=9125)
    """Lifetime of a root of the private CA in days; at most 25 years. A choice: what only our own clients trust may
    live as long as the installation, because each rotation of it is a person's work."""

    authority_days: int = Field(365, ge=3, le=3650)
    """Lifetime in days of a namespace's authority, which signs that namespace's certificates. Renewed with a new key
    when a third is left."""

    leaf_days: int = Field(90, ge=1, le=398)
    """Lifetime of a Service's certificate in days; 90 is cert-manager's own default (API reference,
    CertificateSpec.duration), 398 the most that some clients take. Renewed with a new key when a third is left."""

    roots: tuple[Annotated[int, Field(ge=1, le=99)], ...] = Field((1,), min_length=1)
    """Numbers of the roots that exist. A rotation adds one, moves `signingRoot` to it and, once nothing is left that
    the old one signed, removes the old one: the root's key never changes under its clients."""

    signing_root: int = Field(1, ge=1, le=99)
    """Number of the root that signs the namespaces' authorities."""

    domain: DomainName | None = None
    """Public domain of the region's entrance. With it an ACM certificate is made and validated by DNS."""

    alternative_names: tuple[DomainName, ...] = Field((), max_length=9)
    """More names of that certificate. 9, as ACM's quota is 10 domain names for one certificate."""

    zone_id: ZoneId | None = None
    """Id of the Route 53 hosted zone in this account that holds all those names; the records that prove to ACM that
    they are yours are written there."""

    def image_settings(self) -> dict[str, ImageSettings]:
        """cert-manager's images by their names in the stack file."""
        return {
            info.alias or name: getattr(self.images, name)
            for name, info in CertManagerImages.model_fields.items()
        }
