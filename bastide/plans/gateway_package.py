"""The files of the gateway's package, as they are mounted into LiteLLM. Pure, but for reading them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

PACKAGE: Final = "bastide_gateway"
"""Name of the package, and of its folder below gateway/."""

SUFFIXES: Final = (".py", ".json", ".lua", ".sql")
"""What of it runs or is read when it runs."""

MOST_BYTES: Final = 600_000
"""Most bytes of all its files together. Helm keeps values and manifests of a release in one Secret, which holds 1 MiB
(Kubernetes docs, "Secrets"): 166 KB of package made 242 KB there (measured), so 700 KB would be the end."""


class PackageError(ValueError):
    """The package cannot be mounted: it is not there, or does not fit."""


def read(folder: Path) -> dict[str, str]:
    """Path below gateway/ -> text, of the files of a package in `folder`. Raises PackageError."""
    found = {
        f"{PACKAGE}/{path.relative_to(folder).as_posix()}": path.read_text()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix in SUFFIXES and "__pycache__" not in path.parts
    }
    return checked(found)


def checked(package: Mapping[str, str]) -> dict[str, str]:
    """The files, where they can be mounted. Raises PackageError."""
    if f"{PACKAGE}/__init__.py" not in package:
        raise PackageError(f"gateway/{PACKAGE}/__init__.py is not there: this is no whole copy of the kit")
    total = sum(len(text.encode()) for text in package.values())
    if total > MOST_BYTES:
        raise PackageError(
            f"gateway/{PACKAGE} has {total} bytes; allowed: {MOST_BYTES}, because Helm keeps it in "
            "the release's Secret of 1 MiB; move data out of it"
        )
    return dict(package)
