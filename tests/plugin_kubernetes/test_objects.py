"""Objects against a real API server: judged at preview, applied, compared, replaced, imported, deleted."""

from __future__ import annotations

import base64
import time

import pytest

from sandbox.plugins.protocol import UNKNOWN, PluginError
from tests.plugin_kubernetes.conftest import Driver
from tests.waits import PATIENCE_S, until

pytestmark = [pytest.mark.world, pytest.mark.xdist_group("plugin-kubernetes")]


def config_map(namespace: str, name: str = "settings", **data: str) -> dict:
    return {"metadata": {"name": name, "namespace": namespace}, "data": data}


def deployment(namespace: str, name: str = "engine", replicas: int = 1, app: str = "engine") -> dict:
    return {
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": app}},
            "template": {
                "metadata": {"labels": {"app": app}},
                "spec": {
                    "containers": [
                        {
                            "name": "main",
                            "image": "registry.k8s.io/pause:3.10",
                            "resources": {"requests": {"cpu": "1000m"}, "limits": {"nvidia.com/gpu": "8"}},
                        }
                    ]
                },
            },
        },
    }


def test_an_object_is_created_read_updated_and_deleted(driver: Driver, namespace: str) -> None:
    resource = driver.resource("core/v1:ConfigMap")
    made, state, inputs = driver.up(resource, config_map(namespace, a="1", b="2"))
    assert made == f"{namespace}/settings"
    assert state["metadata"]["uid"]
    assert "managedFields" not in state["metadata"]
    assert driver.provider.diff(resource, made, state, inputs, inputs).properties == {}

    changed = driver.check(resource, config_map(namespace, a="9"), inputs)
    found = driver.provider.diff(resource, made, state, inputs, changed)
    assert found.properties == {"data.a": "update", "data.b": "delete"}
    state = driver.provider.update(resource, made, state, inputs, changed, False, PATIENCE_S)
    assert state["data"] == {"a": "9"}
    assert driver.provider.read(resource, made, state, changed) == (made, state, changed)

    driver.provider.delete(resource, made, state, changed, PATIENCE_S)
    assert driver.provider.read(resource, made, state, changed) is None
    driver.provider.delete(resource, made, state, changed, PATIENCE_S)


def test_a_misspelt_field_is_refused_at_preview_by_name(driver: Driver, namespace: str) -> None:
    resource = driver.resource("apps/v1:Deployment")
    wrong = deployment(namespace)
    wrong["spec"]["replicsa"] = 2
    with pytest.raises(
        PluginError, match=r"Deployment .*/engine.*\.spec\.replicsa: field not declared in schema"
    ):
        driver.provider.create(resource, driver.check(resource, wrong), True, 0)


def test_a_misspelt_field_is_refused_although_other_values_are_not_known_yet(
    driver: Driver, namespace: str
) -> None:
    resource = driver.resource("apps/v1:Deployment")
    wrong = deployment(namespace)
    wrong["spec"]["template"]["spec"]["containers"][0]["image"] = UNKNOWN
    driver.provider.create(resource, driver.check(resource, wrong), True, 0)
    wrong["spec"]["template"]["spec"]["containers"][0]["imagePullPolcy"] = "Always"
    with pytest.raises(PluginError, match="imagePullPolcy"):
        driver.provider.create(resource, driver.check(resource, wrong), True, 0)


def test_a_field_is_judged_in_a_namespace_that_comes_with_the_same_run(driver: Driver) -> None:
    resource = driver.resource("core/v1:ConfigMap")
    driver.provider.create(resource, driver.check(resource, config_map("not-there-yet", a="1")), True, 0)
    wrong = {**config_map("not-there-yet"), "dta": {}}
    with pytest.raises(PluginError, match="dta"):
        driver.provider.create(resource, driver.check(resource, wrong), True, 0)


def test_an_unknown_cluster_shows_objects_and_an_unknown_kind_waits_for_its_definition(
    driver: Driver,
) -> None:
    resource = driver.resource("example.com/v1:Widget")
    widget = driver.check(resource, {"metadata": {"name": "w"}, "spec": {"size": 1}})
    driver.provider.create(resource, widget, True, 0)
    driver.provider.configure({"kubeconfig": UNKNOWN})
    _, state = driver.provider.create(resource, widget, True, 0)
    assert state["metadata"]["uid"] is UNKNOWN
    with pytest.raises(PluginError, match="not known yet"):
        driver.provider.create(resource, widget, False, 5)


def test_an_immutable_field_replaces_and_deletes_first_under_the_same_name(
    driver: Driver, namespace: str
) -> None:
    resource = driver.resource("apps/v1:Deployment")
    made, state, inputs = driver.up(resource, deployment(namespace, replicas=0))
    other = driver.check(resource, deployment(namespace, replicas=0, app="other"), inputs)
    found = driver.provider.diff(resource, made, state, inputs, other)
    assert "spec.selector.matchLabels.app" in found.replaces
    assert found.delete_before_replace
    driver.provider.create(resource, other, True, 0)  # the preview of the replacement

    more = driver.check(resource, deployment(namespace, replicas=2), inputs)
    assert driver.provider.diff(resource, made, state, inputs, more).properties == {"spec.replicas": "update"}

    renamed = driver.check(resource, deployment(namespace, name="engine-b", replicas=0), inputs)
    found = driver.provider.diff(resource, made, state, inputs, renamed)
    assert found.replaces == ["metadata.name"]
    assert not found.delete_before_replace


@pytest.mark.parametrize(
    ("token", "before", "after"),
    [
        ("core/v1:Service", {"clusterIP": "None"}, {"clusterIP": "10.100.0.77"}),
        (
            "apps/v1:StatefulSet",
            {"serviceName": "a", "podManagementPolicy": "OrderedReady"},
            {"serviceName": "b", "podManagementPolicy": "Parallel"},
        ),
        ("batch/v1:Job", {"completionMode": "NonIndexed"}, {"completionMode": "Indexed", "completions": 1}),
    ],
)
def test_each_way_of_saying_immutable_is_understood(
    driver: Driver, namespace: str, token: str, before: dict, after: dict
) -> None:
    template = deployment(namespace)["spec"]["template"]
    base: dict = {"template": template, "selector": {"matchLabels": {"app": "engine"}}, "replicas": 0}
    if "Job" in token:
        job_pod = {**template, "spec": {**template["spec"], "restartPolicy": "Never"}}
        base = {"template": job_pod, "suspend": True}
    if "Service" in token:
        base = {"ports": [{"port": 80}], "selector": {"app": "engine"}}
    resource = driver.resource(token)
    meta = {
        "name": "fixed",
        "namespace": namespace,
        "annotations": {"pulumi.com/skipAwait": "true"},
    }
    made, state, inputs = driver.up(resource, {"metadata": meta, "spec": {**base, **before}})
    new = driver.check(resource, {"metadata": meta, "spec": {**base, **after}}, inputs)
    assert driver.provider.diff(resource, made, state, inputs, new).replaces


def test_drift_by_hand_is_shown_and_what_the_server_fills_in_is_not(driver: Driver, namespace: str) -> None:
    resource = driver.resource("apps/v1:Deployment")
    made, state, inputs = driver.up(resource, deployment(namespace, replicas=0))
    found = driver.provider.read(resource, made, state, inputs)
    assert found is not None
    assert found[2] == inputs  # "1000m" is stored as "1", and dozens of defaults are filled in

    client = driver.provider._objects.client
    assert client is not None
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments/engine"
    patch = {
        "spec": {"replicas": 3, "template": {"spec": {"containers": [{"name": "main", "image": "other:1"}]}}},
        "metadata": {"labels": {"by": "hand"}},
    }
    client.request(
        "PATCH", path, {"fieldManager": "kubectl-edit"}, patch, "application/strategic-merge-patch+json"
    )
    found = driver.provider.read(resource, made, state, inputs)
    assert found is not None
    assert found[2]["spec"]["replicas"] == 3
    container = found[2]["spec"]["template"]["spec"]["containers"][0]
    assert container["image"] == "other:1"
    assert container["resources"] == inputs["spec"]["template"]["spec"]["containers"][0]["resources"]
    diff = driver.provider.diff(resource, made, found[1], found[2], inputs)
    assert set(diff.properties) == {"spec.replicas", "spec.template.spec.containers[0].image"}
    state = driver.provider.update(resource, made, found[1], found[2], inputs, False, PATIENCE_S)
    assert state["spec"]["replicas"] == 0
    assert state["metadata"]["labels"] == {"by": "hand"}


def test_an_object_of_someone_else_is_not_taken_over(driver: Driver, namespace: str) -> None:
    first, second = driver.resource("core/v1:ConfigMap", "a"), driver.resource("core/v1:ConfigMap", "b")
    driver.up(first, config_map(namespace, a="1"))
    inputs = driver.check(second, config_map(namespace, a="2"))
    for preview in (True, False):
        with pytest.raises(
            PluginError, match=r"exists already.*pulumi import kubernetes:core/v1:ConfigMap b"
        ):
            driver.provider.create(second, inputs, preview, 5)
    inputs["metadata"]["annotations"] = {"pulumi.com/patchForce": "true"}
    _, state = driver.provider.create(second, inputs, False, PATIENCE_S)
    assert state["data"] == {"a": "2"}


def test_an_object_that_a_killed_run_had_made_is_recognised(driver: Driver, namespace: str) -> None:
    resource = driver.resource("core/v1:ConfigMap")
    first = driver.up(resource, config_map(namespace, a="1"))
    again = driver.up(resource, config_map(namespace, a="1"))
    assert first[1]["metadata"]["uid"] == again[1]["metadata"]["uid"]


def test_an_import_takes_what_people_wrote(driver: Driver, namespace: str) -> None:
    client = driver.provider._objects.client
    assert client is not None
    body = {"apiVersion": "v1", "kind": "ConfigMap", **config_map(namespace, "theirs", a="1")}
    client.request("POST", f"/api/v1/namespaces/{namespace}/configmaps", {"fieldManager": "kubectl"}, body)
    found = driver.provider.read(driver.resource("core/v1:ConfigMap"), f"{namespace}/theirs", {}, {})
    assert found is not None
    assert found[2] == body
    # A controller makes this one, some time after its namespace.
    account = driver.resource("core/v1:ServiceAccount")
    until(lambda: driver.provider.read(account, f"{namespace}/default", {}, {}))


def test_a_name_is_made_once_and_kept(driver: Driver, namespace: str) -> None:
    resource = driver.resource("core/v1:ConfigMap", "engine-settings")
    inputs = driver.check(resource, {"metadata": {"namespace": namespace}})
    assert inputs["metadata"]["name"] == "engine-settings-00010203"
    again, _ = driver.provider.check(resource, inputs, {"metadata": {"namespace": namespace}}, b"other")
    assert again == inputs


def test_a_secrets_content_is_kept_only_under_the_names_of_its_inputs(driver: Driver, namespace: str) -> None:
    resource = driver.resource("core/v1:Secret")
    made, state, inputs = driver.up(
        resource, {"metadata": {"name": "s", "namespace": namespace}, "stringData": {"token": "hunter2"}}
    )
    assert "data" not in state
    assert base64.b64encode(b"hunter2").decode() not in repr(state)
    client = driver.provider._objects.client
    assert client is not None
    patch = {"data": {"token": base64.b64encode(b"changed").decode()}}
    client.request(
        "PATCH", f"/api/v1/namespaces/{namespace}/secrets/s", None, patch, "application/merge-patch+json"
    )
    found = driver.provider.read(resource, made, state, inputs)
    assert found is not None
    assert found[2]["stringData"] == {"token": "changed"}
    wrong = {**inputs, "stringData": {"token": "hunter2"}, "type": "kubernetes.io/tls"}
    with pytest.raises(PluginError) as refused:
        driver.provider.create(driver.resource("core/v1:Secret", "x"), wrong, True, 0)
    assert "hunter2" not in str(refused.value)


def test_a_definition_and_its_object_come_in_one_run(driver: Driver, namespace: str) -> None:
    schema = {
        "type": "object",
        "properties": {"spec": {"type": "object", "properties": {"size": {"type": "integer"}}}},
    }
    crd = driver.resource("apiextensions.k8s.io/v1:CustomResourceDefinition")
    made, state, _ = driver.up(
        crd,
        {
            "metadata": {"name": "gadgets.example.com"},
            "spec": {
                "group": "example.com",
                "scope": "Namespaced",
                "names": {"kind": "Gadget", "plural": "gadgets"},
                "versions": [
                    {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
                ],
            },
        },
    )
    gadget = driver.resource("example.com/v1:Gadget")
    place = {"name": "g", "namespace": namespace}
    driver.up(gadget, {"metadata": place, "spec": {"size": 3}})
    wrong = driver.check(gadget, {"metadata": {**place, "name": "h"}, "spec": {"sise": 3}})
    with pytest.raises(PluginError, match="sise"):
        driver.provider.create(gadget, wrong, True, 0)
    driver.provider.delete(crd, made, state, {}, PATIENCE_S)
    driver.provider.delete(gadget, f"{namespace}/g", {}, {}, PATIENCE_S)


@pytest.mark.parametrize(
    ("token", "reason"),
    [
        ("yaml:ConfigFile", "component of many objects"),
        ("helm.sh/v3:Chart", "only helm.sh/v3:Release"),
        ("core/v1:ConfigMapList", "each object of the list"),
        ("apps/v1:DeploymentPatch", "the whole object"),
        ("kustomize:Directory", "kustomize"),
    ],
)
def test_what_is_not_done_is_refused_by_name(driver: Driver, token: str, reason: str) -> None:
    with pytest.raises(PluginError, match=reason):
        driver.provider.check(driver.resource(token), {}, {}, b"")


def test_a_hundred_objects_are_previewed_without_a_wait_for_each(driver: Driver, namespace: str) -> None:
    resource = driver.resource("core/v1:ConfigMap")
    began = time.monotonic()
    for number in range(100):
        inputs = driver.check(resource, config_map(namespace, f"m-{number}", a="1"))
        driver.provider.create(resource, inputs, True, 0)
    assert time.monotonic() - began < 60  # 2 s on an idle machine
