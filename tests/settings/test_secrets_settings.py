"""Secrets: which a stack needs, from where, and every mistake with its path; never a value."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from bastide.catalogues.secrets import EVERY, PROCESS_ENVIRONMENT, Delivery, kind_of
from bastide.plans import secret_access, secret_delivery, secrets
from bastide.settings import Settings, SettingsError, read_stack_file
from bastide.settings.route_hosted import Bedrock, OpenAi
from bastide.settings.secrets import AwsSecretsManager

SANDBOX = read_stack_file(Path(__file__).parents[2] / "stacks/Pulumi.sandbox.yaml")
PRICE = {"inputPerMillion": "1", "outputPerMillion": "2", "source": "price list", "read": "2026-11-01"}
OPENAI = {
    "name": "gpt",
    "kind": "openAi",
    "model": "gpt-5-mini",
    "region": "us",
    "contextTokens": 1000,
    "price": PRICE,
    "agreement": {"classes": ["public"], "document": "a contract", "date": "2026-11-01"},
}
BEDROCK = {**OPENAI, "name": "claude", "kind": "bedrock", "region": "us-east-1"}
EXISTING_DATABASE = {"kind": "existing", "host": "db.example.com"}
EXISTING_CACHE = {"kind": "existing", "host": "redis.example.com"}


def settings(**changes: Any) -> Settings:
    return Settings.load({**copy.deepcopy(SANDBOX), "gateway": {"enabled": True}, **changes})


def mistakes(**changes: Any) -> dict[str, str]:
    with pytest.raises(SettingsError) as told:
        settings(**changes)
    return {each.path: each.message for each in told.value.problems}


def sources(found: Settings) -> dict[str, str]:
    return {each.name: str(each.source) for each in secrets.wanted(found)}


def test_a_stack_without_a_gateway_needs_no_secret() -> None:
    assert secrets.wanted(Settings.load(SANDBOX)) == ()


def test_a_gateway_needs_its_two_keys_and_no_password_where_iam_does() -> None:
    assert sources(settings()) == {"gateway-master-key": "generated", "gateway-salt-key": "generated"}


def test_what_others_made_is_given_and_what_the_kit_makes_is_generated() -> None:
    found = sources(settings(database=EXISTING_DATABASE, cache=EXISTING_CACHE))
    assert found["database-password"] == "given"
    assert found["redis-password"] == "given"
    assert sources(settings(database={"auth": "password"}))["database-password"] == "generated"


def needed_with_hosted() -> Settings:
    base = settings()
    keyed = OpenAi.model_validate(OPENAI)
    second = OpenAi.model_validate({**OPENAI, "name": "mini", "secret": "gpt"})
    return base.model_copy(update={"hosted": (keyed, second, Bedrock.model_validate(BEDROCK))})


def test_a_hosted_deployment_needs_its_key_once_and_bedrock_none() -> None:
    found = needed_with_hosted()
    assert sources(found)["provider-gpt"] == "given"
    assert [name for name in sources(found) if name.startswith("provider-")] == ["provider-gpt"]


def test_the_list_says_of_every_secret_how_long_it_lives_or_why_for_ever() -> None:
    assert {each.name for each in EVERY if each.rotation_days is None} == {
        "gateway-salt-key",
        "database-password",
        "model-signing",
    }
    assert all(each.never_because for each in EVERY if each.rotation_days is None)
    assert kind_of("provider-") is None
    assert kind_of("provider-openai") is not None
    assert kind_of("nobody-knows-it") is None


def test_only_what_litellm_reads_nowhere_else_is_on_the_list_of_environment_variables() -> None:
    assert set(PROCESS_ENVIRONMENT) == {
        "gateway-master-key",
        "gateway-salt-key",
        "database-password",
    }
    assert all(kind_of(name) and kind_of(name).delivery is Delivery.FILE for name in PROCESS_ENVIRONMENT)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("changes", "path", "says"),
    [
        (
            {"overrides": {"gateway-salt-key": {"rotationDays": 30}}},
            "secrets.overrides.gateway-salt-key.rotationDays",
            "encrypted by it",
        ),
        (
            {"overrides": {"provider-nobody": {"source": "given"}}},
            "secrets.overrides.provider-nobody",
            "no deployment under bastide:hosted",
        ),
        (
            {"overrides": {"gateway-mastr-key": {"source": "given"}}},
            "secrets.overrides.gateway-mastr-key",
            "did you mean 'gateway-master-key'",
        ),
        (
            {
                "store": {"kind": "vault", "host": "vault.example.com", "role": "bastide"},
                "overrides": {"gateway-master-key": {"source": "generated"}},
            },
            "secrets.overrides.gateway-master-key.source",
            "allowed: stored",
        ),
        ({"store": {"kind": "keychain"}}, "secrets.store.kind", "awsSecretsManager"),
        ({"store": {"recoveryDays": 3}}, "secrets.store.recoveryDays", "7"),
        ({"refreshSeconds": 1}, "secrets.refreshSeconds", "30"),
    ],
)
def test_contradictions_are_told_with_their_path(changes: dict[str, Any], path: str, says: str) -> None:
    found = mistakes(secrets=changes)
    assert path in found, found
    assert says in found[path]


def test_a_password_of_somebody_elses_cannot_be_generated() -> None:
    found = mistakes(cache=EXISTING_CACHE, secrets={"overrides": {"redis-password": {"source": "generated"}}})
    assert "allowed: given, stored" in found["secrets.overrides.redis-password.source"]


def test_stores_of_others_hold_what_is_there_already() -> None:
    vault = {"store": {"kind": "vault", "host": "vault.example.com", "role": "bastide"}}
    found = settings(secrets=vault, database=EXISTING_DATABASE)
    assert set(sources(found).values()) == {"stored"}


GIVEN = {"database": EXISTING_DATABASE}


@pytest.mark.parametrize(
    ("given", "path", "says"),
    [
        ({}, "secret:database-password", "pulumi config set --secret secret:database-password"),
        ({"database-password": False}, "secret:database-password", "in plain text"),
        (
            {"database-password": True, "provider-x": True},
            "secret:provider-x",
            "does not need",
        ),
        (
            {"database-password": True, "gateway-salt-key": True},
            "secret:gateway-salt-key",
            "source is 'generated'",
        ),
    ],
)
def test_given_values_are_held_against_what_is_needed(given: dict[str, bool], path: str, says: str) -> None:
    (problem,) = secrets.given_problems(settings(**GIVEN), given)
    assert problem.path == path
    assert says in problem.message


def test_values_that_fit_are_no_problem() -> None:
    assert secrets.given_problems(settings(**GIVEN), {"database-password": True}) == []


def test_a_stored_secret_needs_no_value() -> None:
    found = settings(**GIVEN, secrets={"overrides": {"database-password": {"source": "stored"}}})
    assert secrets.given_problems(found, {}) == []


def test_the_reader_may_read_the_stacks_own_secrets_by_name_and_nothing_else() -> None:
    text = secret_access.reader_policy(settings(), "arn:aws:kms:us-east-1:123456789012:key/k")
    assert "*" not in text.replace("-??????", "")
    assert "secret:bastide-sandbox-us-east-1/gateway-salt-key-??????" in text
    assert "Put" not in text
    assert "secretsmanager.us-east-1.amazonaws.com" in text


def test_values_of_the_chart_leave_the_operator_one_namespace_and_no_cluster_kind() -> None:
    values = secret_delivery.release_values(settings())
    assert values["scopedNamespace"] == "bastide-gateway"
    assert values["scopedRBAC"]
    assert not any(values[each]["create"] for each in ("webhook", "certController"))
    assert not values["rbac"]["serviceAccountTokenCreate"]
    policies = secret_delivery.network_policies(settings())
    assert list(policies) == ["external-secrets"]
    assert isinstance(settings().secrets.store, AwsSecretsManager)
