"""What an update of a model, an image or a route touches, and who reaches engines and gateway (`make prove
PART=serving`, which also runs the proofs against real vLLM in tests/serving, tests/capacity and tests/charts)."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from .conftest import Sandbox, Stack

pytestmark = [pytest.mark.world, pytest.mark.proof, pytest.mark.xdist_group("serving")]

ENGINE = "kubernetes:helm.sh/v3:Release::bastide-vllm-chat-release"
GATEWAY = "kubernetes:helm.sh/v3:Release::bastide-gateway-release"


def _configure(stack: Stack, change: Callable[[dict[str, Any]], None] = lambda config: None) -> None:
    """The committed stack with a gateway before its engine, and `change` made to it."""

    def whole(config: dict[str, Any]) -> None:
        config["bastide:gateway"] = {"enabled": True}
        config["bastide:certificates"] = {"internal": True}
        config["bastide:routes"] = [{"name": "chat", "deployments": [{"name": "chat"}]}]
        config["bastide:teams"] = [{"name": "research", "dataClass": "internal", "routes": ["chat"]}]
        change(config)

    stack.configure(whole)


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


def _changed_values(stack: Stack, release: str = ENGINE) -> dict[str, tuple[Any, Any]]:
    """Path in the release's Helm values -> (now, then)."""
    name = release.rpartition("::")[2]
    step = next(step for step in stack.steps() if step["urn"].endswith(f"::{name}"))
    now, then = (dict(_leaves(step[each]["inputs"]["values"])) for each in ("oldState", "newState"))
    return {
        path: (now.get(path), then.get(path))
        for path in now.keys() | then.keys()
        if now.get(path) != then.get(path)
    }


def test_the_region_stands(stack: Stack) -> None:
    _configure(stack)
    done = stack.up()
    assert done.code == 0, done.text[-4000:]


def test_a_new_model_version_touches_only_what_carries_it(stack: Stack) -> None:
    def newer(config: dict[str, Any]) -> None:
        config["bastide:models"][0] |= {"version": "1.1.0", "sha256": "ab" * 32}

    _configure(stack, newer)
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
    _configure(stack)
    assert _touched(stack) == {}, "back by the same line"


def test_a_new_image_touches_only_what_carries_it(stack: Stack) -> None:
    def newer(config: dict[str, Any]) -> None:
        config["bastide:images"] = {"vllm": {"repository": "vllm/vllm-openai", "tag": "v0.32.1"}}

    _configure(stack, newer)
    touched = _touched(stack)
    print("a new image touches:", touched)
    assert touched == {ENGINE: "update"}
    assert _changed_values(stack) == {"images.vllm.tag": ("v0.32.0", "v0.32.1")}
    _configure(stack)
    assert _touched(stack) == {}, "back by the same line"


def test_a_new_route_touches_the_gateway_alone(stack: Stack) -> None:
    def more(config: dict[str, Any]) -> None:
        config["bastide:routes"].append(
            {"name": "quick", "deployments": [{"name": "chat"}], "timeoutSeconds": 5}
        )
        config["bastide:teams"][0] |= {"routes": ["chat", "quick"], "rpm": 60}

    _configure(stack, more)
    touched = _touched(stack)
    print("a new route and a team's limit touch:", touched)
    assert touched == {GATEWAY: "update"}
    assert _changed_values(stack, GATEWAY).keys() == {"config.config.yaml", "config.routes.json"}
    _configure(stack)
    assert _touched(stack) == {}, "back by the same line"


def test_a_new_image_of_the_gateway_touches_the_gateway_alone(stack: Stack) -> None:
    def newer(config: dict[str, Any]) -> None:
        config["bastide:images"] = {"gateway": {"tag": "v1.107.0"}}

    _configure(stack, newer)
    assert _touched(stack) == {GATEWAY: "update"}
    assert _changed_values(stack, GATEWAY) == {"images.gateway.tag": ("v1.106.2", "v1.107.0")}
    _configure(stack)
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
    ours = ", ".join(
        f"bastide-{each}" for each in ("certificates", "gateway", "pki", "secrets", "serving", "system")
    )
    assert open_in == {
        "its own node (kubelet: probes)",
        f"any pod with bastide.dev/role=gateway in {ours}",
        f"any pod with bastide.dev/role=monitoring in {ours}",
        "any pod with app.kubernetes.io/instance=vllm-chat and app.kubernetes.io/name=vllm-test in bastide-serving",
        "bastide-gateway/Deployment/gateway",
    }
    # Name servers, the private subnets with S3's endpoint (and what has an address there), its own credentials.
    assert {peer.split(" ")[0].split("/")[0] for peer in open_out} == {"any", "kube-system", "VPC", "Pod"}
    assert {row["ports"][0]["to"] for row in found if row["side"] == "reaches" and row["ports"]} <= {
        53,
        80,
        443,
    }


def test_what_the_gateways_pods_reach_and_that_they_stand(sandbox: Sandbox) -> None:
    told = sandbox.run("bastide", "sandbox", "reach", "bastide-gateway", "--json")
    assert told.code == 0, told.text
    found = [row for row in json.loads(told.text) if row["ports"]]

    def ports(workload: str, side: str) -> set[int]:
        return {
            port["to"]
            for row in found
            if row["workload"] == f"bastide-gateway/Deployment/{workload}"
            and row["side"] == side
            and "its own node" not in row["peer"]
            for port in row["ports"]
        }

    assert ports("gateway", "reached by") == {4000, 4001, 4002}
    # Names, engines, the pii service, Postgres, Redis, AWS's endpoints, its own credentials; nothing is hosted here.
    assert ports("gateway", "reaches") == {53, 8000, 8443, 5432, 6379, 443, 80}
    assert not [row for row in found if row["peer"].startswith("internet")]
    assert ports("pii", "reached by") == {8443}
    assert ports("pii", "reaches") == set()
    pods = sandbox.kubectl("get", "pods", "-n", "bastide-gateway", "-l", "app.kubernetes.io/name=gateway")[
        "items"
    ]
    nodes = {each["metadata"]["name"]: each for each in sandbox.kubectl("get", "nodes")["items"]}
    zones = [
        nodes[each["spec"]["nodeName"]]["metadata"]["labels"]["topology.kubernetes.io/zone"] for each in pods
    ]
    # Two system nodes in two zones: never all in one.
    assert (len(zones), len(set(zones))) == (3, 2)


def test_no_secret_is_in_the_state_the_values_or_what_helm_keeps(sandbox: Sandbox, stack: Stack) -> None:
    secrets = sandbox.kubectl("get", "secret", "gateway-secrets", "-n", "bastide-gateway")["data"]
    assert secrets.keys() == {"gateway-master-key", "gateway-salt-key"}
    state = json.dumps(stack.state())
    values = sandbox.run("helm", "get", "all", "gateway", "-n", "bastide-gateway").text
    objects = sandbox.run(
        "kubectl", "get", "pods,deployments,configmaps,jobs", "-n", "bastide-gateway", "-o", "yaml"
    ).text
    assert "gateway-master-key" in values
    for value in secrets.values():
        plain = base64.b64decode(value).decode()
        assert len(plain) > 40
        for text in (state, values, objects):
            assert plain not in text
            assert value not in text
