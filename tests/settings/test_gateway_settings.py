"""Settings of the gateway: what is refused, and with which words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bastide.settings import Settings, SettingsError, read_stack_file

STACKS = Path(__file__).parents[2] / "stacks"
SANDBOX = read_stack_file(STACKS / "Pulumi.sandbox.yaml")
BOUND = "arn:aws:iam::123456789012:policy/boundary"
ROUTE = {"name": "chat", "deployments": [{"name": "chat"}]}


def raw(gateway: dict[str, Any] | None = None, **other: Any) -> dict[str, Any]:
    return {
        **SANDBOX,
        "routes": [ROUTE],
        "gateway": {"enabled": True, **(gateway or {})},
        **other,
    }


def told(changed: dict[str, Any]) -> dict[str, str]:
    """Mistakes by their paths."""
    with pytest.raises(SettingsError) as refused:
        Settings.load(changed)
    return {each.path: each.message for each in refused.value.problems}


def test_it_is_off_until_a_stack_asks_for_it() -> None:
    settings = Settings.load(SANDBOX)
    assert not settings.gateway.enabled
    assert {"gateway", "pii"} <= settings.unused_images()
    assert not any("images.gateway" in each or "images.pii" in each for each in settings.unresolved())


def test_with_it_its_images_are_asked_for() -> None:
    settings = Settings.load(raw())
    assert {"images.gateway.digest", "images.pii.digest"} <= set(settings.unresolved())
    without_nat = {**SANDBOX["network"], "nat": "none"}
    assert "images.gateway.repository" in told(raw(network=without_nat))


@pytest.mark.parametrize(
    ("given", "path", "words"),
    [
        (
            {"replicas": 4, "autoscaling": {"maxReplicas": 3}},
            "gateway.autoscaling.maxReplicas",
            "is the fewest",
        ),
        ({"privateCidrs": ["8.8.8.0/24"]}, "gateway.privateCidrs[0]", "is not inside a private network"),
        ({"privateCidrs": ["0.0.0.0/0"]}, "gateway.privateCidrs[0]", "is not inside a private network"),
        (
            {"drain": {"shutdownSeconds": 30}},
            "gateway.drain.shutdownSeconds",
            "timeoutSeconds 60 of route 'chat'",
        ),
        ({"replicas": 9}, "systemPool.size", "CPUs for the gateway, which asks for 11.5"),
        ({"autoscaling": {"maxReplicas": 9}}, "systemPool.size", "10 pods"),
        ({"resources": {"memoryMib": 9000}}, "systemPool.size", "GiB of memory"),
        ({"clients": [{"namespace": "apps", "labels": {}}]}, "gateway.clients[0].labels", "at least 1"),
    ],
)
def test_a_contradiction_is_refused(given: dict[str, Any], path: str, words: str) -> None:
    found = told(raw(given))
    assert found.keys() == {path}
    assert words in found[path]


@pytest.mark.parametrize(
    ("tag", "words"),
    [
        ("v1.82.7", "a thief published"),
        ("main-v1.82.8-stable", "a thief published"),
        ("v1.105.9", "is older than"),
        ("main-stable", "says no version"),
        ("latest", "says no version"),
    ],
)
def test_a_litellm_that_nobody_tried_is_refused(tag: str, words: str) -> None:
    assert words in told(raw(images={"gateway": {"tag": tag}}))["images.gateway.tag"]


@pytest.mark.parametrize("tag", ["v1.106.2", "1.106.2", "v1.106.2-stable", "main-v1.107.0", "v1.106.20"])
def test_a_newer_litellm_is_taken(tag: str) -> None:
    assert Settings.load(raw(images={"gateway": {"tag": tag}})).images.gateway.tag == tag


def test_without_a_gateway_its_image_is_nobodys_business() -> None:
    Settings.load({**SANDBOX, "images": {"gateway": {"tag": "latest"}}})


def test_a_real_environment_has_three_pods_and_tls_inside() -> None:
    real = raw({"replicas": 2}, environment="staging", protection=True)
    real["cloud"] = {**real["cloud"], "permissionsBoundary": BOUND}
    found = told(real)
    assert "3 or more" in found["gateway.replicas"]
    assert "in plain text" in found["certificates.internal"]


def test_a_bound_of_the_namespace_leaves_room() -> None:
    found = told(raw(namespaces={"gateway": {"pods": 8}}))
    assert "allowed: 9 or more" in found["namespaces.gateway.pods"]
    Settings.load(raw(namespaces={"gateway": {"pods": 9}}))
