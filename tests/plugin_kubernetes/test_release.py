"""Releases by the real helm on a real API server."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sandbox import toolchain
from sandbox.cluster.control_plane import ControlPlane
from sandbox.plugins.kubernetes import ledger
from sandbox.plugins.protocol import UNKNOWN, PartialError, PluginError, Resource
from tests.plugin_kubernetes.conftest import Driver, kubeconfig
from tests.waits import PATIENCE_S, until

pytestmark = [pytest.mark.world, pytest.mark.xdist_group("plugin-kubernetes")]


def release(driver: Driver, name: str = "web") -> Resource:
    return driver.resource("helm.sh/v3:Release", name)


def inputs_of(chart: Path, namespace: str, **more: Any) -> dict[str, Any]:
    return {"chart": str(chart), "name": "web", "namespace": namespace, **more}


def test_a_release_is_installed_upgraded_read_and_uninstalled(
    driver: Driver, namespace: str, chart: Path
) -> None:
    resource = release(driver)
    made, state, inputs = driver.up(resource, inputs_of(chart, namespace, values={"greeting": "hi"}))
    assert made == f"{namespace}/web"
    assert state["status"] == {
        "name": "web",
        "namespace": namespace,
        "revision": 1,
        "status": "deployed",
        "chart": "waiting",
        "version": "1.0.0",
        "appVersion": "7",
    }
    assert state["resourceNames"] == {
        "ConfigMap/v1": [f"{namespace}/web"],
        "Deployment.apps/apps/v1": [f"{namespace}/web"],
    }
    assert driver.provider.diff(resource, made, state, inputs, inputs).properties == {}
    assert driver.provider.read(resource, made, state, inputs) == (made, state, inputs)

    new = driver.check(resource, inputs_of(chart, namespace, values={"greeting": "ho"}), inputs)
    assert driver.provider.diff(resource, made, state, inputs, new).properties == {
        "values.greeting": "update"
    }
    driver.provider.update(resource, made, state, inputs, new, True, 0)
    state = driver.provider.update(resource, made, state, inputs, new, False, PATIENCE_S)
    assert state["status"]["revision"] == 2

    driver.provider.delete(resource, made, state, new, PATIENCE_S)
    assert driver.provider.read(resource, made, state, new) is None
    driver.provider.delete(resource, made, state, new, PATIENCE_S)


def test_what_stays_of_a_release_is_named(driver: Driver, namespace: str, chart: Path) -> None:
    template = chart / "templates/all.yaml"
    held = "metadata:\n  finalizers: [example.com/hold]\n  name:"
    template.write_text(template.read_text().replace("metadata:\n  name:", held, 1))
    resource = release(driver)
    made, state, inputs = driver.up(resource, inputs_of(chart, namespace))
    with pytest.raises(PluginError) as failed:
        driver.provider.delete(resource, made, state, inputs, 10)
    assert "context deadline exceeded" in str(failed.value)
    assert "ConfigMap web is still there: finalizers hold it" in str(failed.value)
    assert "example.com/hold" in str(failed.value)
    assert "Deployment" not in str(failed.value)
    client = driver.provider._objects.client
    assert client is not None
    path = f"/api/v1/namespaces/{namespace}/configmaps/web"
    body = {"metadata": {"finalizers": None}}
    client.request("PATCH", path, body=body, content_type="application/merge-patch+json")
    driver.provider.delete(resource, made, state, inputs, PATIENCE_S)


def test_a_changed_template_of_the_same_version_is_an_update(
    driver: Driver, namespace: str, chart: Path
) -> None:
    resource = release(driver)
    made, state, inputs = driver.up(resource, inputs_of(chart, namespace))
    template = chart / "templates/all.yaml"
    template.write_text(template.read_text().replace("greeting:", "salute:", 1))
    new = driver.check(resource, inputs_of(chart, namespace), inputs)
    assert driver.provider.diff(resource, made, state, inputs, new).properties == {"checksum": "update"}
    other = driver.check(resource, inputs_of(chart, namespace, name="other"), inputs)
    found = driver.provider.diff(resource, made, state, inputs, other)
    assert found.replaces == ["name"]
    assert found.delete_before_replace


def test_a_preview_shows_what_helm_and_the_api_server_refuse(
    driver: Driver, namespace: str, chart: Path
) -> None:
    resource = release(driver)

    def preview(**values: Any) -> None:
        inputs = driver.check(resource, inputs_of(chart, namespace, values=values))
        driver.provider.create(resource, inputs, True, 0)

    preview(greeting="hi")
    preview(greeting=UNKNOWN)
    with pytest.raises(PluginError, match=r"(?s)does not render with these values.*/replicas.*minimum"):
        preview(replicas=-1)
    template = chart / "templates/all.yaml"
    good = template.read_text()
    template.write_text(good.replace("replicas:", "replicsa:"))
    with pytest.raises(PluginError, match=r"Deployment web.*replicsa.*not declared in schema"):
        preview(greeting=UNKNOWN)
    template.write_text(good.replace("{{ .Values.greeting | quote }}", "{{ .Values.nothing.here }}"))
    with pytest.raises(PluginError, match=r"chart waiting does not render.*nil pointer"):
        preview()
    driver.provider.configure({"kubeconfig": UNKNOWN})
    with pytest.raises(PluginError, match=r"nil pointer"):
        preview()


def test_an_object_of_someone_else_stops_a_release_at_preview(
    driver: Driver, namespace: str, chart: Path
) -> None:
    driver.up(driver.resource("core/v1:ConfigMap"), {"metadata": {"name": "web", "namespace": namespace}})
    inputs = driver.check(release(driver), inputs_of(chart, namespace))
    with pytest.raises(PluginError, match="ConfigMap web exists already and is not part of release web"):
        driver.provider.create(release(driver), inputs, True, 0)


def test_pods_that_do_not_fit_are_the_reason_instead_of_helms_deadline(
    driver: Driver, namespace: str, chart: Path
) -> None:
    resource = release(driver)
    inputs = driver.check(resource, inputs_of(chart, namespace, timeout=12, values={"replicas": 1}))
    with pytest.raises(PartialError) as failed:
        driver.provider.create(resource, inputs, False, 0)
    assert "Unschedulable: no nodes available" in failed.value.reasons[0]
    assert "context deadline exceeded" in failed.value.reasons[-1]
    assert failed.value.state["status"]["status"] == "failed"
    assert any(kind == "progress" and "Unschedulable" in line for kind, line in driver.lines)
    found = driver.provider.diff(resource, failed.value.resource_id, failed.value.state, inputs, inputs)
    assert found.properties == {"status.status": "update"}
    good = driver.check(resource, inputs_of(chart, namespace, timeout=300), inputs)
    state = driver.provider.update(
        resource, failed.value.resource_id, failed.value.state, inputs, good, False, 0
    )
    assert (state["status"]["revision"], state["status"]["status"]) == (2, "deployed")


def test_an_atomic_release_leaves_nothing_and_still_says_why(
    driver: Driver, namespace: str, chart: Path
) -> None:
    resource = release(driver)
    inputs = driver.check(
        resource, inputs_of(chart, namespace, timeout=12, atomic=True, values={"replicas": 1})
    )
    with pytest.raises(PluginError, match="Unschedulable") as failed:
        driver.provider.create(resource, inputs, False, 0)
    assert not isinstance(failed.value, PartialError)
    assert driver.provider.read(resource, f"{namespace}/web", {}, inputs) is None


def kill_when_pending(driver: Driver, helm: subprocess.Popen[bytes], namespace: str) -> None:
    """Ends Helm by kill -9 as soon as it has written down that it works on a revision."""

    def pending() -> bool:
        assert helm.poll() is None
        history = driver.provider._releases._history("web", ["--namespace", namespace])
        return any(item["status"].startswith("pending") for item in history)

    until(pending)
    helm.send_signal(signal.SIGKILL)
    helm.wait()


def test_a_revision_that_a_killed_helm_left_pending_is_rolled_back_first(
    driver: Driver, plane: ControlPlane, namespace: str, chart: Path, tmp_path: Path
) -> None:
    resource = release(driver)
    made, state, inputs = driver.up(resource, inputs_of(chart, namespace))
    config = tmp_path / "kubeconfig"
    config.write_text(kubeconfig(plane))
    command = [str(toolchain.paths().helm), "upgrade", "web", str(chart), "--set", "replicas=1", "--wait"]
    helm = subprocess.Popen([*command, "--namespace", namespace, "--kubeconfig", str(config)])
    kill_when_pending(driver, helm, namespace)
    history = driver.provider._releases._history("web", ["--namespace", namespace])
    assert [item["status"] for item in history] == ["deployed", "pending-upgrade"]

    found = driver.provider.read(resource, made, state, inputs)
    assert found is not None
    assert driver.provider.diff(resource, made, found[1], found[2], inputs).properties
    driver.provider.create(resource, inputs, True, 0)  # a preview does not stumble over it
    state = driver.provider.update(resource, made, state, inputs, inputs, False, PATIENCE_S)
    assert state["status"]["status"] == "deployed"
    assert any(kind == "warning" and "rolling back to revision 1" in line for kind, line in driver.lines)


def test_a_first_install_that_was_killed_is_uninstalled_first(
    driver: Driver, plane: ControlPlane, namespace: str, chart: Path, tmp_path: Path
) -> None:
    config = tmp_path / "kubeconfig"
    config.write_text(kubeconfig(plane))
    command = [str(toolchain.paths().helm), "install", "web", str(chart), "--set", "replicas=1", "--wait"]
    helm = subprocess.Popen([*command, "--namespace", namespace, "--kubeconfig", str(config)])
    kill_when_pending(driver, helm, namespace)
    _, state, _ = driver.up(release(driver), inputs_of(chart, namespace))
    assert state["status"]["status"] == "deployed"
    assert any("nothing was deployed before" in line for _, line in driver.lines)


def test_values_and_revisions_of_others_are_drift(
    driver: Driver, plane: ControlPlane, namespace: str, chart: Path, tmp_path: Path
) -> None:
    resource = release(driver)
    made, state, inputs = driver.up(resource, inputs_of(chart, namespace, values={"greeting": "hi"}))
    config = tmp_path / "kubeconfig"
    config.write_text(kubeconfig(plane))
    subprocess.run(
        [
            str(toolchain.paths().helm),
            "upgrade",
            "web",
            str(chart),
            "--set",
            "greeting=by-hand",
            "--namespace",
            namespace,
            "--kubeconfig",
            str(config),
        ],
        check=True,
        capture_output=True,
    )
    found = driver.provider.read(resource, made, state, inputs)
    assert found is not None
    assert found[2]["values"] == {"greeting": "by-hand"}
    assert set(driver.provider.diff(resource, made, found[1], found[2], inputs).properties) == {
        "values.greeting",
        "checksum",
    }
    imported = driver.provider.read(resource, made, {}, {})
    assert imported is not None
    assert imported[2]["chart"] == "waiting"


def test_values_reach_helm_by_a_private_file_and_never_by_its_command_line(
    driver: Driver, namespace: str, chart: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    seen = tmp_path / "seen.json"
    spy = tmp_path / "helm"
    spy.write_text(
        f"#!{sys.executable}\nimport json, os, sys\n"
        "files = [a.split('=', 1)[1] for a in sys.argv if a.startswith(('--values=', '--kubeconfig='))]\n"
        "record = {'argv': sys.argv, 'modes': [oct(os.stat(f).st_mode)[-3:] for f in files]}\n"
        f"open({str(seen)!r}, 'w').write(json.dumps({{**record, 'files': files}}))\n"
    )
    spy.chmod(0o755)
    tools = toolchain.paths()
    monkeypatch.setattr(toolchain, "paths", lambda: type("T", (), {"helm": spy, "kube": tools.kube}))
    driver.provider._releases.helm.run(["template", "x", str(chart)], [{"greeting": "hunter2"}])
    record = json.loads(seen.read_text())
    assert "hunter2" not in " ".join(record["argv"])
    assert record["modes"] == ["600", "600"]
    assert not any(os.path.exists(path) for path in record["files"])


def test_value_files_lie_under_the_values(driver: Driver, namespace: str, chart: Path) -> None:
    key = "4dabf18193072939515e22adb298388d"
    asset = {key: "c44067f5952c0a294b673a41bacd8c17", "text": "greeting: file\nreplicas: 0\n"}
    inputs = inputs_of(chart, namespace, valueYamlFiles=[asset], values={"greeting": "values"})
    made, state, checked = driver.up(release(driver), inputs)
    assert driver.provider.read(release(driver), made, state, checked) == (made, state, checked)
    client = driver.provider._objects.client
    assert client is not None
    assert client.get(f"/api/v1/namespaces/{namespace}/configmaps/web")["data"] == {"greeting": "values"}


@pytest.mark.parametrize(
    ("more", "name"),
    [
        ({"postrender": "/bin/cat"}, "postrender"),
        ({"repositoryOpts": {"repo": "https://charts.test", "password": "x"}}, "repositoryOpts.password"),
        ({"chart": "./nowhere"}, "chart"),
        ({"chart": "thing", "repositoryOpts": {"repo": "https://charts.test"}}, "version"),
    ],
)
def test_inputs_that_are_not_done_are_refused_by_name(
    driver: Driver, chart: Path, more: dict[str, Any], name: str
) -> None:
    _, failures = driver.provider.check(release(driver), {}, {**inputs_of(chart, "x"), **more}, b"")
    assert [failure[0] for failure in failures] == [name]


def test_an_unreachable_chart_is_said_to_be_not_rendered_and_is_used_once_it_is_there(
    driver: Driver, namespace: str, chart: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("BASTIDE_CACHE", str(tmp_path / "cache"))
    resource = release(driver)
    given = {
        "chart": "waiting",
        "name": "web",
        "namespace": namespace,
        "version": "1.0.0",
        "repositoryOpts": {"repo": "http://127.0.0.1:9/charts"},
    }
    made, state, inputs = driver.up(resource, given)
    assert state["status"]["status"] == "not-rendered"
    assert any(kind == "warning" and "NOT rendered" in line for kind, line in driver.lines)
    record = Path(os.environ["BASTIDE_SANDBOX_HOME"]) / ledger.NOT_RENDERED
    assert resource.urn in record.read_text()
    assert driver.provider.diff(resource, made, state, inputs, inputs).properties == {}
    assert driver.provider.read(resource, made, state, inputs) == (made, state, inputs)

    subprocess.run(
        [str(toolchain.paths().helm), "package", str(chart), "-d", str(tmp_path / "cache/charts")],
        check=True,
        capture_output=True,
    )
    new = driver.check(resource, given, inputs)
    assert driver.provider.diff(resource, made, state, inputs, new).properties == {"checksum": "add"}
    state = driver.provider.update(resource, made, state, inputs, new, False, PATIENCE_S)
    assert state["status"]["status"] == "deployed"
    assert resource.urn not in record.read_text()
