"""The image of the redaction service, as far as it can be judged without a container engine."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from dockerfile_parse import DockerfileParser

from sandbox.toolchain import environments
from tests.waits import PATIENCE_S

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "images/pii"
OPEN = re.compile(r"MIT|BSD|Apache|ISC|PSF|MPL|CNRI|Zlib|CC0")
"""Licences that a company may use without asking; MPL (certifi's certificates, tqdm) is for its own files alone."""


@pytest.fixture(scope="module")
def stages() -> list[list[tuple[str, str]]]:
    found: list[list[tuple[str, str]]] = []
    for each in DockerfileParser(str(FOLDER / "Dockerfile"), fileobj=None).structure:
        if each["instruction"] == "FROM":
            found.append([])
        if found and each["instruction"] != "COMMENT":
            found[-1].append((each["instruction"], each["value"]))
    return found


def locked(path: Path) -> dict[str, str]:
    text = path.read_text().replace("\\\n", " ")
    found = {}
    for line in text.splitlines():
        if match := re.match(r"([a-z0-9-]+)==([^\s;]+)(.*)", line):
            assert "--hash=sha256:" in match[3]
            found[match[1]] = match[2]
    return found


def test_it_is_made_of_two_stages_by_digest_and_the_last_has_no_shell_and_no_root(
    stages: list[list[tuple[str, str]]],
) -> None:
    assert len(stages) == 2
    assert all(re.search(r"@\$\{(BUILD|RUN)_DIGEST\}", stage[0][1]) for stage in stages)
    last = stages[-1]
    assert "distroless" in last[0][1]
    assert "RUN" not in dict(last)
    assert dict(last)["USER"] == "65532:65532"
    assert json.loads(dict(last)["ENTRYPOINT"]) == ["/usr/bin/python3", "-m", "pii"]
    (install,) = [json.loads(value) for name, value in stages[0] if name == "RUN"]
    assert {"--require-hashes", "--only-binary=:all:", "--no-deps"} <= set(install)
    assert not any(name == "ADD" for stage in stages for name, _ in stage)


def test_only_the_service_and_its_lock_are_sent_to_a_build() -> None:
    lines = (FOLDER / "Dockerfile.dockerignore").read_text().splitlines()
    assert "*" in lines
    sent = {path for line in lines if line.startswith("!") for path in ROOT.glob(line[1:])}
    assert sent == {*(ROOT / "pii").rglob("*.py"), FOLDER / "requirements.lock"}


def test_the_service_imports_nothing_that_its_image_does_not_hold() -> None:
    imported = set()
    for path in (ROOT / "pii").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                imported |= {each.name.split(".")[0] for each in node.names}
            elif isinstance(node, ast.ImportFrom):
                imported.add((node.module or "").split(".")[0])
    outside = {one.replace("_", "-") for one in imported - set(sys.stdlib_module_names) - {"pii"}}
    assert outside <= set(locked(FOLDER / "requirements.lock"))


def test_the_sandbox_tries_what_the_image_holds() -> None:
    tried = locked(environments.PII.lock)
    image = locked(FOLDER / "requirements.lock")
    assert {name: image[name] for name in image} == {name: tried.get(name) for name in image}


def test_every_package_of_it_has_an_open_licence() -> None:
    listed = subprocess.run(
        [
            str(environments.ensure(environments.PII)), "-c",
            "import importlib.metadata as m, json\n"
            "print(json.dumps({d.name: [d.metadata.get('License-Expression') or '', d.metadata.get('License') or '',"
            " *(d.metadata.get_all('Classifier') or [])] for d in m.distributions()}))",
        ],
        capture_output=True, text=True, check=True, timeout=PATIENCE_S,
    ).stdout  # fmt: skip
    licences = json.loads(listed)
    assert len(licences) > 40
    for name, said in licences.items():
        own = [one for one in said if one and (not one.count("::") or one.startswith("License"))]
        assert any(OPEN.search(one) for one in own), (name, own)
        assert not any(re.search(r"(?<![AL])GPL|AGPL|Proprietary|Commercial", one) for one in own), (
            name,
            own,
        )
