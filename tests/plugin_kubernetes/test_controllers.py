"""LeaderWorkerSet's own chart by the real helm, and KEDA's and its objects before their real definitions."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bastide import names
from bastide.plans import keda, leader_worker_set
from bastide.settings import Settings, read_stack_file
from components.namespaces import pod_security
from sandbox import state
from sandbox.cli_status import print_noted
from sandbox.cluster.control_plane import ControlPlane
from sandbox.plugins.kubernetes import ledger, upstream
from sandbox.plugins.kubernetes.client import ApiError, Client
from tests.plugin_kubernetes.conftest import Driver, drive, serve_custom_kinds
from tests.waits import PATIENCE_S

pytestmark = [pytest.mark.world, pytest.mark.xdist_group("plugin-kubernetes")]

STACK = Path(__file__).parents[2] / "stacks/Pulumi.sandbox.yaml"
SERVING = names.namespace("serving")


@pytest.fixture(scope="module")
def settings() -> Settings:
    both = {"scaling": {"enabled": True}, "multiNode": {"enabled": True}}
    return Settings.load({**read_stack_file(STACK), **both})


@pytest.fixture(scope="module")
def driver(plane: ControlPlane) -> Driver:
    return drive(plane)


@pytest.fixture(scope="module")
def client(driver: Driver) -> Client:
    found = driver.provider._objects.client
    assert found is not None
    return found


@pytest.fixture(scope="module")
def spaces(client: Client) -> None:
    for purpose in ("scaling", "groups", "serving"):
        metadata = {"name": names.namespace(purpose), "labels": pod_security("restricted")}
        if client.find(f"/api/v1/namespaces/{metadata['name']}") is None:
            body = {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}
            client.request("POST", "/api/v1/namespaces", body=body)


@pytest.fixture(scope="module")
def groups(driver: Driver, spaces: None, settings: Settings) -> Iterator[dict[str, Any]]:
    resource = driver.resource("helm.sh/v3:Release", "lws")
    inputs = {
        "chart": "oci://127.0.0.1:9/charts/lws",
        "name": leader_worker_set.RELEASE,
        "namespace": names.namespace("groups"),
        "version": settings.multi_node.chart_version,
        "values": leader_worker_set.release_values(settings),
        "skipAwait": True,  # no node is here that would take its pods
    }
    checked, said = driver.check(resource, inputs), len(driver.lines)
    driver.provider.create(resource, checked, True, 0)
    # The pods are judged by the namespace's level at preview; a warning would be said here.
    assert [line for severity, line in driver.lines[said:] if severity == "warning"] == []
    made, found = driver.provider.create(resource, checked, False, PATIENCE_S)
    yield found
    serve_custom_kinds(driver)
    driver.provider.delete(resource, made, found, {}, PATIENCE_S)


@pytest.fixture(scope="module")
def scaling(driver: Driver, spaces: None, settings: Settings) -> Iterator[dict[str, Any]]:
    """KEDA's chart is in no Go module, so its release is told to be missing; its definitions are there."""
    resource = driver.resource("helm.sh/v3:Release", "keda")
    made, found, checked = driver.up(
        resource,
        {
            "chart": "keda",
            "name": keda.RELEASE,
            "namespace": names.namespace("scaling"),
            "version": settings.scaling.chart_version,
            "repositoryOpts": {"repo": "http://127.0.0.1:9/no-repository"},
            "values": keda.release_values(settings),
        },
        PATIENCE_S,
    )
    yield found
    driver.provider.delete(resource, made, found, checked, PATIENCE_S)


def put(client: Client, item: dict[str, Any]) -> dict[str, Any]:
    kind = client.kind(item["apiVersion"], item["kind"], PATIENCE_S)
    return client.apply(kind, SERVING, item, "test", True, True)[1]


def test_the_group_controller_is_what_our_values_say(client: Client, groups: dict[str, Any]) -> None:
    place = f"/apis/apps/v1/namespaces/{names.namespace('groups')}/deployments/lws-controller-manager"
    spec = client.get(place)["spec"]
    assert spec["replicas"] == 2
    assert spec["template"]["metadata"]["labels"].items() >= leader_worker_set.PODS.items()
    (container,) = spec["template"]["spec"]["containers"]
    assert container["image"] == "registry.k8s.io/lws/lws:v0.8.0"
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert not any("Webhook" in kind for kind in groups["resourceNames"])


def group(size: int = 2) -> dict[str, Any]:
    pod = {"spec": {"containers": [{"name": "vllm", "image": "vllm"}]}}
    return {
        "apiVersion": "leaderworkerset.x-k8s.io/v1",
        "kind": "LeaderWorkerSet",
        "metadata": {"name": "vllm-large", "namespace": SERVING},
        "spec": {
            "replicas": 1,
            "startupPolicy": "LeaderCreated",
            "leaderWorkerTemplate": {
                "size": size,
                "restartPolicy": "RecreateGroupOnPodRestart",
                "leaderTemplate": copy.deepcopy(pod),
                "workerTemplate": pod,
            },
        },
    }


def scaled() -> dict[str, Any]:
    return {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledObject",
        "metadata": {"name": "vllm-chat", "namespace": SERVING},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "vllm-chat"},
            "minReplicaCount": 1,
            "maxReplicaCount": 4,
            "fallback": {"failureThreshold": 3, "replicas": 2, "behavior": "static"},
            "triggers": [
                {
                    "type": "prometheus",
                    "metricType": "AverageValue",
                    "metadata": {
                        "serverAddress": "http://prometheus:9090",
                        "query": "sum(x)",
                        "threshold": "25",
                        "ignoreNullValues": "false",
                    },
                }
            ],
        },
    }


def test_objects_of_both_are_taken_as_they_are(client: Client, groups: Any, scaling: Any) -> None:
    for item in (group(), scaled()):
        live = put(client, item)
        for key, value in item["spec"].items():
            if key != "leaderWorkerTemplate":  # pods get their defaults
                assert live["spec"][key] == value


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("no such policy", 'Unsupported value: "RestartSomebody"'),
        ("no worker", "workerTemplate"),
        ("a field that is not there", "gang"),
        ("no trigger", "triggers"),
        ("a number for a text", "threshold"),
        ("an unknown field", "cooldown"),
        ("no target", "scaleTargetRef"),
    ],
)
def test_the_definitions_judge_for_themselves(
    client: Client, groups: Any, scaling: Any, change: str, reason: str
) -> None:
    item = group() if change in ("no such policy", "no worker", "a field that is not there") else scaled()
    spec = item["spec"]
    match change:
        case "no such policy":
            spec["leaderWorkerTemplate"]["restartPolicy"] = "RestartSomebody"
        case "no worker":
            del spec["leaderWorkerTemplate"]["workerTemplate"]
        case "a field that is not there":
            spec["gang"] = True
        case "no trigger":
            del spec["triggers"]
        case "a number for a text":
            spec["triggers"][0]["metadata"]["threshold"] = 25
        case "an unknown field":
            spec["cooldown"] = 3
        case "no target":
            del spec["scaleTargetRef"]
    with pytest.raises(ApiError, match=reason):
        put(client, item)


def test_kedas_release_is_told_to_be_missing_and_its_definitions_to_be_there(
    driver: Driver, scaling: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    assert scaling["status"]["status"] == "not-rendered"
    said = [line for _, line in driver.lines if "its definitions come from" in line]
    assert said == [
        "keda: its definitions come from github.com/kedacore/keda/v2@v2.20.2, and judge objects of its kinds"
    ]
    print_noted()
    assert "not rendered keda 2.20.2" in capsys.readouterr().out
    assert upstream.definitions("keda", "0.0.1") == ([], "")


def test_custom_resources_of_a_release_are_listed_while_it_is_there(
    driver: Driver,
    groups: Any,
    scaling: Any,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = tmp_path / "chart"
    (folder / "templates").mkdir(parents=True)
    (folder / "Chart.yaml").write_text("apiVersion: v2\nname: ours\nversion: 1.0.0\n")
    for item in (group(), scaled()):
        (folder / "templates" / f"{item['kind']}.yaml").write_text(json.dumps(item))
    resource = driver.resource("helm.sh/v3:Release", "ours")
    made, found, checked = driver.up(
        resource, {"chart": str(folder), "name": "ours", "namespace": SERVING}, PATIENCE_S
    )
    lines = (state.home() / ledger.NOT_RENDERED).read_text().splitlines()
    (entry,) = [each for each in map(json.loads, lines) if each["urn"] == resource.urn]
    assert entry["unattendedOfChart"] == {"LeaderWorkerSet": 1, "ScaledObject": 1}
    print_noted()
    told = capsys.readouterr().out
    assert "1 LeaderWorkerSet, 1 ScaledObject: their controllers are pods, and no pod runs" in told
    assert "not rendered ours" not in told
    driver.provider.delete(resource, made, found, checked, PATIENCE_S)
    print_noted()
    assert "ScaledObject" not in capsys.readouterr().out
