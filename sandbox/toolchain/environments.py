"""Python environments of real serving parts, apart from the project's own because their requirements collide.

Each is made once from a lock with hashes, kept in the cache by what it was made of, and appears there whole.
They are large, so only what runs the parts asks for them (`make live`, `make test`), never `make up`."""

from __future__ import annotations

import hashlib
import os
import platform
import shlex
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sandbox import state
from sandbox.toolchain.build import BuildError, lock, say, uv

LOCKS: Final = Path(__file__).parent / "python"


@dataclass(frozen=True)
class Environment:
    """One virtual environment: its name, which is that of its lock, and what it takes for the progress line."""

    name: str
    usual: str
    startup: str = ""
    """One line of Python that each of its interpreters runs first."""
    in_pods: bool = True
    """Whether live pods run it."""

    @property
    def lock(self) -> Path:
        """Every package with its hashes; `make lock` resolves it."""
        return LOCKS / f"{self.name}.lock"

    @property
    def folder(self) -> Path:
        """Where the finished environment lies, or will."""
        digest = hashlib.sha256(self.lock.read_bytes())
        # Its programs name the interpreter they were made with.
        digest.update(
            f"{platform.machine()} {sys.version_info[:2]} {Path(sys.base_prefix).resolve()}".encode()
        )
        return state.cache() / "environments" / f"{self.name}-{digest.hexdigest()[:16]}"

    @property
    def python(self) -> Path:
        """The environment's interpreter."""
        return self.folder / "bin" / "python3"

    @property
    def startup_file(self) -> Path:
        """Where the line stands: Python runs what begins with `import` in files of this kind."""
        version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
        return self.folder / "lib" / version / "site-packages" / "bastide_startup.pth"

    @property
    def whole(self) -> Path:
        """Written last: an environment without it was interrupted."""
        return self.folder / "whole"

    @property
    def compiled(self) -> Path:
        """Written when every module has its bytecode: live pods see the environment read-only, so that each process
        of theirs would compile thousands of modules anew."""
        return self.folder / "compiled"


AMX_TILES: Final = "import ctypes; ctypes.CDLL(None).syscall(158, 0x1023, 18)"
"""arch_prctl(ARCH_REQ_XCOMP_PERM, XFEATURE_XTILE_DATA) of Linux on x86-64 (Documentation/arch/x86/xstate.rst).

vLLM 0.32's attention in bfloat16 uses the tiles where a processor has AMX, and leaves it to oneDNN to ask for them,
which a tiny model's matrices never make it do: the first token ended in SIGILL. Other processors refuse it."""

VLLM: Final = Environment("vllm", "5 m on 2 cores, 6 GB", AMX_TILES if platform.machine() == "x86_64" else "")
"""The engine. Measured: 1 m 40 s for torch and 2 m 37 s for the rest, one after the other, with downloads."""

SGLANG: Final = Environment(
    "sglang", "1 m on 2 cores after vLLM's, 5 GB of which it shares most", in_pods=False
)
"""SGLang's parser of arguments, for one test; nothing of it runs, so `ALL` does not have it."""

CLIENT_VARIABLE: Final = "BASTIDE_PRISMA_CLIENT"

CLIENT_FIRST: Final = f"import os, sys; p = os.environ.get('{CLIENT_VARIABLE}'); p and sys.path.insert(0, p)"
"""LiteLLM's image has its generated database client among its packages, so that no PYTHONPATH of a pod can miss it.
Here it lies elsewhere (`prisma_client`), where this variable says."""

LITELLM: Final = Environment("litellm", "1 m on 2 cores, 0.8 GB", CLIENT_FIRST)
"""The gateway, without the package of it that is not under an open licence."""

PII: Final = Environment("pii", "1 m on 2 cores, 0.4 GB")
"""The redaction service: real Presidio, without a model."""

ALL: Final = (VLLM, LITELLM, PII)


class EnvironmentMissingError(Exception):
    """The environment was not made yet; the text says how to."""


def python(environment: Environment) -> Path:
    """The interpreter of an environment that is there; raises `EnvironmentMissingError` where it is not."""
    if not environment.whole.exists():
        raise EnvironmentMissingError(
            f"the {environment.name} environment is not there: make it with `python -m sandbox.toolchain all`"
        )
    return environment.python


def ensure(environment: Environment) -> Path:
    """Makes the environment if it is missing, and returns its interpreter."""
    if not environment.whole.exists():
        with lock():
            if not environment.whole.exists():  # another run may have made it meanwhile
                _make(environment)
    if environment.in_pods and not environment.compiled.exists():
        with lock():
            if not environment.compiled.exists():
                _compile(environment)
    _start_with(environment)
    return environment.python


def _start_with(environment: Environment) -> None:
    """Also in an environment that was made before the line was known. Interpreters start at any time: it is whole
    or not there."""
    wanted = f"{environment.startup}\n"
    file = environment.startup_file
    if not environment.startup or (file.exists() and file.read_text() == wanted):
        return
    draft = file.with_suffix(f".{os.getpid()}")
    draft.write_text(wanted)
    draft.replace(file)


def _make(environment: Environment) -> None:
    started = time.monotonic()
    folder = environment.folder
    shutil.rmtree(folder, ignore_errors=True)
    installer = uv()
    if installer is None:
        raise BuildError("no uv on PATH or in the cache: run `make schema` once, which brings it")
    say(
        f"installing {environment.name} from the Python package registry (first time only, {environment.usual})"
    )
    interpreter = str(environment.python)
    # In place, because an environment's programs name its own folder.
    _run([installer, "venv", "--quiet", "--python", str(Path(sys.executable).resolve()), str(folder)])
    _run(
        [
            installer,
            "pip",
            "sync",
            "--quiet",
            # Where live pods see it, nothing can be written: each start would compile all of it again.
            "--compile-bytecode",
            "--require-hashes",
            "--python",
            interpreter,
            str(environment.lock),
        ]
    )
    environment.whole.touch()
    say(f"installed {environment.name} in {time.monotonic() - started:.0f} s")


def _compile(environment: Environment) -> None:
    started = time.monotonic()
    # Templates and tests of old Pythons are among the files, and do not compile: its exit status says nothing.
    subprocess.run(
        [str(environment.python), "-m", "compileall", "-q", "-j", "0", str(environment.startup_file.parent)],
        capture_output=True,
        check=False,
    )
    environment.compiled.touch()
    say(f"compiled the modules of {environment.name} in {time.monotonic() - started:.0f} s")


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        last = "\n".join(f"  {line}" for line in done.stderr.strip().splitlines()[-15:])
        raise BuildError(f"{command[1]} failed:\n{last}\nrepeat with: {shlex.join(command)}")
