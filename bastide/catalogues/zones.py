"""Availability zones of each region, by the letters of their names.

Which zone a letter means differs between accounts; which letters exist does not, with two exceptions below.
Source: EC2 DescribeAvailabilityZones as recorded in moto 5.2.5 (a test compares the two), zones of type
availability-zone only: the kit runs in no Local or Wavelength Zone."""

from __future__ import annotations

from typing import Final

_THREE: Final = (
    *("af-south-1", "ap-east-1", "ap-east-2", "ap-northeast-3", "ap-south-1", "ap-south-2"),
    *("ap-southeast-1", "ap-southeast-2", "ap-southeast-3", "ap-southeast-4", "ap-southeast-5"),
    *("ap-southeast-6", "ap-southeast-7", "ca-west-1", "eu-central-1", "eu-central-2", "eu-north-1"),
    *("eu-south-1", "eu-south-2", "eu-west-1", "eu-west-2", "eu-west-3", "il-central-1"),
    *("me-central-1", "me-south-1", "mx-central-1", "sa-east-1", "us-east-2"),
)
"""Regions with the zones a, b and c."""

LETTERS: Final[dict[str, str]] = {
    **dict.fromkeys(_THREE, "abc"),
    # An account sees three of Tokyo's four and two of Northern California's three, and not every one the same
    # (EC2 user guide, "Regions and Zones").
    "ap-northeast-1": "abcd",
    "us-west-1": "abc",
    "ap-northeast-2": "abcd",
    "ca-central-1": "abd",
    "us-east-1": "abcdef",
    "us-west-2": "abcd",
}
"""Zone letters by region."""


def zones_of(region: str) -> tuple[str, ...]:
    """Names of a region's zones; empty for a region that is not in the table yet."""
    return tuple(f"{region}{letter}" for letter in LETTERS.get(region, ""))
