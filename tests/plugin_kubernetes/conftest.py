"""One real control plane for all tests of the Kubernetes plugin, and the plugin as the engine would drive
it."""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pytest

from sandbox import state, toolchain
from sandbox.cluster.control_plane import ControlPlane, ControlPlaneSpec
from sandbox.daemon.child import free_port
from sandbox.plugins.kubernetes.provider import KubernetesProvider
from sandbox.plugins.protocol import Resource
from tests.waits import PATIENCE_S

SEED = bytes(range(32))


@pytest.fixture(autouse=True, scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A world of its own, with the tools that the machine has."""
    tools = toolchain.paths()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BASTIDE_SANDBOX_HOME", str(tmp_path_factory.mktemp("home")))
        (state.home() / "tools.json").write_text(json.dumps(asdict(tools), default=str))
        yield


@pytest.fixture(scope="session")
def plane(home: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    folder = tmp_path_factory.mktemp("plane")
    spec = ControlPlaneSpec(
        "us-east-1", "plugin-tests", "1.34", "10.100.0.0/16", "https://issuer.test", audit=False
    )
    plane = ControlPlane(
        spec,
        toolchain.paths().kube,
        folder / "cluster",
        folder / "logs",
        f"http://127.0.0.1:{free_port()}/none",
    )
    try:
        plane.start()
        yield plane
    finally:
        plane.stop()


def kubeconfig(plane: ControlPlane, user: dict[str, Any] | None = None) -> str:
    admin = plane._admin
    default = {"client-certificate": str(admin.certificate), "client-key": str(admin.key)}
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "it",
            "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
            "clusters": [
                {
                    "name": "it",
                    "cluster": {
                        "server": plane.endpoint,
                        "certificate-authority-data": base64.b64encode(plane.ca_pem).decode(),
                    },
                }
            ],
            "users": [{"name": "it", "user": user or default}],
        }
    )


@dataclass
class Driver:
    """Drives the provider as the engine does: check, then diff, then create, update or a replacement."""

    provider: KubernetesProvider
    lines: list[tuple[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        def log(message: str, resource: Any = None, severity: str = "info", ephemeral: bool = False) -> None:
            self.lines.append(("progress" if ephemeral else severity, message))

        self.provider.log = log  # type: ignore[method-assign]

    def resource(self, token: str, name: str = "it") -> Resource:
        return Resource(f"urn:pulumi:test::bastide::kubernetes:{token}::{name}")

    def check(
        self, resource: Resource, inputs: dict[str, Any], old: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        checked, failures = self.provider.check(resource, old or {}, inputs, SEED)
        assert failures == []
        return checked

    def up(
        self, resource: Resource, inputs: dict[str, Any], timeout: float = PATIENCE_S
    ) -> tuple[str, dict[str, Any], dict[str, Any]]:
        """Creates; returns id, state and checked inputs."""
        checked = self.check(resource, inputs)
        self.provider.create(resource, checked, True, 0)
        made, state = self.provider.create(resource, checked, False, timeout)
        return made, state, checked


def serve_custom_kinds(driver: Driver) -> None:
    """Has the API server open the storage of every custom kind, before definitions are deleted.

    It opens it when somebody first asks. Where that is the deletion of the definition itself, the deletion can
    fail ("storage is (re)initializing") and is then taken up again only by the informer's next resync, up to
    5 minutes later (Kubernetes 1.34, seen once in 27 times on a busy machine).
    """
    client = driver.provider._objects.client
    assert client is not None
    for each in client.get("/apis/apiextensions.k8s.io/v1/customresourcedefinitions")["items"]:
        spec = each["spec"]
        (stored,) = [version["name"] for version in spec["versions"] if version["storage"]]
        client.get(f"/apis/{spec['group']}/{stored}/{spec['names']['plural']}")


@pytest.fixture
def driver(plane: ControlPlane) -> Driver:
    return drive(plane)


def drive(plane: ControlPlane) -> Driver:
    provider = KubernetesProvider()
    config = {"kubeconfig": kubeconfig(plane), "enableServerSideApply": "true"}
    assert provider.check_config(config) == []
    provider.configure(config)
    return Driver(provider)


@pytest.fixture
def namespace(driver: Driver, request: pytest.FixtureRequest) -> Iterator[str]:
    name = "t-" + hashlib.sha256(request.node.name.encode()).hexdigest()[:16]
    resource = driver.resource("core/v1:Namespace", name)
    driver.up(resource, {"metadata": {"name": name}})
    client = driver.provider._objects.client
    assert client is not None
    yield name
    client.request("DELETE", f"/api/v1/namespaces/{name}")  # not waited for: emptying one takes 5 s and more


@pytest.fixture
def chart(tmp_path: Path) -> Path:
    """A chart of its own to change, with a Deployment whose pods no node will take."""
    return Path(shutil.copytree(Path(__file__).parent / "chart", tmp_path / "chart"))
