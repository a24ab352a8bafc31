"""What an update of a model or an image touches, and who reaches an engine (`make prove PART=serving`, which also
runs the proofs against real vLLM in tests/serving, tests/capacity and tests/charts)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from .conftest import Sandbox, Stack

pytestmark = [pytest.mark.world, pytest.mark.proof, pytest.mark.xdist_group("serving")]

ENGINE = "kubernetes:helm.sh/v3:Release::bastide-vllm-chat-release"


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, each in value.items():
            yield from _leaves(each, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for index, each in enumerate(value):
            yield from _leaves(each, f"{path}[{index}]")
    else:
        yield path, value


def _touched(stack: Stack) -> dict[str, str]:
    """Resource -> operation, of what a preview would change in the cloud or the cluster."""
    return {
        "::".join(step["urn"].split("::")[2:]).split("$")[-1]: step["op"]
        for step in stack.steps()
        if step["urn"].split("::")[2].split("$")[-1].startswith(("aws:", "kubernetes:"))
    }


def _changed_values(stack: Stack) -> dict[str, tuple[Any, Any]]:
    """Path in the engine's Helm values -> (now, then)."""
    step = next(step for step in stack.steps() if step["urn"].endswith("vllm-chat-release"))
    now, then = (dict(_leaves(step[each]["inputs"]["values"])) for each in ("oldState", "newState"))
    return {
        path: (now.get(path), then.get(path))
        for path in now.keys() | then.keys()
        if now.get(path) != then.get(path)
    }


def test_the_region_stands(stack: Stack) -> None:
    stack.configure()
    done = stack.up()
    assert done.code == 0, done.text[-4000:]


def test_a_new_model_version_touches_only_what_carries_it(stack: Stack) -> None:
    def newer(config: dict[str, Any]) -> None:
        config["bastide:models"][0] |= {"version": "1.1.0", "sha256": "ab" * 32}

    stack.configure(newer)
    touched = _touched(stack)
    print("a new model version touches:", touched)
    # Beside the engine the right to read it: a role names the versions that its engine may read.
    assert touched == {
        ENGINE: "update",
        "aws:iam/rolePolicy:RolePolicy::bastide-engine-chat-policy": "update",
    }
    changed = _changed_values(stack)
    print(json.dumps({path: list(pair) for path, pair in sorted(changed.items())}, indent=1))
    for path, (now, then) in changed.items():
        assert path.startswith(("model.", "fetch.", "engine.args["))
        assert "1.0.0" in str(now) or "sha256" in path
        assert "1.1.0" in str(then) or "sha256" in path
    stack.configure()
    assert _touched(stack) == {}, "back by the same line"


def test_a_new_image_touches_only_what_carries_it(stack: Stack) -> None:
    def newer(config: dict[str, Any]) -> None:
        config["bastide:images"] = {"vllm": {"repository": "vllm/vllm-openai", "tag": "v0.32.1"}}

    stack.configure(newer)
    touched = _touched(stack)
    print("a new image touches:", touched)
    assert touched == {ENGINE: "update"}
    assert _changed_values(stack) == {"images.vllm.tag": ("v0.32.0", "v0.32.1")}
    stack.configure()
    assert _touched(stack) == {}, "back by the same line"


def test_who_reaches_the_engine_and_what_it_reaches(sandbox: Sandbox) -> None:
    shown = sandbox.run("bastide", "sandbox", "reach", "bastide-serving")
    print(shown.text)
    assert shown.code == 0, shown.text
    told = sandbox.run("bastide", "sandbox", "reach", "bastide-serving", "--json")
    assert told.code == 0, told.text
    found = json.loads(told.text)
    open_in = {row["peer"] for row in found if row["side"] == "reached by" and row["ports"]}
    open_out = {row["peer"] for row in found if row["side"] == "reaches" and row["ports"]}
    ours = "bastide-gateway, bastide-serving, bastide-system"
    assert open_in == {
        "its own node (kubelet: probes)",
        f"any pod with bastide.dev/role=gateway in {ours}",
        f"any pod with bastide.dev/role=monitoring in {ours}",
        "any pod with app.kubernetes.io/instance=vllm-chat and app.kubernetes.io/name=vllm-test in bastide-serving",
    }
    # Name servers, the private subnets with S3's endpoint (and what has an address there), its own credentials.
    assert {peer.split(" ")[0].split("/")[0] for peer in open_out} == {"any", "kube-system", "VPC", "Pod"}
    assert {row["ports"][0]["to"] for row in found if row["side"] == "reaches" and row["ports"]} <= {
        53,
        80,
        443,
    }
