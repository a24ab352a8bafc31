"""Subnet arithmetic holds for every VPC block and number of zones."""

from __future__ import annotations

from ipaddress import IPv4Network
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bastide.plans.network_plan import NetworkPlanError, overlapping, plan

ZONES = [f"us-east-1{letter}" for letter in "abcdef"]

blocks = st.builds(
    lambda prefix, bits: IPv4Network(((bits << (32 - prefix)) & 0xFFFFFFFF, prefix)),
    st.integers(16, 24),
    st.integers(0, 2**16 - 1),
)


@given(blocks, st.integers(1, 6), st.integers(17, 28), st.integers(17, 28))
def test_subnets_lie_in_the_vpc_and_apart_or_the_plan_is_refused(
    cidr: IPv4Network, zones: int, private: int, public: int
) -> None:
    try:
        found = plan(cidr, ZONES[:zones], private, public)
    except NetworkPlanError:
        return
    subnets = [each.private for each in found] + [each.public for each in found]
    assert all(subnet.subnet_of(cidr) for subnet in subnets)
    assert not any(one.overlaps(other) for one, other in combinations(subnets, 2))
    assert {each.private.prefixlen for each in found} == {private}
    assert {each.public.prefixlen for each in found} == {public}


@given(blocks, st.integers(1, 5), st.integers(3, 5), st.integers(3, 5))
def test_a_zone_added_at_the_end_moves_no_other(
    cidr: IPv4Network, zones: int, private_bits: int, public_bits: int
) -> None:
    private = cidr.prefixlen + private_bits  # at least 8 blocks: room for six zones
    public = min(private + public_bits, 32)
    more = plan(cidr, ZONES[: zones + 1], private, public)
    assert plan(cidr, ZONES[:zones], private, public) == more[:-1]


def test_the_default_block_gives_each_zone_8187_pod_addresses() -> None:
    (first, *_) = plan(IPv4Network("10.0.0.0/16"), ZONES[:3], 19, 24)
    assert first.private_addresses == 8187
    assert str(first.public) == "10.0.224.0/24"


@pytest.mark.parametrize(
    ("cidr", "zones", "private", "public", "said"),
    [
        ("10.0.0.0/16", 0, 19, 24, "at least one"),
        ("10.0.0.0/16", 3, 16, 24, "at least /17"),
        ("10.0.0.0/16", 3, 19, 18, "public subnets hold only load balancers"),
        ("10.0.0.0/16", 4, 18, 24, "need 5 blocks"),
        ("10.0.0.0/16", 3, 19, 20, "holds 2"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_limit(
    cidr: str, zones: int, private: int, public: int, said: str
) -> None:
    with pytest.raises(NetworkPlanError, match=said):
        plan(IPv4Network(cidr), ZONES[:zones], private, public)


@given(st.lists(blocks, max_size=5))
def test_overlaps_are_found_once_and_only_where_an_address_is_shared(given_blocks: list[IPv4Network]) -> None:
    named = [(str(index), block) for index, block in enumerate(given_blocks)]
    expected = [(a, b) for (a, one), (b, other) in combinations(named, 2) if one.overlaps(other)]
    assert overlapping(named) == expected
