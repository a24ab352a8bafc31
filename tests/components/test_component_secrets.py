"""Secrets of a region: registered without a value, guarded before they have one, delivered before they are used."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pulumi
import pytest
from component_recording import Recording, region_of, stack
from pulumi.runtime import config as pulumi_config

from bastide.plans import secrets
from components import secret_values

CANARY = "canary-of-the-database"
EXISTING = {"kind": "existing", "host": "db.example.com"}
EXISTING_CACHE = {"kind": "existing", "host": "redis.example.com"}
ROUTES = [{"name": "chat", "deployments": [{"name": "chat"}]}]
KEY = "secret:database-password"


@pytest.fixture(autouse=True)
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the secrets that the program would have made; nobody answers here."""
    found: list[str] = []

    def ensure(settings: Any, secret: secrets.Wanted, arn: str) -> str:
        found.append(secret.name)
        return f"version-of-{secret.name}"

    monkeypatch.setattr(secret_values, "ensure", ensure)
    monkeypatch.setattr(secret_values, "remind", lambda *_: None)
    return found


@pytest.fixture
def given() -> Iterator[None]:
    """A value as `pulumi config set --secret` leaves it for the program."""
    before = dict(pulumi_config.CONFIG.get())
    pulumi_config.set_all_config({**before, KEY: CANARY}, [KEY])
    yield
    pulumi_config.set_all_config(before, [])


@pytest.fixture
def plain() -> Iterator[None]:
    before = dict(pulumi_config.CONFIG.get())
    pulumi_config.set_all_config({**before, KEY: CANARY}, [])
    yield
    pulumi_config.set_all_config(before, [])


def region(**changes: Any) -> Recording:
    return region_of(stack("sandbox", **{"routes": ROUTES, "gateway": {"enabled": True}, **changes}))


def called(found: Recording, kind: str, name: str) -> Any:
    (only,) = [
        each
        for each in found.of(kind)
        if (each.inputs.get("metadata") or each.inputs).get("name", each.name) == name
    ]
    return only


def test_generated_secrets_are_made_by_the_store_and_no_registration_has_a_value(asked: list[str]) -> None:
    found = region()
    assert sorted(set(asked)) == ["gateway-master-key", "gateway-salt-key"]
    assert [each.inputs["name"] for each in found.of("secret:Secret")] == [
        "bastide-sandbox-us-east-1/gateway-master-key",
        "bastide-sandbox-us-east-1/gateway-salt-key",
    ]
    assert not found.of("secretVersion:SecretVersion")
    for each in found.of("secret:Secret"):
        assert each.inputs["kmsKeyId"].startswith("arn:aws:kms:")
        assert each.inputs["recoveryWindowInDays"] == 0, "the sandbox is not protected"


def test_a_protected_stacks_secrets_can_be_had_back(asked: list[str]) -> None:
    found = region(protection=True, secrets={"store": {"recoveryDays": 14}})
    for each in found.of("secret:Secret"):
        assert each.inputs["recoveryWindowInDays"] == 14
        assert each.protect


def test_each_secret_is_denied_to_all_but_its_readers() -> None:
    found = region()
    policies = found.of("secretPolicy:SecretPolicy")
    assert len(policies) == 2
    for each in policies:
        (statement,) = json.loads(each.inputs["policy"])["Statement"]
        assert (statement["Effect"], statement["Principal"]) == ("Deny", "*")
        assert "role/bastide-sandbox-us-east-1-secrets-reader" in str(statement["Condition"])
        assert each.inputs["blockPublicPolicy"]


def test_who_uses_a_secret_comes_after_its_delivery_and_that_after_its_value() -> None:
    found = region()
    gateway = called(found, "helm.sh/v3:Release", "gateway")
    operator = called(found, "helm.sh/v3:Release", "external-secrets")
    external = found.one(":ExternalSecret")
    store = found.one(":SecretStore")
    assert found.reaches(gateway, external)
    assert found.reaches(external, store)
    assert found.reaches(store, operator)
    for secret in found.of("secret:Secret"):
        assert found.reaches(operator, secret)
    assert external.inputs["metadata"]["annotations"]["bastide.dev/secrets-version"]


def test_a_given_value_is_registered_as_a_secret_and_nowhere_else(given: None) -> None:
    found = region(database=EXISTING)
    version = found.one("secretVersion:SecretVersion")
    # What the recording keeps is what the engine is told; there the value is marked as a secret.
    others = [each for each in found.found if each is not version]
    assert CANARY in json.dumps(version.inputs)
    assert CANARY not in json.dumps([each.inputs for each in others])


def test_a_value_in_plain_text_ends_the_run_before_anything_is_registered(plain: None) -> None:
    settings = stack("sandbox", routes=ROUTES, gateway={"enabled": True}, database=EXISTING)
    with pytest.raises(pulumi.RunError, match="in plain text") as told:
        secret_values.refuse(settings)
    assert CANARY not in str(told.value)


def test_a_missing_value_ends_the_run_with_the_command_to_give_it() -> None:
    settings = stack("sandbox", routes=ROUTES, gateway={"enabled": True}, database=EXISTING)
    with pytest.raises(pulumi.RunError, match="pulumi config set --secret secret:database-password"):
        secret_values.refuse(settings)


class Manager:
    """Secrets Manager for one secret."""

    def __init__(self) -> None:
        self.values: list[str] = []
        self.changed = datetime(2026, 1, 1, tzinfo=UTC)

    def describe_secret(self, SecretId: str) -> dict[str, Any]:  # noqa: N803 - AWS's names
        stages = {f"v{len(self.values)}": ["AWSCURRENT"]} if self.values else {}
        return {"VersionIdsToStages": stages, "LastChangedDate": self.changed, "CreatedDate": self.changed}

    def get_random_password(self, **given: Any) -> dict[str, str]:
        assert given["ExcludePunctuation"]
        return {"RandomPassword": "r" * given["PasswordLength"]}

    def put_secret_value(self, **given: Any) -> dict[str, str]:
        assert 32 <= len(given["ClientRequestToken"]) <= 64
        self.values.append(given["SecretString"])
        return {"VersionId": f"v{len(self.values)}"}


def wanted(name: str) -> secrets.Wanted:
    settings = stack("sandbox", routes=ROUTES, gateway={"enabled": True})
    return next(each for each in secrets.wanted(settings) if each.name == name)


def test_a_value_is_made_once_and_again_when_it_is_due() -> None:
    manager, master = Manager(), wanted("gateway-master-key")
    soon, late = manager.changed + timedelta(days=89), manager.changed + timedelta(days=91)
    assert secret_values.fill(manager, "arn", master, soon) == "v1"
    assert secret_values.fill(manager, "arn", master, soon) == "v1"
    assert secret_values.fill(manager, "arn", master, late) == "v2"
    assert all(each.startswith("sk-") and len(each) == 51 for each in manager.values)


def test_the_salt_is_never_made_again() -> None:
    manager, salt = Manager(), wanted("gateway-salt-key")
    secret_values.fill(manager, "arn", salt, manager.changed)
    assert secret_values.fill(manager, "arn", salt, manager.changed + timedelta(days=9000)) == "v1"
    assert len(manager.values) == 1


def test_a_given_value_that_is_too_old_is_told_with_what_to_do() -> None:
    manager = Manager()
    settings = stack("sandbox", routes=ROUTES, gateway={"enabled": True}, cache=EXISTING_CACHE)
    (redis,) = [each for each in secrets.wanted(settings) if each.name == "redis-password"]
    assert secret_values.overdue(manager, "arn", redis, manager.changed + timedelta(days=89)) == ""
    told = secret_values.overdue(manager, "arn", redis, manager.changed + timedelta(days=91))
    assert "given on 2026-01-01" in told
    assert "pulumi config set --secret secret:redis-password" in told
