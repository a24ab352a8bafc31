"""Checks of the gateway: pods enough, room for them, TLS inside, and a LiteLLM that the callbacks know."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from ipaddress import IPv4Network
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from bastide.catalogues import instances
from bastide.plans.endpoints import BEDROCK, DEFAULT_SERVICES
from bastide.settings.checks.common import Check
from bastide.settings.errors import Problem
from bastide.settings.network import AdoptedNetwork, CreatedNetwork
from bastide.settings.route_hosted import Bedrock, HostedBase

if TYPE_CHECKING:
    from bastide.settings.root import Settings

FEWEST: Final = 3
"""Pods outside sandbox and dev: one for each of three zones, so that a lost zone leaves two."""

OLDEST: Final = (1, 106, 2)
"""LiteLLM's version on which the kit's callbacks were tested. They rely on the order in which it calls them."""

STOLEN: Final = ((1, 82, 7), (1, 82, 8))
"""Versions that a thief published with a backdoor (PyPI, 2026-03)."""

PRIVATE: Final = tuple(map(IPv4Network, ("10.0.0.0/8", "100.64.0.0/10", "172.16.0.0/12", "192.168.0.0/16")))
"""Blocks of private networks (RFC 1918, RFC 6598)."""

NODE_SHARE: Final = 0.75
"""Part of the system nodes' CPUs and memory for the gateway at its largest; the rest is for kubelet, name servers and
the kit's controllers. As with engines, a choice on the safe side."""


def _pods(settings: Settings) -> Iterator[Problem]:
    wanted = settings.gateway
    if settings.environment not in ("sandbox", "dev") and wanted.replicas < FEWEST:
        yield Problem(
            "gateway.replicas",
            f"{wanted.replicas} in environment {str(settings.environment)!r}; allowed: {FEWEST} or more, and fewer "
            "only in sandbox and dev; every request goes through it, and a zone or a node must be able to go; raise it",
        )
    most = wanted.autoscaling.max_replicas if wanted.autoscaling else wanted.replicas
    if most < wanted.replicas:
        yield Problem(
            "gateway.autoscaling.maxReplicas",
            f"{most} is less than gateway.replicas {wanted.replicas}, which is the fewest; allowed: {wanted.replicas} "
            "or more; raise it or lower gateway.replicas",
        )


def _secured(settings: Settings) -> Iterator[Problem]:
    if not settings.certificates.internal and not settings.sandbox:
        yield Problem(
            "certificates.internal",
            "is off while gateway.enabled is on; allowed: true, and false only in a sandbox; keys of callers and what "
            "they ask would travel in plain text from the load balancer to the pods and on to the engines; turn it on",
        )


def _drain(settings: Settings) -> Iterator[Problem]:
    given = settings.gateway.drain.shutdown_seconds
    longest = max(settings.routes, key=lambda route: route.timeout_seconds, default=None)
    if given is not None and longest is not None and given < longest.timeout_seconds:
        yield Problem(
            "gateway.drain.shutdownSeconds",
            f"{given} is less than timeoutSeconds {longest.timeout_seconds:g} of route {longest.name!r}; allowed: "
            f"{longest.timeout_seconds:g} or more, or no value; an update would cut answers that are within their "
            "time; raise it, remove the line or lower the route's time-out",
        )


def _providers(settings: Settings) -> Iterator[Problem]:
    for index, block in enumerate(settings.gateway.private_cidrs):
        if not any(block.subnet_of(each) for each in PRIVATE):
            yield Problem(
                f"gateway.privateCidrs[{index}]",
                f"{block} is not inside a private network; allowed: blocks within {', '.join(map(str, PRIVATE))}; the "
                "internet is opened by hosted deployments themselves, on their ports alone; remove or narrow it",
            )


def _bedrock(settings: Settings) -> Iterator[Problem]:
    """A way to Bedrock: the endpoint in the VPC, or the internet where it is open anyway. Whether an adopted VPC that
    keeps its own endpoints has it is not known here."""
    net = settings.network
    if isinstance(net, AdoptedNetwork) and not net.manage_endpoints:
        return
    without_nat = isinstance(net, CreatedNetwork) and net.nat == "none"
    named = {each.name for route in settings.routes for each in route.deployments}
    used = [(index, each) for index, each in enumerate(settings.hosted) if each.name in named]
    near = [each for _, each in used if isinstance(each, Bedrock) and each.region == settings.region]
    for index, each in used:
        if isinstance(each, Bedrock) and each.region != settings.region and without_nat:
            yield Problem(
                f"hosted[{index}].region",
                f"{each.region!r} while network.nat is 'none'; allowed: {settings.region!r}, because interface "
                "endpoints lead to the stack's own region alone and there is no other way to Bedrock; ask it there, or "
                "give the network a NAT",
            )
    if near and BEDROCK not in net.interface_endpoints and (without_nat or not _open(settings, used)):
        yield Problem(
            "network.interfaceEndpoints",
            f"has no {BEDROCK!r} while a route asks {near[0].name!r}, which is at Bedrock; the gateway's pods may send "
            "to no address of the internet unless another provider needs one, so every such request would fail; add "
            f"{BEDROCK!r} to the list (which replaces the default: {', '.join(DEFAULT_SERVICES)})",
        )


def _open(settings: Settings, used: Sequence[tuple[int, HostedBase]]) -> bool:
    """Whether the gateway's pods may reach the internet by HTTPS for something else."""
    signs = settings.gateway.sign_in
    urls = [] if signs is None else [signs.jwks_url]
    for _, each in used:
        if isinstance(each, Bedrock) and each.region == settings.region:
            continue
        urls.append(str(getattr(each, "endpoint", None) or getattr(each, "url", None) or "https://any"))
    return any(found.scheme == "https" and found.port in (None, 443) for found in map(urlsplit, urls))


def _version(settings: Settings) -> Iterator[Problem]:
    tag = settings.images.gateway.tag
    found = re.match(r"(?:main-)?v?(\d+)\.(\d+)\.(\d+)(?!\d)", tag)
    if found is None:
        yield Problem(
            "images.gateway.tag",
            f"{tag!r} says no version of LiteLLM; allowed: a tag that begins with one, such as v1.106.2; the digest "
            "decides what runs, and by the tag people and this check know what that is; name the version",
        )
        return
    version = tuple(map(int, found.groups()))
    if version in STOLEN:
        yield Problem(
            "images.gateway.tag",
            f"{tag!r} is a version that a thief published with a backdoor; allowed: v1.106.2 or newer; where it ever "
            "ran, every key that it could read is known to somebody else: rotate them all",
        )
    elif version < OLDEST:
        yield Problem(
            "images.gateway.tag",
            f"{tag!r} is older than what the kit's callbacks were tested on; allowed: "
            f"v{'.'.join(map(str, OLDEST))} or newer; data classes and limits hang on the order in which LiteLLM calls "
            "them; raise it",
        )


def _room(settings: Settings) -> Iterator[Problem]:
    wanted, pool = settings.gateway, settings.system_pool
    node = instances.CATALOGUE.get(pool.instance_type)
    if node is None:
        return  # reported as a mistake of the pool
    most = (wanted.autoscaling.max_replicas if wanted.autoscaling else wanted.replicas) + 1
    pii = wanted.pii.replicas + 1
    asked = {
        "CPUs": (
            (most * wanted.resources.cpu_milli + pii * wanted.pii.cpu_milli) / 1000,
            pool.size * node.vcpus * NODE_SHARE,
        ),
        "GiB of memory": (
            (most * wanted.resources.memory_mib + pii * wanted.pii.memory_mib) / 1024,
            pool.size * node.memory_mib / 1024 * NODE_SHARE,
        ),
    }
    for what, (needed, there) in asked.items():
        if needed > there:
            yield Problem(
                "systemPool.size",
                f"{pool.size} nodes of {pool.instance_type} have {there:g} {what} for the gateway, which asks for "
                f"{needed:g} at its largest ({most} pods with one more during an update, {pii} of the pii service); "
                "pods beyond it would wait for ever; raise systemPool.size, choose a larger type, or lower "
                "gateway.replicas, gateway.autoscaling.maxReplicas or gateway.resources",
            )
            return


def _bounds(settings: Settings) -> Iterator[Problem]:
    bound, wanted = settings.namespaces.gateway.pods, settings.gateway
    most = (wanted.autoscaling.max_replicas if wanted.autoscaling else wanted.replicas) + 1
    # Each of the two with one more during an update; a job, and the pod of `helm test`.
    needed = most + wanted.pii.replicas + 1 + 2
    if bound is not None and bound < needed:
        yield Problem(
            "namespaces.gateway.pods",
            f"{bound} is less than the gateway has at its largest; allowed: {needed} or more ({most} pods of the "
            f"gateway, {wanted.pii.replicas + 1} of the pii service, a job and a test), or no value; the API server "
            "would refuse the pods beyond it; raise it or remove the line",
        )


def _when_on(check: Check) -> Check:
    def found(settings: Settings) -> Iterator[Problem]:
        if settings.gateway.enabled:
            yield from check(settings)

    return found


CHECKS: Final[tuple[Check, ...]] = (
    _providers,
    *map(_when_on, (_pods, _secured, _drain, _bedrock, _version, _room, _bounds)),
)
