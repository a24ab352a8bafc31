"""Values and flags made from settings."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from bastide.catalogues import instances, vllm_flags
from bastide.plans.serving import chart_values, pods_per_node
from bastide.settings import Settings, read_stack_file

ROOT = Path(__file__).parents[2]
SCHEMA = json.loads((ROOT / "charts/vllm/values.schema.json").read_text())
TEXT, NAMES, VALUED = next(
    each["then"]["properties"]["args"]["items"]["anyOf"]
    for each in SCHEMA["properties"]["engine"]["allOf"]
    if each["if"]["properties"]["kind"]["const"] == "vllm"
)
ALLOWED = NAMES["enum"]


def settings(stack: str, **changes: Any) -> Settings:
    return Settings.load({**read_stack_file(ROOT / "stacks" / f"Pulumi.{stack}.yaml"), **changes})


def values(of: Settings) -> dict[str, Any]:
    return chart_values(of, of.engines[0], of.model_bucket, of.region)


@pytest.mark.parametrize("stack", ["sandbox", "prod-us-east-1"])
def test_the_charts_ci_values_are_what_the_stacks_give(stack: str) -> None:
    committed = yaml.safe_load((ROOT / f"charts/vllm/ci/{stack}-values.yaml").read_text())
    made = values(settings(stack))
    made["images"]["allowUnresolved"] = True
    assert committed == made


def test_only_a_sandbox_may_leave_images_unresolved() -> None:
    assert values(settings("sandbox"))["images"]["allowUnresolved"] is True
    assert values(settings("prod-us-east-1"))["images"]["allowUnresolved"] is False


def test_a_pinned_model_is_passed_on() -> None:
    digest = "ab" * 32
    (model,) = read_stack_file(ROOT / "stacks/Pulumi.sandbox.yaml")["models"]
    pinned = settings("sandbox", models=[{**model, "sha256": digest}])
    assert values(pinned)["model"]["sha256"] == digest


def positive(flag: str) -> str:
    return "--" + flag.removeprefix("--no-") if flag not in vllm_flags.ALL else flag


def test_every_flag_that_the_chart_lets_through_is_one_of_vllms() -> None:
    assert {positive(each) for each in ALLOWED} <= vllm_flags.ALL


def test_the_chart_lets_through_all_that_extra_arguments_may_hold_and_of_the_rest_only_what_is_rendered() -> (
    None
):
    # A switch has a `--no-` form, which extraArgs may hold too.
    allowed = set(vllm_flags.ALLOWED)
    assert allowed <= set(ALLOWED)
    others = {each for each in ALLOWED if positive(each) not in allowed}
    # These are refused to people and written by the renderer, with a value that a test or the schema holds it to.
    fixed = others - set(vllm_flags.OWNED) - {f"--no-{each[2:]}" for each in vllm_flags.OWNED}
    assert fixed == {
        "--disable-fastapi-docs",
        "--enable-request-id-headers",
        "--fingerprint-mode",
        "--host",
        "--load-format",
        "--port",
    }
    valued = {f"--{each}" for each in re.findall(r"[a-z0-9-]+", VALUED["pattern"][4:-3])}
    assert valued == {name for name, takes in vllm_flags.ALLOWED.items() if takes != "switch"}


@pytest.mark.parametrize(
    "flag", ["--trust-remote-code=true", "--api-key=x", "--host=0.0.0.0", "--uds=/x", "-tp=2"]
)
def test_the_form_with_an_equals_sign_opens_nothing(flag: str) -> None:
    assert not re.search(TEXT["pattern"], flag)
    assert not re.search(VALUED["pattern"], flag)
    assert flag not in ALLOWED


@pytest.mark.parametrize(
    "flag",
    [
        "--trust-remote-code",
        "--trust-request-chat-template",
        "--trust-request-mm-kwargs",
        "--enable-prompt-embeds",
        "--enable-mm-embeds",
        "--enable-tokenizer-info-endpoint",
        "--enable-sleep-mode",
        "--enable-log-outputs",
        "--api-key",
        "--hf-token",
    ],
)
def test_a_dangerous_flag_exists_in_vllm_and_the_chart_does_not_let_it_through(flag: str) -> None:
    assert flag in vllm_flags.ALL
    assert flag not in ALLOWED


@pytest.mark.parametrize(
    ("kind", "gpus"),
    [
        (kind, gpus)
        for kind in instances.gpu_types()
        for gpus in (1, 2, 4, 8)
        if gpus <= instances.CATALOGUE[kind].gpus
    ],
)
def test_all_pods_that_have_gpus_on_a_node_also_have_room_on_it(kind: str, gpus: int) -> None:
    node = instances.CATALOGUE[kind]
    base = settings(
        "sandbox",
        # In a region that offers all of them.
        cloud={"kind": "aws", "region": "us-west-2", "accountId": "123456789012"},
        network={"zones": ["us-west-2a", "us-west-2b", "us-west-2c", "us-west-2d"], "cidr": "10.20.0.0/16"},
        pools=[{"name": "p5", "instanceType": kind, "size": 1}],
        engines=[{"name": "chat", "model": "tiny-qwen2", "pool": "p5", "gpus": gpus, "maxModelLen": 512}],
    )
    made = values(base)
    pods = pods_per_node(base, base.engines[0])
    # The fetcher, one CPU and 1 GiB, runs before the engine and not beside it.
    assert made["resources"]["cpu"] * pods < node.vcpus
    assert made["resources"]["memoryGib"] * 1024 * pods < node.memory_mib
    assert made["resources"]["shmGib"] < made["resources"]["memoryGib"]
    # On the instance store where that is the larger disk: g6.xlarge's is smaller than the root disk.
    assert made["model"]["volumeGib"] * pods <= max(500, node.instance_store_gib) / 2
