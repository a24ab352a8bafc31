"""What is mirrored: files somewhere else, and what is known of each before it is read."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final

from bastide.models.errors import ModelError
from bastide.models.manifest import REFUSED_SUFFIXES, RESERVED, safe_name

TAKEN: Final = (
    *(".safetensors", ".json", ".txt", ".md"),
    *(".model", ".tiktoken", ".spm", ".vocab", ".bpe", ".jinja"),
)
"""Endings of files that are mirrored: weights without code, configuration, tokenizers, chat templates, documents."""

TAKEN_STARTS: Final = ("LICENSE", "LICENCE", "NOTICE", "README", "USE_POLICY")
"""Starts of names of documents without an ending."""

SELF_EVIDENT: Final = (".gitattributes", ".gitignore")
"""Files of the hub's own version control: left out without being asked."""


@dataclass(frozen=True)
class RemoteFile:
    """One file. `sha256` is what the source says it has; of small files a hub knows only git's SHA-1 of the blob."""

    name: str
    url: str
    size: int
    sha256: str = ""
    git_sha1: str = ""


@dataclass(frozen=True)
class RemoteModel:
    """All of it. `origin` is recorded in the manifest, and pins what was read; `licence` is what the source says of
    itself, or ''."""

    origin: str
    files: tuple[RemoteFile, ...]
    licence: str = ""


class Digest:
    """SHA-256, and git's SHA-1 where it has to be compared."""

    def __init__(self, file: RemoteFile) -> None:
        self._file = file
        self._sha256 = hashlib.sha256()
        self._git = None
        if file.git_sha1 and not file.sha256:
            # Not for security: this is how git names a blob, and the hub knows nothing better of it.
            self._git = hashlib.sha1(f"blob {file.size}\0".encode(), usedforsecurity=False)
        self.size = 0

    def update(self, data: bytes) -> None:
        """Takes the next bytes."""
        self._sha256.update(data)
        if self._git is not None:
            self._git.update(data)
        self.size += len(data)

    def check(self) -> str:
        """The SHA-256 in hexadecimal. Raises ModelError when it is not what the source says."""
        file, found = self._file, self._sha256.hexdigest()
        if self.size != file.size:
            raise ModelError(
                f"{file.name} has {self.size} bytes and the source says {file.size}: nothing is published"
            )
        if file.sha256 and found != file.sha256:
            raise ModelError(
                f"{file.name} has SHA-256 {found} and the source says {file.sha256}: it is damaged or was exchanged; "
                "nothing is published"
            )
        if self._git is not None and self._git.hexdigest() != file.git_sha1:
            raise ModelError(
                f"{file.name} has git SHA-1 {self._git.hexdigest()} and the source says {file.git_sha1}: it is "
                "damaged or was exchanged; nothing is published"
            )
        return found


def choose(
    files: tuple[RemoteFile, ...], leave_out: tuple[str, ...]
) -> tuple[list[RemoteFile], list[RemoteFile]]:
    """Files to take and files left out. Raises ModelError for files that are neither allowed nor left out."""
    taken, left, refused = [], [], []
    for each in files:
        if each.name in SELF_EVIDENT or any(fnmatchcase(each.name, pattern) for pattern in leave_out):
            left.append(each)
        elif why := _refusal(each.name):
            refused.append(f"{each.name}: {why}")
        else:
            taken.append(each)
    unused = [each for each in leave_out if not any(fnmatchcase(file.name, each) for file in files)]
    if unused:
        raise ModelError(f"--leave-out {unused[0]!r} matches none of the {len(files)} files: correct it")
    if refused:
        shown = "\n".join(f"  {each}" for each in refused[:20])
        more = f"\n  and {len(refused) - 20} more" if len(refused) > 20 else ""
        raise ModelError(
            f"{len(refused)} {'file' if len(refused) == 1 else 'files'} may not be mirrored:\n{shown}{more}\n"
            "leave them out by name or pattern (--leave-out 'original/*'), if the model works without them"
        )
    return taken, left


def _refusal(name: str) -> str:
    if not safe_name(name):
        return "not a safe file name (letters, digits and . _ + @ = - in each part, no dot or hyphen first)"
    if name in RESERVED:
        return "a name that publishing writes itself"
    if name.lower().endswith(REFUSED_SUFFIXES):
        return "such files can run code when they are loaded; safetensors are mirrored"
    last = name.rpartition("/")[2]
    if name.lower().endswith(TAKEN) or last.startswith(TAKEN_STARTS):
        return ""
    return f"of no kind that an engine needs ({' '.join(TAKEN)})"
