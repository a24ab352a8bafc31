"""Bounds of namespaces that contradict what is to run in them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bastide.settings import Settings, SettingsError, read_stack_file

STACK = Path(__file__).parents[2] / "stacks/Pulumi.sandbox.yaml"


def problems(**namespaces: Any) -> dict[str, str]:
    with pytest.raises(SettingsError) as caught:
        Settings.load({**read_stack_file(STACK), "namespaces": namespaces})
    return {each.path: each.message for each in caught.value.problems}


def test_a_gpu_quota_below_what_the_engines_ask_for_is_refused_with_the_sum() -> None:
    found = problems(serving={"gpus": 8})
    assert list(found) == ["namespaces.serving.gpus"]
    assert found["namespaces.serving.gpus"].startswith(
        "8 is less than the engines ask for; allowed: 16 or more (chat 16)"
    )


def test_a_gpu_quota_that_holds_the_engines_is_taken() -> None:
    raw = {**read_stack_file(STACK), "namespaces": {"serving": {"gpus": 16}}}
    assert Settings.load(raw).namespaces.serving.gpus == 16


def test_only_the_serving_namespace_may_have_gpus() -> None:
    assert "there is no setting of this name" in problems(gateway={"gpus": 1})["namespaces.gateway.gpus"]


def test_every_contradicting_default_is_told_at_once() -> None:
    found = problems(
        gateway={"defaultMemoryMib": 600}, pki={"defaultMemoryLimitMib": 100}, system={"defaultMemoryMib": 2}
    )
    assert found["namespaces.gateway.defaultMemoryLimitMib"].startswith(
        "512 is less than defaultMemoryMib 600"
    )
    assert found["namespaces.pki.defaultMemoryLimitMib"].startswith("100 is less than defaultMemoryMib 200")
    assert "namespaces.system.defaultMemoryMib" in found
