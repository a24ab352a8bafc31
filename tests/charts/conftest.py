"""Charts rendered by the real helm."""

from __future__ import annotations

import copy
import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from sandbox.toolchain import paths
from tests.waits import PATIENCE_S

ROOT = Path(__file__).parents[2]
DIGEST = "sha256:" + "ab" * 32


@dataclass(frozen=True)
class Rendered:
    """helm's exit status, what it said on stderr, and the objects."""

    status: int
    error: str
    objects: list[dict[str, Any]]

    def one(self, kind: str, name: str | None = None) -> dict[str, Any]:
        (only,) = [
            each for each in self.objects if each["kind"] == kind and name in (None, each["metadata"]["name"])
        ]
        return only

    def pods(self) -> list[dict[str, Any]]:
        """Pod specifications of all workloads."""
        return [
            each["spec"]["template"]["spec"] for each in self.objects if "template" in each.get("spec", {})
        ]


def helm(*arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(paths().helm), *arguments], input=given, capture_output=True, text=True, timeout=PATIENCE_S
    )


def render(chart: str, release: str, values: dict[str, Any]) -> Rendered:
    done = helm(
        "template", release, str(ROOT / "charts" / chart), "-n", "a-namespace", "-f", "-",
        given=json.dumps(values),
    )  # fmt: skip
    objects = [each for each in yaml.safe_load_all(done.stdout) if each] if done.returncode == 0 else []
    return Rendered(done.returncode, done.stderr, objects)


def changed(values: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """A copy of the values with one of them set, by its dotted path."""
    copied = copy.deepcopy(values)
    *parents, last = path.split(".")
    at = copied
    for each in parents:
        at = at[each]
    at[last] = value
    return copied


@pytest.fixture
def vllm_values() -> dict[str, Any]:
    values: dict[str, Any] = yaml.safe_load((ROOT / "charts/vllm/ci/sandbox-values.yaml").read_text())
    return values


@pytest.fixture
def vllm(vllm_values: dict[str, Any]) -> Rendered:
    return render("vllm", "vllm-chat", vllm_values)
