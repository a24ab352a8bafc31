"""The gateway of a region: order, rights, certificates, and nothing of it until a stack asks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pulumi
import pytest
from component_recording import Recording, region_of, stack

from components import secret_values

ROUTES = [{"name": "chat", "deployments": [{"name": "chat"}]}]
EXISTING = {"kind": "existing", "host": "db.example.com"}


@pytest.fixture(scope="module", autouse=True)
def _values_of_secrets() -> Iterator[None]:
    # They are made by AWS while a run goes on; here nobody answers.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(secret_values, "ensure", lambda *_: "a-version")
        yield


@pytest.fixture(scope="module")
def told() -> Iterator[list[str]]:
    """Warnings to the user."""
    found: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pulumi.log, "warn", lambda text, *_, **__: found.append(text))
        yield found


def region(**changes: Any) -> Recording:
    return region_of(stack("sandbox", **{"routes": ROUTES, "gateway": {"enabled": True}, **changes}))


@pytest.fixture(scope="module")
def plain() -> Recording:
    return region()


@pytest.fixture(scope="module")
def secured(told: list[str]) -> Recording:
    elastic = {"enabled": True, "replicas": 2, "autoscaling": {"maxReplicas": 3}}
    return region(certificates={"internal": True}, gateway=elastic)


def release(found: Recording) -> Any:
    (only,) = [each for each in found.of("helm.sh/v3:Release") if each.inputs["name"] == "gateway"]
    return only


def test_nothing_of_it_is_there_by_default(sandbox: Recording) -> None:
    for kind in (":Gateway", ":GatewayAccess", ":Database", ":Cache"):
        assert not sandbox.of(kind)
    assert not [each for each in sandbox.of("iam/role:Role") if "gateway" in each.inputs["name"]]


def test_the_release_is_told_where_its_stores_are(plain: Recording) -> None:
    made = release(plain).inputs
    assert (made["namespace"], made["chart"]) == ("bastide-gateway", "./charts/gateway")
    env = made["values"]["env"]
    assert (env["DATABASE_HOST"], env["REDIS_HOST"]) == ("database.example", "cache.example")
    assert "bastide_gateway/launch.py" in made["values"]["package"]


def test_everything_that_its_pods_need_is_there_before_them(secured: Recording) -> None:
    start = release(secured)
    needed = [
        *secured.of("kubernetes:Namespaces"),
        *secured.of("kubernetes:Priorities"),
        *secured.of("gateway:Database"),
        *secured.of("gateway:Cache"),
        *secured.of("gateway:GatewayAccess"),
        *[
            each
            for each in secured.of(":Certificate")
            if each.inputs["metadata"]["name"] in ("gateway", "pii")
        ],
        *[
            each
            for each in secured.of(":ExternalSecret")
            if each.inputs["metadata"]["name"] == "gateway-secrets"
        ],
    ]
    assert len(needed) == 8
    for each in needed:
        assert secured.reaches(start, each), each.name


def test_it_waits_for_no_engine_and_no_engine_for_it(plain: Recording) -> None:
    """So that an engine that does not start keeps nobody from hosted models, and neither updates the other."""
    (engine,) = [each for each in plain.of("helm.sh/v3:Release") if each.inputs["name"] == "vllm-chat"]
    assert not plain.reaches(release(plain), engine)
    assert not plain.reaches(engine, release(plain))


def test_certificates_come_with_the_private_ca_alone(plain: Recording, secured: Recording) -> None:
    wanted = {"gateway", "pii"}

    def names(found: Recording) -> set[str]:
        return {each.inputs["metadata"]["name"] for each in found.of(":Certificate")}

    assert not wanted & names(plain)
    assert wanted <= names(secured)
    values = release(secured).inputs["values"]
    assert (values["tls"]["secretName"], values["pii"]["tlsSecretName"]) == ("gateway-tls", "pii-tls")


def policies(found: Recording) -> dict[str, set[str]]:
    """Actions by role, of the gateway's."""
    roles = {each.name: each.inputs["name"] for each in found.of("iam/role:Role")}
    return {
        roles[each.name.removesuffix("-policy") + "-role"]: {
            action
            for statement in json.loads(each.inputs["policy"])["Statement"]
            for action in statement["Action"]
        }
        for each in found.of("iam/rolePolicy:RolePolicy")
        if "gateway-access" in each.name
    }


def test_pods_and_migration_have_a_role_each_with_what_they_use(plain: Recording) -> None:
    assert policies(plain) == {
        "bastide-sandbox-us-east-1-gateway": {"rds-db:connect", "elasticache:Connect"},
        "bastide-sandbox-us-east-1-gateway-jobs": {
            "secretsmanager:GetSecretValue",
            "kms:Decrypt",
            "rds-db:connect",
        },
    }
    accounts = {
        each.inputs["serviceAccount"]
        for each in plain.of("eks/podIdentityAssociation:PodIdentityAssociation")
        if each.inputs["namespace"] == "bastide-gateway"
    }
    assert {"gateway", "gateway-jobs"} <= accounts


def test_stores_of_others_bring_no_rights_and_are_not_made() -> None:
    found = region(
        database=EXISTING,
        cache=EXISTING,
        secrets={
            "overrides": {each: {"source": "stored"} for each in ("database-password", "redis-password")}
        },
    )
    assert policies(found) == {}
    assert not found.of("gateway:Database")
    assert release(found).inputs["values"]["env"]["DATABASE_HOST"] == "db.example.com"
    assert release(found).inputs["values"]["secrets"]["migrate"] == ["database-password"]


def test_autoscaling_says_what_it_needs(secured: Recording, told: list[str]) -> None:
    assert release(secured).inputs["values"]["autoscaling"] == {"maxReplicas": 3, "targetCpuPercent": 70}
    assert any("metrics-server" in each for each in told)


def test_what_the_route_table_notes_is_warned_of_once(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(pulumi.log, "warn", lambda text, *_: said.append(text))
    region(onFailure={"redis": "pass"})
    notes = [each.removeprefix("gateway: ") for each in said if each.startswith("gateway: ")]
    assert [each.split(":")[0] for each in notes] == [
        "every route leads to 'chat' alone",
        "route 'chat' has one deployment and no fallback for public, internal, confidential, regulated data",
        "onFailure.redis is 'pass'",
    ]
    said.clear()
    region(gateway={"enabled": False})
    assert not [each for each in said if "route" in each]
