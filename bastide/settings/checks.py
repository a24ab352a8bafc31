"""Checks across settings: what each value alone cannot tell.

Each check is a generator of problems over one thing. A check that meets a value with a mistake of its own
(`UnusableError`) ends there: that mistake is reported already.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from ipaddress import IPv4Network
from typing import TYPE_CHECKING, Final

from bastide import instances, names, network_plan
from bastide.settings.base import UNRESOLVED, UnusableError
from bastide.settings.errors import Problem, choices
from bastide.settings.models import EngineSettings
from bastide.settings.pools import PoolSettings

if TYPE_CHECKING:
    from bastide.settings.root import Settings

RETENTION_DAYS: Final = (
    *(
        1,
        3,
        5,
        7,
        14,
        30,
        60,
        90,
        120,
        150,
        180,
        365,
        400,
        545,
        731,
        1096,
        1827,
        2192,
        2557,
        2922,
        3288,
        3653,
    ),
)
"""Retention periods that CloudWatch Logs takes (API reference, PutRetentionPolicy)."""

_PRIVATE: Final = tuple(IPv4Network(each) for each in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"))
"""Where EKS wants the Service block to lie (API reference, KubernetesNetworkConfigRequest)."""


def problems_across(settings: Settings) -> list[Problem]:
    """Every problem that shows only when values are seen together."""
    whole: list[Callable[[Settings], Iterator[Problem]]] = [
        _protection,
        _zones,
        _vpc_block,
        _subnets,
        _overlaps,
        _service_block,
        _endpoints,
        _admins,
        _flow_log_retention,
        _cluster_log_retention,
        _public_endpoint,
        _kube_proxy,
        _system_pool,
        _unique_pools,
        _unique_models,
        _unique_engines,
        _tags,
    ]
    found: list[Problem] = []
    for check in whole:
        found += _usable(check(settings))
    with suppress(UnusableError):
        for index, pool in enumerate(settings.pools):
            for pool_check in (_pool_name, _pool_type, _pool_size, _pool_zones):
                found += _usable(pool_check(settings, pool, f"pools[{index}]"))
    with suppress(UnusableError):
        for index, engine in enumerate(settings.engines):
            for engine_check in (_engine_model, _engine_pool, _engine_gpus, _engine_parallelism):
                found += _usable(engine_check(settings, engine, f"engines[{index}]"))
    return found


def _usable(items: Iterator[Problem]) -> list[Problem]:
    """What a check gives before it meets a mistaken value."""
    found: list[Problem] = []
    with suppress(UnusableError):
        for item in items:
            found.append(item)
    return found


def _protection(settings: Settings) -> Iterator[Problem]:
    allowed = ("sandbox", "dev")
    if not settings.protection and settings.environment not in allowed:
        yield Problem(
            "protection",
            f"False is not allowed in environment {str(settings.environment)!r}; allowed off only in: "
            f"{', '.join(allowed)}; one `pulumi destroy` would delete keys, models and cluster; remove "
            "the line",
        )


def _zones(settings: Settings) -> Iterator[Problem]:
    zones = settings.network.zones
    for index, zone in enumerate(zones):
        path = f"network.zones[{index}]"
        if not re.fullmatch(rf"{re.escape(settings.region)}[a-z]", zone):
            yield Problem(
                path,
                f"{zone!r} is not a zone of region {settings.region!r}; allowed: {settings.region} and "
                "one letter; "
                "a subnet can only be in its VPC's region; change the zone or bastide:region",
            )
        if zone in zones[:index]:
            yield Problem(path, f"{zone!r} is there twice; each zone has one pair of subnets; remove one")


def _fits_vpc(block: IPv4Network) -> bool:
    return network_plan.MIN_SUBNET_PREFIX <= block.prefixlen <= network_plan.MAX_SUBNET_PREFIX


def _fits_services(block: IPv4Network) -> bool:
    return 12 <= block.prefixlen <= 24 and any(block.subnet_of(each) for each in _PRIVATE)


def _vpc_block(settings: Settings) -> Iterator[Problem]:
    low, high = network_plan.MIN_SUBNET_PREFIX, network_plan.MAX_SUBNET_PREFIX
    cidr = settings.network.cidr
    if not _fits_vpc(cidr):
        yield Problem(
            "network.cidr",
            f"'{cidr}' is not a VPC block; allowed: /{low} to /{high}; AWS takes no other; resize it",
        )


def _subnets(settings: Settings) -> Iterator[Problem]:
    if not _fits_vpc(settings.network.cidr):
        return  # said already: what cannot be a VPC is not cut into subnets
    try:
        settings.subnets()
    except network_plan.NetworkPlanError as error:
        yield Problem("network.privatePrefix", f"{settings.network.private_prefix} does not work: {error}")


def _overlaps(settings: Settings) -> Iterator[Problem]:
    net = settings.network
    named = [("network.cidr", net.cidr), ("cluster.serviceCidr", settings.cluster.service_cidr)]
    named += [(f"network.reservedCidrs[{index}]", block) for index, block in enumerate(net.reserved_cidrs)]
    blocks = dict(named)
    mistaken = set()
    if not _fits_vpc(net.cidr):
        mistaken.add("network.cidr")
    if not _fits_services(settings.cluster.service_cidr):
        mistaken.add("cluster.serviceCidr")
    for first, second in network_plan.overlapping(named):
        if mistaken & {first, second}:
            continue  # said already, and it moves anyway
        if first.startswith("network.reservedCidrs"):
            continue  # what others reserve may overlap among them: only ours must stay clear
        yield Problem(
            second,
            f"'{blocks[second]}' overlaps bastide:{first} '{blocks[first]}'; addresses in both could "
            "not be routed; "
            "move one of them",
        )


def _service_block(settings: Settings) -> Iterator[Problem]:
    block = settings.cluster.service_cidr
    if not _fits_services(block):
        yield Problem(
            "cluster.serviceCidr",
            f"'{block}' is not a Service block; allowed: /12 to /24 inside {', '.join(map(str, _PRIVATE))}; "
            "EKS takes no other; choose one such as 172.20.0.0/16",
        )


def _endpoints(settings: Settings) -> Iterator[Problem]:
    services = settings.network.interface_endpoints
    for index, service in enumerate(services):
        if service in services[:index]:
            yield Problem(
                f"network.interfaceEndpoints[{index}]",
                f"{service!r} is there twice; one serves all; remove one",
            )
    if settings.engines and "s3" not in services:
        yield Problem(
            "network.interfaceEndpoints",
            "has no 's3' while there are engines; engines may only send to addresses of the VPC, and without this "
            "endpoint S3 has none, so no engine would get its model; add it",
        )


def _admins(settings: Settings) -> Iterator[Problem]:
    principals = settings.cluster.admin_principals
    for index, principal in enumerate(principals):
        if principal in principals[:index]:
            yield Problem(
                f"cluster.adminPrincipals[{index}]",
                f"{principal!r} is there twice; a principal has one access entry; remove one",
            )


def _retention(path: str, days: int) -> Iterator[Problem]:
    if days not in RETENTION_DAYS:
        yield Problem(
            path,
            f"{days} is not a retention that CloudWatch Logs takes; allowed: "
            f"{', '.join(map(str, RETENTION_DAYS))}; "
            "choose one of them",
        )


def _flow_log_retention(settings: Settings) -> Iterator[Problem]:
    yield from _retention("network.flowLogRetentionDays", settings.network.flow_log_retention_days)


def _cluster_log_retention(settings: Settings) -> Iterator[Problem]:
    yield from _retention("cluster.logRetentionDays", settings.cluster.log_retention_days)


def _kube_proxy(settings: Settings) -> Iterator[Problem]:
    version, cluster = settings.cluster.addons.kube_proxy, settings.cluster.kubernetes_version
    if version != UNRESOLVED and not version.startswith(f"v{cluster}."):
        yield Problem(
            "cluster.addons.kubeProxy",
            f"{version!r} is not for Kubernetes {cluster}; allowed: versions that start with "
            f"v{cluster}.; kube-proxy "
            "has the minor version of its cluster; change it together with cluster.kubernetesVersion",
        )


def _public_endpoint(settings: Settings) -> Iterator[Problem]:
    public, blocks = settings.cluster.public_endpoint, settings.cluster.public_endpoint_cidrs
    if public and not blocks:
        yield Problem(
            "cluster.publicEndpointCidrs",
            "is empty while cluster.publicEndpoint is true; AWS would open the API server to the whole "
            "internet; "
            "list the blocks that may reach it, or turn the public endpoint off",
        )
    if blocks and not public:
        yield Problem(
            "cluster.publicEndpointCidrs",
            "is given while cluster.publicEndpoint is false; it would have no effect; remove it or "
            "turn the endpoint on",
        )
    for index, block in enumerate(blocks):
        if block.prefixlen == 0:
            yield Problem(
                f"cluster.publicEndpointCidrs[{index}]",
                f"'{block}' is the whole internet; allowed: the blocks of your offices and runners; an "
                "API server "
                "that everybody can reach is one bug from being lost; narrow it",
            )


def _instance_type(path: str, given: str, allowed: list[str], kind: str) -> Iterator[Problem]:
    if given in allowed:
        return
    if given in instances.CATALOGUE:
        other = "no GPU" if kind == "GPU" else "GPUs, which would be paid for and not used"
        yield Problem(
            path, f"{given!r} has {other}; allowed in a {kind} pool: {', '.join(allowed)}; choose one"
        )
    else:
        yield Problem(
            path,
            f"{given!r} is not an instance type in the catalogue{choices(given, allowed)}; the "
            "catalogue says how "
            "many GPUs a node brings; choose one, or add the type to bastide/instances.py",
        )


def _system_pool(settings: Settings) -> Iterator[Problem]:
    pool = settings.system_pool
    yield from _instance_type("systemPool.instanceType", pool.instance_type, instances.cpu_types(), "system")
    yield from _max_size("systemPool", pool.size, pool.max_size)


def _max_size(path: str, size: int, max_size: int | None) -> Iterator[Problem]:
    if max_size is not None and max_size < size:
        yield Problem(
            f"{path}.maxSize",
            f"{max_size} is less than size {size}; allowed: {size} or more; raise it or lower size",
        )


def _duplicates(path: str, kind: str, named: Iterable[str]) -> Iterator[Problem]:
    seen: dict[str, int] = {}
    for index, name in enumerate(named):
        if name in seen:
            yield Problem(
                f"{path}[{index}].name",
                f"{name!r} is the name of {path}[{seen[name]}] too; a {kind} is found by its name; "
                "rename one",
            )
        seen.setdefault(name, index)


def _unique_pools(settings: Settings) -> Iterator[Problem]:
    yield from _duplicates("pools", "pool", (each.name for each in settings.pools))


def _unique_models(settings: Settings) -> Iterator[Problem]:
    yield from _duplicates("models", "model", (each.name for each in settings.models))


def _unique_engines(settings: Settings) -> Iterator[Problem]:
    yield from _duplicates("engines", "engine", (each.name for each in settings.engines))


def _tags(settings: Settings) -> Iterator[Problem]:
    for key in settings.tags:
        if key.lower().startswith(("aws:", "bastide:")):
            yield Problem(
                f"tags.{key}",
                f"{key!r} has a reserved prefix; 'aws:' is AWS's and 'bastide:' this kit's; rename it",
            )


def _pool_name(_: Settings, pool: PoolSettings, path: str) -> Iterator[Problem]:
    if pool.name == names.SYSTEM_POOL:
        yield Problem(
            f"{path}.name",
            f"{pool.name!r} is the name of the system pool; a pool is found by its name; choose another",
        )


def _pool_type(_: Settings, pool: PoolSettings, path: str) -> Iterator[Problem]:
    yield from _instance_type(f"{path}.instanceType", pool.instance_type, instances.gpu_types(), "GPU")


def _pool_size(_: Settings, pool: PoolSettings, path: str) -> Iterator[Problem]:
    yield from _max_size(path, pool.size, pool.max_size)


def _pool_zones(settings: Settings, pool: PoolSettings, path: str) -> Iterator[Problem]:
    zones = settings.network.zones
    if list(_zones(settings)):
        return  # said already: the zone that this pool wants may be the one that was meant
    for index, zone in enumerate(pool.zones):
        if zone not in zones:
            yield Problem(
                f"{path}.zones[{index}]",
                f"{zone!r} is not a zone of the network{choices(zone, zones)}; there is no subnet in "
                "it; add it to "
                "bastide:network.zones or choose another",
            )


def _engine_model(settings: Settings, engine: EngineSettings, path: str) -> Iterator[Problem]:
    known = [each.name for each in settings.models]
    if engine.model not in known:
        yield Problem(
            f"{path}.model",
            f"{engine.model!r} is not one of bastide:models{choices(engine.model, known)}; add it there "
            "or choose another",
        )


def _engine_pool(settings: Settings, engine: EngineSettings, path: str) -> Iterator[Problem]:
    known = [each.name for each in settings.pools]
    if engine.pool not in known:
        yield Problem(
            f"{path}.pool",
            f"{engine.pool!r} is not one of bastide:pools{choices(engine.pool, known)}; add it there or "
            "choose another",
        )


def _node_type(settings: Settings, engine: EngineSettings) -> instances.InstanceType | None:
    pool = next((each for each in settings.pools if each.name == engine.pool), None)
    return instances.CATALOGUE.get(pool.instance_type) if pool else None


def _engine_gpus(settings: Settings, engine: EngineSettings, path: str) -> Iterator[Problem]:
    kind = _node_type(settings, engine)
    if kind is not None and kind.gpus and engine.gpus > kind.gpus:
        yield Problem(
            f"{path}.gpus",
            f"{engine.gpus} is more than a node of pool {engine.pool!r} has; allowed: at most {kind.gpus} "
            f"({kind.name}); a pod runs on one node; lower it or choose a larger instance type",
        )


def _engine_parallelism(settings: Settings, engine: EngineSettings, path: str) -> Iterator[Problem]:
    with suppress(UnusableError):
        if list(_engine_gpus(settings, engine, path)):
            return  # said already: gpus changes anyway
    if engine.gpus % engine.tensor_parallel:
        allowed = [str(each) for each in range(1, engine.gpus + 1) if engine.gpus % each == 0]
        yield Problem(
            f"{path}.tensorParallel",
            f"{engine.tensor_parallel} does not divide gpus {engine.gpus}; allowed: "
            f"{', '.join(allowed)}; GPUs would "
            "be paid for and not used; change one of the two",
        )
