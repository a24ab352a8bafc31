"""Two stack files that would make one cluster are told before either is run."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from bastide.settings import Settings, SettingsError, load_stack_file, read_stack_file
from bastide.settings.same_names import same_names

STACKS = Path(__file__).parents[2] / "stacks"


def raw(**changes: Any) -> dict[str, Any]:
    return {**read_stack_file(STACKS / "Pulumi.dev.yaml"), **changes}


def test_a_copied_stack_file_is_refused_with_the_others_name(tmp_path: Path) -> None:
    shutil.copytree(STACKS, tmp_path, dirs_exist_ok=True)
    copied = tmp_path / "Pulumi.dev2.yaml"
    text = (STACKS / "Pulumi.dev.yaml").read_text()
    # Another block, as whoever copies the file is told to give it.
    copied.write_text(text.replace("10.40.0.0/16", "10.44.0.0/16"))
    with pytest.raises(SettingsError) as caught:
        load_stack_file(copied)
    [problem] = caught.value.problems
    assert problem.path == "name"
    assert "is also the name of stack dev" in problem.message
    assert "both would be bastide-dev-us-east-1" in problem.message
    copied.write_text(copied.read_text() + "  bastide:name: second\n")
    assert load_stack_file(copied).prefix == "second-dev-us-east-1"


def test_two_sandboxes_of_one_name_are_refused_too() -> None:
    sandbox = read_stack_file(STACKS / "Pulumi.sandbox.yaml")
    assert len(same_names(Settings.load(sandbox), {"copy": sandbox})) == 1


@pytest.mark.parametrize(
    "other",
    [
        raw(name="other"),
        raw(environment="staging"),
        raw(cloud={"kind": "aws", "region": "us-west-2", "accountId": "777788889999"}),
        raw(cloud={"kind": "aws", "region": "us-east-1", "accountId": "111122223333"}),
        {"cloud": "nowhere"},
    ],
)
def test_one_difference_is_enough(other: dict[str, Any]) -> None:
    assert same_names(Settings.load(raw()), {"other": other}) == []


def test_no_two_committed_stacks_share_names() -> None:
    raws = {path.name: read_stack_file(path) for path in STACKS.glob("Pulumi.*.yaml")}
    assert len(raws) > 1
    for name, each in raws.items():
        assert same_names(Settings.load(each), {other: raws[other] for other in raws if other != name}) == []
