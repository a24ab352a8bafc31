"""One token, judged: who signed it, for whom, when, and which team its bearer belongs to."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import jwt

from bastide_gateway.errors import Refused
from bastide_gateway.sign_in_keys import Keys, KeysError
from bastide_gateway.sign_in_settings import SignIn

MOST_BYTES: Final = 8192
"""Of a token. More does not fit beside the other headers that proxies take (nginx: 8 KB, AWS's load
balancer 16 KB)."""
_SHAPE: Final = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_TYPES: Final = {"jwt", "at+jwt", "application/at+jwt"}
"""RFC 7519, and RFC 9068 for access tokens."""


@dataclass(frozen=True)
class Person:
    """Who signed in. The subject stays out of logs: the hash is what names them there."""

    hash: str
    """SHA-256 of issuer and subject, in the form of LiteLLM's hashes of keys."""
    team: str
    expires: int
    """Seconds since 1970."""


def looks_like_token(given: str) -> bool:
    """Three parts with dots between them, which no virtual key has."""
    return not given.startswith("sk-") and given.count(".") == 2


async def verify(token: str, settings: SignIn, keys: Keys) -> Person:
    """Raises `Refused`: 401 for a token that is not good, 403 where it gives no team, 503 without keys to judge by. No
    message repeats anything of the token."""
    if len(token) > MOST_BYTES or not _SHAPE.fullmatch(token):
        raise _bad(f"it is no signed JSON web token of at most {MOST_BYTES} bytes")
    kid, algorithm = _header(token, settings)
    try:
        key = await keys.key(kid, algorithm)
    except KeysError as error:
        raise Refused(
            503, "sign_in_unavailable", f"nobody can sign in now: {error}; try again", {"retry-after": "10"}
        ) from None
    if key is None:
        raise _bad("its issuer has no such key for its algorithm")
    claims = _claims(token, key, algorithm, settings)
    team = _team(claims, settings)
    if team is None:
        raise Refused(
            403,
            "no_team",
            "the token is good, and none of its claims gives its bearer a team here; ask for a role that "
            "does",
        )
    name = f"{settings.issuer}\n{claims['sub']}".encode()
    return Person(hashlib.sha256(name).hexdigest(), team, int(claims["exp"]))


def _header(token: str, settings: SignIn) -> tuple[str, str]:
    try:
        header = jwt.get_unverified_header(token)
    except (jwt.PyJWTError, ValueError, RecursionError):
        raise _bad("its header cannot be read") from None
    algorithm, kid = header.get("alg"), header.get("kid")
    if algorithm not in settings.algorithms:
        raise _bad(f"its algorithm is not allowed; allowed: {', '.join(settings.algorithms)}")
    if not isinstance(kid, str) or not 0 < len(kid) <= 256:
        raise _bad("its header names no key (kid)")
    if "crit" in header or str(header.get("typ", "JWT")).lower() not in _TYPES:
        raise _bad("its header asks for something that is not supported (crit, typ)")
    return kid, algorithm


def _claims(token: str, key: Any, algorithm: str, settings: SignIn) -> dict[str, Any]:
    try:
        claims: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=[algorithm],
            issuer=settings.issuer,
            audience=settings.audience,
            leeway=settings.leeway_s,
            options={"require": ["exp", "iat", "iss", "aud", "sub"]},
        )
    except jwt.PyJWTError as error:
        raise _bad(
            _REASONS.get(type(error).__name__, "its signature or a claim of it is not right")
        ) from None
    except (ValueError, TypeError, OverflowError, RecursionError):
        raise _bad("a claim of it cannot be read") from None
    if claims["aud"] not in (settings.audience, [settings.audience]):
        raise _bad("it is for other services too; a token for this gateway names it alone")
    if not isinstance(claims["sub"], str) or not 0 < len(claims["sub"]) <= 512:
        raise _bad("its subject is not a name")
    if not 0 < int(claims["exp"]) - int(claims["iat"]) <= settings.max_token_s:
        raise _bad(f"it lives longer than the {settings.max_token_s} s that are allowed")
    return claims


def _team(claims: Mapping[str, Any], settings: SignIn) -> str | None:
    for rule in settings.rules:
        held = _claim(claims, rule.claim)
        if held == rule.value or (isinstance(held, list) and rule.value in held):
            return rule.team
    return None


def _claim(claims: Mapping[str, Any], path: str) -> Any:
    """By its name, or by a path with dots into objects (Keycloak's `realm_access.roles`)."""
    if path in claims:
        return claims[path]
    value: Any = claims
    for name in path.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


_REASONS: Final = {
    "ExpiredSignatureError": "it has expired",
    "ImmatureSignatureError": "it is not valid yet",
    "InvalidIssuedAtError": "it was issued in the future",
    "InvalidIssuerError": "it is of another issuer",
    "InvalidAudienceError": "it is for another service",
    "MissingRequiredClaimError": "it lacks one of exp, iat, iss, aud, sub",
}


def _bad(reason: str) -> Refused:
    return Refused(
        401,
        "invalid_token",
        f"the token is not taken: {reason}; sign in again",
        {"www-authenticate": 'Bearer error="invalid_token"'},
    )
