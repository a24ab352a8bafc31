"""Real stacks previewed by the sandbox's judges, and never applied."""

from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import ROOT, Sandbox, write_project

pytestmark = [pytest.mark.world, pytest.mark.xdist_group("rehearsal")]

REAL = sorted(
    name
    for name in (path.name.split(".")[1] for path in (ROOT / "stacks").glob("Pulumi.*.yaml"))
    if not name.startswith("sandbox")
)


@pytest.mark.parametrize("name", REAL)
def test_every_real_stack_previews_without_a_warning_and_leaves_no_trace(sandbox: Sandbox, name: str) -> None:
    before = {path: path.read_bytes() for path in (ROOT / "stacks").glob("*.yaml")}
    seen = sandbox.run("bastide", "sandbox", "rehearse", name)
    assert seen.code == 0, seen.text
    assert f"rehearsal of {name}: account " in seen.text
    assert "unresolved, and refused by a real run: bastide:" in seen.text
    assert "kubernetes:helm.sh/v3:Release" in seen.text
    assert "aws:eks:NodeGroup" in seen.text
    assert "to create" in seen.text
    warnings = [line for line in seen.text.splitlines() if "warning" in line]
    # What a stack chose, and hears of: one replica at an update, one deployment behind a route, or behind all of them.
    known = (
        "nobody is served while an update loads",
        "is an outage of the route",
        "the router decides nothing",
    )
    assert [line for line in warnings if not any(each in line for each in known)] == []
    assert before == {path: path.read_bytes() for path in (ROOT / "stacks").glob("*.yaml")}
    assert name not in sandbox.run("pulumi", "stack", "ls", "--json").text


def test_a_stack_that_is_not_there_is_named(sandbox: Sandbox) -> None:
    seen = sandbox.run("bastide", "sandbox", "rehearse", "prod")
    assert seen.code == 2
    assert f"no stack 'prod'; there are: {REAL[0]}" in seen.text


def test_a_rehearsal_cannot_be_applied(sandbox: Sandbox, tmp_path: Path) -> None:
    program = """
import pulumi, pulumi_aws
aws = pulumi_aws.Provider("aws", region="us-east-1", allowed_account_ids=["111122223333"])
pulumi_aws.kms.Key("key", description="of a rehearsal", opts=pulumi.ResourceOptions(provider=aws))
"""
    folder = write_project(sandbox, tmp_path, "rehearsed", "prod", program)
    marked = Sandbox(sandbox.home, sandbox.env | {"BASTIDE_REHEARSAL": "1"})
    seen = marked.run("pulumi", "preview", "--non-interactive", cwd=folder)
    assert seen.code == 0, seen.text
    seen = marked.run("pulumi", "up", "--yes", "--skip-preview", "--non-interactive", cwd=folder)
    assert seen.code != 0
    assert "is refused: this is a rehearsal" in seen.text
    keys = sandbox.aws("kms")
    described = [keys.describe_key(KeyId=key["KeyId"])["KeyMetadata"] for key in keys.list_keys()["Keys"]]
    assert "of a rehearsal" not in {key["Description"] for key in described}
