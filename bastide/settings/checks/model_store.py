"""Checks of the model store."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from bastide.settings.checks.common import Check
from bastide.settings.cluster import AdoptedCluster
from bastide.settings.errors import Problem
from bastide.settings.model_store import AdoptedModelStore, CreatedModelStore
from bastide.settings.network import AdoptedNetwork
from bastide.settings.signing import AllowUnsigned, KmsSigning

if TYPE_CHECKING:
    from bastide.settings.root import Settings


def _deletable(settings: Settings) -> Iterator[Problem]:
    """A bucket that goes with its stack cannot hold what nobody may delete."""
    store = settings.model_store
    if not isinstance(store, CreatedModelStore) or store.object_lock is None:
        return
    if store.object_lock.mode == "compliance" and not settings.protection:
        yield Problem(
            "modelStore.objectLock.mode",
            "'compliance' does not go with protection off; nobody could delete the objects for "
            f"{store.object_lock.days} days, so `pulumi destroy` would stop at the bucket; choose 'governance', or "
            "protect the stack",
        )


def _publishers(settings: Settings) -> Iterator[Problem]:
    """A store that nobody may write to."""
    store = settings.model_store
    if not isinstance(store, CreatedModelStore) or store.publishers:
        return
    # In a network of the stack's own an adopted cluster is refused anyway.
    if isinstance(settings.cluster, AdoptedCluster) and isinstance(settings.network, AdoptedNetwork):
        yield Problem(
            "modelStore.publishers",
            "is empty, and an adopted cluster has no bastide:cluster.adminPrincipals to stand in; nobody could "
            "publish a model; name who may",
        )


def _principals(settings: Settings) -> Iterator[Problem]:
    """Principals of other accounts: they would need rights on the key too, which the kit does not give."""
    store = settings.model_store
    if not isinstance(store, CreatedModelStore):
        return
    for setting, principals in (("publishers", store.publishers), ("readers", store.readers)):
        for index, principal in enumerate(principals):
            if principal.split(":")[4] != settings.account_id:
                yield Problem(
                    f"modelStore.{setting}[{index}]",
                    f"{principal!r} is of another account; allowed: principals of {settings.account_id}; the key "
                    "that encrypts the models is for this account alone; use a role here that they may assume",
                )


def _adopted_key(settings: Settings) -> Iterator[Problem]:
    """A key of another region: S3 encrypts with keys of its own region only."""
    store = settings.model_store
    if not isinstance(store, AdoptedModelStore):
        return
    region = store.key_arn.split(":")[3]
    if region != settings.region:
        yield Problem(
            "modelStore.keyArn",
            f"{store.key_arn!r} is a key of {region}; allowed: keys of {settings.region}; a bucket encrypts with keys "
            "of its own region; give the key that the bucket's default encryption names",
        )


def _signing_key(settings: Settings) -> Iterator[Problem]:
    """A key of another region: the provider that reads its public half asks the stack's own."""
    signing = settings.model_store.signing
    if not isinstance(signing, KmsSigning) or signing.key_arn is None:
        return
    region = signing.key_arn.split(":")[3]
    if region != settings.region:
        yield Problem(
            "modelStore.signing.keyArn",
            f"{signing.key_arn!r} is a key of {region}; allowed: keys of {settings.region}, where the stack reads its "
            "public half; put that half, which `bastide model key` prints, into modelStore.signing.trustedKeys",
        )


def _unsigned(settings: Settings) -> Iterator[Problem]:
    """Models that anybody may exchange who can write to the bucket."""
    environment = str(settings.environment)
    if isinstance(settings.model_store.signing, AllowUnsigned) and environment not in ("sandbox", "dev"):
        yield Problem(
            "modelStore.signing.kind",
            f"'allow-unsigned' does not go with environment {environment!r}; allowed there: kms, keys; whoever can "
            "write to the bucket could exchange what serves users; leave the setting out, and sign by `bastide model "
            "sign`",
        )


CHECKS: Final[tuple[Check, ...]] = (
    _deletable,
    _publishers,
    _principals,
    _adopted_key,
    _signing_key,
    _unsigned,
)
