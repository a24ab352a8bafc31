"""Settings of secrets: in which store they lie, where each value comes from, and how often it is renewed.

No setting holds a secret. Values that are given stand in the stack's own file, encrypted, under `secret:NAME`.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import Field, Tag

from bastide.catalogues.secrets import Source
from bastide.settings.base import Strict, matching
from bastide.settings.certificates import ChartVersion
from bastide.settings.database import HostName
from bastide.settings.images import ImageSettings
from bastide.settings.trust import PemCertificates
from bastide.settings.variants import by_kind

EXTERNAL_SECRETS: Final = "2.9.0"
"""Release of External Secrets whose chart was read (external-secrets/external-secrets, tag v2.9.0, 2026-08-08)."""

SecretName = Annotated[
    str,
    matching(
        r"(?=.{1,63}$)[a-z]([a-z0-9-]*[a-z0-9])?",
        "is not a secret's name; allowed: lower-case letters, digits and inner hyphens, at most 63 characters, such as "
        "'provider-openai'; it is a file's name too",
    ),
]


class SecretOverride(Strict):
    """What a stack wants otherwise for one secret."""

    source: Source | None = None
    """Where its value comes from: `generated`, `given` or `stored` (docs/secrets.md says which of them each may
    have). Without a value the list's own, and `stored` in a store of somebody else's."""

    rotation_days: int | None = Field(None, ge=1, le=3650)
    """After how many days it is to be renewed. A `generated` one is renewed by the first `pulumi up` after that; of a
    `given` one the run says that it is due; of a `stored` one nothing is known."""


class AwsSecretsManager(Strict):
    """AWS Secrets Manager in the stack's own region, under a key of its own."""

    kind: Literal["awsSecretsManager"] = "awsSecretsManager"
    """`awsSecretsManager`: AWS Secrets Manager, the only store in which the kit makes secrets itself."""

    recovery_days: int = Field(30, ge=7, le=30)
    """Days in which a deleted secret can be had back, where the stack is protected; 7 to 30 are AWS's bounds
    (DeleteSecret). Without `protection` a secret is gone at once, so that its name is free again."""


class GoogleSecretManager(Strict):
    """Google Secret Manager, by a federated token: there is no Google key in the cluster."""

    kind: Literal["googleSecretManager"]
    """`googleSecretManager`: somebody else's store, in which every value is `stored`."""

    project: Annotated[
        str,
        matching(
            r"[a-z][a-z0-9-]{4,28}[a-z0-9]",
            "is not a Google project id; allowed: 6 to 30 lower-case letters, digits and hyphens",
        ),
    ]
    """Google Cloud project."""

    audience: Annotated[
        str,
        matching(
            r"//iam\.googleapis\.com/projects/\d+/locations/global/workloadIdentityPools/[a-z0-9-]+/providers/[a-z0-9-]+",
            "is not the name of a workload identity provider; allowed: //iam.googleapis.com/projects/NUMBER/locations/"
            "global/workloadIdentityPools/POOL/providers/PROVIDER; `gcloud iam workload-identity-pools providers "
            "describe` prints it",
        ),
    ]
    """The workload identity provider that trusts the cluster's tokens."""


class Vault(Strict):
    """HashiCorp Vault or OpenBao, signed in to by a service account's token: there is no Vault token in the cluster."""

    kind: Literal["vault"]
    """`vault`: somebody else's store, in which every value is `stored`."""

    host: HostName
    """Host name of the server, as its certificate has it."""

    port: int = Field(8200, ge=1, le=65535)
    """Its port; 8200 is Vault's own. It is always asked by TLS."""

    mount: str = Field("secret", pattern=r"^[A-Za-z0-9][A-Za-z0-9_/-]{0,126}[A-Za-z0-9]$")
    """Where its key-value engine, version 2, is mounted."""

    auth_mount: str = Field("kubernetes", pattern=r"^[A-Za-z0-9][A-Za-z0-9_/-]{0,126}[A-Za-z0-9]$")
    """Where its Kubernetes sign-in for this cluster is mounted."""

    role: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,126}$")
    """The role there that may read this installation's path."""

    ca: PemCertificates | None = None
    """CA certificates, in PEM, by which Vault is known; without them the operator image's public ones."""


SecretStoreSettings = Annotated[
    Annotated[AwsSecretsManager, Tag("awsSecretsManager")]
    | Annotated[GoogleSecretManager, Tag("googleSecretManager")]
    | Annotated[Vault, Tag("vault")],
    by_kind("awsSecretsManager"),
]
"""A store of secrets."""


class SecretsSettings(Strict):
    """Secrets. Which there are follows from the rest of the stack."""

    store: SecretStoreSettings = AwsSecretsManager()
    """Where they lie."""

    overrides: dict[SecretName, SecretOverride] = {}
    """What is otherwise than in the list, by the secret's name."""

    refresh_seconds: int = Field(300, ge=30, le=86400)
    """Seconds between two looks of External Secrets into the store. A choice: a key that was exchanged is on its way to
    the pods within 5 minutes; each look costs one request for each secret (0.05 USD for 10,000)."""

    replicas: int = Field(2, ge=1, le=5)
    """Pods of External Secrets, of which one works. Without any, what is there stays and nothing is renewed."""

    chart_repository: str = Field("https://charts.external-secrets.io", pattern=r"^https://[^\s]+$")
    """Helm repository of its chart; a mirror of yours where runners reach nothing else."""

    chart_version: ChartVersion = EXTERNAL_SECRETS
    """Version of its chart."""

    image: ImageSettings = ImageSettings(
        repository="ghcr.io/external-secrets/external-secrets", tag=f"v{EXTERNAL_SECRETS}"
    )
    """Its image."""
