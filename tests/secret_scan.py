"""Looks for the values of secrets where they must not be: as they are, and in the forms in which they travel.

    scanner = SecretScanner({"gateway-master-key": "sk-..."})
    found = scanner.scan({"state": state_text, "pods": objects, "logs": folder})

A finding names the secret, the place and the form, and never the value.
"""

from __future__ import annotations

import base64
import gzip
import json
import re
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

SHORTEST: Final = 8
"""Characters of a value below which finding it means nothing."""

_BASE64: Final = re.compile(rb"[A-Za-z0-9+/_-]{24,}={0,2}")
"""What may be base64 of something compressed; a Helm release is that twice."""

_DEPTH: Final = 4
"""Layers of base64 and gzip that are opened. Helm's release Secret has three."""


@dataclass(frozen=True, order=True)
class Finding:
    """A secret that is somewhere."""

    secret: str
    place: str
    form: str

    def __str__(self) -> str:
        return f"{self.secret} stands in {self.place} ({self.form})"


class SecretScanner:
    """Knows the values, and finds them."""

    def __init__(self, values: Mapping[str, str]) -> None:
        """Values by the secret's name. Raises ValueError for one that is too short to be told from chance."""
        for name, value in values.items():
            if len(value) < SHORTEST:
                raise ValueError(
                    f"the value of {name} has fewer than {SHORTEST} characters: it proves nothing"
                )
        self._forms = [
            (name, form, text.encode())
            for name, value in values.items()
            for form, text in sorted(_forms(value).items())
        ]

    def scan(self, places: Mapping[str, Any]) -> list[Finding]:
        """Findings in every place: a text, bytes, a file, a folder, or anything that JSON can say."""
        found = {
            Finding(name, place, form)
            for label, what in places.items()
            for place, content in _contents(label, what)
            for name, form in self._in(content)
        }
        return sorted(found)

    def _in(self, content: bytes, depth: int = 0) -> Iterator[tuple[str, str]]:
        for name, form, needle in self._forms:
            if needle in content:
                yield name, form if depth == 0 else f"{form}, packed"
        if depth < _DEPTH:
            for inner in _unpacked(content):
                yield from self._in(inner, depth + 1)


KINDS: Final = (
    *("pods", "configmaps", "secrets", "events", "services", "serviceaccounts"),
    *("deployments", "statefulsets", "daemonsets", "jobs", "externalsecrets", "secretstores", "certificates"),
)
"""What of a cluster is looked through. Helm keeps its releases, values included, in Secrets."""

HOLDERS: Final = frozenset({"gateway-secrets"})
"""The Secrets whose data are there to hold values; their metadata are looked at like any other's."""


def cluster_places(get: Callable[..., Any], holders: frozenset[str] = HOLDERS) -> dict[str, Any]:
    """A cluster's objects as places. `get("get", kind, "-A")` answers as `kubectl -o json` does, and a kind that the
    cluster does not have is asked for only if it is listed by `get("get", "crds")`."""
    custom = {"externalsecrets", "secretstores", "certificates"}
    defined = {each["spec"]["names"]["plural"] for each in get("get", "crds")["items"]}
    # One call for all: each start of kubectl costs more than its answer.
    items = get("get", ",".join(each for each in KINDS if each not in custom - defined), "-A")["items"]
    return {
        "cluster": [
            {**each, "data": {}}
            if each.get("kind") == "Secret" and each["metadata"]["name"] in holders
            else each
            for each in items
        ]
    }


def _forms(value: str) -> dict[str, str]:
    """A value as it is, and as JSON, a URL and base64 write it. Base64 at each of three offsets, so that it is found
    inside a longer text too (an environment file, `user:password`)."""
    once = json.dumps(value)[1:-1]
    forms = {"as it is": value, "in JSON": once, "in JSON twice": json.dumps(once)[1:-1]}
    forms["in a URL"] = quote(value, safe="")
    for offset in range(3):
        text = base64.b64encode(b"\0" * offset + value.encode()).decode()
        # Characters at both ends depend on the neighbours.
        inner = text[-(-offset * 8 // 6) : len(text.rstrip("=")) - (1 if text.endswith("=") else 0)]
        forms[f"in base64 at offset {offset}"] = inner
    return {name: text for name, text in forms.items() if len(text) >= SHORTEST}


def _unpacked(content: bytes) -> Iterator[bytes]:
    """What is inside gzip or base64; other content gives nothing."""
    if content[:2] == b"\x1f\x8b":
        try:
            yield gzip.decompress(content)
        except (OSError, EOFError, zlib.error):
            return
        return
    for match in _BASE64.finditer(content):
        text = match.group()
        # Only what is gzip or base64 of gzip: `H4sI` is its beginning, `SDRzS` that of its base64.
        if text.startswith((b"H4sI", b"SDRzS")):
            try:
                yield base64.b64decode(text + b"=" * (-len(text) % 4), altchars=None)
            except ValueError:
                continue


def _contents(label: str, what: Any) -> Iterator[tuple[str, bytes]]:
    if isinstance(what, bytes):
        yield label, what
    elif isinstance(what, str):
        yield label, what.encode()
    elif isinstance(what, Path):
        yield from _files(label, what)
    elif isinstance(what, list | tuple):
        for index, each in enumerate(what):
            yield from _contents(f"{label} {_called(each, index)}", json.dumps(each, default=str))
    else:
        yield label, json.dumps(what, default=str).encode()


def _called(item: Any, index: int) -> str:
    """A Kubernetes object by kind and name, anything else by its number."""
    if isinstance(item, Mapping) and isinstance(item.get("metadata"), Mapping):
        metadata = item["metadata"]
        return f"{item.get('kind', '')} {metadata.get('namespace', '')}/{metadata.get('name', '')}".strip()
    return f"[{index}]"


def _files(label: str, path: Path) -> Iterator[tuple[str, bytes]]:
    """Regular files below a path; what ends meanwhile is no finding."""
    files = [path] if path.is_file() else [each for each in sorted(path.rglob("*")) if each.is_file()]
    for each in files:
        try:
            yield f"{label} {each.relative_to(path) if each != path else each.name}", each.read_bytes()
        except (FileNotFoundError, PermissionError):
            continue
