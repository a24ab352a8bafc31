"""A manifest says under which licence its model may be used, in words that everybody reads the same way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bastide.cli import main
from bastide.models.errors import ModelError
from bastide.models.licence import canonical, same
from bastide.models.manifest import scan
from bastide.models.publish import publish


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("apache-2.0", "Apache-2.0"),
        ("MIT", "MIT"),
        ("mit or apache-2.0", "MIT OR Apache-2.0"),
        ("CC-BY-NC-4.0", "CC-BY-NC-4.0"),
        ("Llama3.3", "llama3.3"),
        ("openrail++", "openrail++"),
        ("other: NVIDIA Open Model License", "other:NVIDIA Open Model License"),
    ],
)
def test_spdx_the_hubs_names_and_other_are_taken_and_spelt_one_way(given: str, meant: str) -> None:
    assert canonical(given) == meant
    assert canonical(meant) == meant
    assert same(given, meant)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("", "is empty"),
        ("  ", "is empty"),
        ("other:", "says nothing after 'other:'"),
        ("llama3.4", "did you mean 'llama3"),
        ("free", "is no licence that SPDX or the hub names"),
        ("LicenseRef-mine", "LicenseRef-"),
    ],
)
def test_what_names_no_licence_is_refused_with_what_is_allowed(given: str, said: str) -> None:
    with pytest.raises(ModelError) as caught:
        canonical(given)
    assert said in str(caught.value)
    assert "give an SPDX expression such as Apache-2.0" in str(caught.value)


@pytest.mark.parametrize(
    ("licence", "source", "said"), [("", "made here", "is empty"), ("MIT", " ", "source is empty")]
)
def test_nothing_is_sent_without_licence_and_source(
    s3: Any, bucket: str, tiny: Path, licence: str, source: str, said: str
) -> None:
    manifest = scan(tiny, "tiny-qwen2", "1.0.0", licence, source)
    with pytest.raises(ModelError, match=said):
        publish(s3, bucket, tiny, manifest, lambda line: None)
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)


def test_another_spelling_of_the_licence_is_the_same_version(s3: Any, bucket: str, tiny: Path) -> None:
    for licence, already in (("apache-2.0", False), ("Apache-2.0", True)):
        manifest = scan(tiny, "tiny-qwen2", "1.0.0", licence, "made here")
        assert publish(s3, bucket, tiny, manifest, lambda line: None).already is already


def test_the_command_asks_for_both(tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    base = ["model", "publish", str(tiny), "--name", "tiny-qwen2", "--version", "1.0.0", "--bucket", "any"]
    with pytest.raises(SystemExit):
        main(base)
    assert "--licence, --source" in capsys.readouterr().err
    assert main([*base, "--licence", "free", "--source", "made here"]) == 1
    assert "is no licence that SPDX or the hub names" in capsys.readouterr().err
