"""Where a pool's weights lie, and which engines that goes with."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from bastide.plans.model_fetch import values
from bastide.settings import Settings, SettingsError, read_stack_file

SANDBOX = Path(__file__).parents[2] / "stacks/Pulumi.sandbox.yaml"
NODE = {"kind": "node", "storageClass": "local-models", "sizeGib": 400}
Raw = dict[str, Any]


@pytest.fixture
def raw() -> Raw:
    found = copy.deepcopy(read_stack_file(SANDBOX))
    found["pools"][0]["weights"] = NODE
    return found


def problems(raw: Raw) -> dict[str, str]:
    with pytest.raises(SettingsError) as caught:
        Settings.load(raw)
    return {each.path: each.message for each in caught.value.problems}


def cache(raw: Raw) -> Any:
    settings = Settings.load(raw)
    return values(settings, settings.engines[0], "models", "us-east-1")["cache"]


def test_weights_live_with_the_pod_unless_the_pool_says_otherwise(raw: Raw) -> None:
    assert cache(raw) == NODE
    del raw["pools"][0]["weights"]
    assert cache(raw)["kind"] == "pod"


def test_a_model_without_a_digest_cannot_be_kept_on_a_node(raw: Raw) -> None:
    raw["models"][0]["sha256"] = "unresolved"
    found = problems(raw)
    assert "'tiny-qwen2' has no sha256" in found["engines[0].model"]


@pytest.mark.parametrize(("setting", "value"), [("rollout", "surge"), ("nodes", 2)])
def test_pods_without_a_name_of_their_own_are_refused(raw: Raw, setting: str, value: Any) -> None:
    raw["engines"][0][setting] = value
    assert "does not go with weights.kind node" in problems(raw)[f"engines[0].{setting}"]


def test_replicas_that_come_and_go_are_refused(raw: Raw) -> None:
    raw["engines"][0]["autoscaling"] = {"prometheus": "http://prometheus:9090", "maxReplicas": 2}
    assert "ties a replica that comes back to one node" in problems(raw)["engines[0].autoscaling"]


@pytest.mark.parametrize(
    ("setting", "value", "reason"),
    [
        ("os", "bottlerocket", "Bottlerocket runs no script"),
        ("provisioner", "karpenter", "Karpenter makes nodes for pods that wait"),
        ("size", {"min": 1, "max": 3}, "an autoscaler adds no node"),
    ],
)
def test_pools_whose_nodes_cannot_have_the_volumes_are_refused(
    raw: Raw, setting: str, value: Any, reason: str
) -> None:
    raw["pools"][0][setting] = value
    found = problems(raw)[f"pools[0].{setting}"]
    assert "does not go with weights.kind node" in found
    assert reason in found


def test_claims_of_all_pods_of_a_node_must_fit_on_its_disk(raw: Raw) -> None:
    # A p5.48xlarge has 28,312 GiB of instance store, of which 85 % go to 8 pods of one GPU.
    raw["engines"][0] |= {"gpus": 1, "tensorParallel": 1}
    raw["pools"][0]["weights"] = {**NODE, "sizeGib": 3008}
    Settings.load(raw)
    raw["pools"][0]["weights"] = {**NODE, "sizeGib": 3009}
    found = problems(raw)["pools[0].weights.sizeGib"]
    assert "up to 8 pods" in found
    assert "at most 3008" in found


def test_images_of_volumes_are_wanted_only_where_a_pool_has_volumes(raw: Raw) -> None:
    wanted = {"images.localVolumeProvisioner.digest", "images.localVolumeNodeCleanup.digest"}
    assert wanted <= set(Settings.load(raw).unresolved())
    del raw["pools"][0]["weights"]
    assert not wanted & set(Settings.load(raw).unresolved())


def test_the_kit_names_the_storage_class_itself(raw: Raw) -> None:
    raw["pools"][0]["weights"] = {"kind": "node", "sizeGib": 400}
    assert cache(raw)["storageClass"] == "bastide-weights"


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"storageClass": "Local"}, "pools[0].weights.storageClass"),
        ({"sizeGib": 0}, "pools[0].weights.sizeGib"),
        ({"kind": "host"}, "pools[0].weights.kind"),
    ],
)
def test_mistakes_are_said_by_their_path(raw: Raw, change: Raw, path: str) -> None:
    raw["pools"][0]["weights"] = {**NODE, **change}
    assert path in problems(raw)
