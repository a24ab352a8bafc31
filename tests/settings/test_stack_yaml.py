"""What a stack file's YAML may not have, each told in one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from bastide.settings import SettingsError
from bastide.settings.stack_yaml import DEEPEST, read_yaml


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"a: 1\nb:\n  c: 1\n  d: 2\n  c: 3\n", "line 5: the key 'c' is there already, in line 3"),
        (b"{a: 1, a: 2}", "line 1: the key 'a' is there already, in line 1"),
        (b"x: [" + b"{a: " * 3000, f"line 1: is nested more than {DEEPEST} levels deep"),
        (b"\n" * 2 + b"[" * 3000 + b"]" * 3000, "line 3: is nested more than"),
        (b"a: &loop [*loop]", "line 1: *loop stands inside of what it means"),
        (b"a: \xff", "byte 4 is not UTF-8; save the file as UTF-8 text"),
        (b"a: {\nb", "line 2: "),
        (b"a: *nothing", "line 1: found undefined alias"),
        (b"a: 2026-13-01", "month must be in 1..12"),
        (b"a: \x00", "not allowed"),
        (b"? [a]\n: b", "unhashable"),
        (b"a: !!python/object:os.system b", "could not determine a constructor"),
    ],
)
def test_a_file_that_cannot_be_read_is_told_in_one_line(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "Pulumi.x.yaml"
    path.write_bytes(content)
    with pytest.raises(SettingsError) as caught:
        read_yaml(path)
    (problem,) = caught.value.problems
    assert problem.message.startswith("cannot read Pulumi.x.yaml: ")
    assert said in problem.message
    assert "\n" not in problem.message


def test_a_file_that_is_not_there_is_told_by_its_name(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"cannot read Pulumi\.x\.yaml: No such file or directory"):
        read_yaml(tmp_path / "Pulumi.x.yaml")


def test_what_a_merge_key_brings_may_be_given_again(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text("a: {b: &base {x: 1, y: 1}, c: &more {<<: *base, x: 2}}\nd: {<<: *more, y: 3}\n")
    assert read_yaml(path) == {
        "a": {"b": {"x": 1, "y": 1}, "c": {"x": 2, "y": 1}},
        "d": {"x": 2, "y": 3},
    }
