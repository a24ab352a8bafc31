"""GPU machines of both clouds in one form, as the planner takes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from bastide.catalogues import gpus, instances, instances_google, instances_network, prices
from bastide.catalogues.gpus import Gpu
from bastide.catalogues.prices import Price


@dataclass(frozen=True)
class Machine:
    """A machine with GPUs.

    `rdma`: whether GPUs of several machines talk without the CPUs (EFA on AWS, GPUDirect on Google).
    `network_bytes` is its whole network, in bytes a second and one direction."""

    name: str
    cloud: str
    gpu: Gpu
    gpus: int
    rdma: bool
    network_bytes: float
    price: Price | None

    @property
    def hourly(self) -> float | None:
        """USD an hour on demand; None where no dated price is known."""
        return self.price.hourly if self.price else None


GOOGLE_PRICES: Final = {
    "a3-ultragpu-8g": Price(
        83.492,
        "instance-hour",
        "Google Cloud Billing Catalog API, us-central1, as kept in tanod/cloud-gpu-list-prices",
        "2026-10-13",
    )
}
"""On-demand prices. Of a3-highgpu-8g and a3-megagpu-8g no dated one was found."""


def _aws(kind: instances.InstanceType) -> Machine:
    return Machine(
        kind.name,
        "aws",
        gpus.of(kind.gpu_model, kind.gpu_memory_mib),
        kind.gpus,
        kind.efa_interfaces > 0,
        instances_network.GBPS[kind.name] * 1e9 / 8,
        prices.INSTANCES.get(kind.name),
    )


def _google(kind: instances_google.GoogleType) -> Machine:
    return Machine(
        kind.name,
        "google",
        gpus.of(kind.gpu_model, kind.gpu_memory_mib),
        kind.gpus,
        True,
        kind.network_gbps * 1e9 / 8,
        GOOGLE_PRICES.get(kind.name),
    )


CATALOGUE: Final = {
    each.name: each
    for each in (
        *(_aws(kind) for kind in instances.CATALOGUE.values() if kind.gpus),
        *(_google(kind) for kind in instances_google.CATALOGUE.values()),
    )
}
"""By name."""
