"""What a model is made of: which files may be published, their checksums, and the two documents that state
them.

`SHA256SUMS` (GNU format) pins every file, and its own SHA-256 is the model's digest: what a stack file
names and an engine's pod checks. `manifest.json` says the same to programs, with name, version, licence and
source, and is published last, so its presence means that the version is whole.

What a model may hold is judged by `artifact_agent.content`, as it is again in every engine's pod.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from artifact_agent.content import (
    REFUSED_SUFFIXES,
    refused_config,
    refused_content,
    safe_name,
)
from artifact_agent.statement import MANIFEST_NAME, RESERVED, SIGNATURE_NAME, SUMS_NAME
from bastide.models.errors import ModelError

__all__ = [
    "MANIFEST_NAME",
    "REFUSED_SUFFIXES",
    "RESERVED",
    "SIGNATURE_NAME",
    "SUMS_NAME",
    "Manifest",
    "ModelFile",
    "checked",
    "parse",
    "safe_name",
    "scan",
    "sha256_of",
]

CONFIGS: Final = ("config.json", "adapter_config.json")
"""What says what it is: a model, or a LoRA adapter (PEFT's name for it)."""

MAX_FILES: Final = 900
"""Most files of one model: one page of S3's listing (1,000) with room for the kit's own."""


@dataclass(frozen=True)
class ModelFile:
    """One file: its name inside the model, bytes and SHA-256 in hexadecimal."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """One version of a model. `files` is sorted by name."""

    name: str
    version: str
    files: tuple[ModelFile, ...]
    licence: str
    source: str

    @property
    def sums(self) -> bytes:
        """The version's SHA256SUMS."""
        return "".join(f"{each.sha256}  {each.name}\n" for each in self.files).encode()

    @property
    def digest(self) -> str:
        """SHA-256 of SHA256SUMS, in hexadecimal: the model's identity."""
        return hashlib.sha256(self.sums).hexdigest()

    @property
    def total(self) -> int:
        """Bytes of all files."""
        return sum(each.size for each in self.files)

    def document(self) -> bytes:
        """manifest.json. It has no time and no host: equal inputs give equal bytes."""
        content = {
            "format": 1,
            "name": self.name,
            "version": self.version,
            "digest": self.digest,
            "licence": self.licence,
            "source": self.source,
            "totalBytes": self.total,
            "files": [{"name": each.name, "size": each.size, "sha256": each.sha256} for each in self.files],
        }
        return (json.dumps(content, indent=2, ensure_ascii=True) + "\n").encode()


def parse(document: bytes, origin: str) -> Manifest:
    """A manifest from its document. Raises ModelError when it is none or contradicts itself."""
    try:
        raw = json.loads(document)
        found = Manifest(
            raw["name"],
            raw["version"],
            tuple(ModelFile(each["name"], each["size"], each["sha256"]) for each in raw["files"]),
            raw["licence"],
            raw["source"],
        )
        stated = raw["digest"]
    except (ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{origin} is not a manifest of a model ({error!r})") from None
    if stated != found.digest:
        raise ModelError(
            f"{origin} states digest {stated}, and its files give {found.digest}: it was changed"
        )
    return found


def scan(folder: Path, name: str, version: str, licence: str, source: str) -> Manifest:
    """The manifest of a folder. Raises ModelError when anything in it must not be published."""
    paths = checked(folder)
    files = [ModelFile(each, paths[each].stat().st_size, sha256_of(paths[each])) for each in sorted(paths)]
    return Manifest(name, version, tuple(files), licence, source)


def checked(folder: Path) -> dict[str, Path]:
    """The files of a folder by their name inside the model, each seen to be publishable. Of weights only the header
    is read. Raises ModelError."""
    paths = _paths(folder)
    if not any(each in paths for each in CONFIGS):
        raise ModelError(
            f"{folder} has no config.json (nor adapter_config.json of a LoRA adapter): an engine cannot tell what "
            "model this is"
        )
    why = refused_config(paths["config.json"]) if "config.json" in paths else None
    if why:
        raise ModelError(f"config.json {why}")
    if not any(each.endswith(".safetensors") for each in paths):
        raise ModelError(
            f"{folder} has no .safetensors file: only this format is served; convert the weights"
        )
    for each in sorted(paths):
        why = refused_content(each, paths[each])
        if why:
            remedy = "copy or convert it again" if each.endswith(".safetensors") else "remove it"
            raise ModelError(f"{each} {why}: {remedy}")
    return paths


def sha256_of(path: Path) -> str:
    """SHA-256 of a file in hexadecimal."""
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _paths(folder: Path) -> dict[str, Path]:
    """Files by their name inside the model; refuses links, odd names and code."""
    if not folder.is_dir():
        raise ModelError(f"{folder} is not a folder: give the folder that holds config.json and the weights")
    found: dict[str, Path] = {}
    for current, folders, files in os.walk(folder):
        for each in [*folders, *files]:
            path = Path(current, each)
            name = PurePosixPath(path.relative_to(folder)).as_posix()
            if path.is_symlink():
                raise ModelError(f"{name} is a link: what it points to could change; put the file itself")
            if not safe_name(each):
                raise ModelError(
                    f"{name!r} is not a safe file name: letters, digits and . _ + @ = - are allowed, and no "
                    "dot or hyphen at the start; rename or remove it"
                )
        for each in files:
            path = Path(current, each)
            name = PurePosixPath(path.relative_to(folder)).as_posix()
            if not path.is_file():
                raise ModelError(f"{name} is not a plain file: remove it")
            if name in RESERVED:
                raise ModelError(f"{name} is a name that publishing writes itself: remove it")
            if name.lower().endswith(REFUSED_SUFFIXES):
                raise ModelError(
                    f"{name} is refused: {Path(name).suffix} files can run code when they are loaded; "
                    "convert weights to safetensors, or remove it"
                )
            found[name] = path
    if len(found) > MAX_FILES:
        raise ModelError(
            f"{folder} has {len(found)} files and {MAX_FILES} is the most: is it a model's folder?"
        )
    return found
