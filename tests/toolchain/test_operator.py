"""How External Secrets' operator is laid out for its build; nothing here builds with Go."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sandbox.toolchain import operator
from sandbox.toolchain.build import BuildError

OURS = Path(operator.__file__).parent / operator.OPERATOR.module


def test_the_module_that_is_fetched_is_the_one_in_go_mod() -> None:
    said = re.findall(rf"^\s*{re.escape(operator.MODULE)} (\S+)", (OURS / "go.mod").read_text(), re.MULTILINE)
    assert said == [operator.VERSION]


def test_ours_lies_beside_theirs_and_two_lists_are_exchanged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BASTIDE_CACHE", str(tmp_path / "cache"))
    published = tmp_path / "published"
    for name in ("apis/v1/a.go", "cmd/main.go", "go.mod", "go.sum", *operator.EXCHANGED):
        (published / name).parent.mkdir(parents=True, exist_ok=True)
        (published / name).write_text(f"theirs {name}")
        (published / name).chmod(0o444)
    monkeypatch.setattr(operator, "_download", lambda: published)
    operator._prepare()
    folder = operator.OPERATOR.folder
    assert (folder / "main.go").read_text() == (OURS / "main.go").read_text()
    assert (folder / "upstream/apis/v1/a.go").read_text() == "theirs apis/v1/a.go"
    for theirs, own in operator.EXCHANGED.items():
        assert (folder / "upstream" / theirs).read_text() == (OURS / own).read_text()
    operator._prepare()  # again: what is left of an interrupted build is no obstacle


def test_another_module_than_the_pinned_one_is_not_built(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BASTIDE_CACHE", str(tmp_path))
    program = tmp_path / "go"
    program.write_text('#!/bin/sh\necho \'{"Sum": "h1:another", "Dir": "/"}\'\n')
    program.chmod(0o755)
    monkeypatch.setattr(operator, "go", lambda: program)
    with pytest.raises(BuildError, match="not the pinned"):
        operator._download()
