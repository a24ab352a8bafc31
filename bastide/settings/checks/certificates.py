"""Checks of certificates: lifetimes that fit into one another, roots that exist, names that can be proven."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from bastide.settings.checks.common import Check
from bastide.settings.errors import Problem

if TYPE_CHECKING:
    from bastide.settings.root import Settings


def _lifetimes(settings: Settings) -> Iterator[Problem]:
    found = settings.certificates
    chain = (
        ("rootDays", found.root_days, "authorityDays", found.authority_days),
        ("authorityDays", found.authority_days, "leafDays", found.leaf_days),
    )
    for signer, days, signed, needed in chain:
        # cert-manager renews the signer when a third of its life is left; until then it may sign.
        if days < 3 * needed:
            yield Problem(
                f"certificates.{signer}",
                f"{days} is too short for {signed} {needed}; allowed: {3 * needed} or more; it is renewed when a third "
                "is left, and what it signed on the day before would outlive it; raise it or lower the other",
            )


def _roots(settings: Settings) -> Iterator[Problem]:
    found = settings.certificates
    for index, number in enumerate(found.roots):
        if number in found.roots[:index]:
            yield Problem(
                f"certificates.roots[{index}]", f"{number} is there twice; each is one root; remove one"
            )
    if found.signing_root not in found.roots:
        yield Problem(
            "certificates.signingRoot",
            f"{found.signing_root} is not one of certificates.roots; allowed: {', '.join(map(str, found.roots))}; the "
            "root that signs must exist, and its clients must have had it for a while before; add it there first",
        )


def _edge(settings: Settings) -> Iterator[Problem]:
    found = settings.certificates
    if found.domain is not None and found.zone_id is None:
        yield Problem(
            "certificates.zoneId",
            f"is missing while certificates.domain is {found.domain!r}; ACM gives a certificate only to who can write "
            "into the domain's zone; give the id of its hosted zone, or remove the domain",
        )
    if found.domain is None:
        for name, given in (("zoneId", found.zone_id), ("alternativeNames", found.alternative_names)):
            if given:
                yield Problem(
                    f"certificates.{name}",
                    "is given without certificates.domain; it would have no effect; give the domain or remove it",
                )
    names = [each for each in (found.domain, *found.alternative_names) if each]
    for index, name in enumerate(found.alternative_names):
        if name in names[: index + (1 if found.domain else 0)]:
            yield Problem(
                f"certificates.alternativeNames[{index}]",
                f"{name!r} is there twice; a certificate has each name once; remove one",
            )


CHECKS: Final[tuple[Check, ...]] = (_lifetimes, _roots, _edge)
