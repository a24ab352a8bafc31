"""A cluster that does not let the run in yet, as after a kill between the cluster and its access entry."""

from __future__ import annotations

import contextlib
import json
import subprocess
from pathlib import Path

import pytest

from sandbox.cluster.control_plane import ControlPlane
from sandbox.plugins.kubernetes.provider import KubernetesProvider
from sandbox.plugins.protocol import PluginError
from tests.plugin_kubernetes.conftest import Driver, drive, kubeconfig
from tests.waits import until

pytestmark = [pytest.mark.world, pytest.mark.xdist_group("plugin-kubernetes")]

NAMESPACE = {"metadata": {"name": "not-yet"}}


def driven(plane: ControlPlane, user: dict[str, str]) -> Driver:
    provider = KubernetesProvider()
    provider.configure({"kubeconfig": kubeconfig(plane, user)})
    return Driver(provider)


@pytest.fixture
def stranger(plane: ControlPlane) -> Driver:
    return driven(plane, {"token": "wrong"})


@pytest.fixture
def nobody(plane: ControlPlane) -> Driver:
    """A person whom the cluster knows and who has no right in it: an entry without a policy."""
    return driven(plane, user_of(plane, "nobody"))


def user_of(plane: ControlPlane, name: str) -> dict[str, str]:
    """A service account's token."""
    client = drive(plane).provider._objects.client
    assert client is not None
    accounts = "/api/v1/namespaces/default/serviceaccounts"
    if client.find(f"{accounts}/{name}") is None:
        client.request("POST", accounts, body={"metadata": {"name": name}})
    answer = client.request("POST", f"{accounts}/{name}/token", body={"spec": {}})[1]
    return {"token": answer["status"]["token"]}


@pytest.mark.parametrize("who", ["stranger", "nobody"])
def test_a_preview_goes_on_and_says_once_that_nobody_judged(
    who: str, chart: Path, request: pytest.FixtureRequest
) -> None:
    driver: Driver = request.getfixturevalue(who)
    namespace = driver.resource("core/v1:Namespace", "not-yet")
    shown, state = driver.provider.create(namespace, driver.check(namespace, NAMESPACE), True, 0)
    assert (shown, state["metadata"]["name"]) == ("not-yet", "not-yet")
    release = driver.resource("helm.sh/v3:Release")
    driver.provider.create(
        release, driver.check(release, {"chart": str(chart), "name": "it", "namespace": "default"}), True, 0
    )
    assert [severity for severity, _ in driver.lines].count("warning") == 1
    assert "not judged yet" in driver.lines[0][1]


def test_a_preview_of_a_change_goes_on_too(stranger: Driver) -> None:
    resource = stranger.resource("core/v1:ConfigMap", "it")
    old = stranger.check(resource, {"metadata": {"name": "it"}, "data": {"a": "1"}})
    new = stranger.check(resource, {"metadata": {"name": "it"}, "data": {"a": "2"}})
    found = stranger.provider.diff(resource, "default/it", old, old, new)
    assert found.properties == {"data.a": "update"}
    assert [severity for severity, _ in stranger.lines] == ["warning"]


@pytest.mark.parametrize("who", ["stranger", "nobody"])
def test_a_real_creation_is_an_error(who: str, request: pytest.FixtureRequest) -> None:
    driver: Driver = request.getfixturevalue(who)
    resource = driver.resource("core/v1:Namespace", "not-yet")
    checked = driver.check(resource, NAMESPACE)
    driver.provider.create(resource, checked, True, 0)
    with pytest.raises(PluginError, match=r"access entry|cannot \w+ resource"):
        driver.provider.create(resource, checked, False, 5)


def test_who_was_let_in_and_may_not_do_this_is_refused_at_preview(plane: ControlPlane) -> None:
    reader = driven(plane, user_of(plane, "reader"))
    client = drive(plane).provider._objects.client
    assert client is not None
    client.request(
        "POST",
        "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
        body={
            "metadata": {"name": "reader"},
            "roleRef": {
                "apiGroup": "rbac.authorization.k8s.io",
                "kind": "ClusterRole",
                "name": "system:kube-scheduler",
            },
            "subjects": [{"kind": "ServiceAccount", "name": "reader", "namespace": "default"}],
        },
    )
    theirs = reader.provider._objects.client
    assert theirs is not None

    def may_read() -> bool:
        with contextlib.suppress(PluginError):
            theirs.get("/api/v1/pods")
            return True
        return False

    until(may_read)  # the authorizer hears of a binding by watching
    resource = reader.resource("core/v1:Namespace", "not-yet")
    with pytest.raises(PluginError, match="cannot patch resource"):
        reader.provider.create(resource, reader.check(resource, NAMESPACE), True, 0)


def test_a_refused_token_is_asked_anew_once_however_many_requests_were_refused(
    plane: ControlPlane, tmp_path: Path
) -> None:
    count = tmp_path / "count"
    program = tmp_path / "get-token"
    answer = json.dumps({"status": {"token": "wrong"}})
    program.write_text(f"#!/bin/sh\nprintf x >> {count}\necho '{answer}'\n")
    program.chmod(0o755)
    assert subprocess.run([program], check=True, capture_output=True).stdout
    count.unlink()
    user = {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": str(program)}}
    driver = driven(plane, user)  # type: ignore[arg-type]
    for number in range(3):
        resource = driver.resource("core/v1:Namespace", f"n{number}")
        driver.provider.create(resource, driver.check(resource, {}), True, 0)
    assert count.read_text() == "xx"
