"""The operator of External Secrets for the sandbox: its authors' code, with two of its forty providers linked.

The module is fetched as Go's tools fetch it, and copied beside our own `main`; in the copy the two packages that only
list what is linked are exchanged for ours (`secrets/register`). Everything else is as published. The newest version
that is a Go module in one piece is used: of later ones parts are in modules that no proxy has.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sandbox import state
from sandbox.toolchain.build import BuildError, build, go, lock, say
from sandbox.toolchain.recipes import KUBE, Recipe

MODULE: Final = "github.com/external-secrets/external-secrets"
VERSION: Final = "v0.20.4"
"""In secrets/go.mod too."""
TOTAL: Final = "h1:HhNAjWfFEshhItphr28SGsHzf2bUP7uDAOVLg76uNAg="
"""The module's hash, as Go's checksum database has it (2026-11)."""

EXCHANGED: Final = {
    "pkg/provider/register/register.go": "register/providers/register.go",
    "pkg/generator/register/register.go": "register/generators/register.go",
}
"""Files of the module, and ours in their place."""

_PARTS: Final = ("apis", "cmd", "pkg", "go.mod", "go.sum")
"""What the build needs of the module."""


@dataclass(frozen=True)
class _Prepared(Recipe):
    """Built from a folder in the cache, which `prepare` fills; what it is made of is in the repository."""

    @property
    def folder(self) -> Path:
        """Where it is built."""
        return state.cache() / "tools" / f".source-{self.built.parent.name}"

    @property
    def built(self) -> Path:
        """Where the finished program lies, or will."""
        return Recipe(self.name, self.module, self.package, self.ldflags).built


OPERATOR: Final = _Prepared("secrets", "secrets", ".", KUBE.ldflags)


def ensure() -> Path:
    """The operator, built if it is missing."""
    if not OPERATOR.built.exists():
        with lock():
            if not OPERATOR.built.exists():
                _prepare()
                build((OPERATOR,))
                shutil.rmtree(OPERATOR.folder)
    return OPERATOR.built


def _prepare() -> None:
    """Lays our module and the operator's beside one another."""
    ours = Path(__file__).parent / OPERATOR.module
    folder = OPERATOR.folder
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name in ("main.go", "go.mod", "go.sum"):
        shutil.copyfile(ours / name, folder / name)
    published = _download()
    for part in _PARTS:
        source, target = published / part, folder / "upstream" / part
        if source.is_dir():
            # Files and folders of the module cache are read-only.
            shutil.copytree(source, target, copy_function=shutil.copyfile)
            for each in [target, *target.rglob("*")]:
                each.chmod(0o755 if each.is_dir() else 0o644)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
    for theirs, own in EXCHANGED.items():
        shutil.copyfile(ours / own, folder / "upstream" / theirs)


def _download() -> Path:
    """The published module's folder in Go's cache; raises BuildError where it cannot be had or is another one."""
    wanted = f"{MODULE}@{VERSION}"
    say(f"fetching {wanted}")
    environment = os.environ | {"GOWORK": "off", "GOFLAGS": "", "GONOSUMDB": MODULE, "GOTOOLCHAIN": "local"}
    done = subprocess.run(
        [str(go()), "mod", "download", "-json", wanted],
        cwd=state.cache(),
        env=environment,
        capture_output=True,
        text=True,
    )
    try:
        told = json.loads(done.stdout)
    except ValueError:
        told = {"Error": done.stderr.strip() or "go said nothing"}
    if done.returncode != 0 or told.get("Error"):
        raise BuildError(
            f"{wanted} could not be fetched: {told.get('Error')}; run again when the network is there"
        )
    if told.get("Sum") != TOTAL:
        raise BuildError(f"{wanted} has the hash {told.get('Sum')} and not the pinned {TOTAL}: not built")
    return Path(told["Dir"])
