"""Dollars an hour and the time of the first bring-up of a stack, from its settings alone.

A price that is not known makes a row unpriced, and the total then says "at least": nothing is filled in. What is
billed by use (traffic, requests, logs, storage of models) cannot be known before and is listed with its rate where
there is one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from bastide.catalogues import eks_versions, prices
from bastide.catalogues.prices import HOURS_A_MONTH, Price
from bastide.plans import costs_gateway, pool_plan
from bastide.settings import Settings
from bastide.settings.capacity import Block, Reservation, Spot
from bastide.settings.cluster import AdoptedCluster
from bastide.settings.model_store import AdoptedModelStore
from bastide.settings.network import AdoptedNetwork
from bastide.settings.pools import PoolSettings
from bastide.settings.signing import KmsSigning

GPU_DISK_MIB_S: Final = 1000
GPU_DISK_IOPS: Final = 4000
FREE_MIB_S: Final = 125
FREE_IOPS: Final = 3000
"""Throughput and IOPS of a GPU node's root disk (components/gpu_pool.py; a test compares them), and what gp3 has for
nothing (EBS user guide, "General Purpose SSD volumes")."""

NODE_SECONDS: Final = 30
IMAGE_SECONDS: Final = 48
COMPILE_SECONDS: Final = 80
"""Start of a node, pull of an image of 8.8 GB and first compilation of kernels: measured by AWS on g6e.4xlarge (cold
start of vLLM with SOCI); larger instances take longer to boot."""

CONTROL_PLANE_SECONDS: Final = 15 * 60
"""Allowance for an EKS control plane, add-ons and a first node. Experience: EKS itself says "several minutes"."""


@dataclass(frozen=True)
class Item:
    """One row: how many of a unit at the start and at most, and the price of one; None where it is not known, and
    then `note` says why."""

    name: str
    unit: str
    start: float
    most: float
    price: Price | None
    note: str = ""

    @property
    def hourly(self) -> float | None:
        """USD an hour at the start."""
        return None if self.price is None else self.start * self.price.hourly

    @property
    def hourly_most(self) -> float | None:
        """USD an hour at most."""
        return None if self.price is None else self.most * self.price.hourly


@dataclass(frozen=True)
class Phase:
    """One step of the first `up`, in seconds, and how the number came to be."""

    name: str
    seconds: float
    basis: str


@dataclass(frozen=True)
class Estimate:
    """All of it. `by_use` lists what is billed by use."""

    items: tuple[Item, ...]
    by_use: tuple[str, ...]
    phases: tuple[Phase, ...]

    @property
    def hourly(self) -> float:
        """USD an hour of what is priced, as the stack starts."""
        return sum(each.hourly or 0.0 for each in self.items)

    @property
    def hourly_most(self) -> float:
        """USD an hour of what is priced, with every pool at its largest."""
        return sum(each.hourly_most or 0.0 for each in self.items)

    @property
    def unpriced(self) -> tuple[Item, ...]:
        """Rows without a price that would cost something."""
        return tuple(each for each in self.items if each.price is None and each.most)

    @property
    def hours(self) -> float:
        """Hours until the first engine answers, one phase after another."""
        return sum(each.seconds for each in self.phases) / 3600

    def line(self) -> str:
        """The total in one line, for before an `up`."""
        lead = "at least " if self.unpriced else ""
        text = (
            f"{lead}{self.hourly:,.2f} USD an hour, {self.hourly * 24:,.0f} a day, "
            f"{self.hourly * HOURS_A_MONTH:,.0f} a month"
        )
        if self.hourly_most > self.hourly:
            text += f"; with every pool at its largest {lead}{self.hourly_most:,.2f} an hour"
        if self.unpriced:
            text += f"; unpriced: {', '.join(each.name for each in self.unpriced)}"
        return f"{text}; about {self.hours:.1f} h to bring up"


def estimate(settings: Settings, now: datetime | None = None, weights_gb: float | None = None) -> Estimate:
    """What a stack costs and how long its first `up` takes. `now` (with its zone; default: the clock) matters for
    capacity blocks and for the age of the Kubernetes version; `weights_gb` is the size of the largest model."""
    at = now or datetime.now(UTC)
    items = (
        *_cluster(settings, at),
        *_pools(settings, at),
        *_system(settings),
        *_network(settings),
        *_keys(settings),
        *(
            Item(name, unit, count, count, None, why)
            for name, unit, count, why in costs_gateway.rows(settings)
        ),
    )
    return Estimate(items, tuple(_by_use(settings)), tuple(_phases(settings, weights_gb)))


def _price(price: Price | None, settings: Settings) -> Price | None:
    return prices.of(price, settings.region)


def _unknown(settings: Settings, what: str) -> str:
    return (
        f"the price of {what} is known for {prices.REGION} only" if settings.region != prices.REGION else ""
    )


def _cluster(settings: Settings, now: datetime) -> Iterator[Item]:
    if isinstance(settings.cluster, AdoptedCluster):
        yield Item("EKS control plane", "clusters", 0, 0, prices.EKS_STANDARD, "adopted: its owner pays")
        return
    support = eks_versions.CALENDAR.get(settings.cluster.kubernetes_version)
    extended = support is not None and now.date() >= support.standard_until
    price = prices.EKS_EXTENDED if extended else prices.EKS_STANDARD
    note = "extended support" if extended else ""
    yield Item("EKS control plane", "clusters", 1, 1, _price(price, settings), note)


def _pools(settings: Settings, now: datetime) -> Iterator[Item]:
    for pool in settings.pools:
        start = most = 0
        for group in pool_plan.groups(pool, now):
            size = group.max_size if group.desired_moves else group.desired_size
            start, most = start + group.desired_size, most + size
            yield _nodes(settings, pool, group, size)
        yield from _disks(settings, f"pool {pool.name}", pool.disk_gib, start, most, gpu=True)


def _nodes(settings: Settings, pool: PoolSettings, group: pool_plan.Group, most: int) -> Item:
    name = f"pool {pool.name}{f' ({group.suffix})' if group.suffix else ''}"
    unit = f"{pool.instance_type}"
    known = prices.INSTANCES.get(pool.instance_type)
    price, note = _price(known, settings), ""
    if group.capacity_type == "SPOT" and isinstance(pool.capacity, Spot):
        above = f"; on demand it is {price.usd} an hour" if price else ""
        price, note = None, f"Spot prices move by the hour{above}"
    elif isinstance(pool.capacity, Block):
        price, note = None, "the capacity block was paid when it was bought"
    elif price is None:
        note = _unknown(settings, pool.instance_type) if known else "no on-demand price of this type is known"
    elif pool.fallback_instance_types:
        note = f"if they are all of this type; it may be {', '.join(pool.fallback_instance_types)}"
    elif isinstance(pool.capacity, Reservation):
        note = "a reservation costs the same whether its instances run or not"
    return Item(name, unit, group.desired_size, most, price, note)


def _disks(
    settings: Settings, name: str, gib: int, start: float, most: float, *, gpu: bool
) -> Iterator[Item]:
    note = _unknown(settings, "gp3")
    rows = [("disks", "GiB of gp3", float(gib), prices.GP3_GIB)]
    if gpu:
        rows += [
            ("disk throughput", "MiB/s over 125", GPU_DISK_MIB_S - FREE_MIB_S, prices.GP3_MIB_S),
            ("disk IOPS", "IOPS over 3,000", GPU_DISK_IOPS - FREE_IOPS, prices.GP3_IOPS),
        ]
    for what, unit, each, price in rows:
        yield Item(f"{name}: {what}", unit, start * each, most * each, _price(price, settings), note)


def _system(settings: Settings) -> Iterator[Item]:
    pool = settings.system_pool
    known = prices.INSTANCES.get(pool.instance_type)
    note = "" if known else "no on-demand price of this type is known"
    yield Item(
        "system pool",
        pool.instance_type,
        pool.size,
        pool.size,
        _price(known, settings),
        note or _unknown(settings, pool.instance_type),
    )
    yield from _disks(settings, "system pool", pool.disk_gib, pool.size, pool.size, gpu=False)


def _network(settings: Settings) -> Iterator[Item]:
    net = settings.network
    zones = len(net.zones)
    services = len(net.interface_endpoints)
    if isinstance(net, AdoptedNetwork):
        nats, endpoints = 0, services if net.manage_endpoints else 0
    else:
        nats, endpoints = {"perZone": zones, "single": 1, "none": 0}[net.nat], services
    nat_note, endpoint_note = _unknown(settings, "NAT gateways"), _unknown(settings, "interface endpoints")
    yield Item("NAT gateways", "gateways", nats, nats, _price(prices.NAT, settings), nat_note)
    yield Item("NAT addresses", "public IPv4", nats, nats, _price(prices.PUBLIC_IPV4, settings), nat_note)
    count = endpoints * zones
    yield Item(
        "interface endpoints",
        f"{endpoints} in {zones} zones",
        count,
        count,
        _price(prices.ENDPOINT, settings),
        endpoint_note,
    )


def _keys(settings: Settings) -> Iterator[Item]:
    names = ["logs", "Pulumi state"]
    if not isinstance(settings.cluster, AdoptedCluster):
        names.append("Kubernetes secrets")
    if not isinstance(settings.model_store, AdoptedModelStore):
        names.append("models")
    signing = settings.model_store.signing
    if isinstance(signing, KmsSigning) and signing.key_arn is None:
        names.append("model signatures")
    if settings.access.break_glass is not None:
        names.append("alarm")
    names += costs_gateway.keys(settings)
    yield Item("KMS keys", ", ".join(names), len(names), len(names), _price(prices.KMS_KEY, settings))


def _by_use(settings: Settings) -> Iterator[str]:
    if not isinstance(settings.network, AdoptedNetwork) and settings.network.nat != "none":
        price = _price(prices.NAT_GB, settings)
        yield f"NAT traffic: {price.usd} USD/GB" if price else "NAT traffic"
    yield "traffic through interface endpoints, between zones and to the internet"
    yield "S3: storage of models (times the versions kept), requests"
    yield "CloudWatch Logs: control plane logs and VPC flow logs, by the GB"
    yield "KMS requests; each yearly rotation adds the price of a key"
    yield "surge nodes during updates"
    yield from costs_gateway.by_use(settings)


def _phases(settings: Settings, weights_gb: float | None) -> Iterator[Phase]:
    if not isinstance(settings.cluster, AdoptedCluster):
        yield Phase("control plane, add-ons, first node", CONTROL_PLANE_SECONDS, "experience")
    if not settings.engines:
        return
    yield Phase("GPU node", NODE_SECONDS, "AWS, g6e.4xlarge; only where there is capacity")
    yield Phase("engine's image, 8.8 GB", IMAGE_SECONDS, "AWS, g6e.4xlarge with SOCI")
    mib = GPU_DISK_MIB_S * 2**20
    size = 100.0 if weights_gb is None else weights_gb
    basis = f"{size:g} GB at {GPU_DISK_MIB_S} MiB/s of the root disk"
    yield Phase(
        "weights", size * 1e9 / mib, basis + ("" if weights_gb is not None else "; size not given, 100 taken")
    )
    yield Phase("compilation", COMPILE_SECONDS, "AWS, g6e.4xlarge: 53 to 80 s, 6 when cached")
