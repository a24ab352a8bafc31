"""The rendered config.yaml, judged by the real LiteLLM: a bump that drops a key fails here."""

from __future__ import annotations

import json
import os
import subprocess
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml

from bastide.plans.routing import litellm_config
from bastide.plans.routing.table import table
from bastide.settings.checks import routes_traffic
from sandbox.toolchain import environments
from tests.routing.routing_samples import sample
from tests.waits import PATIENCE_S

pytestmark = pytest.mark.xdist_group("litellm")
JUDGE = Path(__file__).with_name("litellm_judge.py")

SCENARIOS: dict[str, dict[str, Any]] = {
    "up": {"group": "chat@public", "down": {}},
    "engine down": {"group": "chat@public", "down": {"chat": "error"}},
    "engine hung": {"group": "chat@public", "down": {"chat": "hang"}},
    "all of the route down": {"group": "chat@public", "down": {"chat": "error", "near": "error"}},
    "all of the route busy": {"group": "chat@public", "down": {"chat": "busy", "near": "busy"}},
    "too long": {"group": "chat@public", "down": {"chat": "long"}},
    "against the policy": {"group": "chat@public", "down": {"chat": "policy"}},
    **{
        f"regulated, {how}": {"group": "chat@regulated", "down": {"chat": how}}
        for how in ("error", "busy", "long", "policy", "hang")
    },
    "confidential, engine down": {"group": "chat@confidential", "down": {"chat": "error"}},
    "confidential, all down": {"group": "chat@confidential", "down": {"chat": "error", "near": "error"}},
    "weight of nothing": {"group": "small@public", "down": {}, "times": 40},
    "left alone": {"group": "lenient@confidential", "down": {"azure": "error"}, "times": 4},
    "cooled": {"group": "chat@public", "down": {"chat": "error"}, "times": 5},
    "no such group": {"group": "small@regulated", "down": {}},
    "public name": {"group": "chat", "down": {}},
}


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("litellm")
    (folder / "config.yaml").write_text(litellm_config.rendered(sample()))
    (folder / "scenarios.json").write_text(json.dumps(SCENARIOS))
    environments.ensure(environments.LITELLM)
    secrets = dict.fromkeys(
        ("PROVIDER_MINI", "PROVIDER_AZURE", "PROVIDER_TURBO", "PROVIDER_NEAR", "PROVIDER_VECTORS"), "x"
    )
    run = subprocess.run(
        [environments.LITELLM.python, JUDGE, folder / "config.yaml", folder / "scenarios.json"],
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",
            "PROVIDER_FLASH": "{}",
            **secrets,
        },
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert run.returncode == 0, run.stderr[-3000:]
    found: dict[str, Any] = json.loads(run.stdout.splitlines()[-1])
    return found


def only(judged: dict[str, Any], name: str) -> dict[str, Any]:
    (found,) = judged["scenarios"][name]["results"]
    return dict(found)


def test_this_litellm_knows_every_key(judged: dict[str, Any]) -> None:
    assert judged["unknown"] == {
        "general_settings": [],
        "litellm_settings": [],
        "router_settings": [],
        "litellm_params": [],
        "model_info": [],
    }


def test_a_key_that_no_litellm_has_is_found(judged: dict[str, Any]) -> None:
    assert judged["planted"] == {key: ["bastide_planted"] for key in judged["unknown"]}


def test_the_judge_is_the_pinned_litellm(judged: dict[str, Any]) -> None:
    image = sample().images.gateway.tag
    assert image.removeprefix("v").startswith(judged["version"])


def test_the_router_takes_every_deployment(judged: dict[str, Any]) -> None:
    wanted = [
        f"{each.deployment.name}@{group.name}"
        for group in table(sample()).groups()
        for each in group.candidates
    ]
    assert judged["deployments"] == sorted(wanted)
    assert len(wanted) == len(set(wanted))


def test_the_pauses_that_the_checks_reckon_with_are_litellms(judged: dict[str, Any]) -> None:
    assert judged["pauses"] == [
        routes_traffic.FIRST_PAUSE,
        routes_traffic.LONGEST_PAUSE,
        routes_traffic.JITTER,
    ]


def test_the_first_order_answers_while_it_is_up_at_its_price(judged: dict[str, Any]) -> None:
    found = only(judged, "up")
    assert (found["answer"], found["id"], found["asked"]) == ("chat", "chat@chat@public", ["chat"])
    assert found["cost"] == pytest.approx(float(7 * Decimal("0.00001") + 5 * Decimal("0.00003")), rel=1e-12)


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("engine down", "near"),
        ("engine hung", "near"),
        ("all of the route down", "mini"),
        ("all of the route busy", "mini"),
        ("against the policy", "azure"),
        ("confidential, engine down", "near"),
    ],
)
def test_a_failure_is_answered_by_the_next_in_the_table(
    judged: dict[str, Any], name: str, answer: str
) -> None:
    assert only(judged, name)["answer"] == answer


def test_a_prompt_that_is_too_long_goes_to_the_longer_route_at_once(judged: dict[str, Any]) -> None:
    found = only(judged, "too long")
    assert found["answer"] in ("flash", "haiku")
    assert len(found["asked"]) == 2


@pytest.mark.parametrize("how", ["error", "busy", "long", "policy", "hang"])
def test_regulated_text_reaches_nobody_else_at_any_failure(judged: dict[str, Any], how: str) -> None:
    found = only(judged, f"regulated, {how}")
    assert "error" in found
    assert set(found["asked"]) == {"chat"}


def test_a_classs_fallbacks_are_the_classs_own(judged: dict[str, Any]) -> None:
    found = only(judged, "confidential, all down")
    assert "error" in found
    assert set(found["asked"]) == {"chat", "near"}


def test_tries_are_as_many_as_the_table_says(judged: dict[str, Any]) -> None:
    assert only(judged, "regulated, error")["asked"] == ["chat"] * 3
    assert only(judged, "regulated, long")["asked"] == ["chat"]
    assert only(judged, "regulated, policy")["asked"] == ["chat"]


def test_a_hung_deployment_costs_no_more_than_the_checks_reckon(judged: dict[str, Any]) -> None:
    found = only(judged, "regulated, hang")
    chat = sample().routes[0]
    assert found["asked"] == ["chat"] * 3
    # With room for a busy machine, and none for a fourth try, which takes 4 s and a pause of at least 2.
    assert 3 * chat.timeout_seconds <= found["seconds"] <= routes_traffic.group_seconds(chat) + 4


def test_a_weight_of_nothing_gets_nothing(judged: dict[str, Any]) -> None:
    assert judged["scenarios"]["weight of nothing"]["asked"] == {"mini": 40}


def test_a_dead_deployment_is_left_out_while_others_answer(judged: dict[str, Any]) -> None:
    found = judged["scenarios"]["cooled"]
    assert [each["answer"] for each in found["results"]] == ["near"] * 5
    assert found["results"][-1]["asked"] == ["near"]


def test_the_last_deployment_is_never_left_out(judged: dict[str, Any]) -> None:
    results = judged["scenarios"]["left alone"]["results"]
    assert [each["asked"] for each in results] == [["azure", "azure"]] * 4


@pytest.mark.parametrize("name", ["no such group", "public name"])
def test_what_is_no_group_is_asked_of_nobody(judged: dict[str, Any], name: str) -> None:
    found = only(judged, name)
    assert "error" in found
    assert found["asked"] == []


def test_secrets_are_only_named() -> None:
    config = yaml.safe_load(litellm_config.rendered(sample()))
    for each in config["model_list"]:
        for key in ("api_key", "vertex_credentials"):
            value = each["litellm_params"].get(key, "none")
            assert value == "none" or value.startswith("os.environ/PROVIDER_")
    assert config["general_settings"]["master_key"].startswith("os.environ/")
    assert config["general_settings"]["database_url"].startswith("os.environ/")


def test_groups_and_fallbacks_stay_in_their_class() -> None:
    config = litellm_config.config(sample())
    groups = {each["model_name"] for each in config["model_list"]}
    for kind in ("fallbacks", "context_window_fallbacks", "content_policy_fallbacks"):
        for entry in config["router_settings"][kind]:
            for group, others in entry.items():
                assert {group, *others} <= groups
                assert {each.rpartition("@")[2] for each in others} == {group.rpartition("@")[2]}
