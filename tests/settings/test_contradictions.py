"""Stack files that contradict themselves, from a table: each is refused by one message of its own, and all at once
when they stand together. Every file is prod-us-east-1 without its gateway, with the row's settings over it."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from bastide.settings import SettingsError, load_stack_file
from bastide.settings.stack_files import Layer, merged, read_layer

STACKS = Path(__file__).parents[2] / "stacks"
ACCOUNT = "111122223333"
P5 = {"name": "p5", "instanceType": "p5.48xlarge", "size": 2}
BLOCK = {
    "kind": "block",
    "reservationId": "cr-0123456789abcdef0",
    "zone": "us-east-1a",
    "start": "2026-12-01T11:30:00Z",
    "end": "2026-12-08T11:30:00Z",
}
ENGINE = {
    "name": "llama",
    "model": "llama-3.3-70b-instruct",
    "pool": "p5",
    "replicas": 2,
    "gpus": 8,
    "tensorParallel": 8,
    "maxModelLen": 16384,
}


def pool(**changes: Any) -> dict[str, Any]:
    """The stack's pool with changes."""
    return {"pools": [{**P5, **changes}]}


def engine(**changes: Any) -> dict[str, Any]:
    """The stack's engine with changes."""
    return {"engines": [{**ENGINE, **changes}]}


def image(repository: str) -> dict[str, str]:
    """An image; its tag does not matter here."""
    return {"repository": repository, "tag": "v1"}


WITHOUT_GATEWAY = {
    "gateway": {"enabled": False},
    "edge": None,
    "certificates": {"domain": None, "zoneId": None},
    "routes": [],
    "teams": [],
}
"""Its routes would complain of every engine that a row spoils, too; they have tables of their own."""

PRIVATE = {
    name: image(f"{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com/{name.lower()}")
    for name in ("vllm", "artifactAgent", "proxy", "nvidiaDevicePlugin", "efaDevicePlugin")
}
"""Images in a registry that nodes reach without the internet."""


TABLE: list[tuple[str, dict[str, Any], str, str]] = [
    (
        "the VPC overlaps a network it must reach",
        {"network": {"reservedCidrs": ["10.32.128.0/17"]}},
        "network.reservedCidrs[0]",
        "overlaps bastide:network.cidr",
    ),
    (
        "the VPC overlaps another stack's",
        {"network": {"cidr": "10.36.0.0/16"}},
        "network.cidr",
        "which stack staging has for network.cidr",
    ),
    (
        "Services overlap the VPC",
        {"network": {"cidr": "172.20.0.0/16"}},
        "cluster.serviceCidr",
        "overlaps",
    ),
    (
        "a zone of another region",
        {"network": {"zones": ["us-east-1a", "us-west-2b"]}},
        "network.zones[1]",
        "is not a zone of region 'us-east-1'",
    ),
    (
        "a zone that does not exist",
        {"network": {"zones": ["us-east-1a", "us-east-1z"]}},
        "network.zones[1]",
        "'us-east-1z' does not exist",
    ),
    (
        "subnets that do not fit",
        {"network": {"cidr": "10.32.0.0/20"}},
        "network.privatePrefix",
        "leaves no room in 10.32.0.0/20",
    ),
    (
        "no NAT, and an image that only the internet has",
        {"network": {"nat": "none"}, "images": PRIVATE | {"vllm": image("vllm/vllm-openai")}},
        "images.vllm.repository",
        "is in the public registry",
    ),
    (
        "a GPU pool of a type without GPUs",
        {**pool(instanceType="m7i.2xlarge"), "engines": []},
        "pools[0].instanceType",
        "has no GPU",
    ),
    (
        "a system pool of a type with GPUs",
        {"systemPool": {"instanceType": "g6.xlarge"}},
        "systemPool.instanceType",
        "would be paid for and not used",
    ),
    (
        "a type that the region does not have",
        {
            "cloud": {"region": "eu-west-3"},
            "network": {"zones": ["eu-west-3a", "eu-west-3b"]},
            **pool(instanceType="p4de.24xlarge"),
        },
        "pools[0].instanceType",
        "is not offered in eu-west-3",
    ),
    (
        "EFA on a type without it",
        {**pool(instanceType="g6.xlarge", efa=True), "engines": []},
        "pools[0].efa",
        "takes no EFA interface",
    ),
    (
        "a capacity block over two zones",
        pool(capacity=BLOCK, zones=["us-east-1a", "us-east-1b"]),
        "pools[0].zones",
        "not the one zone of the capacity block",
    ),
    (
        "a capacity block outside the network",
        pool(capacity={**BLOCK, "zone": "us-east-1d"}),
        "pools[0].capacity.zone",
        "is not a zone of the network",
    ),
    (
        "a capacity block that ends before it begins",
        pool(capacity={**BLOCK, "end": "2026-11-30T11:30:00Z"}),
        "pools[0].capacity.end",
        "is not after start",
    ),
    (
        "a range of sizes in a capacity block",
        pool(capacity=BLOCK, size={"min": 1, "max": 2}),
        "pools[0].size",
        "is a range in a pool of a capacity block",
    ),
    (
        "a placement group over three zones",
        pool(placementGroup=True),
        "pools[0].placementGroup",
        "does not go with 3 zones",
    ),
    (
        "Spot alone under an engine that has an objective",
        pool(capacity={"kind": "spot"}),
        "pools[0].capacity.onDemandFallback",
        "0 is not enough",
    ),
    (
        "Spot types with other GPUs",
        pool(capacity={"kind": "spot", "onDemandFallback": 1, "alsoInstanceTypes": ["p4d.24xlarge"]}),
        "pools[0].capacity.alsoInstanceTypes[0]",
        "choose a type with the same GPUs",
    ),
    (
        "a reservation named twice over",
        pool(
            capacity={
                "kind": "reservation",
                "id": "cr-0123456789abcdef0",
                "resourceGroupArn": f"arn:aws:resource-groups:us-east-1:{ACCOUNT}:group/p5",
            }
        ),
        "pools[0].capacity",
        "needs exactly one of id and resourceGroupArn",
    ),
    (
        "updates that take all nodes at once",
        pool(maxUnavailable=3),
        "pools[0].maxUnavailable",
        "an update would end all nodes at once",
    ),
    (
        "more GPUs than a node has",
        engine(gpus=16, tensorParallel=16),
        "engines[0].gpus",
        "is more than a node of pool 'p5' has",
    ),
    (
        "a cut that leaves GPUs idle",
        engine(tensorParallel=3),
        "engines[0].tensorParallel",
        "does not divide gpus 8",
    ),
    (
        "an engine on a pool that is not there",
        engine(pool="p4"),
        "engines[0].pool",
        "is not one of bastide:pools",
    ),
    (
        "production without protection",
        {"protection": False},
        "protection",
        "is not allowed in environment 'prod'",
    ),
    (
        "kube-proxy of another minor version",
        {"cluster": {"addons": {"kubeProxy": "v1.33.5-eksbuild.2"}}},
        "cluster.addons.kubeProxy",
        "is not for Kubernetes 1.35",
    ),
    (
        "an API server open to everybody",
        {"cluster": {"publicEndpoint": True, "publicEndpointCidrs": ["0.0.0.0/0"]}},
        "cluster.publicEndpointCidrs[0]",
        "is the whole internet",
    ),
    (
        "fewer GPUs in the quota than the engines ask for",
        {"namespaces": {"serving": {"gpus": 8}}},
        "namespaces.serving.gpus",
        "is less than the engines ask for",
    ),
    (
        "a cluster adopted into a new VPC",
        {"cluster": {"kind": "adopt", "name": "theirs"}, "access": {"breakGlass": None}},
        "cluster.kind",
        "is refused while network.kind is 'create'",
    ),
    (
        "a certificate for a domain that nobody can prove",
        {"certificates": {"domain": "llm.example.com"}},
        "certificates.zoneId",
        "is missing while certificates.domain is",
    ),
    (
        "publishers of another account",
        {"modelStore": {"publishers": ["arn:aws:iam::999988887777:role/publisher"]}},
        "modelStore.publishers[0]",
        "is of another account",
    ),
    (
        "roles without a bound in production",
        {"cloud": {"permissionsBoundary": None}},
        "cloud.permissionsBoundary",
        f"write arn:aws:iam::{ACCOUNT}:policy/boundary-bastide-prod-us-east-1 here",
    ),
    (
        "a bound of another account",
        {"cloud": {"permissionsBoundary": "arn:aws:iam::444455556666:policy/boundary"}},
        "cloud.permissionsBoundary",
        "is of another account than cloud.accountId",
    ),
    (
        "a second factor from a role's session",
        {"access": {"breakGlass": {"requireMfa": True}}},
        "access.breakGlass.trusted[0]",
        "never counts a role's session",
    ),
    (
        "a pool named as another's on-demand nodes are",
        {
            "pools": [
                {**P5, "capacity": {"kind": "spot", "onDemandFallback": 1}},
                {**P5, "name": "p5-od"},
            ]
        },
        "pools[0].name",
        "which pools[1] is named",
    ),
]


def stack_file(folder: Path, change: dict[str, Any]) -> Path:
    """A folder with staging and one more stack: prod-us-east-1 without its gateway, with `change` over it."""
    for name in ("_shared.yaml", "_shared.prod.yaml", "Pulumi.staging.yaml"):
        (folder / name).write_text((STACKS / name).read_text())
    base = read_layer(STACKS / "Pulumi.prod-us-east-1.yaml")
    result = merged([base, Layer("", WITHOUT_GATEWAY), Layer("", copy.deepcopy(change))])
    path = folder / "Pulumi.contradiction.yaml"
    path.write_text(yaml.safe_dump({"config": {f"bastide:{key}": value for key, value in result.items()}}))
    return path


@pytest.mark.parametrize(
    ("change", "path", "says"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE]
)
def test_a_contradictory_stack_file_is_refused_by_its_own_message(
    tmp_path: Path, change: dict[str, Any], path: str, says: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        load_stack_file(stack_file(tmp_path, change))
    assert [problem.path for problem in caught.value.problems] == [path]
    message = caught.value.problems[0].message
    assert says in message


def test_no_two_rows_share_a_message() -> None:
    assert len(TABLE) >= 20
    assert len({(path, says) for _, _, path, says in TABLE}) == len(TABLE)
