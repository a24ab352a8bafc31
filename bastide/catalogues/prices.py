"""Prices in USD, each with where it was read and when. What is not here is said to be unpriced, never guessed.

On-demand list prices of us-east-1 without discounts or taxes; AWS changes them, and its price list wins. Blind spot:
Spot prices move by the hour, capacity blocks are paid when they are bought, and other regions differ by up to half.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

HOURS_A_MONTH: Final = 730
"""Hours that AWS counts a month as in its own examples (365 x 24 / 12)."""

REGION: Final = "us-east-1"
"""The region whose prices these are."""


@dataclass(frozen=True)
class Price:
    """USD for a unit, its source, and the day of the source (or its month). `everywhere`: the same in all regions."""

    usd: float
    unit: str
    source: str
    read: str
    everywhere: bool = False

    @property
    def hourly(self) -> float:
        """USD an hour."""
        return self.usd / HOURS_A_MONTH if self.unit.endswith("month") else self.usd


_GPU_SOURCE: Final = "AWS on-demand price list, Linux, us-east-1"
_GPU_DAY: Final = "2026-07-20"
_CPU_SOURCE: Final = "c3x.dev, 'm5 vs m6i vs m7i', and public price tables that agree with it"

INSTANCES: Final[dict[str, Price]] = {
    **{
        name: Price(usd, "instance-hour", _GPU_SOURCE, _GPU_DAY)
        for name, usd in (
            ("p5.48xlarge", 55.04),
            ("p5en.48xlarge", 63.296),
            ("p4d.24xlarge", 21.958),
            ("p4de.24xlarge", 27.447),
            ("g6.xlarge", 0.805),
            ("g6.12xlarge", 4.602),
            ("g6.48xlarge", 13.350),
            ("g6e.xlarge", 1.861),
            ("g6e.12xlarge", 10.493),
            ("g6e.24xlarge", 15.066),
            ("g6e.48xlarge", 30.131),
        )
    },
    **{
        name: Price(usd, "instance-hour", _CPU_SOURCE, "2026")
        for name, usd in (
            ("m6i.xlarge", 0.192),
            ("m6i.2xlarge", 0.384),
            ("m7i.xlarge", 0.2016),
            ("m7i.2xlarge", 0.4032),
            ("m7i.4xlarge", 0.8064),
        )
    },
}
"""By instance type. p5e.48xlarge has no on-demand entry, and of p5.4xlarge no dated one was found."""

EKS_STANDARD: Final = Price(
    0.10,
    "cluster-hour",
    "AWS containers blog, 'Amazon EKS extended support pricing'",
    "2024-04",
    everywhere=True,
)
EKS_EXTENDED: Final = Price(
    0.60,
    "cluster-hour",
    "AWS containers blog, 'Amazon EKS extended support pricing'",
    "2024-04",
    everywhere=True,
)
NAT: Final = Price(0.045, "gateway-hour", "cloudburn.io/blog/aws-nat-gateway-pricing", "2026-02-24")
NAT_GB: Final = Price(0.045, "GB", "cloudburn.io/blog/aws-nat-gateway-pricing", "2026-02-24")
PUBLIC_IPV4: Final = Price(0.005, "address-hour", "cloudburn.io/blog/aws-nat-gateway-pricing", "2026-02-24")
ENDPOINT: Final = Price(0.01, "zone-hour", "zeonedge.com, 'Eliminating AWS NAT Gateway costs'", "2026-04-10")
GP3_GIB: Final = Price(
    0.08, "GiB-month", "EBS pricing page's own gp3 example; saisci.com for us-east-1", "2021-01"
)
GP3_IOPS: Final = Price(0.005, "IOPS-month", "EBS pricing page's own gp3 example", "2026")
GP3_MIB_S: Final = Price(0.04, "MiB/s-month", "saisci.com, 'gp3 throughput explained', us-east-1", "2021-01")
KMS_KEY: Final = Price(1.0, "key-month", "aws.amazon.com/kms/pricing", "2026", everywhere=True)


def of(price: Price | None, region: str) -> Price | None:
    """The price, if it is known for that region."""
    if price is None or region == REGION or price.everywhere:
        return price
    return None
