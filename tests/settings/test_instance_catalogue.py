"""The catalogue says what AWS says."""

from __future__ import annotations

from moto.ec2.models.instance_types import INSTANCE_TYPES

from bastide.instances import CATALOGUE, cpu_types, gpu_types


def test_every_row_is_as_in_awss_own_answers() -> None:
    for kind in CATALOGUE.values():
        aws = INSTANCE_TYPES[kind.name]
        gpus = aws.get("GpuInfo", {}).get("Gpus", [])
        efa = aws["NetworkInfo"].get("EfaInfo", {}).get("MaximumEfaInterfaces", 0)
        assert (kind.vcpus, kind.memory_mib, kind.efa_interfaces) == (
            aws["VCpuInfo"]["DefaultVCpus"],
            aws["MemoryInfo"]["SizeInMiB"],
            efa,
        ), kind.name
        if kind.gpus:
            (gpu,) = gpus
            assert (kind.gpus, kind.gpu_model, kind.gpu_memory_mib) == (
                gpu["Count"],
                gpu["Name"],
                gpu["MemoryInfo"]["SizeInMiB"],
            ), kind.name
        else:
            assert not gpus, kind.name


def test_each_type_is_for_one_kind_of_pool() -> None:
    assert set(gpu_types()) | set(cpu_types()) == set(CATALOGUE)
    assert not set(gpu_types()) & set(cpu_types())
