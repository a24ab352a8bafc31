"""No setting of the gateway is read by nothing: each, changed alone, changes what its release gets."""

from __future__ import annotations

import json
from typing import Any

import pytest
from component_recording import STACKS

from bastide.plans import gateway_surroundings
from bastide.plans.gateway import Surroundings, chart_values
from bastide.plans.routing import document, litellm_config
from bastide.settings import ImagesSettings, Settings, read_stack_file
from bastide.settings.base import Strict
from bastide.settings.gateway import GatewaySettings

Raw = dict[str, Any]

SANDBOX = read_stack_file(STACKS / "Pulumi.sandbox.yaml")
CALLERS = {"namespace": "apps", "labels": {"app": "assistant"}}
OTHER = {"repository": "123456789012.dkr.ecr.us-east-1.amazonaws.com/mine", "tag": "v1.107.0"}


def autoscaled(**change: Any) -> Raw:
    return {"autoscaling": {"maxReplicas": 5, "targetCpuPercent": 50, **change}}


def signed_in(**change: Any) -> Raw:
    given = {
        "issuer": "https://id.example.com",
        "audience": "models",
        "jwksUrl": "https://id.example.com/keys",
        "rules": [{"claim": "groups", "value": "ml", "team": "research"}],
    }
    return {"signIn": {**given, **change}}


GATEWAY: dict[str, Raw | tuple[Raw, Raw]] = {
    "enabled": {"enabled": False},
    "replicas": {"replicas": 4},
    "resources.cpuMilli": {"resources": {"cpuMilli": 2000}},
    "resources.memoryMib": {"resources": {"memoryMib": 2048}},
    "autoscaling.maxReplicas": (autoscaled(maxReplicas=6), autoscaled()),
    "autoscaling.targetCpuPercent": (autoscaled(targetCpuPercent=60), autoscaled()),
    "drain.preStopSeconds": {"drain": {"preStopSeconds": 33}},
    "drain.shutdownSeconds": {"drain": {"shutdownSeconds": 333}},
    "connections.most": {"connections": {"most": 500}},
    "connections.headerSeconds": {"connections": {"headerSeconds": 5}},
    "connections.bodySeconds": {"connections": {"bodySeconds": 60}},
    "startupSeconds": {"startupSeconds": 240},
    "logLevel": {"logLevel": "error"},
    "clients": {"clients": [CALLERS]},
    "adminClients": {"adminClients": [CALLERS]},
    "privateCidrs": {"privateCidrs": ["10.99.0.0/16"]},
    **{
        f"signIn.{name}": (signed_in(**{name: value}), signed_in())
        for name, value in (
            ("issuer", "https://other.example.com"),
            ("audience", "others"),
            ("jwksUrl", "https://id.example.com:8443/keys"),
            ("algorithms", ["ES256"]),
            ("leewaySeconds", 60),
            ("maxTokenSeconds", 3600),
            ("keysSeconds", 60),
            ("keysStaleSeconds", 60),
            ("rules", [{"claim": "groups", "value": "others", "team": "research"}]),
        )
    },
    **{
        f"audit.{name}": ({"audit": {name: value}}, {"audit": {}})
        for name, value in (("mode", "governance"), ("batchSeconds", 20), ("spoolMib", 32))
    },
    "pii.replicas": {"pii": {"replicas": 3}},
    "pii.cpuMilli": {"pii": {"cpuMilli": 777}},
    "pii.memoryMib": {"pii": {"memoryMib": 777}},
}
"""By setting: a changed gateway, or one and what it is compared with; the default where nothing else is said."""

IMAGES = {"images.gateway": {"gateway": OTHER}, "images.pii": {"pii": OTHER}}


def told(gateway: Raw, **other: Any) -> str:
    """What the release gets; system nodes have room for more of it."""
    settings = Settings.load(
        {
            **SANDBOX,
            "routes": [{"name": "chat", "deployments": [{"name": "chat"}]}],
            "teams": [{"name": "research", "routes": ["chat"]}],
            "systemPool": {"instanceType": "m7i.4xlarge", "size": 3},
            "gateway": {"enabled": True, **gateway},
            **other,
        }
    )
    if not settings.gateway.enabled:
        return ""
    around = Surroundings(
        config=litellm_config.rendered(settings),
        routes=document.rendered(settings),
        package={},
        database=gateway_surroundings.database_store(settings, "db.example"),
        redis=gateway_surroundings.redis_store(settings, "redis.example"),
        guards=gateway_surroundings.guards_in_use(settings),
    )
    return json.dumps(chart_values(settings, around), sort_keys=True)


def leaves(model: type[Strict], before: str = "") -> set[str]:
    found: set[str] = set()
    for key, info in model.model_fields.items():
        name = f"{before}{info.alias or key}"
        kinds = [info.annotation, *getattr(info.annotation, "__args__", ())]
        inner = [each for each in kinds if isinstance(each, type) and issubclass(each, Strict)]
        # A list's entries are given and left out as a whole.
        listed = getattr(info.annotation, "__origin__", None) is tuple
        found |= leaves(inner[0], f"{name}.") if inner and not listed else {name}
    return found


def test_every_setting_has_a_change() -> None:
    assert leaves(GatewaySettings) == set(GATEWAY)
    assert {"gateway", "pii"} <= set(ImagesSettings.model_fields)


@pytest.mark.parametrize("path", GATEWAY)
def test_a_setting_changes_what_the_release_gets(path: str) -> None:
    found = GATEWAY[path]
    changed, before = found if isinstance(found, tuple) else (found, {})
    assert told(changed) != told(before)


@pytest.mark.parametrize("path", IMAGES)
def test_an_image_changes_what_the_release_gets(path: str) -> None:
    assert told({}, images=IMAGES[path]) != told({})
