"""charts/vllm: what it renders, and what it refuses."""

from __future__ import annotations

from typing import Any

import pytest

from tests.charts.conftest import DIGEST, ROOT, Rendered, changed, helm, render

CI_VALUES = sorted((ROOT / "charts/vllm/ci").glob("*.yaml"))


def containers(pod: dict[str, Any]) -> list[dict[str, Any]]:
    return [*pod["initContainers"], *pod["containers"]]


@pytest.mark.parametrize("values", CI_VALUES, ids=lambda path: path.name)
def test_helm_lint_finds_nothing(values: Any) -> None:
    done = helm("lint", "--strict", str(ROOT / "charts/vllm"), "-f", str(values))
    assert done.returncode == 0, done.stdout


def test_one_engine_is_these_objects(vllm: Rendered) -> None:
    assert vllm.error == ""
    assert sorted((each["kind"], each["metadata"]["name"]) for each in vllm.objects) == [
        ("ConfigMap", "vllm-chat-fetch"),
        ("NetworkPolicy", "vllm-chat"),
        ("PodDisruptionBudget", "vllm-chat"),
        ("Service", "vllm-chat"),
        ("ServiceAccount", "vllm-chat"),
        ("StatefulSet", "vllm-chat"),
    ]
    for each in vllm.objects:
        assert each["metadata"]["namespace"] == "a-namespace"
        assert each["metadata"]["labels"]["app.kubernetes.io/part-of"] == "bastide"
        assert each["metadata"]["labels"]["bastide.dev/role"] == "engine"


def test_the_pod_is_what_restricted_pod_security_asks_for_and_more(vllm: Rendered) -> None:
    (pod,) = vllm.pods()
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] > 0
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    assert pod["enableServiceLinks"] is False
    assert pod["serviceAccountName"] == "vllm-chat"
    assert not any(pod[each] for each in ("hostNetwork", "hostPID", "hostIPC"))
    assert {next(kind for kind in volume if kind != "name") for volume in pod["volumes"]} == {
        "configMap",
        "emptyDir",
    }
    for each in containers(pod):
        assert each["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "privileged": False,
            "readOnlyRootFilesystem": True,
            "runAsNonRoot": True,
            "seccompProfile": {"type": "RuntimeDefault"},
        }
        assert not any("hostPort" in port for port in each.get("ports", ()))
        assert each["resources"]["limits"]["memory"]


def test_the_engine_writes_only_to_volumes_and_never_to_the_model(vllm: Rendered) -> None:
    (pod,) = vllm.pods()
    (engine,) = pod["containers"]
    mounts = {each["mountPath"]: each.get("readOnly", False) for each in engine["volumeMounts"]}
    assert {path for path, read_only in mounts.items() if read_only} == {"/models"}
    assert len(mounts) == 5
    assert all("sizeLimit" in each["emptyDir"] for each in pod["volumes"] if "emptyDir" in each)


def test_gpus_are_asked_for_and_limited_alike_on_the_tainted_pool(vllm: Rendered) -> None:
    (pod,) = vllm.pods()
    resources = pod["containers"][0]["resources"]
    assert resources["requests"]["nvidia.com/gpu"] == resources["limits"]["nvidia.com/gpu"] == 8
    assert pod["nodeSelector"] == {"bastide.dev/pool": "p5"}
    assert pod["tolerations"] == [
        {"key": "nvidia.com/gpu", "operator": "Equal", "value": "present", "effect": "NoSchedule"}
    ]


def test_the_engine_loads_the_checked_copy_offline(vllm: Rendered) -> None:
    (pod,) = vllm.pods()
    (fetch,), (engine,) = pod["initContainers"], pod["containers"]
    fetched = {each["name"]: each["value"] for each in fetch["env"]}
    assert fetched["MODEL_PATH"] == engine["args"][engine["args"].index("--model") + 1]
    environment = {each["name"]: each["value"] for each in engine["env"]}
    assert environment["HF_HUB_OFFLINE"] == "1"
    assert environment["VLLM_NO_USAGE_STATS"] == "1"
    assert "VLLM_SERVER_DEV_MODE" not in environment


def test_the_grace_period_holds_the_sleep_the_drain_and_five_seconds(vllm: Rendered) -> None:
    (pod,) = vllm.pods()
    (engine,) = pod["containers"]
    sleep = engine["lifecycle"]["preStop"]["sleep"]["seconds"]
    drain = int(engine["args"][engine["args"].index("--shutdown-timeout") + 1])
    assert pod["terminationGracePeriodSeconds"] == sleep + drain + 5


def test_a_changed_script_starts_new_pods(vllm: Rendered) -> None:
    import hashlib

    script = (ROOT / "charts/vllm/files/fetch-model.sh").read_bytes()
    annotations = vllm.one("StatefulSet")["spec"]["template"]["metadata"]["annotations"]
    assert annotations["bastide.dev/fetch-script-sha256"] == hashlib.sha256(script).hexdigest()
    assert vllm.one("ConfigMap")["data"]["fetch-model.sh"].strip() == script.decode().strip()


def test_only_gateway_and_monitoring_reach_the_engine_and_it_reaches_only_dns_s3_and_its_credentials(
    vllm: Rendered,
) -> None:
    spec = vllm.one("NetworkPolicy")["spec"]
    assert spec["policyTypes"] == ["Ingress", "Egress"]
    assert spec["podSelector"]["matchLabels"] == vllm.one("Service")["spec"]["selector"]
    (ingress,) = spec["ingress"]
    (source,) = ingress["from"]
    assert source["podSelector"]["matchExpressions"] == [
        {"key": "bastide.dev/role", "operator": "In", "values": ["gateway", "monitoring"]}
    ]
    assert source["namespaceSelector"]["matchLabels"] == {"app.kubernetes.io/part-of": "bastide"}
    dns, https, identity = spec["egress"]
    assert {each["port"] for each in dns["ports"]} == {53}
    assert https == {
        "to": [{"ipBlock": {"cidr": "10.20.0.0/16"}}],
        "ports": [{"port": 443, "protocol": "TCP"}],
    }
    assert identity["to"] == [{"ipBlock": {"cidr": "169.254.170.23/32"}}]
    assert vllm.one("Service")["spec"]["type"] == "ClusterIP"


def test_an_image_with_a_digest_is_named_by_it(vllm_values: dict[str, Any]) -> None:
    values = changed(vllm_values, "images.vllm.digest", DIGEST)
    (pod,) = render("vllm", "vllm-chat", values).pods()
    assert pod["containers"][0]["image"] == f"vllm/vllm-openai:v0.32.0@{DIGEST}"


def test_an_unresolved_image_is_refused_outside_a_sandbox(vllm_values: dict[str, Any]) -> None:
    values = changed(changed(vllm_values, "images.allowUnresolved", False), "images.fetcher.digest", DIGEST)
    refused = render("vllm", "vllm-chat", values)
    assert refused.status != 0
    assert "images.vllm.digest is unresolved" in refused.error


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("engine.replica", 2),
        ("engine.replicas", -1),
        ("engine.port", 80),
        ("model.prefix", "models/tiny/1.0.0"),
        ("model.path", "/srv/models"),
        ("model.sha256", "abc"),
        ("model.volumeGib", "1Gi"),
        ("resources.gpus", 0),
        ("network.httpsCidrs", []),
        ("images.vllm.digest", "latest"),
        ("pool", "P5"),
        ("hostNetwork", True),
    ],
)
def test_the_schema_refuses_by_name(vllm_values: dict[str, Any], path: str, value: Any) -> None:
    refused = render("vllm", "vllm-chat", changed(vllm_values, path, value))
    assert refused.status != 0
    assert path.rpartition(".")[2] in refused.error


@pytest.mark.parametrize(
    "flag",
    [
        "--trust-remote-code",
        "--trust_remote_code",
        "--trust-remote-code=true",
        "--api-key",
        "-tp",
        "--config",
    ],
)
def test_a_flag_that_is_not_allowed_is_refused_by_name(vllm_values: dict[str, Any], flag: str) -> None:
    args = [*vllm_values["engine"]["args"], flag]
    refused = render("vllm", "vllm-chat", changed(vllm_values, "engine.args", args))
    assert refused.status != 0
    assert f"/engine/args/{len(args) - 1}" in refused.error or f"engine.args.{len(args) - 1}" in refused.error


@pytest.mark.parametrize(
    ("flag", "value"),
    [
        ("--model", "/models/other"),
        ("--port", "9000"),
        ("--load-format", "auto"),
        ("--shutdown-timeout", "0"),
    ],
)
def test_a_command_line_that_contradicts_the_values_is_refused_by_name(
    vllm_values: dict[str, Any], flag: str, value: str
) -> None:
    args = list(vllm_values["engine"]["args"])
    args[args.index(flag) + 1] = value
    refused = render("vllm", "vllm-chat", changed(vllm_values, "engine.args", [*args, "safetensors"]))
    assert refused.status != 0
    assert f'engine.args has {flag} "{value}"' in refused.error


@pytest.mark.parametrize("name", ["bastide-serving", "bastide-batch"])
def test_a_pod_has_the_priority_of_its_lane(vllm_values: dict[str, Any], name: str) -> None:
    (pod,) = render("vllm", "vllm-chat", changed(vllm_values, "priorityClassName", name)).pods()
    assert pod["priorityClassName"] == name


def test_a_priority_that_is_no_lanes_is_refused(vllm_values: dict[str, Any]) -> None:
    refused = render("vllm", "vllm-chat", changed(vllm_values, "priorityClassName", "system-node-critical"))
    assert refused.status != 0
    assert "priorityClassName" in refused.error
