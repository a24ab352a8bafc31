"""The connection to the redaction service. Whatever goes wrong is an exception without any text in it."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import httpx

from bastide_gateway.errors import Refused
from bastide_gateway.guards.pii_places import Judged
from bastide_gateway.guards.pii_settings import Settings

_CONNECTIONS: Final = 64
"""Kept open to the service: twice what it lets wait in one process (PII_WAITING)."""
_LONGEST_S: Final = 60
"""The frame's time-out is far shorter and ends a call; this one only keeps a forgotten call from staying for ever."""


class ServiceError(Exception):
    """The service did not do its work; the text holds a status or an exception's name, and nothing else."""


@dataclass(frozen=True)
class Redacted:
    """What the service answered."""

    texts: Sequence[str]
    mapping: dict[str, str]
    found: dict[str, int]


class Client:
    """Keeps connections open; made once."""

    def __init__(self, settings: Settings) -> None:
        self._client = httpx.AsyncClient(
            base_url=settings.url,
            verify=_trust(settings),
            timeout=_LONGEST_S,
            # No proxy of the environment: it would see what has to be hidden.
            trust_env=False,
            follow_redirects=False,
            limits=httpx.Limits(max_connections=_CONNECTIONS, max_keepalive_connections=_CONNECTIONS),
        )

    async def redact(self, places: Sequence[Judged], restore: bool) -> Redacted:
        """Raises `Refused` for what the service does not take, `ServiceError` when it fails."""
        texts = [
            {"text": one.text, "context": list(one.context)} if one.context else one.text for one in places
        ]
        answer = await self._send("POST", "/redact", {"texts": texts, "restore": restore})
        if answer.status_code == 413:
            raise Refused(
                413,
                "too_long_to_redact",
                "the request has more text than is searched for personal data at once; send less",
            )
        if answer.status_code == 400:
            raise Refused(
                400, "cannot_be_redacted", "a text of the request is no valid Unicode; send it in UTF-8"
            )
        if answer.status_code != 200:
            raise ServiceError(f"status {answer.status_code}")
        return _read(answer)

    async def ready(self) -> str | None:
        """Why the service cannot work now, or nothing."""
        try:
            answer = await self._send("GET", "/ready", None)
        except ServiceError as error:
            return f"the redaction service does not answer ({error})"
        return (
            None
            if answer.status_code == 200
            else f"the redaction service is not ready ({answer.status_code})"
        )

    async def close(self) -> None:
        """Closes all connections."""
        await self._client.aclose()

    async def _send(self, method: str, path: str, body: dict[str, Any] | None) -> httpx.Response:
        try:
            return await self._client.request(method, path, json=body)
        except httpx.HTTPError as error:  # its own text may hold a piece of the request
            raise ServiceError(type(error).__name__) from None


def _read(answer: httpx.Response) -> Redacted:
    try:
        given = answer.json()
        texts, mapping, found = given["texts"], given.get("mapping", {}), given["found"]
        strings = [*texts, *mapping, *mapping.values(), *found]
        if not all(isinstance(one, str) for one in strings) or not all(
            isinstance(one, int) for one in found.values()
        ):
            raise TypeError
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ServiceError("its answer has another shape") from None
    return Redacted(texts, mapping, found)


def _trust(settings: Settings) -> ssl.SSLContext | bool:
    if settings.ca is None:
        return True
    context = ssl.create_default_context(cafile=settings.ca)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if settings.cert and settings.key:
        context.load_cert_chain(settings.cert, settings.key)
    return context
