"""No setting is silently dropped: every kind renders it, or refuses it by name with the reason."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from bastide.plans import engine_kinds
from bastide.plans.engine_kinds import base
from bastide.settings import EngineSettings, Settings, SettingsError, read_stack_file
from bastide.settings.base import Strict
from bastide.settings.images import ImagesSettings
from tests.engine_kinds import samples, write_docs

DOCS = Path(__file__).parents[2] / "docs/engine-kinds.md"
OTHERS = [name for name in engine_kinds.KINDS if name != "vllm"]

DRAINS = {"sglang", "tensorrt-llm", "ollama"}
"""Kinds to whose program nobody says how long it may drain: SGLang drains until the pod's grace period ends, the
others do not (`Kind.unmet` of Ollama) or end in their own time."""


@pytest.fixture(scope="module")
def settings() -> Settings:
    return samples.settings()


def leaves(model: type[Strict], before: str = "") -> set[str]:
    found: set[str] = set()
    for key, info in model.model_fields.items():
        name = f"{before}{info.alias or key}"
        nested = type(info.default)
        if isinstance(info.default, Strict) and name not in samples.OUTSIDE and name != "speculation":
            found |= leaves(nested, f"{name}.")
        else:
            found.add(name)
    return found


def test_the_samples_change_every_setting_that_is_the_programs() -> None:
    changed = {each.partition("=")[0] for each in samples.CHANGES}
    assert leaves(EngineSettings) - samples.OUTSIDE == changed


def rendered(settings: Settings, engine: EngineSettings) -> Any:
    return engine_kinds.program(settings, engine)


@pytest.mark.parametrize("key", samples.CHANGES)
@pytest.mark.parametrize("kind", engine_kinds.KINDS)
def test_a_setting_is_rendered_or_refused(settings: Settings, kind: str, key: str) -> None:
    engine, path = samples.changed(kind, key), key.partition("=")[0]
    refused = engine_kinds.refusals(engine_kinds.KINDS[kind], engine)
    if any(each == path or each.startswith(f"{path}.") for each in refused):
        return
    if key == "drain.shutdownSeconds" and kind in DRAINS:
        return
    if key == "logs.format" and any("logs are text" in each for each in engine_kinds.KINDS[kind].unmet):
        return  # text is what it writes; that JSON is not done is said
    if key == "gpuMemoryUtilization":
        assert kind in ("vllm", "tgi")
    assert rendered(settings, engine) != rendered(settings, samples.before(kind, key)), key


@pytest.mark.parametrize("kind", OTHERS)
def test_what_is_refused_is_a_setting_and_has_a_reason(kind: str) -> None:
    known = leaves(EngineSettings)
    for key, why in engine_kinds.KINDS[kind].refused.items():
        path = key.partition("=")[0]
        assert path in known or path.split(".")[0] == "speculation", key
        assert len(why) > 15
        assert not why.endswith(".")


@pytest.mark.parametrize("kind", engine_kinds.KINDS)
def test_a_plain_engine_of_a_kind_is_not_refused_and_listens_inside_its_pod_only(
    settings: Settings, kind: str
) -> None:
    engine = samples.engine(kind)
    found = engine_kinds.KINDS[kind]
    assert engine_kinds.refusals(found, engine) == {}
    program = rendered(settings, engine)
    everything = " ".join([*program.args, *program.environment.values()])
    assert "127.0.0.1" in everything
    assert "8001" in everything
    assert "0.0.0.0" not in everything  # noqa: S104
    assert "/models/served/1.0.0" in everything
    assert not re.search(r"trust|api[-_]key|token=", everything)
    if found.cannot_run:
        assert not found.image, "no field of images is read by nothing"
        assert kind not in ImagesSettings.model_fields
    else:
        assert found.image in ImagesSettings.model_fields


@pytest.mark.parametrize("kind", engine_kinds.KINDS)
def test_no_kind_fetches_or_reports(settings: Settings, kind: str) -> None:
    environment = rendered(settings, samples.engine(kind)).environment
    if kind == "ollama":
        assert environment["OLLAMA_NO_CLOUD"] == "1"
    else:
        assert environment["HF_HUB_OFFLINE"] == "1"
        assert environment["DO_NOT_TRACK"] == "1"
    for name in ("HOME", "XDG_CACHE_HOME"):
        assert environment[name].startswith(("/home/vllm", "/cache"))


def stack(**engine: Any) -> Settings:
    raw = read_stack_file(samples.STACK)
    given = {**raw["engines"][0], **engine}
    return Settings.load({**raw, "engines": [given]})


def test_a_mistake_names_the_setting_the_kind_and_the_reason() -> None:
    with pytest.raises(SettingsError) as refused:
        stack(kind="sglang", dataParallel=2, limits={"maxAnswers": 2}, tools={"parser": "llama3_json"})
    told = str(refused.value)
    assert "engines[0].dataParallel: 2 is not for engines of kind sglang; allowed: 1, which is the" in told
    assert "engines[0].limits.maxAnswers: 2 is not for engines of kind sglang" in told
    assert "engines[0].tools.parser: 'llama3_json' is not a tools parser of SGLang 0.5.23" in told


@pytest.mark.parametrize("kind", ["tgi", "ollama"])
def test_a_kind_that_no_pod_can_run_is_refused(kind: str) -> None:
    with pytest.raises(SettingsError, match=f"engines\\[0\\].kind: '{kind}' is known, but no pod of"):
        stack(kind=kind)


def test_only_the_images_of_kinds_in_use_are_asked_for() -> None:
    assert not {"images.sglang.digest", "images.tensorrtLlm.digest"} & set(stack().unresolved())
    assert "images.vllm.digest" in stack().unresolved()
    assert "images.sglang.digest" in stack(kind="sglang").unresolved()
    assert "images.vllm.digest" not in stack(kind="sglang").unresolved()
    assert "images.tensorrtLlm.digest" in stack(kind="tensorrt-llm").unresolved()


def test_a_value_of_each_refusal_is_the_default_or_told() -> None:
    assert base.default("limits.maxAnswers") == 64
    assert base.default("queue.maxTokens") is None
    assert base.default("runner") == "generate"
    assert base.at(samples.engine("sglang"), "speculation.promptLookupMax") is None


def test_the_docs_are_what_the_kinds_say() -> None:
    """`python -m tests.engine_kinds.write_docs` writes them."""
    assert DOCS.read_text() == write_docs.text()
    for kind in engine_kinds.KINDS.values():
        assert f"\n## {kind.name} {kind.version}\n" in DOCS.read_text()


def test_a_run_says_what_a_kind_does_not_keep() -> None:
    assert engine_kinds.caveats(samples.engine("vllm")) == ""
    told = engine_kinds.caveats(samples.engine("tensorrt-llm"))
    assert told.startswith(
        "kind tensorrt-llm 1.2.1 is rendered only: no parser judged its arguments; it does not"
    )
    assert engine_kinds.caveats(samples.engine("sglang")).startswith(
        "kind sglang 0.5.23 does not keep all: logs"
    )
