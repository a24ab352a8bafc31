"""A rehearsal's copy of a stack file: nothing unresolved is left in it, and nothing else is changed."""

from __future__ import annotations

import shutil
from copy import deepcopy
from pathlib import Path

import pytest
import yaml

from bastide.settings import Settings, load_stack_file, read_stack_file
from sandbox.rehearsal import _copy, keys_to_give, with_stand_ins

STACKS = Path(__file__).parents[2] / "stacks"
IMAGES = ("controller", "webhook", "cainjector", "startupCheck")


@pytest.mark.parametrize("path", sorted(STACKS.glob("Pulumi.*.yaml")), ids=lambda path: path.stem)
def test_every_stack_can_be_loaded_with_its_stand_ins(path: Path) -> None:
    raw = read_stack_file(path)
    before = deepcopy(raw)
    settings = Settings.load(raw)
    assert settings.unresolved()
    made = Settings.load(with_stand_ins(raw, settings))
    assert made.unresolved() == []
    assert raw == before
    assert made.pools == settings.pools
    assert made.images.vllm.tag == settings.images.vllm.tag


def test_an_image_whose_default_is_not_in_the_file_is_given_as_a_whole() -> None:
    raw = read_stack_file(STACKS / "Pulumi.sandbox.yaml")
    raw["certificates"] = {"internal": True}
    settings = Settings.load(raw)
    assert {f"certificates.images.{each}.digest" for each in IMAGES} <= set(settings.unresolved())
    made = Settings.load(with_stand_ins(raw, settings))
    assert made.unresolved() == []
    assert made.certificates.images.controller.digest == "sha256:" + "0" * 64
    assert (
        made.certificates.images.controller.repository == settings.certificates.images.controller.repository
    )


def test_a_key_without_the_prefix_stands_once_in_the_copy(tmp_path: Path) -> None:
    shutil.copytree(STACKS, tmp_path / "stacks")
    path = tmp_path / "stacks/Pulumi.dev.yaml"
    path.write_text(path.read_text().replace("bastide:environment:", "environment:", 1))
    copied = tmp_path / "copy"
    copied.mkdir()
    _copy(copied, path, load_stack_file(path))
    config = yaml.safe_load((copied / "stacks/Pulumi.dev.yaml").read_text())["config"]
    assert config["bastide:environment"] == "dev"
    assert "environment" not in config


def test_values_that_only_the_stacks_own_key_opens_are_left_out_and_named(tmp_path: Path) -> None:
    shutil.copytree(STACKS, tmp_path / "stacks")
    path = tmp_path / "stacks/Pulumi.dev.yaml"
    content = yaml.safe_load(path.read_text())
    content |= {"secretsprovider": "awskms://alias/state", "encryptedkey": "x", "encryptionsalt": "v1:x"}
    content["config"] |= {"secret:provider-a": {"secure": "v1:x"}, "secret:provider-b": "in plain text"}
    path.write_text(yaml.safe_dump(content))
    copied = tmp_path / "copy"
    copied.mkdir()
    assert _copy(copied, path, load_stack_file(path)) == (["secret:provider-a"], [])
    made = yaml.safe_load((copied / "stacks/Pulumi.dev.yaml").read_text())
    assert set(made) == {"config"}
    assert "secret:provider-a" not in made["config"]
    # What a real run refuses, a rehearsal refuses too.
    assert made["config"]["secret:provider-b"] == "in plain text"


def test_a_secret_that_is_still_to_be_given_has_a_stand_in_and_is_named(tmp_path: Path) -> None:
    path = STACKS / "Pulumi.gateway-only.yaml"
    settings = load_stack_file(path)
    assert _copy(tmp_path, path, settings) == ([], ["secret:provider-gpt-mini"])
    given = {"secret:provider-gpt-mini": {"secure": "v1:x"}}
    assert keys_to_give(given, settings) == []
    raw = read_stack_file(path) | {"secrets": {"overrides": {"provider-gpt-mini": {"source": "stored"}}}}
    assert keys_to_give({}, Settings.load(raw)) == []
