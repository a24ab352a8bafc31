"""Every kind of GPU pool and of capacity, in one region that has them all: what AWS and the cluster say came of
them, printed as a table (`make prove PART=pools`)."""

from __future__ import annotations

from typing import Any

import pytest

from .conftest import Sandbox, Stack
from .pool_table import Row, pool_table, print_table

pytestmark = [pytest.mark.world, pytest.mark.proof, pytest.mark.xdist_group("pools")]

REGION = "us-west-2"
CLUSTER = f"bastide-sandbox-{REGION}"


def _reservation(sandbox: Sandbox) -> str:
    made = sandbox.aws("ec2", REGION).create_capacity_reservation(
        InstanceType="p5e.48xlarge",
        InstancePlatform="Linux/UNIX",
        AvailabilityZone=f"{REGION}c",
        InstanceCount=1,
        InstanceMatchCriteria="targeted",
    )
    return str(made["CapacityReservation"]["CapacityReservationId"])


def _block(sandbox: Sandbox) -> dict[str, Any]:
    """Buys a block that starts at once, as a person would."""
    ec2 = sandbox.aws("ec2", REGION)
    offered = ec2.describe_capacity_block_offerings(
        InstanceType="p5en.48xlarge", InstanceCount=1, CapacityDurationHours=24
    )["CapacityBlockOfferings"]
    first = min(
        (each for each in offered if each["AvailabilityZone"] == f"{REGION}a"),
        key=lambda each: each["StartDate"],
    )
    bought = ec2.purchase_capacity_block(
        CapacityBlockOfferingId=first["CapacityBlockOfferingId"], InstancePlatform="Linux/UNIX"
    )["CapacityReservation"]
    return {
        "kind": "block",
        "reservationId": bought["CapacityReservationId"],
        "zone": bought["AvailabilityZone"],
        "start": f"{bought['StartDate']:%Y-%m-%dT%H:%M:%SZ}",
        "end": f"{bought['EndDate']:%Y-%m-%dT%H:%M:%SZ}",
    }


@pytest.fixture(scope="module")
def rows(stack: Stack, sandbox: Sandbox) -> dict[tuple[str, str], Row]:
    """The table of a region with all kinds, by pool and capacity type; no engine, so that nothing else decides."""
    reservation, block = _reservation(sandbox), _block(sandbox)

    def all_kinds(config: dict[str, Any]) -> None:
        config["bastide:cloud"]["region"] = REGION
        config["bastide:network"]["zones"] = [f"{REGION}{letter}" for letter in "abc"]
        config["bastide:models"], config["bastide:engines"] = [], []
        config["bastide:pools"] = [
            {
                "name": "p5",
                "instanceType": "p5.48xlarge",
                "size": 2,
                "zones": [f"{REGION}b"],
                "efa": True,
                "placementGroup": True,
            },
            {
                "name": "p5e",
                "instanceType": "p5e.48xlarge",
                "size": 1,
                "zones": [f"{REGION}c"],
                "capacity": {"kind": "reservation", "id": reservation},
            },
            {"name": "p5en", "instanceType": "p5en.48xlarge", "size": 1, "capacity": block, "efa": True},
            {"name": "p4d", "instanceType": "p4d.24xlarge", "size": 2, "warmSpare": 1, "efa": True},
            {
                "name": "p4de",
                "instanceType": "p4de.24xlarge",
                "size": 1,
                "capacity": {"kind": "spot", "onDemandFallback": 1},
            },
            {
                "name": "g6",
                "instanceType": "g6.12xlarge",
                "size": {"min": 1, "max": 3},
                "os": "bottlerocket",
            },
            {
                "name": "g6e",
                "instanceType": "g6e.xlarge",
                "size": 1,
                "sharing": {"kind": "timeSlicing", "replicas": 4},
            },
        ]

    stack.configure(all_kinds)
    done = stack.up()
    assert done.code == 0, done.text[-6000:]
    table = pool_table(sandbox, CLUSTER, REGION)
    print_table(table)
    found = {(row.pool, row.eks.split()[0]): row for row in table}
    assert len(found) == len(table), "two node groups of a pool have the same capacity type"
    # The ids are AWS's own; the rows below name them by what they are.
    return {
        key: Row(
            *(
                value.replace(reservation, "RESERVATION").replace(block["reservationId"], "BLOCK")
                for value in vars(row).values()
            )
        )
        for key, row in found.items()
    }


EXPECTED = {
    ("p5", "ON_DEMAND"): (
        "AL2023_x86_64_NVIDIA 2/2/2 MINIMAL by 1",
        "placed bastide-sandbox-us-west-2-p5",
        "2 p5.48xlarge us-west-2b bastide-sandbox-us-west-2-p5",
        "32 efa-only, 1 interface on 32 cards",
        "2 Ready, 8 gpu, 32 efa, tainted nvidia.com/gpu",
    ),
    ("p5e", "ON_DEMAND"): (
        "AL2023_x86_64_NVIDIA 1/1/1",
        "reservation RESERVATION",
        "1 p5e.48xlarge us-west-2c RESERVATION",
        "1 interface on 1 cards",
        "1 Ready, 8 gpu, tainted nvidia.com/gpu",
    ),
    ("p5en", "CAPACITY_BLOCK"): (
        "AL2023_x86_64_NVIDIA 0/1/1",
        "market capacity-block, reservation BLOCK",
        "1 p5en.48xlarge us-west-2a capacity-block BLOCK",
        "16 efa-only, 1 interface on 16 cards",
        "1 Ready, 8 gpu, 16 efa",
    ),
    ("p4d", "ON_DEMAND"): (
        "AL2023_x86_64_NVIDIA 3/3/3",
        "IMDS required 1",
        "3 p4d.24xlarge",
        "4 efa-only, 1 interface on 4 cards",
        "3 Ready, 8 gpu, 4 efa",
    ),
    ("p4de", "SPOT"): (
        "AL2023_x86_64_NVIDIA 1/1/1",
        "/dev/xvda gp3 encrypted",
        "1 p4de.24xlarge",
        "1 interface on 1 cards",
        "1 Ready, 8 gpu",
    ),
    ("p4de", "ON_DEMAND"): (
        "AL2023_x86_64_NVIDIA 1/1/1",
        "/dev/xvda gp3 encrypted",
        "1 p4de.24xlarge",
        "1 interface on 1 cards",
        "1 Ready, 8 gpu",
    ),
    ("g6", "ON_DEMAND"): (
        "BOTTLEROCKET_x86_64_NVIDIA 1/1/3",
        "/dev/xvdb gp3 encrypted",
        "1 g6.12xlarge",
        "1 interface on 1 cards",
        "1 Ready, 4 gpu",
    ),
    ("g6e", "ON_DEMAND"): (
        "AL2023_x86_64_NVIDIA 1/1/1",
        "IMDS required 1",
        "1 g6e.xlarge",
        "1 interface on 1 cards",
        "1 Ready, 4 gpu",
    ),
    ("system", "ON_DEMAND"): (
        "AL2023_x86_64_STANDARD 2/2/3 DEFAULT by 1",
        "IMDS required 1",
        "2 m7i.xlarge",
        "1 interface on 1 cards",
        "2 Ready, no devices, tainted not",
    ),
}
"""What each row must say, fact by fact."""


def test_each_kind_came_up_as_it_was_asked_for(rows: dict[tuple[str, str], Row]) -> None:
    assert rows.keys() == EXPECTED.keys()
    for key, expected in EXPECTED.items():
        row = rows[key]
        for said, wanted in zip(
            (row.eks, row.template, row.instances, row.interfaces, row.nodes), expected, strict=True
        ):
            assert wanted in said, f"{key}: {wanted!r} is not in {said!r}"
    assert "spot" in rows["p4de", "SPOT"].instances
    assert all("IMDS required 1" in row.template and "encrypted" in row.template for row in rows.values())


def test_the_preview_after_it_is_empty(rows: dict[tuple[str, str], Row], stack: Stack) -> None:
    assert rows
    assert stack.steps() == []
