"""The issuer's public keys: fetched from the one pinned address, bounded, kept for a while.

A token's own pointers to keys (`jku`, `x5u`, `jwk`, `x5c`) are never looked at."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from bastide_gateway.sign_in_settings import SignIn

log = logging.getLogger("bastide.gateway")

MOST_BYTES: Final = 256 * 1024
"""Of the issuer's document. Well-known issuers' have 2 to 20 KB."""
MOST_KEYS: Final = 64
FETCH_S: Final = 3.0
"""A request waits no longer for keys."""
AGAIN_S: Final = 10.0
"""Pause between two fetches, whatever tokens come: a stranger with made-up key ids must not make us a
flood."""
RSA_BITS: Final = 2048
"""NIST SP 800-131A: shorter RSA keys are not allowed since 2014."""


class KeysError(Exception):
    """There are no keys to judge by; the text says why, without anything of a token."""


class Keys:
    """The keys by their id and algorithm."""

    def __init__(self, settings: SignIn, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings, self._clock = settings, clock
        self._keys: Mapping[tuple[str, str], Any] = {}
        self._fetched = self._tried = float("-inf")
        self._lock = asyncio.Lock()

    async def key(self, kid: str, algorithm: str) -> Any | None:
        """The key, or none where the issuer has no such. Raises `KeysError` where nobody can say."""
        if self._clock() - self._fetched > self._settings.keys_s:
            await self._refresh()
        if (kid, algorithm) not in self._keys:
            # The issuer may have a new key since.
            await self._refresh()
        self._judge_age()
        return self._keys.get((kid, algorithm))

    async def ready(self) -> str | None:
        """Why nobody can sign in now, or nothing."""
        try:
            if self._clock() - self._fetched > self._settings.keys_s:
                await self._refresh()
            self._judge_age()
        except KeysError as error:
            return str(error)
        return None

    def _judge_age(self) -> None:
        if self._clock() - self._fetched > self._settings.keys_s + self._settings.keys_stale_s:
            raise KeysError("the issuer's keys could not be fetched for too long")

    async def _refresh(self) -> None:
        async with self._lock:
            if self._clock() - self._tried < AGAIN_S:
                return
            self._tried = self._clock()
            try:
                found = keys_of(await self._fetch())
            except (httpx.HTTPError, TimeoutError, ValueError) as error:
                log.warning("the issuer's keys could not be fetched: %s", type(error).__name__)
                return
            if found:
                self._keys, self._fetched = found, self._clock()
            else:
                log.warning("the issuer's document has no key for signatures that are taken here")

    async def _fetch(self) -> bytes:
        data = bytearray()
        async with (
            asyncio.timeout(FETCH_S),
            httpx.AsyncClient(follow_redirects=False, trust_env=False, timeout=FETCH_S) as client,
            client.stream("GET", self._settings.jwks_url, headers={"accept": "application/json"}) as answer,
        ):
            if answer.status_code != 200:
                raise ValueError(f"status {answer.status_code}")
            async for piece in answer.aiter_bytes():
                data += piece
                if len(data) > MOST_BYTES:
                    raise ValueError("too large")
        return bytes(data)


def keys_of(document: bytes) -> dict[tuple[str, str], Any]:
    """Usable keys of a JWK set. What is not for signatures, too weak, private or secret is left out; an id that stands
    twice for one algorithm is nobody's. Raises ValueError for what is no such set."""
    given = json.loads(document)
    listed = given.get("keys") if isinstance(given, dict) else None
    if not isinstance(listed, list) or len(listed) > MOST_KEYS:
        raise ValueError("no set of keys, or too many")
    found: dict[tuple[str, str], Any] = {}
    twice = set()
    for one in listed:
        if not isinstance(one, dict) or not isinstance(one.get("kid"), str):
            continue
        algorithm, key = _usable(one)
        if algorithm is None:
            continue
        place = (one["kid"], algorithm)
        if place in found:
            twice.add(place)
        found[place] = key
    return {place: key for place, key in found.items() if place not in twice}


def _usable(one: dict[str, Any]) -> tuple[str | None, Any]:
    if one.get("use", "sig") != "sig" or "verify" not in one.get("key_ops", ["verify"]):
        return None, None
    if "d" in one or "k" in one:
        return None, None
    algorithm = {"RSA": "RS256", "EC": "ES256", "OKP": "EdDSA"}.get(str(one.get("kty")))
    if algorithm is None or one.get("alg", algorithm) != algorithm:
        return None, None
    try:
        key = jwt.PyJWK(one, algorithm).key
    except (jwt.PyJWTError, ValueError, TypeError, KeyError):
        return None, None
    is_strong = (
        (isinstance(key, RSAPublicKey) and key.key_size >= RSA_BITS)
        or (isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, SECP256R1))
        or isinstance(key, Ed25519PublicKey)
    )
    return (algorithm, key) if is_strong else (None, None)
