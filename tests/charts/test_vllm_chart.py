"""charts/vllm: what it renders, and what it refuses."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

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
        ("ConfigMap", "vllm-chat-engine"),
        ("ConfigMap", "vllm-chat-probe"),
        ("ConfigMap", "vllm-chat-proxy"),
        ("NetworkPolicy", "vllm-chat"),
        ("NetworkPolicy", "vllm-chat-test"),
        ("Pod", "vllm-chat-test"),
        ("PodDisruptionBudget", "vllm-chat"),
        ("Service", "vllm-chat"),
        ("Service", "vllm-chat-pods"),
        ("ServiceAccount", "vllm-chat"),
        ("StatefulSet", "vllm-chat"),
    ]
    for each in vllm.objects:
        assert each["metadata"]["namespace"] == "a-namespace"
        assert each["metadata"]["labels"]["app.kubernetes.io/part-of"] == "bastide"
        # The test's pod is no engine: neither its Service nor its policies may take it for one.
        role = each["metadata"]["labels"].get("bastide.dev/role")
        assert role == (None if each["kind"] == "Pod" else "engine")


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
    assert {path for path, read_only in mounts.items() if read_only} == {
        "/models",
        "/etc/probe",
        "/etc/vllm",
    }
    assert len(mounts) == 7
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
    (fetch, _proxy), (engine,) = pod["initContainers"], pod["containers"]
    fetched = {each["name"]: each["value"] for each in fetch["env"]}
    (wanted,) = json.loads(fetched["MODELS"])
    assert wanted["path"] == engine["args"][engine["args"].index("--model") + 1]
    environment = {each["name"]: each["value"] for each in engine["env"]}
    assert environment["HF_HUB_OFFLINE"] == "1"
    assert environment["VLLM_NO_USAGE_STATS"] == "1"
    assert "VLLM_SERVER_DEV_MODE" not in environment


def probe_config(rendered: Rendered) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(rendered.one("ConfigMap", "vllm-chat-probe")["data"]["config.json"])
    return found


@pytest.mark.parametrize(("sleep", "drain"), [(15, 120), (1, 1), (120, 3600)])
def test_sleep_drain_and_grace_follow_from_one_another(
    vllm_values: dict[str, Any], sleep: int, drain: int
) -> None:
    values = changed(changed(vllm_values, "engine.preStopSeconds", sleep), "engine.shutdownSeconds", drain)
    args = list(values["engine"]["args"])
    args[args.index("--shutdown-timeout") + 1] = str(drain)
    rendered = render("vllm", "vllm-chat", changed(values, "engine.args", args))
    (pod,) = rendered.pods()
    (engine,) = pod["containers"]
    assert engine["lifecycle"]["preStop"]["exec"]["command"][-2:] == ["prestop", "/etc/probe/config.json"]
    assert probe_config(rendered)["preStopSeconds"] == sleep
    assert pod["terminationGracePeriodSeconds"] == sleep + drain + 5
    # A stalled engine has nothing to drain.
    assert engine["livenessProbe"]["terminationGracePeriodSeconds"] == 5


def test_the_proxy_stands_before_the_engine_and_outlives_it(vllm: Rendered) -> None:
    (pod,) = vllm.pods()
    (engine,) = pod["containers"]
    proxy = pod["initContainers"][1]
    # A native sidecar ends after the pod's containers.
    assert (proxy["name"], proxy["restartPolicy"]) == ("proxy", "Always")
    assert [(each["name"], each["containerPort"]) for each in proxy["ports"]] == [
        ("http", 8000),
        ("metrics", 8002),
    ]
    assert "ports" not in engine
    arguments = engine["args"]
    assert arguments[arguments.index("--host") + 1] == "127.0.0.1"
    assert arguments[arguments.index("--port") + 1] == "8001"
    assert proxy["readinessProbe"]["httpGet"] == {"path": "/health", "port": 8000, "scheme": "HTTP"}
    mounts = {each["name"] for each in engine["volumeMounts"]}
    assert "proxy-run" not in mounts


def test_services_and_policies_name_ports_by_number(vllm: Rendered) -> None:
    # A port's name of a sidecar is known to endpoints only since Kubernetes 1.33.
    for name in ("vllm-chat", "vllm-chat-pods"):
        for port in vllm.one("Service", name)["spec"]["ports"]:
            assert isinstance(port["targetPort"], int)
    for each in vllm.objects:
        if each["kind"] == "NetworkPolicy":
            rules = [*each["spec"].get("ingress", []), *each["spec"]["egress"]]
            assert all(isinstance(port["port"], int) for rule in rules for port in rule["ports"])


def test_probes_are_told_what_the_engine_is(vllm: Rendered, vllm_values: dict[str, Any]) -> None:
    config = probe_config(vllm)
    assert config["port"] == 8001
    assert config["gpus"] == 8
    assert config["canary"] == {
        "path": "/v1/completions",
        "body": {"model": "tiny-qwen2", "max_tokens": 1, "prompt": "."},
    }
    without = render("vllm", "vllm-chat", changed(vllm_values, "engine.probe.checkGpus", False))
    assert probe_config(without)["gpus"] == 0
    embedding = render("vllm", "vllm-chat", changed(vllm_values, "engine.runner", "embed"))
    assert probe_config(embedding)["canary"]["path"] == "/v1/embeddings"


def test_a_changed_file_starts_new_pods(vllm: Rendered, vllm_values: dict[str, Any]) -> None:
    def annotation(rendered: Rendered) -> str:
        found: str = rendered.one("StatefulSet")["spec"]["template"]["metadata"]["annotations"][
            "bastide.dev/files-sha256"
        ]
        return found

    before = annotation(vllm)
    for path, value in (
        ("proxy.maxRequestBytes", 4096),
        ("engine.probe.stallSeconds", 60),
        ("engine.files", {"logging.json": "{}"}),
    ):
        assert annotation(render("vllm", "vllm-chat", changed(vllm_values, path, value))) != before
    # The number of replicas is none of the pod's business.
    assert annotation(render("vllm", "vllm-chat", changed(vllm_values, "engine.replicas", 3))) == before


def test_the_gateway_reaches_the_proxy_and_the_monitoring_the_metrics(vllm: Rendered) -> None:
    spec = vllm.one("NetworkPolicy", "vllm-chat")["spec"]
    assert spec["policyTypes"] == ["Ingress", "Egress"]
    assert spec["podSelector"]["matchLabels"] == vllm.one("Service", "vllm-chat")["spec"]["selector"]
    ours = {"matchLabels": {"app.kubernetes.io/part-of": "bastide"}}
    clients, monitoring = spec["ingress"]
    assert clients["ports"] == [{"port": 8000, "protocol": "TCP"}]
    assert clients["from"] == [
        {"namespaceSelector": ours, "podSelector": {"matchLabels": {"bastide.dev/role": "gateway"}}},
        # `helm test`, in the engine's own namespace.
        {
            "podSelector": {
                "matchLabels": {
                    "app.kubernetes.io/name": "vllm-test",
                    "app.kubernetes.io/instance": "vllm-chat",
                }
            }
        },
    ]
    assert monitoring == {
        "from": [
            {"namespaceSelector": ours, "podSelector": {"matchLabels": {"bastide.dev/role": "monitoring"}}}
        ],
        "ports": [{"port": 8002, "protocol": "TCP"}],
    }


def test_an_engine_reaches_only_dns_endpoints_its_credentials_and_the_collector(
    vllm: Rendered, vllm_values: dict[str, Any]
) -> None:
    dns, https, identity = vllm.one("NetworkPolicy", "vllm-chat")["spec"]["egress"]
    assert {each["port"] for each in dns["ports"]} == {53}
    assert https["to"] == [{"ipBlock": {"cidr": block}} for block in vllm_values["network"]["httpsCidrs"]]
    assert https["ports"] == [{"port": 443, "protocol": "TCP"}]
    assert identity["to"] == [{"ipBlock": {"cidr": "169.254.170.23/32"}}]
    telemetry = {"namespace": "bastide-monitoring", "port": 4318}
    traced = render("vllm", "vllm-chat", changed(vllm_values, "network.telemetry", telemetry))
    *_, collector = traced.one("NetworkPolicy", "vllm-chat")["spec"]["egress"]
    assert collector == {
        "to": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "bastide-monitoring"}}}],
        "ports": [{"port": 4318, "protocol": "TCP"}],
    }


def test_the_service_is_inside_and_a_gateway_can_also_choose_the_pod(vllm: Rendered) -> None:
    whole, pods = (vllm.one("Service", name)["spec"] for name in ("vllm-chat", "vllm-chat-pods"))
    assert whole["type"] == pods["type"] == "ClusterIP"
    assert pods["clusterIP"] == "None"
    assert whole["selector"] == pods["selector"]
    assert vllm.one("StatefulSet")["spec"]["serviceName"] == "vllm-chat-pods"


def test_an_image_with_a_digest_is_named_by_it(vllm_values: dict[str, Any]) -> None:
    values = changed(vllm_values, "images.vllm.digest", DIGEST)
    (pod,) = render("vllm", "vllm-chat", values).pods()
    assert pod["containers"][0]["image"] == f"vllm/vllm-openai:v0.32.0@{DIGEST}"


def test_an_unresolved_image_is_refused_outside_a_sandbox(vllm_values: dict[str, Any]) -> None:
    values = changed(vllm_values, "images.allowUnresolved", False)
    for name in set(values["images"]) - {"allowUnresolved", "vllm"}:
        values = changed(values, f"images.{name}.digest", DIGEST)
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
        ("engine.nodes", 0),
        ("engine.rollout", "recreate"),
        ("engine.runner", "classify"),
        ("engine.probe.stallSeconds", 0),
        ("proxy.maxRequestBytes", 0),
        ("proxy.memory", 1),
        ("tls.secretName", "Not A Name"),
        ("autoscaling", {"minReplicas": 0}),
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
    ("path", "key"),
    [
        ("engine.env", "VLLM_API_KEY"),
        ("engine.env", "VLLM_SERVER_DEV_MODE"),
        ("engine.env", "VLLM_ALLOW_RUNTIME_LORA_UPDATING"),
        ("engine.env", "HF_TOKEN"),
        ("engine.env", "PYTHONPATH"),
        ("engine.env", "LD_PRELOAD"),
        ("engine.env", "lower"),
        ("engine.files", "../x"),
    ],
)
def test_a_name_that_may_not_be_is_refused_by_name(vllm_values: dict[str, Any], path: str, key: str) -> None:
    refused = render("vllm", "vllm-chat", changed(vllm_values, path, {key: "1"}))
    assert refused.status != 0
    assert f"'{key}'" in refused.error


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
@pytest.mark.parametrize("where", ["args", "workerArgs"])
def test_a_flag_that_is_not_allowed_is_refused_by_name(
    vllm_values: dict[str, Any], flag: str, where: str
) -> None:
    args = [*vllm_values["engine"]["args"], flag]
    refused = render("vllm", "vllm-chat", changed(vllm_values, f"engine.{where}", args))
    assert refused.status != 0
    at = len(args) - 1
    assert f"/engine/{where}/{at}" in refused.error or f"engine.{where}.{at}" in refused.error


@pytest.mark.parametrize("where", ["command", "workerCommand"])
def test_a_flag_behind_the_program_is_refused(vllm_values: dict[str, Any], where: str) -> None:
    command = [*vllm_values["engine"][where], "--trust-remote-code"]
    refused = render("vllm", "vllm-chat", changed(vllm_values, f"engine.{where}", command))
    assert refused.status != 0
    assert f"engine/{where}" in refused.error or f"engine.{where}" in refused.error


@pytest.mark.parametrize("kind", ["first", "last"])
def test_an_engine_that_would_listen_beside_its_proxy_is_refused(
    vllm_values: dict[str, Any], kind: str
) -> None:
    args = list(vllm_values["engine"]["args"])
    everywhere = "0.0.0.0"  # noqa: S104 - what must be refused
    if kind == "first":
        args[args.index("--host") + 1] = everywhere
        args += ["--response-role", "127.0.0.1"]
    else:
        args += ["--host", everywhere]
    refused = render("vllm", "vllm-chat", changed(vllm_values, "engine.args", args))
    assert refused.status != 0
    assert 'engine.args has --host "0.0.0.0"' in refused.error


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


def test_every_value_is_described_and_has_a_default_and_nothing_else_is_taken() -> None:
    schema = json.loads((ROOT / "charts/vllm/values.schema.json").read_text())
    defaults = yaml.safe_load((ROOT / "charts/vllm/values.yaml").read_text())

    def walk(part: dict[str, Any], given: Any, path: str) -> None:
        if "$ref" in part:
            part = schema["definitions"][part["$ref"].rpartition("/")[2]]
        for each in [*part.get("oneOf", []), *([part["items"]] if "items" in part else [])]:
            walk(each, None, path)
        if "properties" not in part:
            return
        assert part.get("additionalProperties") is False, path
        if isinstance(given, dict):
            assert set(given) == set(part["properties"]) - {"global"}, path
        for name, found in part["properties"].items():
            assert "$ref" in found or found.get("description", "").endswith("."), f"{path}.{name}"
            walk(found, given.get(name) if isinstance(given, dict) else None, f"{path}.{name}")

    walk(schema, defaults, "")
