"""Values of External Secrets' chart are known to it; every setting of secrets changes something; ways of its pods."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bastide.plans import secret_access, secret_delivery, secrets
from bastide.settings import Settings, read_stack_file
from bastide.settings.secrets import GoogleSecretManager, SecretsSettings, Vault
from sandbox.reachability.objects import Cluster, Outside, Pod
from sandbox.reachability.places import ip_network
from sandbox.reachability.policies import one_way
from sandbox.reachability.ports import NONE, ports

STACK = read_stack_file(Path(__file__).parents[2] / "stacks/Pulumi.sandbox.yaml")
VALUES = Path(__file__).parent / "external-secrets-2.9.0-values.txt"
VAULT = {"kind": "vault", "host": "vault.example.com", "role": "bastide"}
GOOGLE = {
    "kind": "googleSecretManager",
    "project": "my-project",
    "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/eks/providers/one",
}


def settings(given: dict[str, Any] | None = None) -> Settings:
    return Settings.load({**STACK, "gateway": {"enabled": True}, "secrets": given or {}})


def known() -> dict[str, str]:
    lines = (line for line in VALUES.read_text().splitlines() if not line.startswith("#"))
    return dict(line.split(": ", 1) for line in lines)


def paths(values: dict[str, Any], accepted: dict[str, str], before: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        path = f"{before}.{key}" if before else key
        if isinstance(value, dict) and accepted.get(path) == "map":
            yield from paths(value, accepted, path)
        else:
            yield path, value


@pytest.mark.parametrize("store", [{}, {"store": VAULT}, {"store": GOOGLE}], ids=["aws", "vault", "google"])
def test_the_chart_knows_every_value_that_it_is_given(store: dict[str, Any]) -> None:
    accepted = known()
    kinds = {"str": str, "int": int, "bool": bool, "list": list, "map (free)": dict}
    for path, value in paths(secret_delivery.release_values(settings(store)), accepted):
        if path.startswith("podSecurityContext."):
            continue  # written into the pod whole (templates/deployment.yaml)
        assert path in accepted, path
        assert isinstance(value, kinds[accepted[path]]), path


def test_a_wrong_value_would_be_found() -> None:
    accepted = known()
    assert [path for path, _ in paths({"webhook": {"replicas": 1}}, accepted) if path not in accepted] == [
        "webhook.replicas"
    ]


def everything(found: Settings) -> str:
    """All that follows from the settings without Pulumi; the chart's place and version are read by the component."""
    return json.dumps(
        [
            secret_delivery.release_values(found),
            secret_delivery.network_policies(found),
            secret_delivery.store(found),
            secret_delivery.external_secret(found),
            secret_delivery.service_account(found),
            [(each.name, each.source, each.rotation_days) for each in secrets.wanted(found)],
            secret_access.reader_policy(found, "key"),
        ],
        sort_keys=True,
    )


IN_COMPONENTS = {"chartRepository", "chartVersion", "store.recoveryDays"}
"""tests/components/test_component_secrets.py."""

CHANGES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "refreshSeconds": ({"refreshSeconds": 60}, {}),
    "replicas": ({"replicas": 1}, {}),
    "image": ({"image": {"repository": "mine/external-secrets", "tag": "1"}}, {}),
    "overrides.source": ({"overrides": {"gateway-master-key": {"source": "stored"}}}, {}),
    "overrides.rotationDays": ({"overrides": {"gateway-master-key": {"rotationDays": 7}}}, {}),
    "store.project": ({"store": {**GOOGLE, "project": "other-project"}}, {"store": GOOGLE}),
    "store.audience": (
        {"store": {**GOOGLE, "audience": GOOGLE["audience"].replace("eks", "other")}},
        {"store": GOOGLE},
    ),
    "store.host": ({"store": {**VAULT, "host": "other.example.com"}}, {"store": VAULT}),
    "store.port": ({"store": {**VAULT, "port": 8201}}, {"store": VAULT}),
    "store.mount": ({"store": {**VAULT, "mount": "other"}}, {"store": VAULT}),
    "store.authMount": ({"store": {**VAULT, "authMount": "other"}}, {"store": VAULT}),
    "store.role": ({"store": {**VAULT, "role": "other"}}, {"store": VAULT}),
}


def test_every_setting_of_secrets_has_a_change() -> None:
    own = {info.alias or name for name, info in SecretsSettings.model_fields.items()} - {"store", "overrides"}
    stores = {
        f"store.{info.alias or name}"
        for model in (GoogleSecretManager, Vault)
        for name, info in model.model_fields.items()
        if name not in ("kind", "ca")  # a CA is looked at below
    }
    assert own | stores | {"store.recoveryDays", "overrides.source", "overrides.rotationDays"} == {
        *CHANGES,
        *IN_COMPONENTS,
    }


@pytest.mark.parametrize("name", CHANGES)
def test_a_setting_changes_what_is_applied(name: str) -> None:
    changed, before = CHANGES[name]
    assert everything(settings(changed)) != everything(settings(before))


def test_vaults_certificates_go_to_the_store(made_ca: str) -> None:
    found = secret_delivery.store(settings({"store": {**VAULT, "ca": made_ca}}))
    assert found["spec"]["provider"]["vault"]["caBundle"]


@pytest.fixture
def made_ca() -> str:
    import datetime

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Vault CA")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM).decode()


OPERATOR = Pod("bastide-secrets", "o", secret_delivery.POD)


def reachable(found: Settings) -> dict[str, Any]:
    """To which of some places the operator's pods get, and at which ports."""
    namespaces = {
        "bastide-secrets": {"app.kubernetes.io/part-of": "bastide"},
        "kube-system": {"kubernetes.io/metadata.name": "kube-system"},
    }
    policies = tuple(
        {"metadata": {"name": name, "namespace": "bastide-secrets"}, "spec": spec}
        for name, spec in secret_delivery.network_policies(found).items()
    )
    cluster = Cluster(namespaces, policies)
    places = {
        "dns": Pod("kube-system", "dns", {"k8s-app": "kube-dns"}),
        "vpc": Outside(ip_network(str(found.network.cidr))[10]),
        "agent": Outside(ip_network("169.254.170.23/32")[0]),
        "metadata": Outside(ip_network("169.254.169.254/32")[0]),
        "internet": Outside(ip_network("8.8.8.8/32")[0]),
    }
    ways = {name: one_way(cluster, OPERATOR, "Egress", place).ports for name, place in places.items()}
    return {name: way for name, way in ways.items() if way != NONE}


def tcp(*wanted: int) -> Any:
    return ports([("TCP", each, each) for each in wanted])


def test_its_pods_reach_their_store_and_nothing_else() -> None:
    dns = ports([("TCP", 53, 53), ("UDP", 53, 53)])
    assert reachable(settings()) == {"dns": dns, "vpc": tcp(443), "agent": tcp(80)}
    vault = reachable(settings({"store": VAULT}))
    assert vault["internet"] == tcp(8200), "where Vault stands is not known here"
