"""Which program is used for each part, and the folder that has them all under their usual names.

The decision is taken by `ensure()` and written down in the world's `tools.json`; `paths()` reads it, so that
every process of a world uses the same programs whatever its PATH.
"""

from __future__ import annotations

import filecmp
import json
import os
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

from sandbox import state
from sandbox.toolchain import found, pulumi_home, recipes
from sandbox.toolchain.build import build as build_group
from sandbox.toolchain.build import lock, say
from sandbox.toolchain.found import Verdict
from sandbox.toolchain.recipes import Recipe


class ToolsMissingError(Exception):
    """The tools are not built yet; the text says how to."""


@dataclass(frozen=True)
class Tools:
    """Where each program is. `bin_dir` holds all of them and the language host, for PATH.

    `kube` takes `etcd`, `apiserver`, `controllers`, `scheduler` or `kubectl` as its first argument.
    `language_host` is the folder with `pulumi-language-python`: `bin_dir`, or an installed Pulumi's own.
    """

    pulumi: Path
    kube: Path
    kubectl: Path
    helm: Path
    language_host: Path
    bin_dir: Path


def _record() -> Path:
    return state.home() / "tools.json"


def paths(build: bool = False, tell: bool = True) -> Tools:
    """The tools of this world. With `build` they are made first (minutes, cold); else missing ones raise.

    Without `tell` the choice is only said where something has to be built."""
    if build:
        return ensure(tell)
    try:
        tools = Tools(**{name: Path(path) for name, path in json.loads(_record().read_text()).items()})
        if all(os.access(path, os.X_OK) for path in asdict(tools).values()):
            return tools
    except (FileNotFoundError, TypeError, ValueError):
        pass  # a new world, or one of an older release: decide again
    choice = Choice.make()
    if choice.missing():
        raise ToolsMissingError(
            "the sandbox's tools are not ready: make them with `make up` or `python -m sandbox.toolchain`"
        )
    return _install(choice)


@dataclass(frozen=True)
class Choice:
    """What was found of each tool."""

    engine: Verdict
    helm: Verdict
    control_plane: Verdict

    @staticmethod
    def make() -> Choice:
        """Looks at the machine."""
        return Choice(found.pulumi(), found.helm(), found.control_plane())

    def missing(self) -> list[list[Recipe]]:
        """What is still to be built, grouped by module: one build shares what its programs have in common."""
        kube = [
            recipe
            for recipe, verdict in ((recipes.KUBE, self.control_plane), (recipes.HELM, self.helm))
            if verdict.path is None and not recipe.built.exists()
        ]
        engine = [recipes.ENGINE] if self.engine.path is None and not recipes.ENGINE.built.exists() else []
        return [group for group in (kube, engine) if group]


def ensure(tell: bool = True) -> Tools:
    """Chooses or builds every tool, says what and why, and returns where they are."""
    choice = Choice.make()
    if tell or choice.missing():
        _tell(choice)
    if choice.missing():
        with lock():
            # One module after the other: linking the control plane alone takes 2.2 GB of memory.
            for group in choice.missing():
                build_group(group)
    return _install(choice)


def _tell(choice: Choice) -> None:
    for name, verdict, recipe in (
        ("pulumi", choice.engine, recipes.ENGINE),
        ("helm", choice.helm, recipes.HELM),
        ("control plane", choice.control_plane, recipes.KUBE),
    ):
        if verdict.path:
            say(f"{name}: the machine's own, because {verdict.reason}")
        else:
            what = "built before" if recipe.built.exists() else "to be built"
            say(f"{name}: {what} from pinned Go modules, because {verdict.reason}")


def _install(choice: Choice) -> Tools:
    """Fills the folder of commands and writes the decision down."""
    engine, helm, assets = choice.engine.path, choice.helm.path, choice.control_plane.path
    folder = state.home() / "bin"
    folder.mkdir(parents=True, exist_ok=True)
    if assets is None:
        kube = recipes.KUBE.built
        _link(folder / "kube", kube)
        _link(folder / "kubectl", kube)  # it acts by the name it is called by
    else:
        pulumi_home.write_executable(folder / "kube", _dispatcher(assets))
        _link(folder / "kubectl", assets / "kubectl")
    _link(folder / "helm", helm or recipes.HELM.built)
    host = folder / "pulumi-language-python"
    if engine is None:
        # The engine warns at each run about a language host that is not in its own real folder.
        _hard_link(folder / "pulumi", recipes.ENGINE.built)
        pulumi_home.write_executable(host, pulumi_home.python_shim("-m", "sandbox.language_host"))
    else:
        _link(folder / "pulumi", engine)
        host.unlink(missing_ok=True)
    tools = Tools(
        pulumi=folder / "pulumi",
        kube=folder / "kube",
        kubectl=folder / "kubectl",
        helm=folder / "helm",
        language_host=folder if engine is None else engine.resolve().parent,
        bin_dir=folder,
    )
    temporary = _record().with_suffix(f".{os.getpid()}")
    temporary.write_text(json.dumps({name: str(path) for name, path in asdict(tools).items()}, indent=1))
    temporary.replace(_record())
    pulumi_home.ensure()
    return tools


def _link(link: Path, target: Path) -> None:
    temporary = link.with_name(f".{link.name}.{os.getpid()}")
    temporary.symlink_to(target)
    temporary.replace(link)


def _hard_link(link: Path, target: Path) -> None:
    """The same file under a second name, or a copy of it where the cache is on another file system."""
    if link.exists() and not link.is_symlink() and filecmp.cmp(link, target):
        return
    temporary = link.with_name(f".{link.name}.{os.getpid()}")
    try:
        temporary.hardlink_to(target)
    except OSError:
        shutil.copy2(target, temporary)
    temporary.replace(link)


def _dispatcher(assets: Path) -> str:
    """A `kube` that hands over to separate programs."""
    lines = ["#!/bin/sh", 'part="$1"; shift', 'case "$part" in']
    lines += [f"{part}) exec '{assets / name}' \"$@\" ;;" for part, name in found.CONTROL_PLANE.items()]
    lines += ['*) echo "kube: no part named $part" >&2; exit 2 ;;', "esac", ""]
    return "\n".join(lines)
