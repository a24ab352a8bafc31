"""What is rendered for Ollama goes through its own reader of environment variables, a package of its Go module."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

from bastide.plans import engine_kinds
from sandbox.toolchain import build
from tests.engine_kinds import samples
from tests.waits import PATIENCE_S

KIND = engine_kinds.KINDS["ollama"]
MODULE = Path(__file__).parent / "ollama"


def understood(environment: dict[str, str]) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("OLLAMA_")}
    done = subprocess.run(
        [build.go(), "run", "-mod=readonly", "."],
        cwd=MODULE,
        env=clean | {"GOWORK": "off", "GOFLAGS": ""} | environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    assert done.returncode == 0, done.stderr
    assert "invalid" not in done.stderr
    found: dict[str, str] = json.loads(done.stdout)
    return found


def test_ollama_understands_what_was_meant() -> None:
    settings = samples.settings()
    engine = samples.engine("ollama", maxNumSeqs=12, queue={"maxRequests": 34}, prefixCaching=True)
    given = {
        name: value
        for name, value in engine_kinds.program(settings, engine).environment.items()
        if name.startswith("OLLAMA_")
    }
    found, usual = understood(given), understood({})
    assert set(given) <= set(found), "a variable that Ollama does not know"
    wanted = {
        "OLLAMA_HOST": "http://127.0.0.1:8001",
        "OLLAMA_MODELS": "/models/served/1.0.0",
        "OLLAMA_NOPRUNE": "true",
        "OLLAMA_NOHISTORY": "true",
        "OLLAMA_NO_CLOUD": "true",
        "OLLAMA_CONTEXT_LENGTH": "4096",
        "OLLAMA_NUM_PARALLEL": "12",
        "OLLAMA_MAX_QUEUE": "34",
        "OLLAMA_MAX_LOADED_MODELS": "1",
        "OLLAMA_FLASH_ATTENTION": "true",
        "OLLAMA_SCHED_SPREAD": "true",
        "OLLAMA_MULTIUSER_CACHE": "true",
    }
    assert {name: found[name] for name in wanted} == wanted
    # Never: the longest time that Go can count.
    assert found["OLLAMA_KEEP_ALIVE"].startswith("2562047h")
    assert {name for name in found if found[name] != usual[name]} == set(given)


def test_the_module_has_the_version_that_the_kind_names() -> None:
    assert re.search(rf"ollama v{re.escape(KIND.version)}\n", (MODULE / "go.mod").read_text())
