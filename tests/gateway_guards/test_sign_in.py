"""Sign-in by tokens: whose are taken, and every hostile one that is known, refused."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from typing import Any

import jwt
import pytest
from bastide_gateway.errors import Refused, StartError
from bastide_gateway.sign_in import settings_of
from bastide_gateway.sign_in_keys import AGAIN_S, Keys, keys_of
from bastide_gateway.sign_in_settings import SignIn, read
from bastide_gateway.sign_in_token import Person, looks_like_token, verify

from tests.gateway_guards.sign_in_issuer import (
    AUDIENCE,
    EC_KEY,
    ED_KEY,
    ISSUER,
    OTHER_KEY,
    RSA_KEY,
    WEAK_KEY,
    Issuer,
    by_hand,
    claims,
    encoded,
    good,
    issuing,
    pem,
    public,
    settings,
    token,
)

TEAMS = {"research": {}, "helpdesk": {}}


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with issuing() as one:
        yield one


def made(issuer: Issuer, **changes: Any) -> SignIn:
    return read(settings(issuer.url, **changes), TEAMS)


def judged(issuer: Issuer, given: str, **changes: Any) -> Person:
    held = made(issuer, **changes)
    return asyncio.run(verify(given, held, Keys(held)))


@pytest.mark.parametrize(
    ("key", "algorithm", "kid"), [(RSA_KEY, "RS256", "rsa"), (EC_KEY, "ES256", "ec"), (ED_KEY, "EdDSA", "ed")]
)
def test_a_good_token_gives_its_bearer_a_team(issuer: Issuer, key: Any, algorithm: str, kid: str) -> None:
    person = judged(issuer, token(key, algorithm, kid))
    assert person.team == "research"
    assert len(person.hash) == 64
    assert "person-1" not in repr(person)
    assert judged(issuer, token(RSA_KEY)).hash == person.hash
    assert judged(issuer, token(sub="person-2")).hash != person.hash
    assert judged(issuer, token(aud=[AUDIENCE])).team == "research"


@pytest.mark.parametrize(
    ("changes", "team"),
    [
        ({"groups": "ml"}, "research"),
        ({"groups": ..., "realm_access": {"roles": ["support"]}}, "helpdesk"),
        ({"groups": ..., "https://example.com/role": "support"}, "helpdesk"),
        ({"groups": ["ml"], "realm_access": {"roles": ["support"]}}, "research"),  # the first rule
    ],
)
def test_the_first_rule_that_fits_decides(issuer: Issuer, changes: dict[str, Any], team: str) -> None:
    assert judged(issuer, token(**changes)).team == team


@pytest.mark.parametrize(
    "changes",
    [{"groups": ...}, {"groups": 7}, {"groups": ["mlx"]}, {"groups": {"ml": 1}}, {"groups": "x,ml"}],
)  # fmt: skip
def test_a_good_token_without_a_team_is_refused_as_such(issuer: Issuer, changes: dict[str, Any]) -> None:
    with pytest.raises(Refused) as refused:
        judged(issuer, token(**changes))
    assert (refused.value.status, refused.value.code) == (403, "no_team")


def now() -> int:
    return int(time.time())


HEADER = {"alg": "HS256", "kid": "rsa", "typ": "JWT"}
HOSTILE: dict[str, tuple[Any, str]] = {
    "alg none": (lambda: by_hand({**HEADER, "alg": "none"}, claims(), None) + "eA", "algorithm"),
    "alg none, no signature": (lambda: by_hand({**HEADER, "alg": "none"}, claims(), None), "no signed"),
    "alg None in capitals": (lambda: by_hand({**HEADER, "alg": "NONE"}, claims(), b"x"), "algorithm"),
    "HS256 with the public key": (lambda: by_hand(HEADER, claims(), pem(RSA_KEY)), "algorithm"),
    "HS256 that says RS256": (
        lambda: by_hand({**HEADER, "alg": "RS256"}, claims(), pem(RSA_KEY)),
        "signature",
    ),
    "RS512": (lambda: token(algorithm="RS512"), "algorithm"),
    "no algorithm": (lambda: by_hand({"kid": "rsa"}, claims(), b"x"), "algorithm"),
    "algorithm a list": (lambda: by_hand({**HEADER, "alg": ["RS256"]}, claims(), b"x"), "algorithm"),
    "another key of the issuer's name": (lambda: token(OTHER_KEY), "signature"),
    "unknown key": (lambda: token(kid="new"), "no such key"),
    "a key of another algorithm": (lambda: token(kid="ec"), "no such key"),
    "no key named": (lambda: token(kid=None), "no key"),
    "a number for a key": (lambda: by_hand({"alg": "RS256", "kid": 7}, claims(), b"x"), "header"),
    "a path for a key": (lambda: token(kid="../../dev/null"), "no such key"),
    "a very long key name": (lambda: token(kid="k" * 300), "no key"),
    "its own key in its header": (
        lambda: token(OTHER_KEY, kid="mine", headers={"jwk": public(OTHER_KEY, "mine")}),
        "no such key",
    ),
    "crit": (lambda: token(headers={"crit": ["b64"], "b64": True}), "header"),
    "another type": (lambda: token(headers={"typ": "logout+jwt"}), "not supported"),
    "wrong issuer": (lambda: token(iss="https://evil.example.com"), "another issuer"),
    "issuer with a slash more": (lambda: token(iss=f"{ISSUER}/"), "another issuer"),
    "issuer a list": (lambda: token(iss=[ISSUER]), ""),
    "wrong audience": (lambda: token(aud="other"), "another service"),
    "extra audience": (lambda: token(aud=[AUDIENCE, "other"]), "other services too"),
    "the same audience twice": (lambda: token(aud=[AUDIENCE, AUDIENCE]), "other services too"),
    "audience an object": (lambda: token(aud={AUDIENCE: 1}), ""),
    "expired": (lambda: token(iat=now() - 900, exp=now() - 60), "expired"),
    "not valid yet": (lambda: token(nbf=now() + 300), "not valid yet"),
    "issued in the future": (lambda: token(iat=now() + 300, exp=now() + 900), ""),
    "lives too long": (lambda: token(exp=now() + 10 * 86400), "lives longer"),
    "lives for ever": (lambda: token(exp=10**30), ""),
    "ends before it begins": (lambda: token(iat=now() + 20, exp=now() + 10), "lives longer"),
    "expiry a word": (lambda: by_hand({"alg": "RS256", "kid": "rsa"}, claims(exp="never"), b"x"), ""),
    "without expiry": (lambda: token(exp=...), "lacks"),
    "without time of issue": (lambda: token(iat=...), "lacks"),
    "without subject": (lambda: token(sub=...), "lacks"),
    "without audience": (lambda: token(aud=...), "lacks"),
    "without issuer": (lambda: token(iss=...), "lacks"),
    "empty subject": (lambda: token(sub=""), "subject"),
    "subject a number": (lambda: token(sub=7), ""),
    "huge": (lambda: token(more="x" * 9000), "8192 bytes"),
    "changed afterwards": (lambda: _changed(token()), "signature"),
    "signature cut": (lambda: token()[:-8], ""),
    "no JSON": (lambda: f"{encoded(b'{')}.{encoded(b'{}')}.{encoded(b'x')}", "header"),
    "deep JSON": (lambda: f"{encoded(b'[' * 4000)}.{encoded(b'{}')}.{encoded(b'x')}", "header"),
    "other characters": (lambda: token().replace("e", "é", 1), "no signed"),
    "four parts": (lambda: token() + ".x", "no signed"),
}


def _changed(given: str) -> str:
    head, _, signed = given.split(".")
    return f"{head}.{encoded(json.dumps(claims(groups=['ml', 'admin'])).encode())}.{signed}"


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_token_is_refused_and_nothing_of_it_repeated(issuer: Issuer, name: str) -> None:
    make, says = HOSTILE[name]
    with pytest.raises(Refused) as refused:
        judged(issuer, make())
    assert (refused.value.status, refused.value.code) == (401, "invalid_token")
    assert says in refused.value.message
    assert "evil" not in refused.value.message
    assert refused.value.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize("pointer", ["jku", "x5u"])
def test_a_tokens_own_pointer_to_a_key_is_never_followed(issuer: Issuer, pointer: str) -> None:
    with issuing() as evil:
        evil.document = {"keys": [public(OTHER_KEY, "theirs")]}
        with pytest.raises(Refused):
            judged(issuer, token(OTHER_KEY, kid="theirs", headers={pointer: evil.url}))
        assert judged(issuer, token(headers={pointer: evil.url})).team == "research"
        assert evil.asked == []


@pytest.mark.parametrize(("exp", "is_good"), [(-20, True), (-40, False)])
def test_clocks_may_differ_by_the_leeway_and_no_more(issuer: Issuer, exp: int, is_good: bool) -> None:
    given = token(iat=int(time.time()) - 600, exp=int(time.time()) + exp)
    if is_good:
        assert judged(issuer, given).team == "research"
    else:
        with pytest.raises(Refused):
            judged(issuer, given)


def test_only_the_algorithms_of_the_settings_are_taken(issuer: Issuer) -> None:
    with pytest.raises(Refused, match="algorithm"):
        judged(issuer, token(EC_KEY, "ES256", "ec"), algorithms=["RS256"])


def test_keys_that_are_no_good_are_left_out() -> None:
    private = jwt.get_algorithm_by_name("RS256").to_jwk(RSA_KEY, as_dict=True)
    listed = [
        public(RSA_KEY, "enc", use="enc"),
        public(RSA_KEY, "ops", key_ops=["sign"]),
        public(RSA_KEY, "other-alg", alg="RS512"),
        public(WEAK_KEY, "weak"),
        public(RSA_KEY, "twice"),
        public(OTHER_KEY, "twice"),
        {**private, "kid": "private"},
        {"kty": "oct", "k": "c2VjcmV0", "kid": "secret", "alg": "HS256"},
        {"kty": "RSA", "kid": "broken", "n": "AQ", "e": "AQAB"},
        {"kty": "EC", "kid": "off the curve", "crv": "P-256", "x": "AQ", "y": "AQ"},
        {**public(RSA_KEY, "x"), "kid": 7},
        "no object",
        public(RSA_KEY, "good"),
    ]
    assert list(keys_of(json.dumps({"keys": listed}).encode())) == [("good", "RS256")]
    for bad in (b"[]", b"{}", b'{"keys": 1}', b"x", json.dumps({"keys": [{}] * 65}).encode()):
        with pytest.raises(ValueError):  # noqa: PT011 - of any kind
            keys_of(bad)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_keys_are_fetched_once_and_again_for_a_new_one_but_not_for_every_made_up_name(issuer: Issuer) -> None:
    held, clock = made(issuer), Clock()
    keys = Keys(held, clock)

    async def run() -> None:
        assert await keys.key("rsa", "RS256") is not None
        for number in range(50):
            assert await keys.key(f"made-up-{number}", "RS256") is None
        assert len(issuer.asked) == 1
        issuer.document = {"keys": [*good()["keys"], public(OTHER_KEY, "next")]}
        clock.now += AGAIN_S + 1
        assert await keys.key("next", "RS256") is not None
        assert len(issuer.asked) == 2
        # A key that the issuer has taken back is gone after keysSeconds.
        issuer.document = {"keys": [public(OTHER_KEY, "next")]}
        clock.now += held.keys_s + 1
        assert await keys.key("rsa", "RS256") is None

    asyncio.run(run())


@pytest.mark.parametrize(
    ("status", "document"),
    [(500, {}), (302, {}), (200, b"x" * 300_000), (200, b"no json"), (200, {"keys": []})],
)  # fmt: skip
def test_an_issuer_in_trouble_keeps_its_keys_for_a_while_and_then_nobody_is_let_in(
    issuer: Issuer, status: int, document: Any
) -> None:
    held, clock = made(issuer), Clock()
    keys = Keys(held, clock)

    async def run() -> None:
        assert (await verify(token(), held, keys)).team == "research"
        issuer.status, issuer.document = status, document
        clock.now += held.keys_s + 1
        assert (await verify(token(), held, keys)).team == "research"
        assert await keys.ready() is None
        clock.now += held.keys_stale_s
        with pytest.raises(Refused) as refused:
            await verify(token(), held, keys)
        assert (refused.value.status, refused.value.code) == (503, "sign_in_unavailable")
        assert "too long" in (await keys.ready() or "")

    asyncio.run(run())


def test_a_slow_issuer_holds_nobody_up_for_long(issuer: Issuer) -> None:
    issuer.seconds = 20
    began = time.monotonic()
    with pytest.raises(Refused) as refused:
        judged(issuer, token())
    assert refused.value.status == 503
    assert time.monotonic() - began < 15


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"algorithms": ["none"]}, "allowed: RS256, ES256, EdDSA"),
        ({"algorithms": ["RS256", "HS256"]}, "allowed: RS256, ES256, EdDSA"),
        ({"algorithms": []}, "allowed: RS256"),
        ({"issuer": ""}, "issuer is empty"),
        ({"audience": " "}, "audience is empty"),
        ({"jwksUrl": "http://id.example.com/keys"}, "is not https"),
        ({"jwksUrl": "file:///etc/passwd"}, "is not https"),
        ({"leewaySeconds": 3600}, "0 to 120 seconds"),
        ({"maxTokenSeconds": "1d"}, "60 to 604800"),
        ({"audiense": "x"}, "not known: ['audiense']"),
        ({"rules": [{"claim": "groups", "value": "ml", "team": "nobody"}]}, "there is no team 'nobody'"),
        ({"rules": [{"claim": "groups", "team": "research"}]}, "a claim, a value and a team"),
        ({"rules": [{"claim": "groups", "value": "", "team": "research"}]}, "none of them empty"),
        ({"rules": 7}, "another shape"),
    ],
)
def test_settings_that_would_let_in_the_wrong_ones_keep_the_gateway_from_starting(
    changes: Any, says: str
) -> None:
    with pytest.raises(StartError) as refused:
        settings_of({"teams": TEAMS, "signIn": settings("https://id.example.com/keys", **changes)})
    assert says in str(refused.value)


def test_without_the_setting_there_is_no_sign_in() -> None:
    assert settings_of({"teams": {}}) is None
    with pytest.raises(StartError, match="not an object"):
        settings_of({"signIn": "yes"})


def test_virtual_keys_are_not_taken_for_tokens() -> None:
    assert not looks_like_token("sk-a.b.c")
    assert not looks_like_token("sk-1234")
    assert not looks_like_token("")
    assert looks_like_token(token())
