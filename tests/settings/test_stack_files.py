"""A stack's file over what all stacks share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from bastide.settings import SettingsError, load_stack_file, read_stack_file

STACKS = Path(__file__).parents[2] / "stacks"


def write(folder: Path, name: str, /, **values: Any) -> Path:
    path = folder / name
    path.write_text(yaml.safe_dump({"config": {f"bastide:{key}": value for key, value in values.items()}}))
    return path


def test_later_files_win_mappings_are_merged_and_lists_replaced(tmp_path: Path) -> None:
    write(tmp_path, "_shared.yaml", tags={"team": "ml", "tier": "all"}, pools=[{"name": "a"}], name="one")
    write(tmp_path, "_shared.prod.yaml", tags={"tier": "prod"}, network={"cidr": "10.0.0.0/16"})
    write(tmp_path, "_shared.dev.yaml", name="never-read")
    path = write(tmp_path, "Pulumi.x.yaml", environment="prod", pools=[], network={"zones": ["a"]})
    assert read_stack_file(path) == {
        "environment": "prod",
        "name": "one",
        "tags": {"team": "ml", "tier": "prod"},
        "pools": [],
        "network": {"cidr": "10.0.0.0/16", "zones": ["a"]},
    }


def test_another_kind_replaces_what_is_shared(tmp_path: Path) -> None:
    write(tmp_path, "_shared.yaml", store={"kind": "create", "days": 1}, cloud={"kind": "aws", "region": "r"})
    path = write(tmp_path, "Pulumi.x.yaml", store={"kind": "adopt", "bucket": "b"}, cloud={"account": "1"})
    assert read_stack_file(path) == {
        "store": {"kind": "adopt", "bucket": "b"},
        "cloud": {"kind": "aws", "region": "r", "account": "1"},
    }


def test_an_environment_that_is_no_word_reads_no_other_file(tmp_path: Path) -> None:
    (tmp_path / "stacks").mkdir()
    write(tmp_path, "x.yaml", name="outside")
    path = write(tmp_path / "stacks", "Pulumi.x.yaml", environment="./../../x")
    assert read_stack_file(path) == {"environment": "./../../x"}


def test_a_mistake_in_a_shared_file_is_told_with_its_name(tmp_path: Path) -> None:
    raw = read_stack_file(STACKS / "Pulumi.sandbox.yaml")
    write(tmp_path, "_shared.yaml", network={"privatePrefix": 99}, rolloutTimeoutSeconds=1)
    path = write(tmp_path, "Pulumi.x.yaml", **{**raw, "rolloutTimeoutSeconds": 2, "protection": "perhaps"})
    with pytest.raises(SettingsError) as caught:
        load_stack_file(path)
    told = {each.path: each.message for each in caught.value.problems}
    assert told.keys() == {"network.privatePrefix", "rolloutTimeoutSeconds", "protection"}
    assert told["network.privatePrefix"].endswith("(it stands in _shared.yaml)")
    assert "stands in" not in told["rolloutTimeoutSeconds"] + told["protection"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "config: {'aws:region': us-east-1}",
            "bastide:aws:region: stands in _shared.yaml, where only bastide: keys",
        ),
        ("config: {'bastide:a': {b: [{secure: v1xx}]}}", "bastide:a.b[0]: is a secret in _shared.yaml"),
        ("config: [1]", "_shared.yaml has no `config:` mapping"),
        ("config: {", "cannot read _shared.yaml"),
    ],
)
def test_a_shared_file_that_cannot_be_used_is_refused(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "_shared.yaml").write_text(text)
    path = write(tmp_path, "Pulumi.x.yaml", environment="dev")
    with pytest.raises(SettingsError) as caught:
        read_stack_file(path)
    assert said in str(caught.value)
