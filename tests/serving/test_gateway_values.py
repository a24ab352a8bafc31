"""Values of charts/gateway: what follows from a stack's settings, and that no secret is among them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bastide.plans import gateway, gateway_package, gateway_rights, gateway_surroundings, no_secrets
from bastide.plans.endpoints import BEDROCK, DEFAULT_SERVICES
from bastide.plans.gateway import Store, Surroundings
from bastide.plans.routing import document, litellm_config
from bastide.settings import EdgeSettings, Settings, read_stack_file
from tests.charts.conftest import DIGEST, ROOT, render

SANDBOX = read_stack_file(ROOT / "stacks" / "Pulumi.sandbox.yaml")
PACKAGE = {"bastide_gateway/__init__.py": ""}
CANARY = "sk-canary-3f1b8a2c9d"
AGREEMENT = {
    "zeroRetention": True,
    "trainsOnData": False,
    "classes": ["public", "internal", "confidential"],
    "document": "contract 1",
    "date": "2026-01-01",
}
PRICE = {"inputPerMillion": "1", "outputPerMillion": "2", "source": "price list", "read": "2026-01-01"}
EXISTING = {"kind": "existing", "host": "db.example.com"}


def stack(**changes: Any) -> Settings:
    routes = [{"name": "chat", "deployments": [{"name": "chat"}]}]
    return Settings.load({**SANDBOX, "routes": routes, "gateway": {"enabled": True}, **changes})


def around(settings: Settings, **changes: Any) -> Surroundings:
    given: dict[str, Any] = {
        "config": litellm_config.rendered(settings),
        "routes": document.rendered(settings),
        "package": PACKAGE,
        "database": gateway_surroundings.database_store(settings, "db.example"),
        "redis": gateway_surroundings.redis_store(settings, "redis.example"),
        "internet_ports": gateway_surroundings.provider_ports(settings),
        "guards": gateway_surroundings.guards_in_use(settings),
    }
    return Surroundings(**{**given, **changes})


def values(settings: Settings, **changes: Any) -> dict[str, Any]:
    return gateway.chart_values(settings, around(settings, **changes))


def hosted(name: str, **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "region": "us-east-1",
        "agreement": AGREEMENT,
        "price": PRICE,
        "contextTokens": 8192,
        "model": "some-model",
        **more,
    }


def with_hosted(*given: dict[str, Any]) -> Settings:
    deployments = [{"name": "chat"}, *({"name": each["name"], "order": 2} for each in given)]
    places = {"public": {"regions": ["us-east-1", "us"], "hosted": "any"}}
    return stack(
        hosted=list(given),
        routes=[{"name": "chat", "deployments": deployments}],
        dataClasses=places,
        network={**SANDBOX["network"], "interfaceEndpoints": [*DEFAULT_SERVICES, BEDROCK]},
    )


@pytest.mark.parametrize(
    "settings",
    [
        stack(),
        stack(certificates={"internal": True}),
        stack(gateway={"enabled": True, "autoscaling": {"maxReplicas": 3}}),
        stack(database=EXISTING, cache=EXISTING),
    ],
    ids=["plain", "tls", "autoscaled", "existing"],
)
def test_the_chart_takes_what_the_plan_makes(settings: Settings) -> None:
    made = values(settings)
    assert json.loads(json.dumps(made)) == made
    done = render("gateway", "gateway", made)
    assert done.error == ""
    assert done.one("ConfigMap", "gateway-config")["data"] == made["config"]


def test_the_whole_package_fits_and_every_file_of_it_comes_along() -> None:
    folder = ROOT / "gateway" / gateway_package.PACKAGE
    package = gateway_package.read(folder)
    own = {each for each in folder.rglob("*") if each.is_file() and "__pycache__" not in each.parts}
    assert {f"gateway/{path}" for path in package} == {str(each.relative_to(ROOT)) for each in own}
    made = values(stack(), package=package)
    done = render("gateway", "gateway", made)
    assert done.error == ""
    data = done.one("ConfigMap", "gateway-package")["data"]
    assert sorted(data.values()) == sorted(package.values())


def test_a_package_that_cannot_be_mounted_is_refused() -> None:
    with pytest.raises(gateway_package.PackageError, match="no whole copy"):
        gateway_package.checked({})
    with pytest.raises(gateway_package.PackageError, match="allowed: 600000"):
        gateway_package.checked({**PACKAGE, "bastide_gateway/data.json": "x" * 600_001})


def test_the_environment_says_where_things_are_and_holds_no_secret() -> None:
    found = values(stack(certificates={"internal": True}))["env"]
    assert found["DATABASE_HOST"] == "db.example"
    assert found["DATABASE_AUTH"] == "iam"
    assert (found["REDIS_HOST"], found["REDIS_TLS"], found["REDIS_AUTH"]) == ("redis.example", "true", "iam")
    assert found["BASTIDE_CA"] == "/etc/bastide/ca/ca.crt"
    assert found["DISABLE_SCHEMA_UPDATE"] == "true"
    assert not [name for name in found if "PASSWORD" in name or "KEY" in name]


def test_the_drain_is_as_long_as_the_longest_client_waits_and_never_more_than_an_hour() -> None:
    def drained(seconds: float | None, **given: Any) -> int:
        route = {"name": "chat", "deployments": [{"name": "chat"}]}
        waits = {} if seconds is None else {"clientTimeoutSeconds": seconds}
        drain = {"drain": given} if given else {}
        settings = stack(routes=[{**route, **waits}], gateway={"enabled": True, **drain})
        return int(values(settings)["drain"]["shutdownSeconds"])

    assert drained(None) == 600
    assert drained(900.5) == 901
    assert drained(86_400) == 3600
    assert drained(900, shutdownSeconds=77) == 77


def test_stores_of_the_stack_are_in_its_subnets_and_others_where_they_were_said_to_be() -> None:
    assert values(stack())["network"]["database"]["cidrs"] == [
        "10.20.0.0/19",
        "10.20.32.0/19",
        "10.20.64.0/19",
    ]
    elsewhere = {"enabled": True, "privateCidrs": ["10.77.0.0/16"]}
    network = values(stack(database=EXISTING, cache=EXISTING, gateway=elsewhere))["network"]
    assert network["database"] == {"cidrs": ["10.20.0.0/16", "10.77.0.0/16"], "port": 5432}
    assert network["redis"] == {"cidrs": ["10.20.0.0/16", "10.77.0.0/16"], "port": 6379}


def test_jobs_get_only_the_secrets_that_they_use() -> None:
    assert values(stack())["secrets"] == {
        "secretName": "gateway-secrets",
        "migrate": [],
        "teams": ["gateway-master-key"],
        "version": "",
    }
    assert values(stack(), secrets_version="two")["secrets"]["version"] == "two"
    existing = values(stack(database=EXISTING))["secrets"]
    assert existing["migrate"] == ["database-password"]


def test_the_pii_service_runs_where_some_class_or_route_asks_for_its_guard() -> None:
    assert values(stack())["pii"]["enabled"]
    without: dict[str, Any] = {"confidential": {"guards": []}, "regulated": {"guards": []}}
    assert not values(stack(dataClasses=without))["pii"]["enabled"]
    asked = [{"name": "chat", "deployments": [{"name": "chat"}], "guards": ["pii"]}]
    assert values(stack(dataClasses=without, routes=asked))["pii"]["enabled"]


@pytest.mark.parametrize(
    ("given", "ports"),
    [
        ([], []),
        ([hosted("sonnet", kind="bedrock")], []),
        ([hosted("gpt", kind="openAi", region="us")], [443]),
        ([hosted("near", kind="openAiCompatible", url="https://llm.example.com:8443/v1")], [8443]),
    ],
    ids=["nothing", "bedrock", "openai", "another port"],
)
def test_the_way_out_is_what_hosted_deployments_need(given: list[dict[str, Any]], ports: list[int]) -> None:
    settings = with_hosted(*given) if given else stack()
    assert values(settings)["network"]["internetPorts"] == ports


def test_a_hosted_deployment_that_no_class_may_use_opens_nothing() -> None:
    elsewhere = hosted("gpt", kind="openAi", region="eu")
    assert values(with_hosted(elsewhere))["network"]["internetPorts"] == []


def test_the_role_may_ask_the_models_that_routes_name_and_sign_in_to_the_stores() -> None:
    settings = with_hosted(
        hosted("haiku", kind="bedrock", model="anthropic.claude-haiku-4-5"),
        hosted("spread", kind="bedrock", model="us.anthropic.claude-sonnet-4-6"),
    )
    found = gateway_rights.serving(settings, "db-ABC")
    assert [each["Sid"] for each in found] == [
        "Ask0",
        "Ask1",
        "Ask1Anywhere",
        "SignInToDatabase",
        "SignInToCache",
    ]
    assert found[0]["Resource"] == ["arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude-haiku-4-5"]
    profile = "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.anthropic.claude-sonnet-4-6"
    assert found[1]["Resource"] == [profile]
    assert found[2]["Resource"] == ["arn:aws:bedrock:*::foundation-model/anthropic.claude-sonnet-4-6"]
    assert found[2]["Condition"] == {"StringEquals": {"bedrock:InferenceProfileArn": profile}}
    assert found[3]["Resource"] == ["arn:aws:rds-db:us-east-1:123456789012:dbuser:db-ABC/gateway"]
    # The pods never see the administrator's password, and the migration asks no model.
    jobs = gateway_rights.migrating(settings, "db-ABC", "arn:secret", "arn:key")
    assert {action for each in jobs for action in each["Action"]} == {
        "secretsmanager:GetSecretValue",
        "kms:Decrypt",
        "rds-db:connect",
    }


def test_without_anything_of_aws_there_is_no_role() -> None:
    settings = stack(database=EXISTING, cache=EXISTING)
    assert not gateway_rights.serves_with_rights(settings)
    assert not gateway_rights.migrates_with_rights(settings)


PLANTED: dict[str, dict[str, Any]] = {
    "a key in the environment": {"env": {"ANY": f"it is {CANARY}"}},
    "a key in config.yaml": {"config": f"litellm_settings:\n  api_key: {CANARY}\n"},
    "a provider's key without a form": {
        "config": "model_list:\n- litellm_params: {model: openai/x, api_key: 8c1f0e}\n"
    },
    "a password in routes.json": {"routes": '{"guards": [{"settings": {"password": "hunter2"}}]}'},
    "a bearer token in routes.json": {"routes": '{"header": "Bearer abcdefghijklmnopqrstuvwx"}'},
    "an address with a password": {"env": {"REDIS_ADDRESS": "rediss://default:hunter2@redis.example:6379"}},
    "a private key": {"env": {"PEM": "-----BEGIN EC PRIVATE KEY-----"}},
    "a key in a program": {"package": {**PACKAGE, "bastide_gateway/other.py": f"KEY = '{CANARY}'"}},
    "an AWS key": {"jobs_env": {"ANY": "AKIAIOSFODNN7EXAMPLE"}},
    "a key beside the database": {"database": Store({"DATABASE_HOST": CANARY}, [], 5432)},
}


@pytest.mark.parametrize("planted", PLANTED.values(), ids=PLANTED)
def test_a_secret_that_is_planted_is_found_and_not_repeated(planted: dict[str, Any]) -> None:
    with pytest.raises(no_secrets.SecretFoundError, match="looks like a secret") as refused:
        values(stack(), **planted)
    assert CANARY not in str(refused.value)
    assert "hunter2" not in str(refused.value)


def test_what_is_no_document_is_not_believed_to_hold_no_secret() -> None:
    with pytest.raises(no_secrets.SecretFoundError, match=r"config\.yaml is not what its name says"):
        values(stack(), config="model_list: [")


def test_names_of_secrets_are_no_secrets() -> None:
    settings = with_hosted(hosted("gpt", kind="openAi", region="us"))
    made = values(settings)
    assert "os.environ/PROVIDER_GPT" in made["config"]["config.yaml"]
    assert list(no_secrets.secrets_in(made)) == []


def test_an_image_is_named_by_its_digest() -> None:
    image = {"repository": "mine/litellm", "tag": "v1.106.2", "digest": DIGEST}
    assert values(stack(images={"gateway": image}))["images"]["gateway"] == image


def test_pods_keep_a_connection_longer_than_the_load_balancer_does() -> None:
    assert values(stack())["env"]["BASTIDE_KEEP_ALIVE_SECONDS"] == "75"
    # A client's 600 s, the load balancer's minute above them, and the pods' 15 s.
    assert gateway.keep_alive_seconds(stack().model_copy(update={"edge": EdgeSettings()})) == 600 + 60 + 15
