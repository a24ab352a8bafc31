"""Where AWS offers each instance type: regions, and the letters of the zones in them.

Source: AWS's `DescribeInstanceTypeOfferings` answers as kept by moto 5.2.5; a test compares every row with
them. Blind spots: which zone a letter means differs between accounts, so on a real account only the region
can be relied on; AWS adds places, and an answer that is newer than this table wins (`aws ec2
describe-instance-type-offerings --location-type availability-zone --filters
Name=instance-type,Values=TYPE`); an offer is no promise of capacity."""

from __future__ import annotations

from typing import Final

from bastide.catalogues.instances import InstanceType

_PLACES: Final = {
    "p5.48xlarge": (
        "ap-northeast-1:ac ap-northeast-2:a ap-south-1:abc ap-southeast-2:abc ap-southeast-3:a "
        "ca-central-1:d eu-north-1:abc eu-west-2:abc sa-east-1:c us-east-1:abcdef us-east-2:abc "
        "us-west-1:ab us-west-2:abcd"
    ),
    "p5.4xlarge": (
        "ap-northeast-1:c ap-south-1:abc ap-southeast-2:a ap-southeast-3:a eu-north-1:abc eu-west-2:abc "
        "sa-east-1:c us-east-1:abcdef us-east-2:abc us-west-2:abcd"
    ),
    "p5e": (
        "ap-southeast-2:a ap-southeast-3:ac eu-north-1:a eu-west-2:a sa-east-1:bc us-east-2:abc us-west-2:c"
    ),
    "p5en": (
        "ap-northeast-1:a ap-northeast-2:a ap-south-1:ab ap-southeast-3:bc eu-north-1:ac eu-south-2:ab "
        "me-central-1:ac us-east-1:ac us-east-2:abc us-west-1:b us-west-2:acd"
    ),
    "p4d": (
        "ap-northeast-1:ac ap-northeast-2:bd ap-south-1:abc ap-southeast-2:bc ca-central-1:ab "
        "eu-central-1:abc eu-north-1:c eu-west-1:c eu-west-2:ab sa-east-1:ac us-east-1:abcd us-east-2:abc "
        "us-west-2:abcd"
    ),
    "p4de": (
        "ap-northeast-1:ac ap-southeast-1:bc eu-central-1:ac il-central-1:abc us-east-1:bc us-west-2:abc"
    ),
    "g6": (
        "ap-northeast-1:ac ap-northeast-2:acd ap-south-1:ab ap-south-2:ab ap-southeast-2:abc "
        "ap-southeast-5:ab ca-central-1:abd eu-central-1:abc eu-central-2:bc eu-north-1:ab eu-south-2:abc "
        "eu-west-2:abc eu-west-3:bc me-central-1:ab sa-east-1:ab us-east-1:abcdf us-east-2:abc "
        "us-west-2:abcd"
    ),
    "g6e": (
        "ap-northeast-1:ac ap-northeast-2:ab ap-northeast-3:bc ap-south-1:ab ap-south-2:ab "
        "eu-central-1:abc eu-north-1:ab eu-south-2:bc me-central-1:ab us-east-1:abcd us-east-2:abc "
        "us-west-2:abcd"
    ),
    "m6i": (
        "af-south-1:abc ap-east-1:abc ap-northeast-1:acd ap-northeast-2:abcd ap-northeast-3:abc "
        "ap-south-1:abc ap-south-2:abc ap-southeast-1:abc ap-southeast-2:abc ap-southeast-3:abc "
        "ap-southeast-5:abc ca-central-1:abd ca-west-1:abc eu-central-1:abc eu-central-2:abc "
        "eu-north-1:abc eu-south-1:abc eu-west-1:abc eu-west-2:abc eu-west-3:abc il-central-1:abc "
        "me-central-1:abc me-south-1:abc sa-east-1:abc us-east-1:abcdf us-east-2:abc us-west-1:ab "
        "us-west-2:abcd"
    ),
    "m7i": (
        "af-south-1:abc ap-east-1:abc ap-northeast-1:acd ap-northeast-2:abcd ap-northeast-3:abc "
        "ap-south-1:abc ap-south-2:abc ap-southeast-1:abc ap-southeast-2:abc ap-southeast-3:abc "
        "ap-southeast-4:abc ap-southeast-5:abc ca-central-1:abd eu-central-1:abc eu-central-2:abc "
        "eu-north-1:abc eu-south-1:abc eu-south-2:abc eu-west-1:abc eu-west-2:abcd eu-west-3:abc "
        "il-central-1:abc me-central-1:abc sa-east-1:abc us-east-1:abcdf us-east-2:abc us-west-1:ab "
        "us-west-2:abcd"
    ),
}
"""Places by type where sizes of a family differ, else by family."""

_TABLE: Final = {name: dict(place.split(":") for place in places.split()) for name, places in _PLACES.items()}

KNOWN_REGIONS: Final = frozenset(region for places in _TABLE.values() for region in places)
"""Regions of which the table knows anything."""


def _places(kind: InstanceType) -> dict[str, str]:
    return _TABLE.get(kind.name) or _TABLE[kind.family]


def regions(kind: InstanceType) -> list[str]:
    """Regions that offer the type."""
    return sorted(_places(kind))


def zones(kind: InstanceType, region: str) -> list[str] | None:
    """Zones of the region that offer the type; empty when none does, None when the region is unknown here."""
    if region not in KNOWN_REGIONS:
        return None
    return [f"{region}{letter}" for letter in _places(kind).get(region, "")]
