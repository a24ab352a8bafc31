"""The real operator of External Secrets over the kit's own objects: values from the store into the gateway's Secret."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from bastide import names
from bastide.plans import secret_delivery, secrets
from bastide.settings import Settings, read_stack_file
from components import secret_values
from components.external_secrets import VERSION_ANNOTATION
from sandbox.cluster.control_plane import ControlPlane, ControlPlaneSpec
from sandbox.cluster.external_secrets import Operator
from sandbox.cluster.kube import Kube, KubeError
from sandbox.daemon.child import Child, free_port
from sandbox.plugins.kubernetes import upstream
from sandbox.state import aws_client
from sandbox.toolchain import paths
from tests.waits import until

pytestmark = pytest.mark.xdist_group("external-secrets")

STACK = Path(__file__).parents[2] / "stacks/Pulumi.sandbox.yaml"
NAMESPACE = names.namespace("gateway")
GROUP = "/apis/external-secrets.io/v1"
EXTERNAL = f"{GROUP}/namespaces/{NAMESPACE}/externalsecrets"
SECRET = f"/api/v1/namespaces/{NAMESPACE}/secrets/{names.GATEWAY_SECRETS}"


@pytest.fixture(scope="module")
def settings() -> Settings:
    raw = read_stack_file(STACK)
    return Settings.load({**raw, "gateway": {"enabled": True}, "secrets": {"refreshSeconds": 300}})


@pytest.fixture(scope="module")
def manager(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Any, str]]:
    import sys

    port = free_port()
    log = tmp_path_factory.mktemp("aws") / "aws.log"
    child = Child("aws", [sys.executable, "-m", "sandbox.aws", "--port", str(port)], log)
    endpoint = f"http://127.0.0.1:{port}"
    found = aws_client("secretsmanager", "us-east-1", endpoint)
    try:
        until(lambda: answers(found))
        yield found, endpoint
    finally:
        child.stop()


def answers(manager: Any) -> bool:
    try:
        manager.list_secrets()
    except Exception:
        return False
    return True


@pytest.fixture(scope="module")
def kube(tmp_path_factory: pytest.TempPathFactory, manager: tuple[Any, str]) -> Iterator[Kube]:
    folder = tmp_path_factory.mktemp("operator")
    spec = ControlPlaneSpec(
        "us-east-1", "secrets", "1.34", "10.100.0.0/16", "https://issuer.test", audit=False
    )
    nowhere = f"http://127.0.0.1:{free_port()}/none"
    plane = ControlPlane(spec, paths().kube, folder / "cluster", folder / "logs", nowhere)
    operator = None
    try:
        plane.start()
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
        plane.kube.request("POST", "/api/v1/namespaces", body)
        operator = Operator(
            plane.kube,
            lambda: plane.kubeconfig("external-secrets", "external-secrets", ["system:masters"]),
            (manager[1], "us-east-1"),
            "operator",
            folder / "logs" / "operator.log",
            lambda: None,
        )
        files, module = upstream.definitions("external-secrets", "2.9.0")
        assert module.startswith("github.com/external-secrets/")
        for file in files:
            for each in yaml.safe_load_all(file.read_text()):
                if each["kind"] == "CustomResourceDefinition":
                    path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
                    plane.kube.request("POST", path, each)
        until(lambda: get(plane.kube, EXTERNAL) is not None)
        yield plane.kube
        log = folder / "logs" / "operator.log"
        # What the operator says of values: nothing.
        said = log.read_text()
        assert said
        assert not any(each in said for each in data(plane.kube).values())
    finally:
        if operator is not None:
            operator.stop()
        plane.stop()


def get(kube: Kube, path: str) -> dict[str, Any] | None:
    try:
        return kube.request("GET", path)
    except KubeError as error:
        if error.status == 404:
            return None
        raise


def data(kube: Kube) -> dict[str, str]:
    found = (get(kube, SECRET) or {}).get("data") or {}
    return {name: base64.b64decode(value).decode() for name, value in found.items()}


def condition(kube: Kube) -> dict[str, Any]:
    found = get(kube, f"{EXTERNAL}/{names.GATEWAY_SECRETS}") or {}
    return next(iter((found.get("status") or {}).get("conditions") or []), {})


@pytest.fixture(scope="module")
def filled(settings: Settings, manager: tuple[Any, str]) -> dict[str, str]:
    """The stack's generated secrets, made as the program makes them; ARNs by name."""
    found = {}
    for each in secrets.wanted(settings):
        made = manager[0].create_secret(Name=secrets.store_name(settings, each.name))
        secret_values.fill(manager[0], made["ARN"], each, datetime.now(UTC))
        found[each.name] = made["ARN"]
    return found


@pytest.fixture(scope="module")
def delivered(kube: Kube, settings: Settings, filled: dict[str, str]) -> Kube:
    kube.request("POST", f"{GROUP}/namespaces/{NAMESPACE}/secretstores", secret_delivery.store(settings))
    kube.request("POST", EXTERNAL, secret_delivery.external_secret(settings))
    until(lambda: data(kube))
    return kube


def test_values_come_from_the_store_into_one_secret_a_key_each(
    delivered: Kube, manager: tuple[Any, str], filled: dict[str, str]
) -> None:
    found = data(delivered)
    assert set(found) == {"gateway-master-key", "gateway-salt-key"} == set(filled)
    for name, arn in filled.items():
        assert found[name] == manager[0].get_secret_value(SecretId=arn)["SecretString"]
    assert until(lambda: condition(delivered).get("status") == "True")


def test_no_object_but_the_secret_has_a_value(delivered: Kube) -> None:
    values = list(data(delivered).values())
    listed = [
        delivered.request("GET", path)
        for path in (
            EXTERNAL,
            f"{GROUP}/namespaces/{NAMESPACE}/secretstores",
            f"/api/v1/namespaces/{NAMESPACE}/events",
            "/api/v1/configmaps",
        )
    ]
    text = json.dumps(listed)
    assert values
    assert not any(each in text for each in values)


def test_a_renewed_value_arrives_at_once_when_the_program_says_that_it_is_another(
    delivered: Kube, settings: Settings, manager: tuple[Any, str], filled: dict[str, str]
) -> None:
    before = data(delivered)
    master = next(each for each in secrets.wanted(settings) if each.name == "gateway-master-key")
    version = secret_values.fill(
        manager[0], filled[master.name], master, datetime.now(UTC) + timedelta(days=91)
    )
    annotations = {VERSION_ANNOTATION: secret_values.version({master.name: version})}
    delivered.merge(f"{EXTERNAL}/{names.GATEWAY_SECRETS}", {"metadata": {"annotations": annotations}})
    # Sooner than the interval of 300 s, or the annotation would be without effect.
    until(lambda: data(delivered)[master.name] != before[master.name])
    assert data(delivered)["gateway-salt-key"] == before["gateway-salt-key"], "the salt never changes"


def test_a_secret_that_is_gone_from_the_store_leaves_the_pods_theirs_and_says_so(
    delivered: Kube, settings: Settings, manager: tuple[Any, str], filled: dict[str, str]
) -> None:
    before = data(delivered)
    manager[0].delete_secret(SecretId=filled["gateway-salt-key"], ForceDeleteWithoutRecovery=True)
    delivered.merge(
        f"{EXTERNAL}/{names.GATEWAY_SECRETS}", {"metadata": {"annotations": {VERSION_ANNOTATION: "other"}}}
    )
    assert until(lambda: condition(delivered).get("status") == "False" and condition(delivered))
    assert data(delivered) == before


STORES = {
    "googleSecretManager": {
        "kind": "googleSecretManager",
        "project": "my-project",
        "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/eks/providers/one",
    },
    "vault": {"kind": "vault", "host": "vault.example.com", "role": "bastide"},
}


@pytest.mark.parametrize("kind", STORES)
def test_stores_of_others_are_judged_by_the_operators_own_definitions(kube: Kube, kind: str) -> None:
    raw = {**read_stack_file(STACK), "gateway": {"enabled": True}, "secrets": {"store": STORES[kind]}}
    found = Settings.load(raw)
    for plural, document in (
        ("secretstores", secret_delivery.store(found)),
        ("externalsecrets", secret_delivery.external_secret(found)),
    ):
        path = f"{GROUP}/namespaces/{NAMESPACE}/{plural}?dryRun=All&fieldValidation=Strict"
        made = kube.request("POST", path, {**document, "metadata": {**document["metadata"], "name": "other"}})
        # What the definitions do not know would be refused or dropped; what is kept is what was asked for.
        assert made["spec"].get("provider", made["spec"].get("data")) == document["spec"].get(
            "provider", document["spec"].get("data")
        )


def test_a_store_with_a_mistake_is_refused_by_the_definitions(kube: Kube, settings: Settings) -> None:
    document = secret_delivery.store(settings)
    document["metadata"]["name"] = "mistaken"
    document["spec"]["provider"]["aws"]["service"] = "Keychain"
    with pytest.raises(KubeError, match="Keychain"):
        kube.request("POST", f"{GROUP}/namespaces/{NAMESPACE}/secretstores?dryRun=All", document)
