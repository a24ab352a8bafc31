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
