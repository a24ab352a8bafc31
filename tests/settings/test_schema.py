"""The schema for editors and the reference page, both made from the models."""

from __future__ import annotations

from pathlib import Path

import jsonschema
import pytest
import yaml

from bastide.settings import Settings
from bastide.settings.schema import reference, stack_file_schema

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "stacks").glob("*.yaml"))


@pytest.mark.parametrize("path", FILES, ids=lambda each: each.name)
def test_stack_files_and_shared_files_refer_to_the_schema_and_obey_it(path: Path) -> None:
    schema = stack_file_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(yaml.safe_load(path.read_text()), schema)
    assert path.read_text().startswith("# yaml-language-server: $schema=../build/stack.schema.json\n")


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"bastide:regoin": "x"}, "regoin"),
        ({"regoin": "x"}, "regoin"),
        ({"network": {"zone": []}}, "zone"),
        ({"bastide:network": {"zone": []}}, "zone"),
        ({"bastide:pools": [{"name": "p5"}]}, "'instanceType' is a required property"),
        ({"bastide:environment": "production"}, "production"),
    ],
)
def test_an_editor_is_told_of_a_mistake(config: dict[str, object], said: str) -> None:
    with pytest.raises(jsonschema.ValidationError, match=said):
        jsonschema.validate({"config": config}, stack_file_schema())


def test_the_reference_shows_an_images_default_which_is_no_other_tables() -> None:
    page = reference()
    assert '| `vllm` | [Image](#image) | `{"repository": "vllm/vllm-openai", "tag": ' in page
    row = next(line for line in page.splitlines() if line.startswith("| `repository` |"))
    assert "| see where it is used |" in row


def test_a_layer_may_leave_out_what_another_layer_gives() -> None:
    jsonschema.validate({"config": {"bastide:cluster": {"kubernetesVersion": "1.34"}}}, stack_file_schema())


def test_the_reference_has_every_setting_of_every_model_with_its_default_and_no_dangling_link() -> None:
    page = reference()
    for model in [Settings.json_schema(), *Settings.json_schema()["$defs"].values()]:
        for key, setting in model.get("properties", {}).items():
            row = next(line for line in page.splitlines() if line.startswith(f"| `{key}` |"))
            assert setting["description"].split()[0] in page, row
    sections = {line[3:].lower().replace(" ", "-") for line in page.splitlines() if line.startswith("## ")}
    links = {part.split(")")[0] for part in page.split("](#")[1:]}
    assert links == sections
    assert "| `rolloutTimeoutSeconds` | integer, from 30, to 7200 | `1800` | Seconds to wait" in page
    assert "| `environment` | `sandbox`, `dev`, `staging`, `prod` | required |" in page
