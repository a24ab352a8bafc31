"""Engines of other kinds through the kit's own chart, by the real helm: their image, command, probes and metrics."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bastide.plans import engine_kinds
from bastide.plans.serving import chart_values
from bastide.settings import Settings, read_stack_file
from tests.charts.conftest import ROOT, changed, render
from tests.engine_kinds import samples

RUN = [kind.name for kind in engine_kinds.KINDS.values() if not kind.cannot_run]
OTHERS = [name for name in RUN if name != "vllm"]
SCHEMA = json.loads((ROOT / "charts/vllm/values.schema.json").read_text())["properties"]["engine"]


def stack(**engine: Any) -> Settings:
    raw = read_stack_file(samples.STACK)
    return Settings.load(
        {
            **raw,
            "scaling": {"enabled": True},
            "multiNode": {"enabled": True},
            "engines": [{**raw["engines"][0], **engine}],
        }
    )


def values(**engine: Any) -> dict[str, Any]:
    found = stack(**engine)
    return chart_values(found, found.engines[0], "bucket", "us-east-1")


def test_the_chart_knows_the_kinds_that_a_pod_can_run() -> None:
    assert SCHEMA["properties"]["kind"]["enum"] == RUN


@pytest.mark.parametrize("kind", OTHERS)
def test_the_chart_lets_through_what_is_rendered_and_nothing_else(kind: str) -> None:
    settings, found = samples.settings(), set()
    for key in samples.CHANGES:
        engine = samples.changed(kind, key)
        if not engine_kinds.refusals(engine_kinds.KINDS[kind], engine):
            args = engine_kinds.program(settings, engine).args
            found |= {each for each in args if each.startswith("-")}
    (rule,) = [
        each["then"]["properties"]["args"]
        for each in SCHEMA["allOf"]
        if each["if"]["properties"]["kind"]["const"] == kind
    ]
    assert set(rule["items"]["anyOf"][1]["enum"]) == found


@pytest.mark.parametrize("kind", RUN)
def test_the_chart_takes_the_program_and_the_environment_that_are_rendered_and_no_other(kind: str) -> None:
    settings, names, commands, workers = samples.settings(), set(), set(), set()
    for key in samples.CHANGES:
        engine = samples.changed(kind, key)
        if not engine_kinds.refusals(engine_kinds.KINDS[kind], engine):
            program = engine_kinds.program(settings, engine)
            names |= set(program.environment)
            commands.add(program.command)
            workers.add(program.worker_command or program.command)
    (rule,) = [
        each["then"]["properties"]
        for each in SCHEMA["allOf"]
        if each["if"]["properties"]["kind"]["const"] == kind
    ]
    assert set(rule["env"]["propertyNames"]["enum"]) == names
    assert commands == {tuple(rule["command"]["const"])}
    assert tuple(rule["workerCommand"]["const"]) in workers


@pytest.mark.parametrize("kind", OTHERS)
def test_a_pod_of_the_kind_is_its_program_behind_the_same_proxy(kind: str) -> None:
    given = values(kind=kind)
    rendered = render("vllm", "vllm-chat", given)
    assert rendered.error == ""
    (pod,) = rendered.pods()
    (engine,) = pod["containers"]
    found, settings = engine_kinds.KINDS[kind], stack(kind=kind)
    program = engine_kinds.program(settings, settings.engines[0])
    image = getattr(settings.images, found.image)
    assert engine["image"] == f"{image.repository}:{image.tag}"
    assert engine["command"] == list(program.command)
    assert engine["args"] == list(program.args)
    assert {each["name"]: each["value"] for each in engine["env"]} == dict(program.environment)
    assert pod["securityContext"]["runAsNonRoot"] is True
    (probe,) = [
        json.loads(each["data"]["config.json"])
        for each in rendered.objects
        if each["kind"] == "ConfigMap" and "config.json" in each["data"]
    ]
    assert (probe["healthPath"], probe["metricsPath"]) == (found.health_path, found.metrics_path)
    assert found.metrics is not None
    assert probe["owed"] == [found.metrics.running, found.metrics.waiting]
    assert probe["moving"] == list(found.metrics.moving)
    for name, text in program.files.items():
        (files,) = [each for each in rendered.objects if each["metadata"]["name"] == "vllm-chat-engine"]
        assert files["data"][name].strip() == text


@pytest.mark.parametrize("kind", OTHERS)
def test_an_engine_of_the_kind_scales_by_its_own_metrics(kind: str) -> None:
    scaling = {"prometheus": "http://prometheus.bastide-monitoring:9090", "maxReplicas": 2}
    rendered = render("vllm", "vllm-chat", values(kind=kind, autoscaling=scaling))
    assert rendered.error == ""
    queries = [each["metadata"]["query"] for each in rendered.one("ScaledObject")["spec"]["triggers"] if each]
    metrics = engine_kinds.KINDS[kind].metrics
    assert metrics is not None
    assert any(metrics.waiting in each for each in queries)
    assert not any("vllm:" in each for each in queries)


@pytest.mark.parametrize(
    ("kind", "flag"),
    [
        ("sglang", "--trust-remote-code"),
        ("sglang", "--enable-custom-logit-processor"),
        ("sglang", "--api-key"),
        ("tensorrt-llm", "--trust_remote_code"),
        ("tensorrt-llm", "--custom_module_dirs"),
    ],
)
def test_the_chart_refuses_what_bastide_does_not_render(kind: str, flag: str) -> None:
    given = values(kind=kind)
    refused = render("vllm", "vllm-chat", changed(given, "engine.args", [*given["engine"]["args"], flag]))
    assert refused.status != 0
    assert "engine" in refused.error


def test_a_model_that_is_not_the_one_that_was_verified_is_refused() -> None:
    given = values(kind="sglang")
    args = list(given["engine"]["args"])
    args[args.index("--model-path") + 1] = "somebody/else"
    refused = render("vllm", "vllm-chat", changed(given, "engine.args", args))
    assert 'engine.args has --model-path "somebody/else"' in refused.error


def test_sglang_over_two_nodes_is_a_group_of_the_same_command() -> None:
    raw = read_stack_file(samples.STACK)
    rendered = render("vllm", "vllm-chat", values(kind="sglang", nodes=2, **_wide(raw)))
    assert rendered.error == ""
    template = rendered.one("LeaderWorkerSet")["spec"]["leaderWorkerTemplate"]
    leader, worker = (
        template[each]["spec"]["containers"][0] for each in ("leaderTemplate", "workerTemplate")
    )
    assert leader["command"] == worker["command"] == ["python3", "-m", "sglang.launch_server"]
    assert leader["args"] == worker["args"]
    assert "$(LWS_WORKER_INDEX)" in worker["args"]


def _wide(raw: dict[str, Any]) -> dict[str, Any]:
    gpus = raw["engines"][0]["gpus"]
    return {"tensorParallel": 2 * gpus}
