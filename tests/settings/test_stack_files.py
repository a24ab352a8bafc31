"""A stack's file over what all stacks share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from bastide.settings import (
    Layer,
    NoStackError,
    SettingsError,
    decode,
    load_stack_file,
    read_stack_file,
    refuse_ambiguous,
    stack_file,
)
from bastide.settings.stack_files import clashes

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
            "1. 'aws:region' stands in _shared.yaml, where only bastide: keys",
        ),
        ("config: {'bastide:a': {b: [{secure: v1xx}]}}", "bastide:a.b[0]: is a secret in _shared.yaml"),
        ("config: [1]", "_shared.yaml has no `config:` mapping"),
        ("config: {", "cannot read _shared.yaml: line 1: "),
        (
            "config: {'bastide:name': a, name: b}",
            "bastide:name: is there twice in _shared.yaml, as 'name' and as",
        ),
    ],
)
def test_a_shared_file_that_cannot_be_used_is_refused(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "_shared.yaml").write_text(text)
    path = write(tmp_path, "Pulumi.x.yaml", environment="dev")
    with pytest.raises(SettingsError) as caught:
        read_stack_file(path)
    assert said in str(caught.value)


def test_a_key_without_the_prefix_is_the_same_setting_in_every_file(tmp_path: Path) -> None:
    (tmp_path / "_shared.yaml").write_text("config: {tags: {a: b}}")
    path = tmp_path / "Pulumi.x.yaml"
    path.write_text("config: {environment: dev, 'bastide:name': n, 'aws:region': r, tags: {c: d}}")
    assert read_stack_file(path) == {"environment": "dev", "name": "n", "tags": {"a": "b", "c": "d"}}


def test_pulumis_own_configuration_is_decoded_by_the_same_rule() -> None:
    assert decode({"bastide:name": "n", "tags": '{"a": "b"}', "aws:region": "r"}) == {
        "name": "n",
        "tags": {"a": "b"},
    }


def test_both_forms_of_a_key_are_refused_before_pulumi_takes_one_by_chance(tmp_path: Path) -> None:
    refuse_ambiguous(tmp_path / "Pulumi.elsewhere.yaml")
    path = tmp_path / "Pulumi.x.yaml"
    path.write_text("config: {'bastide:name': a, name: b}")
    with pytest.raises(SettingsError, match=r"bastide:name: is there twice in Pulumi\.x\.yaml"):
        refuse_ambiguous(path)


def test_all_mistakes_of_a_shared_file_are_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "_shared.yaml").write_text("config: {'aws:region': r, name: a, 'bastide:name': {secure: v1}}")
    path = write(tmp_path, "Pulumi.x.yaml", environment="dev")
    with pytest.raises(SettingsError) as caught:
        read_stack_file(path)
    assert len(caught.value.problems) == 2
    assert "is there twice" in str(caught.value)
    assert "'aws:region' stands in" in str(caught.value)


SANDBOX = STACKS / "Pulumi.sandbox.yaml"


@pytest.mark.parametrize(
    ("shared", "path", "said"),
    [
        ({"cluster": [1]}, "cluster", "is a mapping in Pulumi.x.yaml and a list in _shared.yaml"),
        ({"network": {"cidr": {"a": 1}}}, "network.cidr", "a single value in Pulumi.x.yaml and a mapping in"),
        ({"pools": 3}, "pools", "is a list in Pulumi.x.yaml and a single value in _shared.yaml"),
    ],
)
def test_a_value_that_a_stack_would_only_hide_is_refused(
    tmp_path: Path, shared: dict[str, Any], path: str, said: str
) -> None:
    raw = read_stack_file(SANDBOX)
    write(tmp_path, "_shared.yaml", **shared)
    file = write(tmp_path, "Pulumi.x.yaml", **raw)
    with pytest.raises(SettingsError) as caught:
        load_stack_file(file)
    assert [each.path for each in caught.value.problems] == [path]
    assert said in caught.value.problems[0].message


def test_a_stack_may_replace_by_another_kind_by_nothing_and_by_a_secret() -> None:
    layers = [
        Layer("a", {"store": {"kind": "create", "x": 1}, "tags": {"a": "b"}, "name": "plain"}),
        Layer("b", {"store": {"kind": "adopt", "x": {"y": 1}}, "tags": None, "name": {"secure": "v1"}}),
        Layer("c", {"tags": {"a": "c"}}),
    ]
    assert clashes(layers) == []


def test_a_mistake_that_is_told_already_is_not_told_again_as_a_clash(tmp_path: Path) -> None:
    raw = read_stack_file(SANDBOX)
    write(tmp_path, "_shared.yaml", tags={"a": "b"})
    file = write(tmp_path, "Pulumi.x.yaml", **{**raw, "tags": [1]})
    with pytest.raises(SettingsError) as caught:
        load_stack_file(file)
    assert [each.path for each in caught.value.problems] == ["tags"]


@pytest.mark.parametrize("stack", ["sandbx", "", "../x", "../stacks/Pulumi.dev"])
def test_a_name_that_no_stack_has_is_refused_with_those_that_are_there(tmp_path: Path, stack: str) -> None:
    for name in ("b-full", "b", "a"):
        write(tmp_path, f"Pulumi.{name}.yaml", environment="dev")
    with pytest.raises(NoStackError) as caught:
        stack_file(stack, tmp_path)
    assert str(caught.value) == f"no stack {stack!r}; there are: a, b, b-full"
    assert stack_file("b", tmp_path) == tmp_path / "Pulumi.b.yaml"
