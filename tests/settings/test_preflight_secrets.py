"""`bastide preflight` says before a run which secret values are still to be given."""

from __future__ import annotations

import shutil
from pathlib import Path

import yaml

from bastide.cli.preflight_line import FAIL, OK
from bastide.cli.preflight_local import given_secrets
from bastide.settings import load_stack_file
from bastide.settings.stack_files import given_keys

STACKS = Path(__file__).parents[2] / "stacks"


def test_a_secret_that_is_missing_in_plain_text_or_unneeded_is_told(tmp_path: Path) -> None:
    shutil.copytree(STACKS, tmp_path / "stacks")
    path = tmp_path / "stacks/Pulumi.gateway-only.yaml"
    settings, content = load_stack_file(path), yaml.safe_load(path.read_text())

    def told(**values: object) -> list[tuple[str, str]]:
        config = content["config"] | {f"secret:{name}": value for name, value in values.items()}
        path.write_text(yaml.safe_dump({"config": config}))
        return [(line.result, line.text) for line in given_secrets(settings, path)]

    ((result, text),) = told()
    assert result == FAIL
    assert "secret:provider-gpt-mini: is missing" in text
    ((result, text),) = told(**{"provider-gpt-mini": "in plain text"})
    assert result == FAIL
    assert "in plain text" in text
    ((result, text),) = told(
        **{"provider-gpt-mini": {"secure": "v1:x"}, "provider-other": {"secure": "v1:y"}}
    )
    assert result == FAIL
    assert "secret:provider-other: is a secret that this stack does not need" in text
    assert told(**{"provider-gpt-mini": {"secure": "v1:x"}}) == [
        (OK, "given and encrypted: provider-gpt-mini")
    ]


def test_a_stack_without_secrets_says_nothing_of_them() -> None:
    path = STACKS / "Pulumi.dev.yaml"
    assert given_keys(path, "secret") == {}
    assert list(given_secrets(load_stack_file(path), path)) == []
