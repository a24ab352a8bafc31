"""The provider's configuration: which cluster, which credentials, and what is refused."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sandbox import toolchain
from sandbox.cluster.control_plane import ControlPlane
from sandbox.plugins.kubernetes import kubeconfig as subject
from sandbox.plugins.kubernetes.provider import KubernetesProvider
from sandbox.plugins.protocol import UNKNOWN, PluginError
from tests.plugin_kubernetes.conftest import kubeconfig
from tests.waits import alive, until

pytestmark = [pytest.mark.world, pytest.mark.xdist_group("plugin-kubernetes")]


def text(server: str = "https://a.test", ca: str = "A", cluster: str = "one", **user: object) -> str:
    entry = {
        "apiVersion": "client.authentication.k8s.io/v1beta1",
        "command": "aws",
        "args": ["eks", "get-token", "--cluster-name", cluster],
    }
    authority = base64.b64encode(ca.encode()).decode()
    return json.dumps(
        {
            "current-context": "it",
            "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
            "clusters": [
                {"name": "it", "cluster": {"server": server, "certificate-authority-data": authority}}
            ],
            "users": [{"name": "it", "user": user or {"exec": entry}}],
        }
    )


def exec_user(tmp_path: Path, script: str) -> dict:
    program = tmp_path / "get-credentials"
    program.write_text(f"#!{sys.executable}\nimport json, os, sys\n{script}\n")
    program.chmod(0o755)
    return {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": str(program)}}


def test_an_exec_plugins_certificate_opens_the_cluster_and_is_kept_until_it_ends(
    plane: ControlPlane, tmp_path: Path
) -> None:
    ends = (datetime.now(UTC) + timedelta(minutes=14)).strftime("%Y-%m-%dT%H:%M:%SZ")
    count = tmp_path / "count"
    script = (
        f"open({str(count)!r}, 'a').write('x')\n"
        "assert json.loads(os.environ['KUBERNETES_EXEC_INFO'])['kind'] == 'ExecCredential'\n"
        f"print(json.dumps({{'status': {{'expirationTimestamp': {ends!r},"
        f"'clientCertificateData': open({str(plane._admin.certificate)!r}).read(),"
        f"'clientKeyData': open({str(plane._admin.key)!r}).read()}}}}))"
    )
    provider = KubernetesProvider()
    provider.configure({"kubeconfig": kubeconfig(plane, exec_user(tmp_path, script))})
    client = provider._objects.client
    assert client is not None
    for _ in range(3):
        assert client.get("/api/v1/namespaces/default")["kind"] == "Namespace"
    assert count.read_text() == "x"
    static = json.loads(client.config.as_file(static=True))["users"][0]["user"]
    assert set(static) == {"client-certificate-data", "client-key-data"}


def test_an_exec_plugin_that_fails_is_quoted(tmp_path: Path) -> None:
    user = exec_user(tmp_path, "sys.exit('no such cluster: one')")
    with pytest.raises(
        PluginError, match=r"exec plugin `.*get-credentials` ended with 1: no such cluster: one"
    ):
        subject.parse(text(**user)).credentials()
    user = exec_user(tmp_path, "print('hello')")
    with pytest.raises(PluginError, match="did not print an ExecCredential"):
        subject.parse(text(**user)).credentials()
    with pytest.raises(PluginError, match="no program named"):
        subject.parse(text(exec={"command": "no-such-program"})).credentials()


def test_aws_is_asked_only_in_a_world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BASTIDE_SANDBOX_HOME", str(tmp_path))
    with pytest.raises(PluginError, match="no sandbox is running"):
        subject.parse(text()).credentials()
    monkeypatch.setenv("AWS_PROFILE", "production")
    assert not [key for key in subject.child_environment(aws=False) if key.startswith("AWS_")]


def test_a_token_that_the_cluster_refuses_is_told_with_what_to_look_at(plane: ControlPlane) -> None:
    provider = KubernetesProvider()
    provider.configure({"kubeconfig": kubeconfig(plane, {"token": "wrong"})})
    client = provider._objects.client
    assert client is not None
    with pytest.raises(PluginError, match=r"does not accept these credentials.*access entry"):
        client.get("/api/v1/namespaces/default")


def test_a_broken_authority_is_named() -> None:
    provider = KubernetesProvider()
    provider.configure({"kubeconfig": text(token="x")})
    client = provider._objects.client
    assert client is not None
    with pytest.raises(PluginError, match="certificate-authority-data holds no certificate"):
        client.get("/version")


def test_a_cluster_that_does_not_answer_is_named() -> None:
    provider = KubernetesProvider()
    provider.configure({"kubeconfig": text(server="http://127.0.0.1:9", ca="", token="x")})
    client = provider._objects.client
    assert client is not None
    with pytest.raises(PluginError, match=r"API server http://127\.0\.0\.1:9 does not answer"):
        client.get("/version")


@pytest.mark.parametrize(
    ("old", "new", "replaces"),
    [
        (text(), text(), False),
        (text(), text(server="https://tunnel.test"), False),
        (text(token="a"), text(token="b"), False),
        (text(), text(ca="B"), True),
        (text(), text(cluster="two"), True),
        (text(), UNKNOWN, False),
    ],
)
def test_only_another_cluster_replaces(old: str, new: object, replaces: bool) -> None:
    found = KubernetesProvider().diff_config({"kubeconfig": old}, {"kubeconfig": new})
    assert bool(found.replaces) == replaces
    assert bool(found.properties) == (old != new)


@pytest.mark.parametrize(
    ("config", "name", "reason"),
    [
        ({}, "kubeconfig", "is required"),
        ({"kubeconfig": text(), "deleteUnreachable": "true"}, "deleteUnreachable", "does not do it"),
        ({"kubeconfig": text(), "helmReleaseSettings": "{}"}, "helmReleaseSettings", "does not do it"),
        ({"kubeconfig": text(), "enableServerSideApply": "false"}, "enableServerSideApply", "must be true"),
        ({"kubeconfig": text(username="u", password="p")}, "kubeconfig", "password, username"),
        ({"kubeconfig": "{}"}, "kubeconfig", "no `contexts`"),
        ({"kubeconfig": text(), "context": "other"}, "kubeconfig", "no context is named 'other'"),
        ({"kubeconfig": "/nowhere/config"}, "kubeconfig", "cannot read the file"),
    ],
)
def test_a_setting_that_is_wrong_is_refused_by_name(config: dict, name: str, reason: str) -> None:
    problems = KubernetesProvider().check_config(config)
    assert [problem[0] for problem in problems] == [name]
    assert reason in problems[0][1]


def test_an_unknown_kubeconfig_is_accepted_at_a_first_preview() -> None:
    assert KubernetesProvider().check_config({"kubeconfig": UNKNOWN}) == []


def test_a_helm_dies_with_its_plugin(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    fake = tmp_path / "helm"
    fake.write_text(f"#!/bin/sh\necho $$ > {pid}\nexec sleep 300\n")
    fake.chmod(0o755)
    program = (
        "import threading, pathlib\n"
        "from sandbox import toolchain\n"
        f"toolchain.paths = lambda: type('T', (), {{'helm': pathlib.Path({str(fake)!r})}})\n"
        "from sandbox.plugins.kubernetes.helm import Helm\n"
        "Helm(None, threading.Event()).run(['upgrade'], limit_s=300)\n"
    )
    root = Path(toolchain.__file__).parents[2]
    plugin = subprocess.Popen([sys.executable, "-c", program], cwd=root)
    child = int(until(lambda: pid.exists() and pid.read_text().strip()))
    plugin.send_signal(signal.SIGKILL)
    plugin.wait()
    try:
        until(lambda: not alive(child), "helm's end", seconds=60)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
