"""What a model is made of: which files may be published, their checksums, and the two documents that state
them.

`SHA256SUMS` (GNU format) pins every file, and its own SHA-256 is the model's digest: what a stack file
names and an engine's pod checks. `manifest.json` says the same to programs, with name, version, licence and
source, and is published last, so its presence means that the version is whole.

Blind spot: a file's type is told by its name and its first bytes; a pickle disguised as neither is still
inert, because engines load safetensors only.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import struct
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final

from bastide.models.errors import ModelError

SUMS_NAME: Final = "SHA256SUMS"
MANIFEST_NAME: Final = "manifest.json"
RESERVED: Final = frozenset({SUMS_NAME, MANIFEST_NAME})
"""Names at the top of a published version that the kit writes itself."""

REFUSED_SUFFIXES: Final = (".bin", ".ckpt", ".pickle", ".pkl", ".pt", ".pth", ".py")
"""Formats that run code when loaded (pickles) or are code."""

_MAGIC: Final = (
    (b"PK\x03\x04", "a zip archive, the form of PyTorch's pickled checkpoints"),
    *((b"\x80" + bytes([protocol]), f"a pickle of protocol {protocol}") for protocol in (2, 3, 4, 5)),
    (b"\x1f\x8b", "a gzip archive, which can hide anything"),
    (b"\x7fELF", "a program"),
    (b"#!", "a script"),
)

_SAFE_PART: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+@=-]*")
"""Parts of a file name that need no quoting in a shell, an S3 key or a checksum file."""

_HEADER_LIMIT: Final = 100_000_000
"""The safetensors library's own limit of a header, in bytes."""

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


def safe_name(name: str) -> bool:
    """Whether a file's name inside the model is one that may be published, and that stays inside a folder."""
    return all(_SAFE_PART.fullmatch(part) for part in name.split("/"))


def checked(folder: Path) -> dict[str, Path]:
    """The files of a folder by their name inside the model, each seen to be publishable. Of weights only the header
    is read. Raises ModelError."""
    paths = _paths(folder)
    if "config.json" not in paths:
        raise ModelError(f"{folder} has no config.json: an engine cannot tell what model this is")
    _check_config(paths["config.json"])
    if not any(each.endswith(".safetensors") for each in paths):
        raise ModelError(
            f"{folder} has no .safetensors file: only this format is served; convert the weights"
        )
    for each in sorted(paths):
        _check_content(each, paths[each])
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
            if not _SAFE_PART.fullmatch(each):
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


def _check_config(path: Path) -> None:
    try:
        config = json.loads(path.read_bytes())
    except ValueError as error:
        raise ModelError(f"config.json is not JSON ({error})") from None
    if not isinstance(config, dict) or not config.get("architectures"):
        raise ModelError("config.json names no architectures: an engine cannot tell what model this is")
    if "auto_map" in config:
        raise ModelError(
            "config.json has auto_map: it makes an engine run Python code of the model's author; publish a "
            "model whose architecture the engine knows, without auto_map"
        )


def _check_content(name: str, path: Path) -> None:
    with path.open("rb") as opened:
        start = opened.read(8)
    if name.endswith(".safetensors"):
        _check_safetensors(name, path, start)
        return
    for magic, meaning in _MAGIC:
        if start.startswith(magic):
            raise ModelError(f"{name} is refused: its first bytes are those of {meaning}; remove it")


def _check_safetensors(name: str, path: Path, start: bytes) -> None:
    """The header's length, its JSON, and that its tensors fill the file exactly, in their own order."""

    def broken(why: str) -> ModelError:
        return ModelError(f"{name} is not a whole safetensors file ({why}): copy or convert it again")

    size = path.stat().st_size
    if len(start) < 8:
        raise broken(f"it has {size} bytes")
    (length,) = struct.unpack("<Q", start)
    if length > min(_HEADER_LIMIT, size - 8):
        raise broken(f"its header claims {length} bytes of {size}")
    with path.open("rb") as opened:
        opened.seek(8)
        header = opened.read(length)
    try:
        tensors: dict[str, Any] = json.loads(header)
        spans = sorted(each["data_offsets"] for key, each in tensors.items() if key != "__metadata__")
        end = 0
        for first, last in spans:
            if first != end or last < first:
                raise broken(f"its tensors leave a gap or overlap at byte {end}")
            end = last
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise broken(f"its header cannot be read: {error!r}") from None
    if end != size - 8 - length:
        raise broken(f"its tensors take {end} bytes and it has {size - 8 - length}")
