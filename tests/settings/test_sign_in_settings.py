"""Sign-in settings: what would let in the wrong ones is refused with its path."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bastide.settings import Settings, SettingsError, read_stack_file

STACK = Path(__file__).parents[2] / "stacks/Pulumi.sandbox.yaml"
GOOD = {
    "issuer": "https://id.example.com/realms/main",
    "audience": "bastide-gateway",
    "jwksUrl": "https://id.example.com/realms/main/keys",
    "rules": [{"claim": "groups", "value": "ml", "team": "research"}],
}


def load(**changes: Any) -> Settings:
    raw = read_stack_file(STACK)
    sign_in = {name: value for name, value in {**GOOD, **changes}.items() if value is not ...}
    return Settings.load(
        {
            **raw,
            "routes": [{"name": "chat", "deployments": [{"name": raw["engines"][0]["name"]}]}],
            "teams": [{"name": "research", "routes": ["chat"]}],
            "gateway": {"signIn": sign_in},
        }
    )


def test_a_whole_one_is_taken() -> None:
    held = load().gateway.sign_in
    assert held is not None
    assert (held.algorithms, held.leeway_seconds) == (("RS256",), 30)


@pytest.mark.parametrize(
    ("changes", "path", "says"),
    [
        ({"jwksUrl": "http://id.example.com/keys"}, "gateway.signIn.jwksUrl", "https"),
        ({"issuer": "id.example.com"}, "gateway.signIn.issuer", "https"),
        ({"audience": ""}, "gateway.signIn.audience", "printable"),
        ({"audience": ...}, "gateway.signIn.audience", ""),
        ({"algorithms": ["HS256"]}, "gateway.signIn.algorithms[0]", "RS256"),
        ({"algorithms": ["none"]}, "gateway.signIn.algorithms[0]", "RS256"),
        ({"leewaySeconds": 3600}, "gateway.signIn.leewaySeconds", "120"),
        ({"rules": []}, "gateway.signIn.rules", "1"),
        (
            {"rules": [{"claim": "groups", "value": "ml", "team": "reserch"}]},
            "gateway.signIn.rules[0].team",
            "did you mean 'research'",
        ),
        ({"rules": [*GOOD["rules"], *GOOD["rules"]]}, "gateway.signIn.rules[1]", "never would"),
    ],
)
def test_what_would_let_in_the_wrong_ones_is_refused(changes: dict[str, Any], path: str, says: str) -> None:
    with pytest.raises(SettingsError) as refused:
        load(**changes)
    (found,) = [line for line in str(refused.value).splitlines() if f"bastide:{path}:" in line]
    assert says in found
