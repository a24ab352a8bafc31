"""`signIn` of routes.json: whose tokens are taken, and which team a caller belongs to.

    {"issuer": URL, "audience": NAME, "jwksUrl": URL, "algorithms": ["RS256"], "leewaySeconds": 30,
     "maxTokenSeconds": 86400, "keysSeconds": 300, "keysStaleSeconds": 3600,
     "rules": [{"claim": "groups", "value": "ml", "team": "research"}]}

Read strictly: an unknown name is a misspelt one, and a misspelt one must not mean its default."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from bastide_gateway.errors import StartError

ALGORITHMS: Final = ("RS256", "ES256", "EdDSA")
"""Signatures by a private key. `none` has none, and for HS* the public key would be the secret."""
_HERE: Final = ("127.0.0.1", "::1", "localhost")
_BOUNDS: Final = {
    "leewaySeconds": (30, 0, 120),
    "maxTokenSeconds": (86400, 60, 7 * 86400),
    "keysSeconds": (300, 30, 86400),
    "keysStaleSeconds": (3600, 0, 86400),
}
"""Default, least and most of each number."""
_NAMES: Final = {"issuer", "audience", "jwksUrl", "algorithms", "rules", *_BOUNDS}


@dataclass(frozen=True)
class Rule:
    """A claim that holds a value puts its bearer into a team."""

    claim: str
    value: str
    team: str


@dataclass(frozen=True)
class SignIn:
    """As the head of this file describes it."""

    issuer: str
    audience: str
    jwks_url: str
    algorithms: tuple[str, ...]
    leeway_s: int
    """By how much clocks may differ."""
    max_token_s: int
    """Longest life of a token, from `iat` to `exp`."""
    keys_s: int
    """For how long fetched keys are good."""
    keys_stale_s: int
    """For how much longer, when the issuer cannot be reached; then nobody is let in."""
    rules: tuple[Rule, ...]
    """The first that fits decides."""


def read(given: Mapping[str, Any], teams: Mapping[str, Any]) -> SignIn:
    """Raises `StartError` with the setting, what was given and what is allowed."""
    unknown = sorted(set(given) - _NAMES)
    lacking = sorted({"issuer", "audience", "jwksUrl", "algorithms", "rules"} - set(given))
    if unknown or lacking:
        raise StartError(f"routes.json: signIn: not known: {unknown}, missing: {lacking}; render it again")
    algorithms = tuple(given["algorithms"])
    if not algorithms or not set(algorithms) <= set(ALGORITHMS):
        raise StartError(
            f"routes.json: signIn.algorithms: {list(algorithms)}; allowed: {', '.join(ALGORITHMS)}"
        )
    for name in ("issuer", "audience"):
        if not isinstance(given[name], str) or not given[name].strip():
            raise StartError(f"routes.json: signIn.{name} is empty; every token would have to be taken")
    numbers = {
        name: _number(name, given.get(name, bounds[0]), *bounds[1:]) for name, bounds in _BOUNDS.items()
    }
    return SignIn(
        issuer=given["issuer"],
        audience=given["audience"],
        jwks_url=_url(given["jwksUrl"]),
        algorithms=algorithms,
        leeway_s=numbers["leewaySeconds"],
        max_token_s=numbers["maxTokenSeconds"],
        keys_s=numbers["keysSeconds"],
        keys_stale_s=numbers["keysStaleSeconds"],
        rules=tuple(_rule(index, one, teams) for index, one in enumerate(given["rules"])),
    )


def _number(name: str, value: Any, least: int, most: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise StartError(f"routes.json: signIn.{name}: {value!r}; allowed: {least} to {most} seconds")
    return value


def _url(value: Any) -> str:
    parts = urlsplit(str(value))
    is_here = parts.hostname in _HERE
    if (
        not parts.hostname
        or parts.username
        or parts.scheme not in (("https", "http") if is_here else ("https",))
    ):
        raise StartError(
            f"routes.json: signIn.jwksUrl: {value!r} is not https://...; changed on their way, keys let in "
            "anybody"
        )
    return str(value)


def _rule(index: int, given: Mapping[str, Any], teams: Mapping[str, Any]) -> Rule:
    path = f"routes.json: signIn.rules[{index}]"
    if set(given) != {"claim", "value", "team"} or not all(
        isinstance(one, str) and one for one in given.values()
    ):
        raise StartError(f"{path}: a rule is a claim, a value and a team, none of them empty")
    if given["team"] not in teams:
        raise StartError(
            f"{path}.team: there is no team {given['team']!r}; there are: {', '.join(sorted(teams))}"
        )
    return Rule(given["claim"], given["value"], given["team"])
