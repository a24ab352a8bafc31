"""What the chart gives the artifact agent, and where the models lie: with the pod, or on the node."""

from __future__ import annotations

import json
from typing import Any

import pytest

from artifact_agent import wanted
from tests.charts.conftest import Rendered, changed, render

PEM = """-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEaxfR8uEsQkf4vOblY6RA8ncDfYEt
6zOg9KE5RdiYwpZP40Li/hp/m47n60p8D54WK84zV2sxXs7LtkBoN79R9Q==
-----END PUBLIC KEY-----
"""
"""The generator of P-256: the public half of the number 1."""

NODE = {"kind": "node", "storageClass": "bastide-models", "sizeGib": 400}


def agents(rendered: Rendered) -> dict[str, dict[str, Any]]:
    (pod,) = rendered.pods()
    return {
        each["name"]: each for each in pod["initContainers"] if "artifact_agent" in each.get("command", [])
    }


def environment(container: dict[str, Any]) -> dict[str, str]:
    return {each["name"]: each["value"] for each in container["env"]}


@pytest.fixture
def signed(vllm_values: dict[str, Any]) -> dict[str, Any]:
    return changed(vllm_values, "fetch.publicKeys", [PEM, PEM])


@pytest.fixture
def on_node(signed: dict[str, Any]) -> dict[str, Any]:
    return changed(signed, "fetch.cache", NODE)


def test_the_agent_understands_what_the_chart_writes(signed: dict[str, Any]) -> None:
    fetch = agents(render("vllm", "vllm-chat", signed))["fetch-model"]
    assert fetch["command"] == ["python3", "-m", "artifact_agent", "fetch"]
    given = wanted.read(environment(fetch))
    assert len(given.keys) == 2
    assert not given.allow_unsigned
    assert given.cache_bytes == 0
    (model,) = given.models
    values = signed["fetch"]["models"][0]
    assert (model.name, model.version, model.bucket, model.prefix, str(model.path), model.digest) == (
        values["name"],
        values["version"],
        values["bucket"],
        values["prefix"],
        values["path"],
        values["sha256"],
    )


def test_with_the_pod_the_models_lie_in_a_volume_that_engines_only_read(signed: dict[str, Any]) -> None:
    rendered = render("vllm", "vllm-chat", signed)
    assert set(agents(rendered)) == {"fetch-model"}
    (pod,) = rendered.pods()
    (volume,) = [each for each in pod["volumes"] if each["name"] == "model"]
    assert "emptyDir" in volume
    (mount,) = [each for each in pod["containers"][0]["volumeMounts"] if each["name"] == "model"]
    assert mount == {"name": "model", "mountPath": "/models", "readOnly": True}
    assert "volumeClaimTemplates" not in rendered.one("StatefulSet")["spec"]


def test_on_the_node_they_lie_by_digest_in_a_claim_and_are_held_before_they_are_fetched(
    on_node: dict[str, Any],
) -> None:
    rendered = render("vllm", "vllm-chat", on_node)
    assert rendered.error == ""
    (claim,) = rendered.one("StatefulSet")["spec"]["volumeClaimTemplates"]
    assert claim["metadata"]["name"] == "model"
    assert claim["spec"]["storageClassName"] == "bastide-models"
    assert claim["spec"]["resources"]["requests"] == {"storage": "400Gi"}
    kept = rendered.one("StatefulSet")["spec"]["persistentVolumeClaimRetentionPolicy"]
    assert kept == {"whenDeleted": "Delete", "whenScaled": "Delete"}
    (pod,) = rendered.pods()
    assert not [each for each in pod["volumes"] if each["name"] == "model"]
    names = [each["name"] for each in pod["initContainers"]]
    assert names.index("hold-model") < names.index("fetch-model")
    both = agents(rendered)
    assert both["hold-model"]["restartPolicy"] == "Always"
    assert "restartPolicy" not in both["fetch-model"]
    for each in both.values():
        assert wanted.read(environment(each)).cache_bytes == 400 * 1024**3
    digest = on_node["fetch"]["models"][0]["sha256"]
    assert [each for each in pod["containers"][0]["volumeMounts"] if each["name"] == "model"] == [
        {
            "name": "model",
            "mountPath": "/models/tiny-qwen2/1.0.0",
            "subPath": f"sha256-{digest}",
            "readOnly": True,
        }
    ]


def test_the_node_s_disk_is_never_reached_by_a_path(on_node: dict[str, Any]) -> None:
    assert "hostPath" not in json.dumps(render("vllm", "vllm-chat", on_node).objects)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("fetch.publicKeys", ["-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----\n"]),
        ("fetch.publicKeys", [PEM.strip()]),
        ("fetch.allowUnsigned", "yes"),
        ("fetch.models", []),
        ("fetch.cache.kind", "host"),
        ("fetch.cache.sizeGib", "1Gi"),
        ("fetch.region", "nowhere"),
    ],
)
def test_the_schema_refuses_by_name(vllm_values: dict[str, Any], path: str, value: Any) -> None:
    refused = render("vllm", "vllm-chat", changed(vllm_values, path, value))
    assert refused.status != 0
    assert path.split(".")[1] in refused.error
