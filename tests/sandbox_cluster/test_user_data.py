"""What user data asks of a node, read from what the kit itself writes and from what it does not."""

from __future__ import annotations

import base64

import pytest

from bastide.catalogues.instances import CATALOGUE
from bastide.plans import node_user_data
from bastide.settings.sharing import Mig, NotShared, TimeSlicing
from sandbox.cluster import pods
from sandbox.daemon.user_data import Asked, read

P5 = CATALOGUE["p5.48xlarge"]


def encoded(text: str | None) -> str:
    return base64.b64encode((text or "").encode()).decode()


@pytest.mark.parametrize(
    ("text", "ami", "asked"),
    [
        (node_user_data.al2023(local_storage=True), "AL2023_x86_64_NVIDIA", Asked(local_storage=True)),
        (None, "AL2023_x86_64_NVIDIA", Asked()),
        (
            node_user_data.al2023(local_storage=True, weight_volumes=2),
            "AL2023_x86_64_NVIDIA",
            Asked(local_storage=True, mounts=("/mnt/bastide/weights/0", "/mnt/bastide/weights/1")),
        ),
        (
            node_user_data.bottlerocket(P5, TimeSlicing(kind="timeSlicing", replicas=4), local_storage=True),
            "BOTTLEROCKET_x86_64_NVIDIA",
            Asked(local_storage=True, gpu_shares=4),
        ),
        (
            node_user_data.bottlerocket(P5, Mig(kind="mig", profile="3g.40gb"), local_storage=False),
            "BOTTLEROCKET_x86_64_NVIDIA",
            Asked(gpu_shares=2),
        ),
        (
            node_user_data.bottlerocket(P5, NotShared(), local_storage=False),
            "BOTTLEROCKET_x86_64_NVIDIA",
            Asked(),
        ),
        ("[settings", "BOTTLEROCKET_x86_64_NVIDIA", Asked()),
    ],
)
def test_user_data_says_what_the_node_shows(text: str | None, ami: str, asked: Asked) -> None:
    assert read(encoded(text), ami, "p5.48xlarge") == asked


def test_user_data_that_is_no_base64_asks_for_nothing() -> None:
    assert read("!", "AL2023_x86_64_NVIDIA", "p5.48xlarge") == Asked()


def test_the_plugins_time_slices_are_those_of_its_configuration() -> None:
    document = "sharing: {timeSlicing: {resources: [{name: nvidia.com/gpu, replicas: 4}]}}"
    assert pods.time_slices(document, "nvidia.com/gpu") == 4
    assert pods.time_slices(document, "vpc.amazonaws.com/efa") == 1
    assert pods.time_slices("", "nvidia.com/gpu") == 1
