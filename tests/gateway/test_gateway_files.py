"""What keeps the gateway from starting: routes.json, config.yaml, secrets, environment."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from bastide_gateway import config_check, document, environment, secret_files
from bastide_gateway.errors import StartError

from tests.gateway.gateway_samples import config, raw, table

Change = Callable[[dict[str, Any]], object]


def test_the_samples_are_good() -> None:
    config_check.check(config("http://127.0.0.1:1"), table())


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda doc: doc.update(version=2), "version 2"),
        (
            lambda doc: doc["routes"]["chat"]["candidates"]["regulated"].append("outside"),
            "not for regulated data",
        ),
        (lambda doc: doc["routes"]["chat"]["groups"].update(public="chat@regulated"), "is not chat@public"),
        (
            lambda doc: doc["routes"]["chat"]["fallbacks"].update(regulated={"outage": ["hosted@public"]}),
            "leaves",
        ),
        (lambda doc: doc["routes"]["chat"].update(guards=["pii"]), "'pii' is not known"),
        (lambda doc: doc["classes"]["public"].update(guards=["pii"]), "'pii' is not known"),
        (lambda doc: doc["onFailure"].update(redis="ignore"), "onFailure.redis"),
        (lambda doc: doc["teams"]["open"].update(routes=["nothing"]), "teams.open.routes"),
        (lambda doc: doc["teams"]["open"].update({"class": "secret"}), "teams.open.class"),
        (lambda doc: doc.pop("routes"), "routes"),
        (lambda doc: doc["deployments"]["engine"].update(inputPrice="much"), "Conversion"),
    ],
)
def test_a_document_that_contradicts_itself_is_refused(change: Change, says: str, tmp_path: Path) -> None:
    import json

    # As JSON, so that nothing is shared between its parts.
    doc = json.loads(json.dumps(raw()))
    change(doc)
    path = tmp_path / "routes.json"
    path.write_text(json.dumps(doc))
    with pytest.raises(StartError) as error:
        document.read(path)
    assert says in str(error.value)


def _guardrail(given: dict[str, Any]) -> None:
    given["guardrails"] = [{"guardrail_name": "mine", "litellm_params": {"guardrail": "hooks.Guard"}}]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda given: given["litellm_settings"]["callbacks"].append("hooks.policy"), "hooks.policy"),
        (lambda given: given["litellm_settings"].update(callbacks=["prometheus"]), "nothing is enforced"),
        (
            lambda given: given["litellm_settings"].update(callbacks=["bastide_gateway.callbacks.gatway"]),
            "gatway",
        ),
        (lambda given: given["litellm_settings"].update(success_callback=["langfuse"]), "langfuse"),
        (_guardrail, "guardrails"),
        (lambda given: given["general_settings"].update(store_model_in_db=True), "store_model_in_db"),
        (lambda given: given["general_settings"].update(custom_auth="hooks.auth"), "custom_auth"),
        (lambda given: given["general_settings"].pop("disable_error_logs"), "disable_error_logs"),
        (lambda given: given["general_settings"].update(store_prompts_in_spend_logs=True), "store_prompts"),
        (lambda given: given["router_settings"].update(redis_host="redis"), "Redis"),
        (lambda given: given["litellm_settings"].update(cache=True), "cache"),
        (
            lambda given: given["litellm_settings"].update(default_fallbacks=["hosted@public"]),
            "default_fallbacks",
        ),
        (
            lambda given: given["router_settings"].update(model_group_alias={"chat": "hosted"}),
            "model_group_alias",
        ),
        (
            lambda given: given["router_settings"]["fallbacks"].append({"chat@regulated": ["hosted@public"]}),
            "leaves the data class",
        ),
        (lambda given: given["model_list"][0].update(model_name="chat"), "no group"),
        (
            lambda given: given["model_list"][0]["model_info"].update(id="outside@chat@regulated"),
            "DEPLOYMENT@",
        ),
        (
            lambda given: given["model_list"][1]["model_info"].update(id="outside@chat@regulated"),
            "may not be in",
        ),
        (lambda given: given["model_list"].pop(), "embed@public"),
    ],
)
def test_what_litellm_would_drop_or_obey_is_refused(change: Change, says: str) -> None:
    given = config("http://127.0.0.1:1")
    change(given)
    with pytest.raises(StartError) as error:
        config_check.check(given, table())
    assert says in str(error.value)


def test_secrets_become_variables_of_their_names(tmp_path: Path) -> None:
    for name, text in {
        "gateway-master-key": "sk-1\n",
        "gateway-salt-key": "salt",
        "provider-mini": "key",
        "redis-password": "pw",
    }.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "..data").mkdir()
    found = secret_files.variables(secret_files.read(tmp_path))
    assert found == {
        "LITELLM_MASTER_KEY": "sk-1",
        "LITELLM_SALT_KEY": "salt",
        "PROVIDER_MINI": "key",
        "REDIS_PASSWORD": "pw",
    }
    assert secret_files.missing({"a": ["os.environ/PROVIDER_MINI", "os.environ/OTHER"]}, found) == ["OTHER"]


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({}, "gateway-master-key"),
        ({"gateway-master-key": "sk-1"}, "gateway-salt-key"),
        ({"gateway-master-key": "", "gateway-salt-key": "s"}, "empty"),
        ({"gateway-master-key": "1", "gateway-salt-key": "s"}, "sk-"),
    ],
)
def test_secrets_that_are_missing_are_named_and_never_shown(
    files: dict[str, str], says: str, tmp_path: Path
) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(StartError) as error:
        secret_files.variables(secret_files.read(tmp_path))
    assert says in str(error.value)


def test_the_databases_address_is_encoded_and_verified() -> None:
    database = environment.Database("db", 5432, "litellm", "user", False, Path("/ca.pem"))
    url = secret_files.database_url(database, "p@ss/word?&")
    assert "p%40ss%2Fword%3F%26@db:5432/litellm" in url
    assert "sslmode=require&sslaccept=strict&sslcert=/ca.pem" in url
    with pytest.raises(StartError):
        secret_files.database_url(database, None)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"DATABASE_HOST": "db"}, "DATABASE_NAME"),
        ({"DATABASE_HOST": "db", "DATABASE_AUTH": "trust"}, "DATABASE_AUTH"),
        ({"REDIS_HOST": "r", "REDIS_TLS": "yes"}, "REDIS_TLS"),
        ({"REDIS_HOST": "r", "REDIS_AUTH": "iam"}, "REDIS_USER"),
        ({"BASTIDE_GATEWAY_PORT": "http"}, "BASTIDE_GATEWAY_PORT"),
        ({"REDIS_HOST": "r", "REDIS_CA": "/nowhere"}, "REDIS_CA"),
    ],
)
def test_an_environment_that_cannot_work_is_refused(given: dict[str, str], says: str) -> None:
    with pytest.raises(StartError) as error:
        environment.read(given)
    assert says in str(error.value)
