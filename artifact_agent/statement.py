"""The documents of a published version: SHA256SUMS (GNU format), manifest.json, and model.sig over both and all
files. They say the same three times, and are refused where they do not."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from typing import Final

from artifact_agent.content import refused_name
from artifact_agent.errors import RefusedError

SUMS_NAME: Final = "SHA256SUMS"
MANIFEST_NAME: Final = "manifest.json"
SIGNATURE_NAME: Final = "model.sig"
RESERVED: Final = frozenset({SUMS_NAME, MANIFEST_NAME, SIGNATURE_NAME})
"""Names at the top of a published version that the kit writes itself."""

MAX_DOCUMENT: Final = 16 * 1024 * 1024
"""Most bytes of such a document. A choice: 900 files take about 0.2 MiB."""

_LINE: Final = re.compile(r"(?P<digest>[0-9a-f]{64})  (?P<name>.+)")


@dataclass(frozen=True)
class Listed:
    """One file as it was published: name inside the model, bytes, and SHA-256 in hexadecimal."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Statement:
    """A version: whose it is, its files sorted by name, and its digest (SHA-256 of SHA256SUMS, in hexadecimal)."""

    name: str
    version: str
    digest: str
    files: tuple[Listed, ...]

    @property
    def total(self) -> int:
        """Bytes of all files."""
        return sum(each.size for each in self.files)


def sha256(content: bytes) -> str:
    """SHA-256 in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def parse_sums(content: bytes) -> dict[str, str]:
    """SHA-256 by file name. Raises RefusedError for what is no checksum, a name that is not safe, or one named
    twice."""
    found: dict[str, str] = {}
    try:
        lines = content.decode("ascii").splitlines()
    except UnicodeDecodeError:
        raise RefusedError(f"{SUMS_NAME} is not ASCII text: it is not of this kit") from None
    for line in lines:
        match = _LINE.fullmatch(line)
        if match is None:
            raise RefusedError(f"{SUMS_NAME} has a line that is no checksum: {line[:100]!r}")
        name = match["name"]
        why = "is a name of the kit's own" if name in RESERVED else refused_name(name)
        if why:
            raise RefusedError(f"{name!r}, listed in {SUMS_NAME}, {why}")
        if name in found:
            raise RefusedError(f"{SUMS_NAME} lists {name} twice")
        found[name] = match["digest"]
    if not found:
        raise RefusedError(f"{SUMS_NAME} lists no file")
    return found


def read_statement(sums: bytes, manifest: bytes) -> Statement:
    """The version that both documents state. Raises RefusedError where they are none, or contradict one another."""
    digests = parse_sums(sums)
    try:
        raw = json.loads(manifest)
        files = tuple(Listed(str(each["name"]), each["size"], str(each["sha256"])) for each in raw["files"])
        stated = Statement(str(raw["name"]), str(raw["version"]), str(raw["digest"]), files)
        if any(type(each.size) is not int or each.size < 0 for each in files):
            raise TypeError("a size that is no number of bytes")
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise RefusedError(f"{MANIFEST_NAME} is not a manifest of a model ({error!r})") from None
    for each in files:
        if digests.get(each.name) != each.sha256:
            raise RefusedError(
                f"{each.name}: {MANIFEST_NAME} says SHA-256 {each.sha256} and {SUMS_NAME} says "
                f"{digests.get(each.name, 'nothing')}"
            )
    unsaid = sorted(set(digests) - {each.name for each in files})
    if unsaid or len(digests) != len(files):
        raise RefusedError(f"{MANIFEST_NAME} and {SUMS_NAME} list different files: {', '.join(unsaid[:3])}")
    if stated.digest != sha256(sums):
        raise RefusedError(
            f"{MANIFEST_NAME} says digest {stated.digest} and {SUMS_NAME} has SHA-256 {sha256(sums)}"
        )
    return stated
