"""Namespaces, node agents and engines: closed by default, released by Helm, known at the first preview."""

from __future__ import annotations

import pytest
from component_recording import Recording, Registered, region_of, stack

from bastide.plans.serving import chart_values
from components.charts import with_digest
from components.node_agents import CHART as AGENTS_CHART
from components.node_agents import chart_values as agent_values
from components.vllm_release import CHART


def release(recording: Recording, name: str) -> Registered:
    (found,) = [each for each in recording.of("helm.sh/v3:Release") if each.inputs["name"] == name]
    return found


@pytest.mark.parametrize(
    ("namespace", "level"),
    [("bastide-system", "privileged"), ("bastide-serving", "restricted"), ("bastide-gateway", "restricted")],
)
def test_each_namespace_has_its_pod_security_level_in_all_three_modes(
    sandbox: Recording, namespace: str, level: str
) -> None:
    (found,) = [
        each for each in sandbox.of("core/v1:Namespace") if each.inputs["metadata"]["name"] == namespace
    ]
    labels = found.inputs["metadata"]["labels"]
    for mode in ("enforce", "warn", "audit"):
        assert labels[f"pod-security.kubernetes.io/{mode}"] == level
        assert labels[f"pod-security.kubernetes.io/{mode}-version"] == "latest"
    assert labels["app.kubernetes.io/part-of"] == "bastide"


def test_a_privileged_namespace_says_why(sandbox: Recording) -> None:
    for each in sandbox.of("core/v1:Namespace"):
        metadata = each.inputs["metadata"]
        privileged = metadata["labels"]["pod-security.kubernetes.io/enforce"] == "privileged"
        assert ("bastide.dev/privileged-because" in metadata.get("annotations", {})) is privileged


def test_every_namespace_is_closed_in_both_directions(sandbox: Recording) -> None:
    namespaces = {each.inputs["metadata"]["name"] for each in sandbox.of("core/v1:Namespace")}
    closed = sandbox.of("networking.k8s.io/v1:NetworkPolicy")
    assert {each.inputs["metadata"]["namespace"] for each in closed} == namespaces
    for each in closed:
        assert each.inputs["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


def test_an_engine_is_a_release_with_the_values_that_the_settings_give(sandbox: Recording) -> None:
    settings = stack("sandbox")
    (engine,) = settings.engines
    found = release(sandbox, "vllm-chat")
    assert found.inputs["namespace"] == "bastide-serving"
    assert found.inputs["timeout"] == settings.rollout_timeout_seconds
    keys = ["PEM of bastide-models-signing-key-id"]
    values = chart_values(settings, engine, settings.model_bucket, settings.region, keys)
    assert found.inputs["values"] == with_digest(CHART, values)


def test_node_agents_run_on_every_gpu_pool(sandbox: Recording) -> None:
    found = release(sandbox, "node-agents")
    assert found.inputs["namespace"] == "bastide-system"
    assert found.inputs["values"] == with_digest(AGENTS_CHART, agent_values(stack("sandbox")))
    assert found.inputs["values"]["nvidia"]["pools"] == ["p5"]


def test_releases_hold_no_path_of_a_machine(sandbox: Recording) -> None:
    for each in sandbox.of("helm.sh/v3:Release"):
        assert each.inputs["chart"].startswith("./charts/")


def test_a_release_waits_for_its_namespace_and_an_engine_for_the_node_agents(sandbox: Recording) -> None:
    agents, engine = release(sandbox, "node-agents"), release(sandbox, "vllm-chat")
    for each in sandbox.of("core/v1:Namespace"):
        assert sandbox.reaches(agents, each)
        assert sandbox.reaches(engine, each)
    assert sandbox.reaches(engine, agents)


def test_with_the_private_ca_each_engine_has_a_certificate_of_its_service_before_its_pods() -> None:
    recording = region_of(stack("sandbox-full"))
    for name in ("vllm-chat", "vllm-nightly"):
        (certificate,) = [
            each
            for each in recording.of("cert-manager.io/v1:Certificate")
            if each.inputs["metadata"]["name"] == name
        ]
        assert certificate.inputs["metadata"]["namespace"] == "bastide-serving"
        assert f"{name}.bastide-serving.svc" in certificate.inputs["spec"]["dnsNames"]
        found = release(recording, name)
        assert found.inputs["values"]["tls"] == {"secretName": certificate.inputs["spec"]["secretName"]}
        assert recording.reaches(found, certificate)
        # Whoever signs it is there before.
        (issuer,) = [
            each
            for each in recording.of("cert-manager.io/v1:Issuer")
            if each.inputs["metadata"]["name"] == certificate.inputs["spec"]["issuerRef"]["name"]
            and each.inputs["metadata"]["namespace"] == "bastide-serving"
        ]
        assert recording.reaches(certificate, issuer)


def test_without_the_private_ca_there_is_no_certificate(sandbox: Recording) -> None:
    assert sandbox.of("cert-manager.io/v1:Certificate") == []
    assert release(sandbox, "vllm-chat").inputs["values"]["tls"] == {"secretName": ""}
