"""Checks of the gateway's entrance: a name, a certificate and subnets for it, and time for the longest stream."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from bastide.settings.checks.common import Check
from bastide.settings.edge import MOST_IDLE_SECONDS
from bastide.settings.errors import Problem
from bastide.settings.network import AdoptedNetwork

if TYPE_CHECKING:
    from bastide.settings.root import Settings


def _gateway(settings: Settings) -> Iterator[Problem]:
    if settings.edge is not None and not settings.gateway.enabled:
        yield Problem(
            "edge",
            "is given while gateway.enabled is off; nothing would be behind it; turn the gateway on, or remove it",
        )


def _certificate(settings: Settings) -> Iterator[Problem]:
    if settings.edge is None:
        return
    if settings.certificates.domain is None:
        yield Problem(
            "edge",
            f"is {settings.edge.scheme} while certificates.domain is missing; allowed: an edge with a domain and its "
            "zone; keys travel by HTTPS alone, and ACM gives a certificate only to who owns the name; give "
            "certificates.domain and certificates.zoneId, or remove the edge",
        )
    elif settings.certificates.domain.startswith("*."):
        yield Problem(
            "certificates.domain",
            f"{settings.certificates.domain!r} is a wildcard while there is an edge; allowed: one name, which the load "
            "balancer gets in the zone; write it, and the wildcard into certificates.alternativeNames",
        )
    # Elsewhere the gateway asks for it already.
    if not settings.certificates.internal and settings.sandbox:
        yield Problem(
            "certificates.internal",
            "is off while there is an edge; allowed: true; the load balancer speaks HTTPS to the pods, whose "
            "certificates are of the private CA; turn it on",
        )


def _subnets(settings: Settings) -> Iterator[Problem]:
    edge, network = settings.edge, settings.network
    if edge is None or edge.scheme != "public":
        return
    if isinstance(network, AdoptedNetwork):
        yield Problem(
            "edge.scheme",
            "'public' while network.kind is 'adopt'; allowed: 'internal'; an adopted network has only private subnets "
            "here; lead the internet to the internal load balancer by your own entrance",
        )
    elif not network.public_subnets:
        yield Problem(
            "edge.scheme",
            "'public' while network.publicSubnets is off; allowed: 'internal', or public subnets; a load balancer that "
            "the internet reaches lies in public ones; turn them on or make the edge internal",
        )


def _patience(settings: Settings) -> Iterator[Problem]:
    if settings.edge is None:
        return
    given = settings.edge.idle_timeout_seconds
    idle = given or MOST_IDLE_SECONDS
    whose = "by edge.idleTimeoutSeconds" if given else "at most"
    ways = "lower it" if idle == MOST_IDLE_SECONDS else "lower it, or raise edge.idleTimeoutSeconds"
    for index, route in enumerate(settings.routes):
        if route.client_timeout_seconds >= idle:
            yield Problem(
                f"routes[{index}].clientTimeoutSeconds",
                f"{route.client_timeout_seconds:g} is not below the {idle} s for which the load balancer waits {whose} "
                "where nothing is sent: it would cut a request that waits in a queue or is tried again, and the caller "
                f"sees an error that no log explains; {ways}",
            )


def _overlap(settings: Settings) -> Iterator[Problem]:
    clients = settings.edge.clients if settings.edge is not None else ()
    for index, block in enumerate(clients):
        for earlier in clients[:index]:
            if block.overlaps(earlier):
                yield Problem(
                    f"edge.clients[{index}]",
                    f"{block} overlaps {earlier}, which is there already; each block is a rule of its own, and "
                    "one of them would have no effect; remove the smaller",
                )
                break


CHECKS: Final[tuple[Check, ...]] = (_gateway, _certificate, _subnets, _patience, _overlap)
