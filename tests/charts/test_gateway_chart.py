"""charts/gateway: what it renders, and what it refuses."""

from __future__ import annotations

import ast
import json
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator

from tests.charts.conftest import DIGEST, ROOT, Rendered, changed, helm, render

CI = ROOT / "charts/gateway/ci"
TMP = "/tmp"  # noqa: S108 - a path in a pod


def values_of(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((CI / f"{name}-values.yaml").read_text())
    return found


def with_defaults(values: dict[str, Any]) -> dict[str, Any]:
    """Values over the chart's own, so that a test may change any of them by its path."""

    def merged(base: Any, over: Any) -> Any:
        if not isinstance(base, dict) or not isinstance(over, dict):
            return over
        return {key: merged(base.get(key), over.get(key, base.get(key))) for key in {**base, **over}}

    found: dict[str, Any] = merged(yaml.safe_load((ROOT / "charts/gateway/values.yaml").read_text()), values)
    return found


@pytest.fixture(scope="module")
def whole_values() -> dict[str, Any]:
    return with_defaults(values_of("whole"))


@pytest.fixture(scope="module")
def whole(whole_values: dict[str, Any]) -> Rendered:
    return render("gateway", "gateway", whole_values)


@pytest.fixture(scope="module")
def plain() -> Rendered:
    return render("gateway", "gateway", values_of("plain"))


def is_hook(item: dict[str, Any]) -> bool:
    return "helm.sh/hook" in item["metadata"].get("annotations", {})


def container(rendered: Rendered, kind: str, name: str) -> dict[str, Any]:
    (only,) = rendered.one(kind, name)["spec"]["template"]["spec"]["containers"]
    found: dict[str, Any] = only
    return found


@pytest.mark.parametrize("values", sorted(CI.glob("*.yaml")), ids=lambda path: path.name)
def test_helm_lint_finds_nothing(values: Any) -> None:
    done = helm("lint", "--strict", str(ROOT / "charts/gateway"), "-f", str(values))
    assert done.returncode == 0, done.stdout


def test_a_gateway_is_these_objects(whole: Rendered, plain: Rendered) -> None:
    assert (whole.error, plain.error) == ("", "")
    kept = sorted((each["kind"], each["metadata"]["name"]) for each in whole.objects if not is_hook(each))
    assert kept == [
        ("ConfigMap", "gateway-config"),
        ("ConfigMap", "gateway-package"),
        ("ConfigMap", "gateway-trust"),
        ("Deployment", "gateway"),
        ("Deployment", "pii"),
        ("HorizontalPodAutoscaler", "gateway"),
        ("NetworkPolicy", "gateway"),
        ("NetworkPolicy", "gateway-teams"),
        ("NetworkPolicy", "pii"),
        ("PodDisruptionBudget", "gateway"),
        ("PodDisruptionBudget", "pii"),
        ("Service", "gateway"),
        ("Service", "pii"),
        ("ServiceAccount", "gateway"),
        ("ServiceAccount", "pii"),
    ]
    bare = {(each["kind"], each["metadata"]["name"]) for each in plain.objects if not is_hook(each)}
    assert set(kept) - bare == {
        ("ConfigMap", "gateway-trust"),
        ("Deployment", "pii"),
        ("HorizontalPodAutoscaler", "gateway"),
        ("NetworkPolicy", "pii"),
        ("PodDisruptionBudget", "pii"),
        ("Service", "pii"),
        ("ServiceAccount", "pii"),
    }


def test_only_the_gateways_own_pods_have_its_role(whole: Rendered) -> None:
    # By the role the engines let them in: neither jobs nor the pii service nor the test's pod may have it.
    for each in whole.objects:
        pods = each.get("spec", {}).get("template") or (each if each["kind"] == "Pod" else None)
        if pods:
            role = pods["metadata"]["labels"].get("bastide.dev/role")
            assert role == ("gateway" if each["metadata"]["name"] == "gateway" else None)


def test_every_pod_is_what_restricted_pod_security_asks_for_and_more(whole: Rendered) -> None:
    pods = [*whole.pods(), whole.one("Pod")["spec"]]
    assert len(pods) == 5  # gateway, pii, two jobs, the test
    for pod in pods:
        assert pod["securityContext"] == {
            "runAsNonRoot": True,
            "runAsUser": 65534,
            "runAsGroup": 65534,
            "fsGroup": 65534,
            "seccompProfile": {"type": "RuntimeDefault"},
        }
        assert pod["automountServiceAccountToken"] is False
        assert pod["enableServiceLinks"] is False
        assert not any(pod[each] for each in ("hostNetwork", "hostPID", "hostIPC"))
        assert pod["nodeSelector"] == {"bastide.dev/pool": "system"}
        kinds = {next(kind for kind in volume if kind != "name") for volume in pod["volumes"]}
        assert kinds <= {"configMap", "secret", "emptyDir"}
        assert all("sizeLimit" in each["emptyDir"] for each in pod["volumes"] if "emptyDir" in each)
        for only in [*pod.get("initContainers", []), *pod["containers"]]:
            checked(only)


def checked(only: dict[str, Any]) -> None:
    assert only["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "privileged": False,
        "readOnlyRootFilesystem": True,
        "runAsNonRoot": True,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    assert only["resources"]["limits"]["memory"] == only["resources"]["requests"]["memory"]
    assert "cpu" not in only["resources"]["limits"]
    writable = {each["mountPath"] for each in only["volumeMounts"] if not each.get("readOnly")}
    assert writable <= {TMP}


def test_no_environment_and_no_argument_comes_from_a_secret(whole: Rendered) -> None:
    for pod in [*whole.pods(), whole.one("Pod")["spec"]]:
        for each in pod["containers"]:
            assert "envFrom" not in each
            for variable in each.get("env", []):
                assert variable.get("valueFrom", {}).keys() <= {"fieldRef"}


def test_replicas_are_spread_over_zones_and_one_may_go_at_a_time(whole: Rendered, plain: Rendered) -> None:
    spec = plain.one("Deployment", "gateway")["spec"]
    assert spec["replicas"] == 3
    assert spec["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}
    zone, host = spec["template"]["spec"]["topologySpreadConstraints"]
    assert (zone["topologyKey"], zone["whenUnsatisfiable"]) == (
        "topology.kubernetes.io/zone",
        "DoNotSchedule",
    )
    assert (host["topologyKey"], host["whenUnsatisfiable"]) == ("kubernetes.io/hostname", "ScheduleAnyway")
    budget = plain.one("PodDisruptionBudget", "gateway")["spec"]
    assert budget["maxUnavailable"] == 1
    assert budget["selector"] == spec["selector"]
    # What the autoscaler sets is not set back by the next upgrade.
    assert "replicas" not in whole.one("Deployment", "gateway")["spec"]
    scaler = whole.one("HorizontalPodAutoscaler")["spec"]
    assert (scaler["minReplicas"], scaler["maxReplicas"]) == (3, 9)


@pytest.mark.parametrize(("sleep", "drain"), [(20, 150), (1, 1), (120, 3600)])
def test_sleep_drain_and_grace_follow_from_one_another(
    whole_values: dict[str, Any], sleep: int, drain: int
) -> None:
    values = changed(changed(whole_values, "drain.preStopSeconds", sleep), "drain.shutdownSeconds", drain)
    rendered = render("gateway", "gateway", values)
    pod = rendered.one("Deployment", "gateway")["spec"]["template"]["spec"]
    assert pod["containers"][0]["lifecycle"] == {"preStop": {"sleep": {"seconds": sleep}}}
    assert pod["terminationGracePeriodSeconds"] == sleep + drain + 15


def test_probes_ask_the_launcher_and_not_litellm(whole: Rendered, plain: Rendered) -> None:
    for rendered, scheme in ((whole, "HTTPS"), (plain, "HTTP")):
        gateway = container(rendered, "Deployment", "gateway")
        asked = {name: gateway[f"{name}Probe"]["httpGet"] for name in ("startup", "liveness", "readiness")}
        assert asked == {
            "startup": {"path": "/bastide/live", "port": 4000, "scheme": scheme},
            "liveness": {"path": "/bastide/live", "port": 4000, "scheme": scheme},
            "readiness": {"path": "/bastide/ready", "port": 4000, "scheme": scheme},
        }
        startup = gateway["startupProbe"]
        assert startup["periodSeconds"] * startup["failureThreshold"] == 180


def test_what_was_given_comes_out_of_the_volumes_byte_for_byte(
    whole: Rendered, whole_values: dict[str, Any]
) -> None:
    assert whole.one("ConfigMap", "gateway-config")["data"] == whole_values["config"]
    pod = whole.one("Deployment", "gateway")["spec"]["template"]["spec"]
    (package,) = [each["configMap"] for each in pod["volumes"] if each["name"] == "package"]
    data = whole.one("ConfigMap", package["name"])["data"]
    assert {each["path"]: data[each["key"]] for each in package["items"]} == whole_values["package"]
    ast.parse(data["bastide_gateway.guards.__init__.py"])
    assert whole.one("ConfigMap", "gateway-trust")["data"] == {
        "database.pem": whole_values["trust"]["database"],
        "redis.pem": whole_values["trust"]["redis"],
    }


def mounts(rendered: Rendered, kind: str, name: str) -> dict[str, dict[str, Any]]:
    """Volume by the path at which it is mounted."""
    pod = rendered.one(kind, name)["spec"]["template"]["spec"]
    volumes = {each["name"]: each for each in pod["volumes"]}
    return {each["mountPath"]: volumes[each["name"]] for each in pod["containers"][0]["volumeMounts"]}


def test_files_are_where_the_launcher_looks(whole: Rendered, plain: Rendered) -> None:
    found = mounts(whole, "Deployment", "gateway")
    assert found.keys() == {
        "/etc/bastide/gateway",
        "/opt/bastide/gateway",
        "/etc/bastide/secrets",
        "/etc/bastide/database",
        "/etc/bastide/redis",
        "/etc/bastide/tls",
        "/etc/bastide/ca",
        TMP,
    }
    assert found["/etc/bastide/secrets"]["secret"]["secretName"] == "gateway-secrets"
    assert found["/etc/bastide/database"]["configMap"]["items"] == [{"key": "database.pem", "path": "ca.pem"}]
    assert found["/etc/bastide/ca"]["secret"]["items"] == [{"key": "ca.crt", "path": "ca.crt"}]
    for job, only in (("gateway-migrate", "database-password"), ("gateway-teams", "gateway-master-key")):
        # The Service's key is for who answers at the Service, and providers' keys for who asks them.
        assert mounts(whole, "Job", job).keys() == found.keys() - {"/etc/bastide/tls"}
        assert mounts(whole, "Job", job)["/etc/bastide/secrets"]["secret"]["items"] == [
            {"key": only, "path": only}
        ]
    # With IAM there is no password.
    assert "/etc/bastide/secrets" not in mounts(plain, "Job", "gateway-migrate")
    assert mounts(plain, "Deployment", "gateway").keys() == found.keys() - {
        "/etc/bastide/tls",
        "/etc/bastide/ca",
        "/etc/bastide/database",
        "/etc/bastide/redis",
    }


def test_the_pii_service_asks_no_client_for_a_certificate_that_kubelet_does_not_have(whole: Rendered) -> None:
    tls = mounts(whole, "Deployment", "pii")["/etc/bastide/tls"]["secret"]
    assert {each["key"] for each in tls["items"]} == {"tls.crt", "tls.key"}
    assert mounts(whole, "Deployment", "pii").keys() == {"/etc/bastide/tls", TMP}


def annotation(rendered: Rendered) -> str:
    template = rendered.one("Deployment", "gateway")["spec"]["template"]
    found: str = template["metadata"]["annotations"]["bastide.dev/files-sha256"]
    return found


def test_what_is_read_at_the_start_starts_new_pods_when_it_changes(
    whole: Rendered, whole_values: dict[str, Any]
) -> None:
    before = annotation(whole)
    for path, value in (
        ("config", {**whole_values["config"], "routes.json": '{"version": 2}'}),
        ("config", {**whole_values["config"], "config.yaml": "model_list: [1]\n"}),
        ("package", {**whole_values["package"], "bastide_gateway/guards/pii.py": "changed = 1\n"}),
        ("trust.database", ""),
    ):
        assert annotation(render("gateway", "gateway", changed(whole_values, path, value))) != before
    renewed = render("gateway", "gateway", changed(whole_values, "secrets.version", "two"))
    template = renewed.one("Deployment", "gateway")["spec"]["template"]["metadata"]
    assert template["annotations"]["bastide.dev/secrets-version"] == "two"
    # How many there are is none of a pod's business.
    more = changed(whole_values, "autoscaling.maxReplicas", 12)
    assert annotation(render("gateway", "gateway", more)) == before


def test_the_database_is_migrated_before_any_new_pod_and_teams_are_made_after(
    whole: Rendered, plain: Rendered
) -> None:
    migrate = whole.one("Job", "gateway-migrate")
    assert migrate["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
    assert container(whole, "Job", "gateway-migrate")["command"] == [
        "python",
        "-m",
        "bastide_gateway.migrate",
    ]
    # Where the stack made the database, its user comes first.
    (first,) = migrate["spec"]["template"]["spec"]["initContainers"]
    assert first["command"] == ["python", "-m", "bastide_gateway.administrator"]
    assert "initContainers" not in plain.one("Job", "gateway-migrate")["spec"]["template"]["spec"]
    teams = whole.one("Job", "gateway-teams")
    assert teams["metadata"]["annotations"]["helm.sh/hook"] == "post-install,post-upgrade"
    asked = container(whole, "Job", "gateway-teams")
    assert asked["command"] == ["python", "-m", "bastide_gateway.teams"]
    environment = {each["name"]: each.get("value") for each in asked["env"]}
    assert environment["BASTIDE_GATEWAY_URL"] == "https://gateway.a-namespace.svc:4002"


def test_what_the_migration_needs_is_there_before_it_and_gone_after(whole: Rendered) -> None:
    """Hooks come before the release's own objects: each thing that the job names is a hook of its own, before it."""
    job = whole.one("Job", "gateway-migrate")
    pod = job["spec"]["template"]["spec"]
    named = {("ServiceAccount", pod["serviceAccountName"])} | {
        ("ConfigMap", each["configMap"]["name"]) for each in pod["volumes"] if "configMap" in each
    }
    policies = [
        each
        for each in whole.objects
        if each["kind"] == "NetworkPolicy"
        and each["spec"]["podSelector"]["matchLabels"].items()
        <= job["spec"]["template"]["metadata"]["labels"].items()
    ]
    assert len(policies) == 1
    named.add(("NetworkPolicy", policies[0]["metadata"]["name"]))
    assert len(named) == 5
    for kind, name in named:
        notes = whole.one(kind, name)["metadata"]["annotations"]
        assert notes["helm.sh/hook"] == "pre-install,pre-upgrade"
        assert int(notes["helm.sh/hook-weight"]) < int(job["metadata"]["annotations"]["helm.sh/hook-weight"])
        if kind != "ServiceAccount":
            assert "hook-succeeded" in notes["helm.sh/hook-delete-policy"]
    for part in ("config", "package", "trust"):
        assert (
            whole.one("ConfigMap", f"gateway-migrate-{part}")["data"]
            == whole.one("ConfigMap", f"gateway-{part}")["data"]
        )


def test_what_the_teams_job_needs_is_not_taken_away_with_the_hooks_before_it(whole: Rendered) -> None:
    pod = whole.one("Job", "gateway-teams")["spec"]["template"]["spec"]
    for each in pod["volumes"]:
        if "configMap" in each:
            assert not is_hook(whole.one("ConfigMap", each["configMap"]["name"]))
    account = whole.one("ServiceAccount", pod["serviceAccountName"])["metadata"]["annotations"]
    assert account["helm.sh/hook-delete-policy"] == "before-hook-creation"


@pytest.mark.parametrize("name", ["gateway", "pii"])
def test_an_unresolved_image_is_refused_outside_a_sandbox(whole_values: dict[str, Any], name: str) -> None:
    refused = render("gateway", "gateway", changed(whole_values, f"images.{name}.digest", "unresolved"))
    assert refused.status != 0
    assert f"images.{name}.digest is unresolved" in refused.error


def test_helm_refuses_what_the_schema_refuses(whole_values: dict[str, Any]) -> None:
    refused = render("gateway", "gateway", changed(whole_values, "env", {"DATABASE_PASSWORD": "x"}))
    assert refused.status != 0
    assert "DATABASE_PASSWORD" in refused.error


@pytest.mark.parametrize(
    ("path", "value", "where"),
    [
        ("images.gateway.tag", "v1.82.7", "images.gateway.tag"),
        ("images.gateway.tag", "main-v1.82.8-stable", "images.gateway.tag"),
        ("package", {}, "package"),
        (
            "package",
            {"bastide_gateway/__init__.py": "", "bastide_gateway/../../etc/passwd.py": ""},
            "package",
        ),
        ("package", {"bastide_gateway/other.py": ""}, "package"),
        ("config", {"config.yaml": "x", "routes.json": ""}, "config.routes.json"),
        ("env", {"DATABASE_PASSWORD": "x"}, "env"),
        ("env", {"DATABASE_URL": "x"}, "env"),
        ("env", {"LITELLM_MASTER_KEY": "x"}, "env"),
        ("env", {"OPENAI_API_KEY": "x"}, "env"),
        ("env", {"LITELLM_LICENSE": "x"}, "env"),
        ("jobs.env", {"REDIS_PASSWORD": "x"}, "jobs.env"),
        ("trust.database", "-----BEGIN RSA PRIVATE KEY-----", "trust.database"),
        ("network.edgeCidrs", ["10.0.0.0"], "network.edgeCidrs.0"),
        ("network.clients", [{"namespace": "apps", "labels": {}}], "network.clients.0.labels"),
        ("network.clients", [{"labels": {"app": "x"}}], "network.clients.0"),
        ("network.internetPorts", [0], "network.internetPorts.0"),
        ("replicas", 0, "replicas"),
        ("drain.shutdownSeconds", 0, "drain.shutdownSeconds"),
        ("autoscaling", {"maxReplicas": 3}, "autoscaling"),
        ("nobodyKnowsThis", 1, ""),
    ],
)
def test_the_schema_refuses(whole_values: dict[str, Any], path: str, value: Any, where: str) -> None:
    judge = Draft7Validator(json.loads((ROOT / "charts/gateway/values.schema.json").read_text()))
    assert list(judge.iter_errors(whole_values)) == []
    found = list(judge.iter_errors(changed(whole_values, path, value)))
    assert {".".join(map(str, each.absolute_path)) for each in found} == {where}


def test_images_are_named_by_their_digests(whole: Rendered) -> None:
    images = {each["image"] for pod in whole.pods() for each in pod["containers"]}
    assert images == {
        f"ghcr.io/berriai/litellm-non_root:v1.106.2@{DIGEST}",
        "bastide/pii:0.1.0@sha256:" + "cd" * 32,
    }


def test_the_service_has_one_port_whether_with_tls_or_without(whole: Rendered, plain: Rendered) -> None:
    for rendered in (whole, plain):
        ports = {each["name"]: each for each in rendered.one("Service", "gateway")["spec"]["ports"]}
        assert (ports["api"]["port"], ports["api"]["targetPort"]) == (443, 4000)
        assert (ports["metrics"]["port"], ports["metrics"]["targetPort"]) == (4001, 4001)
        assert (ports["admin"]["port"], ports["admin"]["targetPort"]) == (4002, 4002)
    assert all(each["spec"]["type"] == "ClusterIP" for each in whole.objects if each["kind"] == "Service")
