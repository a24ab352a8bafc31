"""The catalogue and the table of places say what AWS says."""

from __future__ import annotations

import pytest
from moto.ec2.models.instance_types import INSTANCE_TYPE_OFFERINGS, INSTANCE_TYPES

from bastide.catalogues import mig, offerings
from bastide.catalogues.instances import CATALOGUE, cpu_types, gpu_types

FAMILIES = {"p5", "p5e", "p5en", "p4d", "p4de", "g6", "g6e"}


@pytest.mark.parametrize("name", CATALOGUE)
def test_every_row_is_as_in_awss_own_answers(name: str) -> None:
    kind, aws = CATALOGUE[name], INSTANCE_TYPES[name]
    network = aws["NetworkInfo"]
    assert kind.vcpus == aws["VCpuInfo"]["DefaultVCpus"]
    assert kind.memory_mib == aws["MemoryInfo"]["SizeInMiB"]
    assert kind.efa_interfaces == network.get("EfaInfo", {}).get("MaximumEfaInterfaces", 0)
    assert kind.instance_store_gb == aws.get("InstanceStorageInfo", {}).get("TotalSizeInGB", 0)
    assert kind.capacity_blocks == ("capacity-block" in aws["SupportedUsageClasses"])
    gpus = [
        (each["Count"], each["Name"], each["MemoryInfo"]["SizeInMiB"])
        for each in aws.get("GpuInfo", {}).get("Gpus", [])
    ]
    assert gpus == ([kind.gpu_shape] if kind.gpus else [])


def test_all_sizes_with_whole_gpus_of_the_kits_families_are_there() -> None:
    known = {
        name
        for name, aws in INSTANCE_TYPES.items()
        if name.partition(".")[0] in FAMILIES and aws["GpuInfo"]["Gpus"][0]["Count"]
    }
    assert known == set(gpu_types())


@pytest.mark.parametrize("name", [each for each in gpu_types() if CATALOGUE[each].efa_interfaces])
def test_each_network_card_takes_one_efa_only_interface(name: str) -> None:
    cards = INSTANCE_TYPES[name]["NetworkInfo"]["NetworkCards"]
    assert [each["NetworkCardIndex"] for each in cards] == list(range(CATALOGUE[name].efa_interfaces))
    assert all("efa-only" in each["InterfaceTypes"] for each in cards)
    # Card 0 has the node's ENA interface too.
    assert cards[0]["MaximumNetworkInterfaces"] >= 2


def test_each_type_is_for_one_kind_of_pool() -> None:
    assert set(gpu_types()) | set(cpu_types()) == set(CATALOGUE)
    assert not set(gpu_types()) & set(cpu_types())


@pytest.mark.parametrize("name", CATALOGUE)
def test_every_place_of_a_type_is_as_in_awss_own_answers(name: str) -> None:
    kind = CATALOGUE[name]
    aws = {
        region: sorted(each["Location"] for each in found if each["InstanceType"] == name)
        for region, found in INSTANCE_TYPE_OFFERINGS["availability-zone"].items()
    }
    assert {region: offerings.zones(kind, region) for region in aws} == aws
    assert offerings.regions(kind) == sorted(region for region, zones in aws.items() if zones)


def test_of_a_region_that_is_not_in_the_table_nothing_is_said() -> None:
    assert offerings.zones(CATALOGUE["p5.48xlarge"], "mx-central-1") is None
    assert set(INSTANCE_TYPE_OFFERINGS["region"]) >= offerings.KNOWN_REGIONS


@pytest.mark.parametrize("name", gpu_types())
def test_mig_profiles_fit_their_gpu(name: str) -> None:
    kind = CATALOGUE[name]
    found = mig.profiles(kind)
    assert bool(found) == (kind.gpu_model in {"A100", "H100", "H200"})
    for profile, parts in found.items():
        units, gib = (int("".join(filter(str.isdigit, each))) for each in profile.split("."))
        # A GPU has 7 units of compute and 8 of memory (NVIDIA MIG user guide, "Partitioning").
        assert units * parts <= 7
        assert gib * parts <= kind.gpu_memory_mib / 1024 * 1.01
        assert (
            parts == 1 or (gib * (parts + 1) > kind.gpu_memory_mib / 1024 * 0.99) or units * (parts + 1) > 7
        )
    if found:
        gpu = mig.bottlerocket_gpu(kind)
        assert gpu.startswith(kind.gpu_model.lower())
        assert f"7g.{gpu.partition('.')[2]}" in found


def test_the_instance_store_is_counted_in_binary_units() -> None:
    assert CATALOGUE["p5.48xlarge"].instance_store_gib == 28312
    assert CATALOGUE["g6.xlarge"].compute_capability == "8.9"
    assert CATALOGUE["m7i.xlarge"].compute_capability == ""
