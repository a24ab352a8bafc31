"""Lifetimes, roots and names that contradict one another."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bastide.settings import Settings, SettingsError, read_stack_file, refuse_unresolved

STACK = Path(__file__).parents[2] / "stacks/Pulumi.sandbox.yaml"


def problems(**certificates: Any) -> dict[str, str]:
    with pytest.raises(SettingsError) as caught:
        Settings.load({**read_stack_file(STACK), "certificates": certificates})
    return {each.path: each.message for each in caught.value.problems}


def test_the_default_is_off_and_asks_for_nothing() -> None:
    settings = Settings.load(read_stack_file(STACK)).certificates
    assert not settings.internal
    assert settings.domain is None


def test_a_signer_lives_three_times_as_long_as_what_it_signs() -> None:
    found = problems(authorityDays=200, leafDays=90)
    assert found["certificates.authorityDays"].startswith(
        "200 is too short for leafDays 90; allowed: 270 or more"
    )
    found = problems(rootDays=1000)
    assert found["certificates.rootDays"].startswith("1000 is too short for authorityDays 365; allowed: 1095")


def test_the_signing_root_must_exist_and_each_once() -> None:
    found = problems(roots=[1, 2, 2], signingRoot=3)
    assert found["certificates.roots[2]"].startswith("2 is there twice")
    assert "allowed: 1, 2, 2" in found["certificates.signingRoot"]
    assert "certificates.roots" in problems(roots=[])


@pytest.mark.parametrize(
    ("given", "path", "part"),
    [
        ({"domain": "a.example.com"}, "certificates.zoneId", "is missing while certificates.domain"),
        ({"zoneId": "Z0EXAMPLE"}, "certificates.zoneId", "is given without certificates.domain"),
        (
            {"domain": "a.example.com", "zoneId": "Z1", "alternativeNames": ["a.example.com"]},
            "certificates.alternativeNames[0]",
            "is there twice",
        ),
        ({"domain": "Example", "zoneId": "Z1"}, "certificates.domain", "is not a domain name that ACM takes"),
        ({"domain": "a.example.com", "zoneId": "/hostedzone/Z1"}, "certificates.zoneId", "hosted zone"),
        ({"chartVersion": "^1.21"}, "certificates.chartVersion", "is not a chart version"),
        ({"leafDays": 400, "authorityDays": 3000, "rootDays": 9125}, "certificates.leafDays", "400"),
    ],
)
def test_each_mistake_has_its_own_message(given: dict[str, Any], path: str, part: str) -> None:
    assert part in problems(**given)[path]


def test_a_real_account_is_asked_for_cert_managers_digests_only_where_it_runs() -> None:
    # Staging has no gateway, which would ask for them itself.
    staging = read_stack_file(STACK.with_name("Pulumi.staging.yaml"))
    for internal in (False, True):
        settings = Settings.load({**staging, "certificates": {"internal": internal}})
        with pytest.raises(SettingsError) as caught:
            refuse_unresolved(settings)
        found = [each for each in caught.value.problems if each.path.startswith("certificates.images.")]
        assert len(found) == (4 if internal else 0)
        assert all("give the digest that the registry has" in each.message for each in found)
