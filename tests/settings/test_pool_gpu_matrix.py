"""The matrix of images, drivers, CUDA and engines is closed and answers what it can."""

from __future__ import annotations

import botocore.session
import pytest

from bastide.catalogues import eks_versions, gpu_matrix, instances
from bastide.catalogues.gpu_matrix import NodeOs, Release
from bastide.settings.images import ImagesSettings


def test_image_types_are_eks_own_words() -> None:
    types = botocore.session.get_session().get_service_model("eks").shape_for("AMITypes").enum
    assert set(gpu_matrix.AMI_TYPE.values()) <= set(types)


def test_every_row_has_a_source_and_a_driver_for_some_cuda() -> None:
    for image in gpu_matrix.IMAGES:
        assert image.source
        assert image.driver >= min(gpu_matrix.MIN_DRIVER.values())
        assert set(image.kubernetes) <= set(eks_versions.versions())


def test_the_default_engine_is_in_the_matrix_and_runs_on_the_newest_images() -> None:
    image = ImagesSettings().vllm
    needed = gpu_matrix.needed_driver(f"{image.repository}:{image.tag}")
    assert needed is not None
    assert needed <= gpu_matrix.NEWEST_DRIVER


def test_every_gpu_of_the_catalogue_is_new_enough_for_the_engines_kernels() -> None:
    floor = tuple(map(int, gpu_matrix.MIN_COMPUTE_CAPABILITY.split(".")))
    for name in instances.gpu_types():
        assert tuple(map(int, instances.CATALOGUE[name].compute_capability.split("."))) >= floor


@pytest.mark.parametrize(
    ("os", "kubernetes", "release", "driver"),
    [
        ("al2023", "1.34", None, 580),
        ("al2023", "1.34", "1.34.6-20260818", 580),
        ("al2023", "1.34", "1.34.1-20251201", 580),
        ("al2023", "1.34", "1.34.1-20251130", None),
        ("bottlerocket", "1.32", "1.47.0-1a2b3c4d", 570),
        ("bottlerocket", "1.34", "1.47.0-1a2b3c4d", 580),
        ("bottlerocket", "1.32", "1.53.0-1a2b3c4d", 580),
        ("bottlerocket", "1.34", "1.46.0-1a2b3c4d", None),
        ("al2023", "1.99", None, None),
    ],
)
def test_the_driver_of_an_image(os: NodeOs, kubernetes: str, release: str | None, driver: int | None) -> None:
    parsed = gpu_matrix.parse(os, release) if release else None
    assert (parsed is None) == (release is None)
    assert gpu_matrix.driver(os, kubernetes, parsed) == driver


def test_releases_of_the_two_systems_are_told_apart() -> None:
    assert gpu_matrix.parse("al2023", "1.34.6-20260818") == Release((20260818,), "1.34")
    assert gpu_matrix.parse("bottlerocket", "1.68.0-1a2b3c4d") == Release((1, 68), None)
    assert gpu_matrix.parse("bottlerocket", "1.34.6-20260818") is None
    assert gpu_matrix.parse("al2023", "1.68.0-1a2b3c4d") is None


def test_an_engine_that_is_not_in_the_matrix_is_not_judged() -> None:
    assert gpu_matrix.needed_driver("vllm/vllm-openai:v9.9.9") is None


def test_the_floor_is_the_oldest_release_that_will_do() -> None:
    found = gpu_matrix.floor("bottlerocket", "1.34", 580)
    assert found is not None
    assert found.since == (1, 47)
    assert gpu_matrix.floor("bottlerocket", "1.34", 999) is None
