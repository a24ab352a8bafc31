"""Settings of the redaction guard, read strictly: a misspelt one must not mean its default."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from bastide_gateway.errors import StartError

TRUST: Final = "/etc/bastide/ca/ca.crt"
"""Where the chart mounts the certificates that our own services are checked by."""
_HERE: Final = ("127.0.0.1", "::1", "localhost")
_NAMES: Final = frozenset({"url", "restore", "unjudged", "plaintext", "ca", "cert", "key"})


@dataclass(frozen=True)
class Settings:
    """As the guard's head describes them."""

    url: str
    restore: bool
    unjudged: str
    ca: str | None
    """None for plain http on this machine."""
    cert: str | None
    key: str | None


def read(given: Mapping[str, Any]) -> Settings:
    """Raises `StartError` with the setting, what was given and what is allowed."""
    unknown = sorted(set(given) - _NAMES)
    if unknown:
        raise StartError(f"guard pii: settings {unknown} are not known; allowed: {', '.join(sorted(_NAMES))}")
    restore, policy = given.get("restore", False), given.get("unjudged", "refuse")
    if not isinstance(restore, bool):
        raise StartError(f"guard pii: restore: {restore!r} is neither true nor false")
    if policy not in ("refuse", "pass"):
        raise StartError(f"guard pii: unjudged: {policy!r} is not known; allowed: refuse, pass")
    url = str(given.get("url", "")).rstrip("/")
    parts = urlsplit(url)
    if (
        parts.scheme not in ("https", "http")
        or not parts.hostname
        or parts.path
        or parts.query
        or parts.username
    ):
        raise StartError(
            f"guard pii: url: {url!r} is not https://HOST:PORT; that is where the redaction service answers"
        )
    plain = parts.scheme == "http"
    plaintext = given.get("plaintext", False)
    if not isinstance(plaintext, bool):
        raise StartError(f"guard pii: plaintext: {plaintext!r} is neither true nor false")
    if plain and parts.hostname not in _HERE and not plaintext:
        raise StartError(
            f"guard pii: url: {url!r} would send what has to be hidden over the network in the clear; use https "
            "(or plaintext: true in a sandbox)"
        )
    files = {name: given.get(name) for name in ("cert", "key")}
    files["ca"] = None if plain else given.get("ca", TRUST)
    if (files["cert"] is None) != (files["key"] is None):
        raise StartError("guard pii: cert and key belong together; one of them is missing")
    for name, path in files.items():
        if path is not None and not Path(str(path)).is_file():
            raise StartError(f"guard pii: {name}: there is no file {path!r}")
    return Settings(url, restore, policy, files["ca"], files["cert"], files["key"])
