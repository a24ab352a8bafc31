"""Tokens by which a role signs in to RDS and ElastiCache: requests signed by SigV4, which are never sent.

AWS's signing is computed here from its description (Signature Version 4, query string), not by the library that makes
tokens, so that the two judge each other."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import parse_qsl, quote

from sandbox.state import ACCESS_KEY_ID, SECRET_ACCESS_KEY

LONGEST: Final = timedelta(minutes=15)
"""For which a token is good (RDS user guide and ElastiCache user guide, 'IAM authentication')."""

_SKEW: Final = timedelta(minutes=5)

_EMPTY: Final = hashlib.sha256(b"").hexdigest()


@dataclass(frozen=True)
class Door:
    """What a token has to be for. `host` is as it stands before the first slash, in lower case."""

    service: str
    region: str
    host: str
    user_parameter: str


def database(region: str, endpoint: str, port: int) -> Door:
    """An RDS instance."""
    return Door("rds-db", region, f"{endpoint}:{port}".lower(), "DBUser")


def cache(region: str, group: str) -> Door:
    """An ElastiCache replication group, by its id."""
    return Door("elasticache", region, group.lower(), "User")


def refusal(token: str, door: Door, user: str, now: datetime | None = None) -> str:
    """Why the token does not let `user` in; empty where it does. Never has the token."""
    host, slash, query = token.removeprefix("http://").removeprefix("https://").partition("/?")
    given = dict(parse_qsl(query, keep_blank_values=True))
    if not slash or len(given) != query.count("&") + 1:
        return "it is no signed request"
    if host.lower() != door.host:
        return f"it is for another host than {door.host}"
    signed = given.pop("X-Amz-Signature", "")
    if given.get("Action") != "connect" or given.get(door.user_parameter) != user:
        return f"it is for another action than connect, or for another user than {user}"
    if given.get("X-Amz-Algorithm") != "AWS4-HMAC-SHA256" or given.get("X-Amz-SignedHeaders") != "host":
        return "its algorithm or its signed headers are not those of such tokens"
    scope = given.get("X-Amz-Credential", "").split("/")
    if len(scope) != 5 or scope[0] != ACCESS_KEY_ID:
        return "its access key is none of this account"
    if scope[2:] != [door.region, door.service, "aws4_request"]:
        return f"it is signed for another scope than {door.region}/{door.service}"
    try:
        begins = datetime.strptime(given.get("X-Amz-Date", ""), "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        lasts = min(timedelta(seconds=int(given.get("X-Amz-Expires", ""))), LONGEST)
    except ValueError:
        return "its date or its duration cannot be read"
    moment = now or datetime.now(UTC)
    if not begins - _SKEW <= moment <= begins + lasts or begins.strftime("%Y%m%d") != scope[1]:
        return "it is expired, or not valid yet"
    if not hmac.compare_digest(_signature(host, given, scope[1:]), signed):
        return "its signature does not fit"
    return ""


def _signature(host: str, given: dict[str, str], scope: list[str]) -> str:
    pairs = sorted((quote(name, safe="-_.~"), quote(value, safe="-_.~")) for name, value in given.items())
    query = "&".join(f"{name}={value}" for name, value in pairs)
    canonical = f"GET\n/\n{query}\nhost:{host}\n\nhost\n{_EMPTY}"
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    text = f"AWS4-HMAC-SHA256\n{given['X-Amz-Date']}\n{'/'.join(scope)}\n{digest}"
    key = f"AWS4{SECRET_ACCESS_KEY}".encode()
    for part in scope:
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
