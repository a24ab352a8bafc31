"""A class may be raised and never lowered, and no try leaves it."""

from __future__ import annotations

import pytest
from bastide_gateway import data_class
from bastide_gateway.document import CLASSES
from bastide_gateway.errors import Refused

from tests.gateway.gateway_samples import call, table


@pytest.mark.parametrize("own", CLASSES)
@pytest.mark.parametrize("wish", CLASSES)
def test_a_wish_may_raise_and_never_lower(own: str, wish: str) -> None:
    if CLASSES.index(wish) >= CLASSES.index(own):
        assert data_class.settle(own, wish) == wish
    else:
        with pytest.raises(Refused) as refused:
            data_class.settle(own, wish)
        assert (refused.value.status, refused.value.code) == (403, "data_class_lowered")


@pytest.mark.parametrize("own", [None, "secret", ""])
def test_without_a_class_the_strictest_holds(own: str | None) -> None:
    assert data_class.settle(own, None) == "regulated"


def test_of_header_and_metadata_the_stricter_is_asked() -> None:
    assert data_class.asked("internal", {"data_class": "confidential"}, "x") == "confidential"
    assert data_class.asked("confidential", {"data_class": "public"}, "x") == "confidential"
    assert data_class.asked(None, None, "x") is None


@pytest.mark.parametrize("value", ["Public", "secret", "", "public, regulated"])
def test_an_unknown_class_is_refused(value: str) -> None:
    with pytest.raises(Refused) as refused:
        data_class.asked(value, None, "x-data-class")
    assert "allowed" in refused.value.message


def test_the_group_is_of_the_class() -> None:
    found = call()
    data_class.choose(table(), found, "public")
    assert (found.group, found.data_class) == ("chat@public", "public")
    raised = call(asked_class="regulated")
    data_class.choose(table(), raised, "public")
    assert raised.group == "chat@regulated"


def test_a_class_without_deployments_is_refused_with_the_reason() -> None:
    with pytest.raises(Refused) as refused:
        data_class.choose(table(), call(asked_class="confidential"), "public")
    assert refused.value.code == "data_class_not_served"
    assert "its agreement does not cover it" in refused.value.message


@pytest.mark.parametrize("model", ["chat@public", "chat@regulated", "nothing", "", "CHAT"])
def test_groups_and_unknown_names_are_no_models(model: str) -> None:
    with pytest.raises(Refused) as refused:
        data_class.choose(table(), call(model=model), "public")
    assert refused.value.code == "model_not_found"


def test_a_team_has_its_own_routes_alone() -> None:
    with pytest.raises(Refused) as refused:
        data_class.choose(table(), call(model="hosted", team="other"), "public")
    assert refused.value.code == "model_not_found"
    assert "hosted" not in refused.value.message


def test_a_model_of_another_kind_is_refused() -> None:
    with pytest.raises(Refused) as refused:
        data_class.choose(table(), call(model="embed"), "public")
    assert refused.value.code == "model_of_another_kind"


def test_the_cache_needs_route_and_class() -> None:
    for model, asked, allowed in (("chat", None, False), ("kept", None, True), ("kept", "regulated", False)):
        found = call(model=model, asked_class=asked)
        data_class.choose(table(), found, "public")
        assert found.cache_allowed is allowed


@pytest.mark.parametrize(
    ("deployment", "group", "asked", "allowed"),
    [
        ("engine", "chat@public", None, True),
        ("outside", "hosted@public", None, True),  # a fallback of the route
        ("engine", "chat@regulated", "regulated", True),
        ("outside", "hosted@public", "regulated", False),
        ("outside", "chat@regulated", "regulated", False),  # in the right group, and not for the class
        ("engine", "chat@public", "regulated", False),
        ("embedder", "embed@public", None, False),  # of another route
        ("", "", None, False),
    ],
)
def test_every_try_stays_in_the_class(deployment: str, group: str, asked: str | None, allowed: bool) -> None:
    found = call(asked_class=asked)
    data_class.choose(table(), found, "public")
    assert data_class.may_answer(table(), found, deployment, group) is allowed


def test_before_a_class_is_known_no_try_is_made() -> None:
    assert not data_class.may_answer(table(), call(), "engine", "chat@public")
