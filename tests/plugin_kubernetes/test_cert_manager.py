"""cert-manager's own chart by the real helm, and the private CA before its real definitions and the real admission."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bastide import names
from bastide.plans import cert_manager, private_ca
from bastide.settings import Settings, read_stack_file
from components.namespaces import pod_security
from sandbox import state
from sandbox.cluster.control_plane import ControlPlane
from sandbox.plugins.kubernetes import charts, ledger
from sandbox.plugins.kubernetes.client import ApiError, Client
from tests.plugin_kubernetes.conftest import Driver, drive, serve_custom_kinds
from tests.waits import PATIENCE_S, until

pytestmark = [pytest.mark.world, pytest.mark.xdist_group("plugin-kubernetes")]

STACK = Path(__file__).parents[2] / "stacks/Pulumi.sandbox.yaml"
PURPOSES = ("certificates", "pki", "serving", "gateway")


def settings_with(**certificates: Any) -> Settings:
    return Settings.load({**read_stack_file(STACK), "certificates": {"internal": True, **certificates}})


@pytest.fixture(scope="module")
def driver(plane: ControlPlane) -> Driver:
    """One for all tests of this file: installing the chart takes some seconds."""
    return drive(plane)


@pytest.fixture(scope="module")
def client(driver: Driver) -> Client:
    found = driver.provider._objects.client
    assert found is not None
    return found


@pytest.fixture(scope="module")
def spaces(client: Client) -> None:
    for purpose in PURPOSES:
        metadata = {"name": names.namespace(purpose), "labels": pod_security("restricted")}
        if client.find(f"/api/v1/namespaces/{metadata['name']}") is None:
            body = {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}
            client.request("POST", "/api/v1/namespaces", body=body)


def put(client: Client, item: dict[str, Any], dry: bool = False) -> dict[str, Any]:
    kind = client.kind(item["apiVersion"], item["kind"], PATIENCE_S)
    return client.apply(kind, item["metadata"].get("namespace", ""), item, "test", dry, True)[1]


def release(driver: Driver, **more: Any) -> dict[str, Any]:
    return {
        "chart": "cert-manager",
        "name": cert_manager.RELEASE,
        "namespace": names.namespace("certificates"),
        "version": settings_with().certificates.chart_version,
        "repositoryOpts": {"repo": "http://127.0.0.1:9/no-repository"},
        "values": cert_manager.release_values(settings_with()),
        "skipAwait": True,  # no node is here that would take its pods
        **more,
    }


@pytest.fixture(scope="module")
def installed(driver: Driver, spaces: None) -> Iterator[dict[str, Any]]:
    resource = driver.resource("helm.sh/v3:Release", "cert-manager")
    # The startup check is a hook that helm awaits whatever it is told.
    values = {**cert_manager.release_values(settings_with()), "startupapicheck": {"enabled": False}}
    made, found, _ = driver.up(resource, release(driver, values=values), PATIENCE_S)
    yield found
    serve_custom_kinds(driver)
    driver.provider.delete(resource, made, found, {}, PATIENCE_S)


def test_the_chart_is_made_from_its_sources_where_no_repository_is_in_reach(
    driver: Driver, spaces: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("BASTIDE_CACHE", str(tmp_path))
    found = charts.resolve("cert-manager", "v1.21.2", "http://127.0.0.1:9/no-repository")
    assert found.missing == ""
    assert found.path == tmp_path / "charts/cert-manager-v1.21.2.tgz"
    other = charts.resolve("cert-manager", "v1.0.0", "http://127.0.0.1:9/no-repository")
    assert other.path is None
    assert "no Go module is known" in other.missing


def test_our_values_render_to_what_a_restricted_namespace_and_the_api_server_take(
    driver: Driver, spaces: None
) -> None:
    resource = driver.resource("helm.sh/v3:Release", "cert-manager")
    inputs = driver.check(resource, release(driver))
    driver.provider.create(resource, inputs, True, 0)
    assert [line for severity, line in driver.lines if severity == "warning"] == []

    wrong = driver.check(resource, release(driver, values={**inputs["values"], "replicas": 2}))
    with pytest.raises(Exception, match="replicas"):
        driver.provider.create(resource, wrong, True, 0)


def test_what_pods_would_serve_is_left_out_and_said(
    driver: Driver, client: Client, installed: dict[str, Any]
) -> None:
    assert installed["status"]["status"] == "deployed"
    assert "Deployment.apps/apps/v1" in installed["resourceNames"]
    assert not any("Webhook" in kind for kind in installed["resourceNames"])
    hooks = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/cert-manager-webhook"
    assert client.find(hooks) is None
    record = json.loads((state.home() / ledger.NOT_RENDERED).read_text().splitlines()[-1])
    assert record["leftOut"] == [
        "MutatingWebhookConfiguration cert-manager-webhook",
        "ValidatingWebhookConfiguration cert-manager-webhook",
    ]
    assert any("no pod runs that would answer" in line for _, line in driver.lines)


def test_the_deployments_pods_are_admitted_by_the_restricted_level(
    client: Client, installed: dict[str, Any]
) -> None:
    space = names.namespace("certificates")
    found = client.items(f"/apis/apps/v1/namespaces/{space}/deployments")
    assert {each["metadata"]["name"] for each in found} == {
        "cert-manager",
        "cert-manager-webhook",
        "cert-manager-cainjector",
    }
    for each in found:
        template = each["spec"]["template"]
        assert template["spec"]["priorityClassName"] == "system-cluster-critical"
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": f"probe-{each['metadata']['name']}", "namespace": space},
            "spec": template["spec"],
        }
        put(client, pod, dry=True)


BY_HAND: dict[str, Any] = {
    "apiVersion": private_ca.API,
    "kind": "CertificateRequest",
    "metadata": {"name": "by-hand", "namespace": names.namespace("serving")},
    "spec": {
        "request": "bm90aGluZw==",
        "isCA": True,
        "issuerRef": {"group": "cert-manager.io", "kind": "ClusterIssuer", "name": "bastide-root-1"},
    },
}


def refused(client: Client, item: dict[str, Any]) -> bool:
    """Whether the API server takes no such object."""
    try:
        put(client, item, dry=True)
    except ApiError:
        return True
    return False


@pytest.fixture(scope="module")
def authority(client: Client, installed: dict[str, Any]) -> Iterator[list[dict[str, Any]]]:
    settings = settings_with()
    items = [*private_ca.policies(), *private_ca.roots(settings)]
    items += [each for purpose in private_ca.MAY_ASK for each in private_ca.authority(settings, purpose)]
    for each in items:
        put(client, each)
    # The API server compiles policies a moment after they are stored, one perhaps a second before the other.
    stranger = copy.deepcopy(private_ca.authority(settings, "serving")[0])
    stranger["metadata"]["name"] = "stranger"
    for forbidden in (stranger, BY_HAND):
        until(lambda one=forbidden: refused(client, one), f"a verdict about {forbidden['kind']}")
    yield items
    for each in reversed(items):
        kind = client.kind(each["apiVersion"], each["kind"])
        client.request("DELETE", kind.path(each["metadata"].get("namespace"), each["metadata"]["name"]))


def test_the_chain_is_admitted_by_the_definitions_and_read_back_unchanged(
    client: Client, authority: list[dict[str, Any]]
) -> None:
    kinds = [each["kind"] for each in authority]
    assert kinds.count("Certificate") == 3
    assert kinds.count("Issuer") == 3
    for each in authority:
        kind = client.kind(each["apiVersion"], each["kind"])
        live = client.get(kind.path(each["metadata"].get("namespace"), each["metadata"]["name"]))
        if each["apiVersion"] == private_ca.API:
            assert live["spec"] == each["spec"]
    put(client, private_ca.service_certificate(settings_with(), "vllm-chat", "serving"), dry=True)


def test_a_field_that_the_definitions_do_not_know_is_refused(
    client: Client, installed: dict[str, Any]
) -> None:
    wrong = private_ca.service_certificate(settings_with(), "vllm-chat", "serving")
    wrong["spec"]["privateKey"]["rotation"] = "Always"
    with pytest.raises(ApiError, match="rotation"):
        put(client, wrong, dry=True)
    wrong = private_ca.service_certificate(settings_with(), "vllm-chat", "serving")
    wrong["spec"]["privateKey"]["rotationPolicy"] = "Sometimes"
    with pytest.raises(ApiError, match="Sometimes"):
        put(client, wrong, dry=True)


def spoilt(change: str) -> dict[str, Any]:
    found = copy.deepcopy(private_ca.authority(settings_with(), "serving")[0])
    spec = found["spec"]
    match change:
        case "another name":
            found["metadata"]["name"] = "mine"
        case "another namespace":
            found["metadata"]["namespace"] = "default"
        case "no constraints":
            del spec["nameConstraints"]
        case "somebody else's domain":
            spec["nameConstraints"]["permitted"]["dnsDomains"] = ["bastide-gateway.svc"]
        case "addresses of anybody":
            spec["nameConstraints"]["excluded"]["ipRanges"] = ["0.0.0.0/0"]
        case "nothing excluded":
            del spec["nameConstraints"]["excluded"]
        case "constraints that clients may ignore":
            spec["nameConstraints"]["critical"] = False
    return found


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("another name", "a root signs only the Certificate authority of"),
        ("another namespace", "a root signs only the Certificate authority of"),
        ("no constraints", "nameConstraints must be critical"),
        ("somebody else's domain", "permit its own namespace's domains only"),
        ("addresses of anybody", "exclude every address"),
        ("nothing excluded", "exclude every address"),
        ("constraints that clients may ignore", "nameConstraints must be critical"),
    ],
)
def test_nobody_but_an_authority_gets_a_certificate_of_a_root(
    client: Client, authority: list[dict[str, Any]], change: str, reason: str
) -> None:
    with pytest.raises(ApiError, match=reason):
        put(client, spoilt(change), dry=True)


def test_a_request_to_a_root_by_hand_is_refused_and_one_to_the_own_issuer_is_not(
    client: Client, authority: list[dict[str, Any]]
) -> None:
    with pytest.raises(ApiError, match="only cert-manager itself asks a root"):
        put(client, BY_HAND, dry=True)
    ours = {**BY_HAND["spec"], "issuerRef": {"kind": "Issuer", "name": private_ca.ISSUER}}
    put(client, {**BY_HAND, "spec": ours}, dry=True)
