"""Finds what looks like a secret in what is not secret: Helm values, and so ConfigMaps and pods. Pure.

It is the last of several nets and sees only what has a form or a name. It never tells what it found, only where."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import yaml

FORMS: Final = {
    "a key of LiteLLM's or OpenAI's form": re.compile(r"\bsk-[A-Za-z0-9_-]{8,}"),
    "an AWS access key": re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"),
    "a private key": re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----"),
    "a password in an address": re.compile(r"\b[a-z][a-z0-9+.-]*://[^\s/:@\"']*:[^\s/@\"'{}$%]+@"),
    "a bearer token": re.compile(r"(?i)\bbearer\s+[A-Za-z0-9._~+/-]{20,}"),
    "a JSON web token": re.compile(r"\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\."),
    "a GitHub token": re.compile(r"\bgh[pousr]_[A-Za-z0-9]{30,}"),
}
"""What looks like a secret, wherever it stands."""

NAMES: Final = re.compile(
    r"(?i)(^|[_-]|(?<=[a-z])(?=[A-Z]))(api_?key|password|master_?key|salt_?key|secret_?(access_?)?key|client_?secret|"
    r"(auth|access|bearer|session|refresh)_?token|credentials?)$"
)
"""Names of settings whose value is a secret."""

REFERENCE: Final = re.compile(r"os\.environ/[A-Z][A-Z0-9_]*")
"""How LiteLLM's config.yaml names a secret."""

HARMLESS: Final = ("none", "not-needed")
"""What stands where a library wants a key and the other side has none: an engine admits by NetworkPolicy."""


class SecretFoundError(ValueError):
    """A value that is not secret looks like a secret."""


def secrets_in(value: Any, path: str = "") -> Iterator[str]:
    """Paths of texts that look like a secret, each with what it looks like. Texts that are YAML or JSON documents, by
    their names, are read as such."""
    if isinstance(value, Mapping):
        for key, each in value.items():
            inner = f"{path}.{key}" if path else str(key)
            if isinstance(each, str) and NAMES.search(str(key)) and not _harmless(each):
                yield f"{inner} (by its name)"
            yield from secrets_in(each, inner)
    elif isinstance(value, list | tuple):
        for index, each in enumerate(value):
            yield from secrets_in(each, f"{path}[{index}]")
    elif isinstance(value, str):
        if path.endswith((".yaml", ".json")):
            yield from secrets_in(_read(value, path), f"{path}:")
        yield from (f"{path} ({kind})" for kind, form in FORMS.items() if form.search(value))


def _read(text: str, path: str) -> Any:
    try:
        return json.loads(text) if path.endswith(".json") else yaml.safe_load(text)
    except (ValueError, yaml.YAMLError):
        raise SecretFoundError(f"{path} is not what its name says, so nobody can say what it holds") from None


def _harmless(text: str) -> bool:
    return text in HARMLESS or not text or REFERENCE.fullmatch(text) is not None


def refuse_secrets(values: Mapping[str, Any], what: str) -> None:
    """Raises SecretFoundError where a value looks like a secret; `what` says whose values they are."""
    if found := list(secrets_in(values)):
        raise SecretFoundError(
            f"{what} would hold what looks like a secret: {'; '.join(found)}; they stand in Pulumi's state, in "
            "ConfigMaps and in Helm's history; give it by the secret store, where config.yaml names it by "
            "os.environ/NAME"
        )
