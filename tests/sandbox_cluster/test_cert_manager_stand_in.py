"""The stand-in for cert-manager: the kit's own private CA, signed, and judged by OpenSSL through Python's ssl."""

from __future__ import annotations

import base64
import json
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509

from bastide import names
from bastide.plans import cert_manager, private_ca
from bastide.settings import Settings, read_stack_file
from sandbox.cluster.cert_manager import Signer, duration
from sandbox.cluster.control_plane import ControlPlane, ControlPlaneSpec
from sandbox.cluster.kube import Kube, KubeError
from sandbox.daemon.child import free_port
from sandbox.plugins.kubernetes import charts
from sandbox.toolchain import paths
from tests.waits import until

STACK = Path(__file__).parents[2] / "stacks/Pulumi.sandbox-full.yaml"
PLURALS = {"Certificate": "certificates", "Issuer": "issuers", "ClusterIssuer": "clusterissuers"}


@pytest.fixture(scope="module")
def settings() -> Settings:
    return Settings.load(read_stack_file(STACK))


@pytest.fixture(scope="module")
def kube(tmp_path_factory: pytest.TempPathFactory, settings: Settings) -> Iterator[Kube]:
    folder = tmp_path_factory.mktemp("signer")
    spec = ControlPlaneSpec(
        "us-east-1", "signer", "1.34", "10.100.0.0/16", "https://issuer.test", audit=False
    )
    nowhere = f"http://127.0.0.1:{free_port()}/none"
    plane = ControlPlane(spec, paths().kube, folder / "cluster", folder / "logs", nowhere)
    try:
        plane.start()
        # No thread: a test signs when it wants to.
        for purpose in ("serving", "gateway", "pki", "certificates"):
            metadata = {"name": names.namespace(purpose)}
            body = {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}
            plane.kube.request("POST", "/api/v1/namespaces", body)
        for each in rendered(settings):
            if each["kind"] == "CustomResourceDefinition":
                plane.kube.request("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", each)
            elif each["kind"] == "Deployment":
                namespace = each["metadata"]["namespace"]
                plane.kube.request("POST", f"/apis/apps/v1/namespaces/{namespace}/deployments", each)
        # The API server serves a new kind a moment after its definition is there.
        for plural in PLURALS.values():
            until(lambda plural=plural: served(plane.kube, plural), plural)
        yield plane.kube
    finally:
        plane.stop()


def served(kube: Kube, plural: str) -> bool:
    try:
        return "items" in kube.request("GET", f"/apis/cert-manager.io/v1/{plural}")
    except KubeError:
        return False


def rendered(settings: Settings) -> list[dict[str, Any]]:
    """cert-manager's own chart."""
    version = settings.certificates.chart_version
    chart = charts.resolve("cert-manager", version, "http://127.0.0.1:9/no-repository").path
    namespace = names.namespace("certificates")
    command = ["template", "cert-manager", str(chart), "-n", namespace, "--kube-version", "1.34", "-f", "-"]
    done = subprocess.run(
        [str(paths().helm), *command],
        input=json.dumps(cert_manager.release_values(settings)),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return [each for each in yaml.safe_load_all(done.stdout) if each]


def put(kube: Kube, item: dict[str, Any]) -> None:
    namespace = item["metadata"].get("namespace")
    where = f"/namespaces/{namespace}" if namespace else ""
    kube.request("POST", f"/apis/cert-manager.io/v1{where}/{PLURALS[item['kind']]}", item)


def secret(kube: Kube, namespace: str, name: str) -> dict[str, bytes]:
    found = kube.request("GET", f"/api/v1/namespaces/{namespace}/secrets/{name}")
    return {key: base64.b64decode(value) for key, value in found["data"].items()}


@pytest.fixture(scope="module")
def signed(kube: Kube, settings: Settings) -> dict[str, bytes]:
    """The Secret of an engine's Service, after everything that it needs was signed."""
    signer = Signer.__new__(Signer)
    signer._kube = kube
    # The leaf first: it waits for its authority, and that for its root.
    put(kube, private_ca.service_certificate(settings, "vllm-chat", "serving"))
    assert signer.sign_all() == 0
    for item in private_ca.authority(settings, "serving"):
        put(kube, item)
    assert signer.sign_all() == 0
    for item in private_ca.roots(settings):
        put(kube, item)
    for _ in range(3):
        signer.sign_all()
    assert signer.sign_all() == 0
    return secret(kube, names.namespace("serving"), "vllm-chat-tls")


def handshake(folder: Path, served: dict[str, bytes], root: bytes, host: str) -> str:
    """The protocol that a client agrees on with a server that has this Secret; raises where it does not trust it."""
    (folder / "tls.crt").write_bytes(served["tls.crt"])
    (folder / "tls.key").write_bytes(served["tls.key"])
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(folder / "tls.crt", folder / "tls.key")
    client = ssl.create_default_context(cadata=root.decode())
    ours, theirs = socket.socketpair()

    def serve() -> None:
        try:
            server.wrap_socket(theirs, server_side=True).close()
        except OSError:
            theirs.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        with client.wrap_socket(ours, server_hostname=host) as agreed:
            return agreed.version() or ""
    finally:
        ours.close()
        thread.join()


def test_a_client_that_trusts_the_root_trusts_the_service_and_only_by_its_names(
    kube: Kube, signed: dict[str, bytes], tmp_path: Path
) -> None:
    root = secret(kube, names.namespace("pki"), "root-1")["tls.crt"]
    assert signed["ca.crt"] == root
    for host in ("vllm-chat.bastide-serving.svc", "vllm-chat.bastide-serving.svc.cluster.local"):
        assert handshake(tmp_path, signed, root, host) == "TLSv1.3"
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        handshake(tmp_path, signed, root, "vllm-other.bastide-serving.svc")


def test_an_authority_speaks_for_its_own_namespace_alone(
    kube: Kube, signed: dict[str, bytes], settings: Settings, tmp_path: Path
) -> None:
    stolen = private_ca.service_certificate(settings, "stolen", "serving")
    stolen["spec"]["dnsNames"] = ["gateway.bastide-gateway.svc"]
    put(kube, stolen)
    signer = Signer.__new__(Signer)
    signer._kube = kube
    assert signer.sign_all() == 1
    found = secret(kube, names.namespace("serving"), "stolen-tls")
    with pytest.raises(ssl.SSLCertVerificationError, match="permitted subtree violation"):
        handshake(tmp_path, found, signed["ca.crt"], "gateway.bastide-gateway.svc")


def test_lifetime_and_state_are_what_was_asked_for(
    kube: Kube, signed: dict[str, bytes], settings: Settings
) -> None:
    leaf = x509.load_pem_x509_certificate(signed["tls.crt"])
    assert (leaf.not_valid_after_utc - leaf.not_valid_before_utc).days == settings.certificates.leaf_days
    path = f"/apis/cert-manager.io/v1/namespaces/{names.namespace('serving')}/certificates/vllm-chat"
    (condition,) = kube.request("GET", path)["status"]["conditions"]
    assert (condition["type"], condition["status"]) == ("Ready", "True")


def test_a_deleted_secret_is_signed_anew_with_another_key(kube: Kube, signed: dict[str, bytes]) -> None:
    namespace = names.namespace("serving")
    assert kube.delete(f"/api/v1/namespaces/{namespace}/secrets/vllm-chat-tls")
    with pytest.raises(KubeError):
        secret(kube, namespace, "vllm-chat-tls")
    signer = Signer.__new__(Signer)
    signer._kube = kube
    assert signer.sign_all() == 1
    assert secret(kube, namespace, "vllm-chat-tls")["tls.key"] != signed["tls.key"]


def test_durations_are_read_as_go_writes_them() -> None:
    assert duration("2160h0m0s").days == 90
    assert duration("1h30m").total_seconds() == 5400
    assert duration(None).days == 90
