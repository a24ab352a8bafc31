"""Profiles of NVIDIA Multi-Instance GPU, and how many parts of each a GPU gives.

Source: NVIDIA's MIG user guide, "Supported MIG Profiles" (2026); the profiles with media extensions (`+me`)
are left out, since engines decode no video. Names of settings for Bottlerocket are those of its
`nvidia-migmanager`. L4 and L40S have no MIG ("Supported GPUs")."""

from __future__ import annotations

from typing import Final

from bastide.catalogues.instances import InstanceType

_80GB: Final = {"1g.10gb": 7, "1g.20gb": 4, "2g.20gb": 3, "3g.40gb": 2, "4g.40gb": 1, "7g.80gb": 1}

_PROFILES: Final[dict[tuple[str, int], dict[str, int]]] = {
    ("A100", 40_960): {"1g.5gb": 7, "1g.10gb": 4, "2g.10gb": 3, "3g.20gb": 2, "4g.20gb": 1, "7g.40gb": 1},
    ("A100", 81_920): _80GB,
    ("H100", 81_920): _80GB,
    ("H200", 144_384): {"1g.18gb": 7, "1g.35gb": 4, "2g.35gb": 3, "3g.71gb": 2, "4g.71gb": 1, "7g.141gb": 1},
}

_BOTTLEROCKET: Final = {
    ("A100", 40_960): "a100.40gb",
    ("A100", 81_920): "a100.80gb",
    ("H100", 81_920): "h100.80gb",
    ("H200", 144_384): "h200.141gb",
}


def profiles(kind: InstanceType) -> dict[str, int]:
    """Parts that one GPU of the type gives, by profile; empty for a GPU without MIG."""
    return _PROFILES.get((kind.gpu_model, kind.gpu_memory_mib), {})


def bottlerocket_gpu(kind: InstanceType) -> str:
    """The GPU as Bottlerocket's `kubelet-device-plugins.nvidia.mig.profile` names it; KeyError without MIG."""
    return _BOTTLEROCKET[(kind.gpu_model, kind.gpu_memory_mib)]
