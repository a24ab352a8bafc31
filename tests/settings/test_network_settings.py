"""Networks that are made and networks that are adopted: what their settings may say, and what is refused."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bastide.catalogues.zones import LETTERS, zones_of
from bastide.plans import endpoints
from bastide.settings import AdoptedNetwork, CreatedNetwork, Settings, SettingsError, read_stack_file
from bastide.settings.base import eks_regions
from bastide.settings.network_overlaps import overlaps

STACKS = Path(__file__).parents[2] / "stacks"
Raw = dict[str, Any]
ECR = "123456789012.dkr.ecr.us-east-1.amazonaws.com/"
THEIRS = {
    "kind": "adopt",
    "vpcId": "vpc-0123456789abcdef0",
    "cidr": "10.60.0.0/16",
    "privateSubnetIds": {
        "us-east-1b": "subnet-0123456789abcdef1",
        "us-east-1a": "subnet-0123456789abcdef0",
        "us-east-1c": "subnet-0123456789abcdef2",
    },
}


@pytest.fixture
def raw() -> Raw:
    return copy.deepcopy(read_stack_file(STACKS / "Pulumi.sandbox.yaml"))


def problems(raw: Raw) -> dict[str, list[str]]:
    with pytest.raises(SettingsError) as caught:
        Settings.load(raw)
    found: dict[str, list[str]] = {}
    for each in caught.value.problems:
        found.setdefault(each.path, []).append(each.message)
    return found


def test_the_table_of_zones_has_every_region_with_eks_and_all_that_ec2_names() -> None:
    from moto.ec2.models.availability_zones_and_regions import RegionsAndZonesBackend

    assert set(LETTERS) == set(eks_regions())
    rotating = {"ap-northeast-1": {"ap-northeast-1b"}, "us-west-1": {"us-west-1c"}}
    for region in LETTERS:
        seen = {zone.name for zone in RegionsAndZonesBackend.zones[region]}
        assert set(zones_of(region)) - seen == rotating.get(region, set()), region
        assert seen <= set(zones_of(region)), region


def test_a_zone_that_no_account_sees_is_refused_with_those_that_exist(raw: Raw) -> None:
    raw["network"]["zones"][2] = "us-east-1z"
    [said] = problems(raw)["network.zones[2]"]
    assert "us-east-1a, us-east-1b, us-east-1c, us-east-1d, us-east-1e, us-east-1f" in said


def test_a_network_is_created_unless_it_says_otherwise(raw: Raw) -> None:
    assert isinstance(Settings.load(raw).network, CreatedNetwork)
    raw["network"] = THEIRS
    network = Settings.load(raw).network
    assert isinstance(network, AdoptedNetwork)
    assert network.zones == ("us-east-1a", "us-east-1b", "us-east-1c")
    assert Settings.load(raw).subnets() == []


def without_nat(raw: Raw) -> None:
    raw["network"]["nat"] = "none"
    raw["images"] = {name: {"repository": f"{ECR}{name.lower()}", "tag": "v1"} for name in raw_images(raw)}


def raw_images(raw: Raw) -> list[str]:
    images = Settings.load({**raw, "network": {**raw["network"], "nat": "single"}}).images
    return [info.alias or name for name, info in type(images).model_fields.items()]


def test_without_nat_each_service_that_nodes_call_is_demanded_with_its_reason(raw: Raw) -> None:
    without_nat(raw)
    assert Settings.load(raw).network.nat == "none"
    raw["network"]["interfaceEndpoints"] = ["s3", "sts"]
    said = problems(raw)["network.interfaceEndpoints"]
    assert len(said) == len(endpoints.NEEDED_WITHOUT_NAT) - 2
    for service in endpoints.NEEDED_WITHOUT_NAT.keys() - {"s3", "sts"}:
        [line] = [each for each in said if f"has no {service!r}" in each]
        assert endpoints.NEEDED_WITHOUT_NAT[service] in line


def test_without_nat_images_of_public_registries_are_refused(raw: Raw) -> None:
    without_nat(raw)
    raw["images"]["vllm"]["repository"] = "vllm/vllm-openai"
    raw["images"]["artifactAgent"]["repository"] = "public.ecr.aws/bastide/artifact-agent"
    found = problems(raw)
    assert set(found) == {"images.vllm.repository", "images.artifactAgent.repository"}
    assert "in the public registry docker.io" in found["images.vllm.repository"][0]
    assert "123456789012.dkr.ecr.us-east-1.amazonaws.com" in found["images.vllm.repository"][0]


MISTAKES: list[tuple[Callable[[Raw], object], str, str]] = [
    (
        lambda r: r["network"].update(publicSubnets=False),
        "network.publicSubnets",
        "NAT gateways stand in public",
    ),
    (lambda r: r["network"].update(nat="many"), "network.nat", "'perZone', 'single' or 'none'"),
    (
        lambda r: r["network"].update(natPerZone=True),
        "network.natPerZone",
        "there is no setting of this name",
    ),
    (lambda r: r.update(network={**THEIRS, "kind": "adopted"}), "network.kind", "did you mean 'adopt'"),
    (lambda r: r.update(network={**THEIRS, "vpcId": "my-vpc"}), "network.vpcId", "not the id of a VPC"),
    (
        lambda r: r.update(network={**THEIRS, "nat": "none"}),
        "network.nat",
        "there is no setting of this name",
    ),
    (lambda r: r.update(network={**THEIRS, "minFreeAddresses": 5}), "network.minFreeAddresses", "equal to 6"),
    (
        lambda r: r.update(
            network={**THEIRS, "privateSubnetIds": {**THEIRS["privateSubnetIds"], "us-east-1c": "subnet-x"}}
        ),
        "network.privateSubnetIds.us-east-1c",
        "not the id of a subnet",
    ),
    (
        lambda r: r.update(
            network={
                **THEIRS,
                "privateSubnetIds": {
                    **THEIRS["privateSubnetIds"],
                    "us-east-1c": THEIRS["privateSubnetIds"]["us-east-1a"],
                },
            }
        ),
        "network.privateSubnetIds.us-east-1c",
        "is the subnet of us-east-1a too",
    ),
    (
        lambda r: r.update(
            network={
                **THEIRS,
                "privateSubnetIds": {
                    **THEIRS["privateSubnetIds"],
                    "eu-west-1a": "subnet-0123456789abcdef9",
                },
            }
        ),
        "network.privateSubnetIds.eu-west-1a",
        "not a zone of region 'us-east-1'",
    ),
    (lambda r: r.update(network={**THEIRS, "cidr": "172.20.0.0/18"}), "cluster.serviceCidr", "overlaps"),
]


@pytest.mark.parametrize(("spoil", "path", "said"), MISTAKES, ids=[f"{m[1]}: {m[2]}" for m in MISTAKES])
def test_a_mistake_is_reported_by_its_path(
    raw: Raw, spoil: Callable[[Raw], object], path: str, said: str
) -> None:
    spoil(raw)
    found = problems(raw)
    assert list(found) == [path]
    assert said in found[path][0]


@pytest.mark.parametrize("service", endpoints.DEFAULT_SERVICES)
def test_an_endpoint_admits_this_accounts_principals_where_it_takes_a_policy(service: str) -> None:
    policy = endpoints.policy(service, "us-east-1", "123456789012")
    if service == "eks-auth":
        assert policy is None
        return
    assert policy is not None
    assert '"aws:PrincipalAccount": "123456789012"' in policy
    assert ("prod-us-east-1-starport-layer-bucket" in policy) == (service == "s3")


@pytest.mark.parametrize(
    ("repository", "registry", "public"),
    [
        ("vllm/vllm-openai", "docker.io", True),
        ("nvcr.io/nvidia/k8s-device-plugin", "nvcr.io", True),
        ("us.gcr.io/some/thing", "us.gcr.io", True),
        (f"{ECR}vllm", ECR.rstrip("/"), False),
        ("registry.corp.example:5000/vllm", "registry.corp.example:5000", False),
    ],
)
def test_public_registries_are_known_by_their_names(repository: str, registry: str, public: bool) -> None:
    assert endpoints.registry_of(repository) == registry
    assert endpoints.is_public(repository) is public


def region_stack(raw: Raw, **network: Any) -> Raw:
    return {**raw, "environment": "dev", "network": {"zones": ["us-east-1a", "us-east-1b"], **network}}


def test_a_block_that_another_stack_has_is_refused_with_its_name(raw: Raw) -> None:
    own = Settings.load(region_stack(raw, cidr="10.32.0.0/16"))
    others = {
        "prod-eu": region_stack(raw, cidr="10.32.128.0/17"),
        "prod-ap": region_stack(raw, cidr="10.36.0.0/16"),
        "sandbox": {**region_stack(raw, cidr="10.32.0.0/16"), "environment": "sandbox"},
        "mistaken": region_stack(raw, cidr="10.32.0.0/99"),
        "global": {"environment": "prod"},
    }
    [problem] = overlaps(own, others)
    assert problem.path == "network.cidr"
    assert "'10.32.0.0/16' overlaps '10.32.128.0/17', which stack prod-eu has" in problem.message


def test_a_default_block_counts_and_one_adopted_vpc_may_serve_two_stacks(raw: Raw) -> None:
    own = Settings.load(region_stack(raw, cidr="10.0.64.0/18", privatePrefix=21, publicPrefix=24))
    assert len(overlaps(own, {"other": region_stack(raw)})) == 1
    shared = Settings.load({**raw, "environment": "dev", "network": THEIRS})
    assert overlaps(shared, {"second": {"environment": "dev", "network": THEIRS}}) == []
    elsewhere = {**THEIRS, "vpcId": "vpc-0123456789abcdef9"}
    assert len(overlaps(shared, {"second": {"environment": "dev", "network": elsewhere}})) == 1
    assert overlaps(Settings.load(raw), {"same": raw}) == []


def test_no_two_committed_stacks_overlap() -> None:
    raws = {path.name: read_stack_file(path) for path in STACKS.glob("Pulumi.*.yaml")}
    assert len(raws) > 1
    for name, each in raws.items():
        assert overlaps(Settings.load(each), {other: raws[other] for other in raws if other != name}) == []
