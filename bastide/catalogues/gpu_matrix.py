"""Which NVIDIA driver a node image has, which CUDA an engine needs, and which driver that CUDA needs.

Each row has its source. What could not be found out is not in the tables, and a check says nothing about it:
other images of vLLM than the ones below, and images that EKS does not publish. Floors are the oldest
releases of which the driver is known, so an older one may do, and is refused all the same: nothing older was
seen working."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal

NodeOs = Literal["al2023", "bottlerocket"]

AMI_TYPE: Final[dict[NodeOs, str]] = {
    "al2023": "AL2023_x86_64_NVIDIA",
    "bottlerocket": "BOTTLEROCKET_x86_64_NVIDIA",
}
"""EKS's AMI types with NVIDIA's driver (EKS API reference, Nodegroup, amiType)."""

MIN_DRIVER: Final = {12: 525, 13: 580}
"""Oldest driver branch that runs a major version of CUDA (NVIDIA, "CUDA Compatibility", minor version
compatibility)."""


@dataclass(frozen=True)
class Image:
    """Images from one release on: the driver branch they have, the Kubernetes minors, and where that was read.

    `since` is a date as a number for AL2023 (20251201) and (major, minor) for Bottlerocket."""

    os: NodeOs
    since: tuple[int, ...]
    kubernetes: tuple[str, ...]
    driver: int
    source: str


_ALL: Final = ("1.32", "1.33", "1.34", "1.35", "1.36")

IMAGES: Final = (
    Image(
        "al2023",
        (20251201,),
        _ALL,
        580,
        "awslabs/amazon-eks-ami pull requests 2484 and 2496 (merged 2025-10-27 and 2025-11-05: 580 is the "
        "default), and EKS user guide, ml-eks-optimized-ami, 2026; the first day of the month after",
    ),
    Image("bottlerocket", (1, 53), _ALL, 580, "Bottlerocket release notes 1.53.0: all variants on R580"),
    Image(
        "bottlerocket", (1, 47), ("1.33", "1.34"), 580, "Bottlerocket 1.47.0, GPU driver versions: 580.65.06"
    ),
    Image("bottlerocket", (1, 47), ("1.32",), 570, "Bottlerocket 1.47.0, GPU driver versions: 570.172.08"),
)
"""Newest first for each operating system."""

NEWEST_DRIVER: Final = 580
"""Branch of the images that EKS takes when none is pinned: Bottlerocket 1.68.0 has 580.178.04, and the EKS
user guide (ml-eks-optimized-ami, 2026) says 580 of AL2023."""

ENGINES: Final = {"vllm/vllm-openai:v0.32.0": "13.0"}
"""CUDA version by the engine's image. vLLM 0.32.0 on PyPI requires cuda-toolkit 13.0.3, and vLLM's
docker/versions.json of that time says CUDA_VERSION 13.0.3; the published image itself could not be opened
here."""

MIN_COMPUTE_CAPABILITY: Final = "7.5"
"""Oldest GPUs that vLLM's image has kernels for (vLLM docker/versions.json, TORCH_CUDA_ARCH_LIST)."""


@dataclass(frozen=True)
class Release:
    """An AMI release version of EKS, taken apart. `kubernetes` is the minor version in it; Bottlerocket's has
    none."""

    since: tuple[int, ...]
    kubernetes: str | None


def parse(os: NodeOs, release: str) -> Release | None:
    """The release, or None when it is not written as this operating system's are."""
    if os == "al2023":
        found = re.fullmatch(r"(\d+\.\d+)\.\d+-(\d{8})", release)
        return Release((int(found[2]),), found[1]) if found else None
    found = re.fullmatch(r"(\d+)\.(\d+)\.\d+-[0-9a-f]{8}", release)
    # Bottlerocket is at 1.x; an AL2023 release looks the same when its date has only digits.
    return (
        Release((int(found[1]), int(found[2])), None) if found and not _looks_like_al2023(release) else None
    )


def _looks_like_al2023(release: str) -> bool:
    return re.search(r"-20[2-9]\d(0[1-9]|1[0-2])([0-2]\d|3[01])$", release) is not None


def driver(os: NodeOs, kubernetes: str, release: Release | None) -> int | None:
    """Driver branch of an image, of the newest one without a release; None when it is not known."""
    if release is None:
        return NEWEST_DRIVER if kubernetes in _ALL else None
    for image in IMAGES:
        if image.os == os and kubernetes in image.kubernetes and release.since >= image.since:
            return image.driver
    return None


def floor(os: NodeOs, kubernetes: str, branch: int) -> Image | None:
    """The oldest images known to have at least this driver branch."""
    fitting = [
        each for each in IMAGES if each.os == os and kubernetes in each.kubernetes and each.driver >= branch
    ]
    return min(fitting, key=lambda each: each.since, default=None)


def needed_driver(image: str) -> int | None:
    """Oldest driver branch for an engine's image (`repository:tag`); None when its CUDA is not known."""
    cuda = ENGINES.get(image)
    return MIN_DRIVER[int(cuda.partition(".")[0])] if cuda else None
