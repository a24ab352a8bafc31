"""Every secret that the kit knows: what it is, where its value comes from, how long it lives, and how it travels.

A secret that is not in this list exists nowhere in the kit. Those that a stack needs follow from its other settings
(`bastide.plans.secrets`); the stack file says only where a value comes from and how often it is renewed, never what
it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Source(StrEnum):
    """Where a secret's value comes from."""

    GENERATED = "generated"
    """The store makes it (Secrets Manager, GetRandomPassword) when it has none; nobody sees it."""
    GIVEN = "given"
    """Given once, as a secret configuration value of Pulumi's (`pulumi config set --secret secret:NAME`)."""
    STORED = "stored"
    """Already in the store under its name; the kit only reads it."""


class Delivery(StrEnum):
    """How a secret reaches the one who uses it."""

    FILE = "file"
    """A file in memory, by External Secrets."""
    CERT_MANAGER = "certManager"
    """A Secret that cert-manager makes and renews; a file in memory like the others. In no store."""
    KMS = "kms"
    """Not at all: it never leaves KMS, which signs with it."""


@dataclass(frozen=True)
class SecretKind:
    """One secret, or a family of them whose names start the same."""

    name: str
    """Its name in the store, below the stack's prefix, and its file's name. With `*` at the end a family."""
    what: str
    """What it is, and what its owner can do with it."""
    source: Source
    """Where its value comes from unless the stack says otherwise."""
    sources: tuple[Source, ...]
    """Where it may come from."""
    rotation_days: int | None
    """After how many days it is to be renewed; None is never."""
    never_because: str = ""
    """Why it is never renewed. Given exactly where `rotation_days` is None."""
    rotatable: bool = True
    """Whether a stack may say how often."""
    delivery: Delivery = Delivery.FILE
    readers: tuple[str, ...] = ()
    """Who reads it: service accounts as `namespace/name`, or a service."""
    length: int = 48
    """Characters that are generated. 48 letters and digits have 285 bits; more than any key that they open."""
    begins: str = ""
    """What a generated value starts with, because its reader asks for it."""

    def __post_init__(self) -> None:
        if (self.rotation_days is None) != bool(self.never_because):
            raise ValueError(f"{self.name}: exactly one of rotation and the reason for none is given")
        if self.source not in self.sources:
            raise ValueError(f"{self.name}: its own source is not among those that it may have")


_ANY: Final = (Source.GENERATED, Source.GIVEN, Source.STORED)
_OUTSIDE: Final = (Source.GIVEN, Source.STORED)
_GATEWAY: Final = ("bastide-gateway/gateway", "bastide-gateway/gateway-jobs")

MASTER_KEY: Final = SecretKind(
    "gateway-master-key",
    "the key by which teams and keys of the gateway are made; its owner is the gateway's administrator",
    Source.GENERATED,
    _ANY,
    # A choice: a quarter. It is used by the kit's own jobs alone, so that nobody has to be told.
    90,
    readers=_GATEWAY,
    # LiteLLM refuses a master key that does not start so (proxy documentation, "Virtual Keys").
    begins="sk-",
)
SALT_KEY: Final = SecretKind(
    "gateway-salt-key",
    "the key by which the gateway encrypts credentials in its database",
    Source.GENERATED,
    _ANY,
    None,
    "what is in the database is encrypted by it, and LiteLLM has no way to encrypt it anew",
    rotatable=False,
    readers=_GATEWAY,
    begins="sk-",
)
DATABASE_PASSWORD: Final = SecretKind(
    "database-password",
    "the password of the gateway's database user; there is none where the database takes IAM's tokens",
    Source.GENERATED,
    _ANY,
    None,
    "it has to change in the database at the same moment; where it must be renewed, let the database take IAM's tokens",
    rotatable=False,
    readers=_GATEWAY,
)
REDIS_PASSWORD: Final = SecretKind(
    "redis-password",
    "the password of the gateway's Redis user; there is none where the cache takes IAM's tokens",
    Source.GIVEN,
    _OUTSIDE,
    90,
    readers=_GATEWAY,
)
PROVIDER_KEY: Final = SecretKind(
    "provider-*",
    "the key of an account at a provider of hosted models; its owner spends that account's money",
    Source.GIVEN,
    _OUTSIDE,
    90,
    readers=("bastide-gateway/gateway",),
)
ALERT_RECEIVER: Final = SecretKind(
    "alert-*",
    "the address or key by which an alert reaches people; its owner can send false alarms",
    Source.GIVEN,
    _OUTSIDE,
    365,
    readers=("bastide-monitoring/alertmanager",),
)
TLS_KEY: Final = SecretKind(
    "tls",
    "private keys of the private CA and of the certificates of Services",
    Source.GENERATED,
    (Source.GENERATED,),
    # certificates.leafDays: cert-manager makes a new key with every renewal, at a third of the life that is left.
    60,
    rotatable=False,
    delivery=Delivery.CERT_MANAGER,
    readers=("the Service of the certificate",),
)
SIGNING_KEY: Final = SecretKind(
    "model-signing",
    "the key that signs models; its owner can have engines load anything",
    Source.GENERATED,
    (Source.GENERATED,),
    None,
    "KMS renews no key that signs; a new one is added beside it (docs/model-store.md)",
    rotatable=False,
    delivery=Delivery.KMS,
    readers=("kms",),
)

EVERY: Final = (
    MASTER_KEY,
    SALT_KEY,
    DATABASE_PASSWORD,
    REDIS_PASSWORD,
    PROVIDER_KEY,
    ALERT_RECEIVER,
    TLS_KEY,
    SIGNING_KEY,
)
"""The whole list."""

PROCESS_ENVIRONMENT: Final = {
    "gateway-master-key": "LITELLM_MASTER_KEY",
    "gateway-salt-key": "LITELLM_SALT_KEY",
    "database-password": "DATABASE_URL",
}
"""The short list: secrets that LiteLLM takes by environment only, and the variable. Its Prisma client and its
encryption read nothing else (LiteLLM 1.106.2); Redis is asked by the kit's own code alone, which reads the file. The
launcher reads the file and sets the variable inside its own process: neither the pod's specification nor an argument
nor another container ever has it."""


def kind_of(name: str) -> SecretKind | None:
    """The entry of a secret's name; None where the list has no such secret."""
    for each in EVERY:
        if each.name == name or (
            each.name.endswith("*") and name.startswith(each.name[:-1]) and name != each.name[:-1]
        ):
            return each
    return None
