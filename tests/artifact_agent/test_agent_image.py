"""The image of the agent, as far as it can be judged without a container engine: its Dockerfile, its lock and its SBOM.

Nothing here builds it. hadolint is not used: its licence is not permissive.
"""

from __future__ import annotations

import ast
import fnmatch
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from dockerfile_parse import DockerfileParser

from tests.waits import PATIENCE_S

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "images/artifact-agent"
AGENT = ROOT / "artifact_agent"


@pytest.fixture(scope="module")
def instructions() -> list[tuple[str, str]]:
    parsed = DockerfileParser(str(FOLDER / "Dockerfile"), fileobj=None)
    return [
        (each["instruction"], each["value"]) for each in parsed.structure if each["instruction"] != "COMMENT"
    ]


def stages(instructions: list[tuple[str, str]]) -> list[list[tuple[str, str]]]:
    found: list[list[tuple[str, str]]] = []
    for each in instructions:
        if each[0] == "FROM":
            found.append([])
        if found:
            found[-1].append(each)
    return found


def test_it_has_two_stages_each_by_a_digest_that_has_to_be_given(
    instructions: list[tuple[str, str]],
) -> None:
    given = dict(value.split("=") for name, value in instructions if name == "ARG")
    assert given == {"BUILD_DIGEST": "unresolved", "RUN_DIGEST": "unresolved"}
    bases = [value for name, value in instructions if name == "FROM"]
    assert [re.sub(r"@\$\{(\w+)\}.*", r" \1", base).split()[-1] for base in bases] == list(given)


def test_what_runs_is_not_root_has_no_shell_and_is_the_agent(instructions: list[tuple[str, str]]) -> None:
    last = stages(instructions)[-1]
    assert "distroless" in last[0][1]
    assert ("USER", "65532:65532") in last
    names = [name for name, _ in last]
    assert "RUN" not in names  # there is no shell that could
    assert names.index("USER") < names.index("ENTRYPOINT")
    entry = json.loads(dict(last)["ENTRYPOINT"])
    assert entry == ["/usr/bin/python3", "-m", "artifact_agent"]


def test_nothing_is_fetched_but_what_the_lock_names_with_hashes(instructions: list[tuple[str, str]]) -> None:
    assert not any(name == "ADD" for name, _ in instructions)
    (install,) = [json.loads(value) for name, value in instructions if name == "RUN"]
    assert install[:4] == ["python3", "-m", "pip", "install"]
    assert {"--require-hashes", "--only-binary=:all:", "--no-deps", "--no-compile", "--no-cache-dir"} <= set(
        install
    )
    for line in locked().values():
        assert "--hash=sha256:" in line


def test_only_the_agent_and_its_lock_are_sent_to_a_build(instructions: list[tuple[str, str]]) -> None:
    allowed = [
        line[1:]
        for line in (FOLDER / "Dockerfile.dockerignore").read_text().splitlines()
        if line.startswith("!")
    ]
    assert "*" in (FOLDER / "Dockerfile.dockerignore").read_text().splitlines()
    assert {path for pattern in allowed for path in ROOT.glob(pattern)} == {
        *AGENT.glob("*.py"),
        FOLDER / "requirements.lock",
    }
    copied = [value.split()[0] for name, value in stages(instructions)[0] if name == "COPY"]
    for each in copied:
        assert any(fnmatch.fnmatch(each, pattern) or pattern.startswith(f"{each}/") for pattern in allowed), (
            each
        )


def locked() -> dict[str, str]:
    """The lock's text by the name of each package."""
    text = (FOLDER / "requirements.lock").read_text().replace("\\\n", " ")
    return {
        match[1]: line
        for line in text.splitlines()
        if (match := re.match(r"([a-z0-9-]+)==", line)) is not None
    }


def test_the_agent_imports_nothing_that_its_image_does_not_hold() -> None:
    imported = set()
    for path in AGENT.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                imported |= {each.name.split(".")[0] for each in node.names}
            elif isinstance(node, ast.ImportFrom):
                imported.add((node.module or "").split(".")[0])
    outside = imported - set(sys.stdlib_module_names) - {"artifact_agent"}
    assert outside == {"boto3", "botocore", "cryptography", "urllib3"}
    assert outside <= set(locked())


def sbom(path: Path) -> dict[str, Any]:
    subprocess.run(
        [
            str(Path(sys.executable).with_name("cyclonedx-py")), "requirements", str(FOLDER / "requirements.lock"),
            "--pyproject", str(FOLDER / "pyproject.toml"), "--output-reproducible", "--validate",
            "--output-format", "JSON", "--output-file", str(path),
        ],
        check=True,
        capture_output=True,
        timeout=PATIENCE_S,
    )  # fmt: skip
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def test_the_sbom_is_valid_whole_and_the_same_every_time(tmp_path: Path) -> None:
    found = sbom(tmp_path / "one.json")
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str((tmp_path / "one.json").read_text()) is None
    assert found["metadata"]["component"]["name"] == "bastide-artifact-agent"
    assert "timestamp" not in found["metadata"]
    versions = {each["name"]: each["version"] for each in found["components"]}
    assert set(versions) == set(locked())
    for name, version in versions.items():
        assert locked()[name].startswith(f"{name}=={version} ")
    sbom(tmp_path / "two.json")
    assert (tmp_path / "one.json").read_bytes() == (tmp_path / "two.json").read_bytes()
