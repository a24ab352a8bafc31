"""Routes, data classes and teams that contradict themselves, from tables: each is refused by a message of its own at
its own path, and by no other."""

from __future__ import annotations

import copy

import pytest

from bastide.settings import Settings, SettingsError
from tests.routing import (
    contradictions_of_classes,
    contradictions_of_deployments,
    contradictions_of_fallbacks,
)
from tests.routing.route_changes import Change
from tests.routing.routing_samples import HOSTED, ROUTES, TEAMS, raw, sample

TABLE = [
    *contradictions_of_fallbacks.TABLE,
    *contradictions_of_deployments.TABLE,
    *contradictions_of_classes.TABLE,
]


@pytest.mark.parametrize(
    ("change", "path", "says"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE]
)
def test_a_contradiction_is_refused_by_its_own_message(change: Change, path: str, says: str) -> None:
    stack = copy.deepcopy(raw())
    change(stack)
    with pytest.raises(SettingsError) as caught:
        Settings.load(stack)
    found = [(problem.path, problem.message) for problem in caught.value.problems]
    assert path in [each for each, _ in found], found
    assert any(says in message for where, message in found if where == path), found
    # What follows from it may be told too, and nothing else.
    assert all(where == path or where.split(".")[0].startswith(("routes", "teams")) for where, _ in found), (
        found
    )


def test_no_two_rows_share_a_message() -> None:
    assert len({(path, says) for _, _, path, says in TABLE}) == len(TABLE)


def test_the_stack_of_these_tests_has_no_mistake() -> None:
    found = sample()
    assert [each.name for each in found.routes] == [each["name"] for each in ROUTES]
    assert [each.name for each in found.hosted] == [each["name"] for each in HOSTED]
    assert [each.name for each in found.teams] == [each["name"] for each in TEAMS]


def test_mistakes_of_several_hosted_deployments_are_told_at_once() -> None:
    stack = raw()
    stack["hosted"][0]["region"] = "US"
    stack["hosted"][1]["price"]["read"] = "x"
    stack["routes"][0]["deployments"][0]["name"] = "nobody"
    with pytest.raises(SettingsError) as caught:
        Settings.load(stack)
    paths = [each.path for each in caught.value.problems]
    assert {"hosted[0].region", "hosted[1].price.read", "routes[0].deployments[0].name"} <= set(paths)


def test_plain_http_is_for_sandboxes_only() -> None:
    stack = raw()
    stack["hosted"][5]["url"] = "http://127.0.0.1:9000/v1"
    Settings.load(stack)
    stack["environment"] = "dev"
    with pytest.raises(SettingsError) as caught:
        Settings.load(stack)
    assert "hosted[5].url" in [each.path for each in caught.value.problems]


def test_a_class_that_is_given_in_part_keeps_the_rest_of_its_own_default() -> None:
    stack = raw()
    stack["dataClasses"]["regulated"] = {"retentionDays": 90}
    found = Settings.load(stack).data_classes
    assert (found.regulated.hosted, found.regulated.cache, found.regulated.guards) == (
        "never",
        False,
        ("pii",),
    )
    assert found.regulated.retention_days == 90
    assert (found.confidential.hosted, found.public.cache) == ("zeroRetention", True)
