"""vLLM's command line and environment from settings, and what extra arguments may be; without vLLM."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bastide.catalogues.vllm_flags import ALL, ALLOWED
from bastide.catalogues.vllm_flags_owned import OWNED
from bastide.catalogues.vllm_flags_refused import GONE, REFUSED
from bastide.plans import engine_defaults, engine_environment, engine_flags, engine_models
from bastide.settings.checks.engines_extra_args import refusal
from bastide.settings.engines import EngineSettings
from tests.serving.engine_flags_cases import ADAPTERS, FEATURES, Feature, let_through

CASES = [pytest.param(each, id=each.name) for each in FEATURES]


def rendered(feature: Feature) -> list[str]:
    settings = feature.settings()
    return engine_flags.flags(settings, settings.engines[0])


def names(args: Sequence[str]) -> list[str]:
    return [each.partition("=")[0] for each in args if each.startswith("--")]


@pytest.mark.parametrize("feature", CASES)
def test_each_flag_is_said_once_and_is_one_of_vllms(feature: Feature) -> None:
    found = names(rendered(feature))
    assert len(found) == len(set(found))
    assert {f"--{each[5:]}" if each.startswith("--no-") else each for each in found} <= ALL


SAFE = {
    "--load-format": "safetensors",
    "--host": "127.0.0.1",
    "--fingerprint-mode": "none",
}


@pytest.mark.parametrize("feature", CASES)
def test_every_command_line_is_safe_whatever_the_settings(feature: Feature) -> None:
    args = rendered(feature)
    said = dict(pairwise(args))
    assert {flag: said[flag] for flag in SAFE} == SAFE
    assert {"--disable-fastapi-docs", "--enable-request-id-headers"} <= set(args)
    assert int(said["--shutdown-timeout"]) >= 1
    assert int(said["--max-num-queued-reqs"]) >= 1
    # Either no media, or media from hosts that are named.
    assert ("--language-model-only" in args) != ("--allowed-media-domains" in args)
    # Besides what the kit sets to its one safe value, nothing that is refused in extraArgs.
    ours = {*SAFE, "--port", "--disable-fastapi-docs", "--enable-request-id-headers"}
    assert not {each for each in names(args) if each in REFUSED} - ours


def test_every_flag_that_a_setting_becomes_names_an_existing_setting() -> None:
    for setting in set(OWNED.values()):
        model: Any = EngineSettings
        for part in setting.split("."):
            field = next(each for each in model.model_fields.values() if each.alias == part)
            model = field.annotation


def test_every_flag_is_judged_in_exactly_one_place() -> None:
    places = [set(ALLOWED), set(OWNED), set(REFUSED), set(GONE)]
    assert sum(map(len, places)) == len(set().union(*places))
    assert all(each.startswith("--") for place in places for each in place)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("--trust-remote-code", "runs Python that lies beside the weights"),
        ("--no-trust-remote-code", "runs Python that lies beside the weights"),
        ("--trust_remote_code", "runs Python that lies beside the weights"),
        ("--trust-remote", "would be taken for --trust-remote-code"),
        ("--trust-remote-code=false", "runs Python that lies beside the weights"),
        ("--swap-space=4", "is gone from vLLM 0.32.0, which does not start with it"),
        ("--api-key=secret", "can be read by everyone who may read pods"),
        ("--port=9000", "the kit sets how the engine listens"),
        ("--por", "would be taken for --port"),
        ("--middleware=mine.Logger", "names code that the engine then imports and runs"),
        ("--load-format=pt", "loads only the verified folder"),
        ("--allowed-local-media-path=/", "`media.domains` is the only way in"),
        ("--enable-sleep-mode", "opens routes that are not for clients"),
        ("--enable-log-outputs", "writes prompts, answers or stack traces"),
        ("--tensor-parallel-size=8", "what the setting tensorParallel of the engine becomes"),
        ("--speculative-config.method=ngram", "what the setting speculation of the engine becomes"),
        ("-tp", "is not written as an extra argument has to be"),
        ("-O3", "is not written as an extra argument has to be"),
        ("--seed 1", "is not written as an extra argument has to be"),
        ("--eplb-config.window_size=10", "is not written as an extra argument has to be"),
        ("--seed", "needs a value"),
        ("--enforce-eager=true", "takes no value"),
        ("--no-seed", "has no opposite"),
        ("--enforce-eagre", "did you mean '--enforce-eager'?"),
        ("--seed=$(AWS_SECRET)", "which Kubernetes replaces by a variable"),
        ("--cudagraph-capture-sizes=1,--trust-remote-code", "the engine would read as a flag"),
        ("--cudagraph-capture-sizes=", "is not written as an extra argument has to be"),
        ("Qwen/Qwen3-0.6B", "is not written as an extra argument has to be"),
        ("", "is not an argument"),
        ("--", "is not an argument"),
        ("--=1", "is not an argument"),
    ],
)
def test_an_extra_argument_is_refused_by_name_with_the_reason(given: str, said: str) -> None:
    found = refusal(given)
    assert found is not None
    assert said in found


WRITTEN = re.compile(r"--(no-)?[a-z0-9-]+(=.+)?", re.DOTALL)


def test_of_all_disguises_only_plainly_written_allowed_flags_are_let_through() -> None:
    for disguised in let_through():
        assert WRITTEN.fullmatch(disguised)
        name = disguised.partition("=")[0]
        assert name in ALLOWED or f"--{name.removeprefix('--no-')}" in ALLOWED


PARTS = st.sampled_from(
    [*sorted(ALL), "--no-", "-", "_", "=", ".", "+", " ", "1", "true", "x", "\n", "{}", "$("]
)


@given(st.lists(PARTS, max_size=5).map("".join) | st.text(max_size=30))
@example("--seed=1\n--trust-remote-code")
def test_whatever_is_given_only_an_allowed_flag_is_let_through(given: str) -> None:
    if refusal(given) is None:
        assert WRITTEN.fullmatch(given)
        name = given.partition("=")[0]
        assert name in ALLOWED or f"--{name.removeprefix('--no-')}" in ALLOWED
        # The engine gets one argument, or a list whose values are no flags.
        tokens = engine_flags.extra_flags([given])
        assert not [each for each in tokens[1:] if each.startswith("-")]


def test_a_pod_that_is_not_the_first_of_its_group_serves_nobody() -> None:
    settings = next(each for each in FEATURES if each.node == 1).settings()
    engine = settings.engines[0]
    leader, worker = engine_flags.flags(settings, engine), engine_flags.worker_flags(settings, engine)
    assert worker == [*leader, "--headless"]
    assert engine_flags.multi_node_flags(engine) == [
        *("--nnodes", "2", "--node-rank", "$(LWS_WORKER_INDEX)"),
        *("--master-addr", "$(LWS_LEADER_ADDRESS)", "--master-port", "29501"),
    ]


@pytest.mark.parametrize(
    ("memory", "model", "seqs", "length", "tokens"),
    [
        (81_920, "H100", 256, 4096, 8192),
        (81_920, "A100", 256, 4096, 2048),
        (40_960, "A100", 256, 4096, 2048),
        (144_384, "H200", 256, 4096, 8192),
        (183_359, "B200", 256, 4096, 16384),
        (22_888, "L4", 256, 4096, 2048),
        (81_920, "H100", 2, 512, 1024),
    ],
)
def test_vllms_own_batch_by_gpu(memory: int, model: str, seqs: int, length: int, tokens: int) -> None:
    assert engine_defaults.batched_tokens(memory, model, seqs, length) == tokens


def test_a_prompt_that_is_not_cut_has_room_in_one_step() -> None:
    assert engine_defaults.batched_tokens(81_920, "H100", 256, 32_768, chunked_prefill=False) == 32_768


def test_an_engine_loads_its_model_its_draft_and_its_adapters_each_once() -> None:
    settings = Feature(
        "all",
        {},
        engine={
            "speculation": {"kind": "draft-model", "model": "llama-3.2-1b-instruct"},
            "lora": {"adapters": list(ADAPTERS)},
        },
    ).settings()
    found = [each.name for each in engine_models.every(settings, settings.engines[0])]
    assert found == ["llama-3.3-70b-instruct", "llama-3.2-1b-instruct", *ADAPTERS]


UNSET = (
    "VLLM_ALLOW_INSECURE_SERIALIZATION",
    "VLLM_ALLOW_RUNTIME_LORA_UPDATING",
    "VLLM_ALLOW_LONG_MAX_MODEL_LEN",
    "VLLM_KEEP_ALIVE_ON_ENGINE_DEATH",
    "VLLM_SERVER_DEV_MODE",
    "VLLM_API_KEY",
)


@pytest.mark.parametrize("feature", CASES)
def test_the_environment_fetches_nothing_and_turns_nothing_dangerous_on(feature: Feature) -> None:
    settings = feature.settings()
    found = engine_environment.environment(settings, settings.engines[0])
    assert found["HF_HUB_OFFLINE"] == found["VLLM_NO_USAGE_STATS"] == "1"
    assert found["VLLM_MEDIA_URL_ALLOW_REDIRECTS"] == "0"
    assert found["VLLM_PLUGINS"] == ""
    assert int(found["VLLM_MAX_N_SEQUENCES"]) == settings.engines[0].limits.max_answers
    assert not set(UNSET) & set(found)


def test_traces_go_by_http_and_follow_the_callers_decision() -> None:
    settings = next(each for each in FEATURES if each.name == "tracing").settings()
    found = engine_environment.environment(settings, settings.engines[0])
    assert found["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"] == "http/protobuf"
    assert found["OTEL_TRACES_SAMPLER"] == "parentbased_traceidratio"
    assert found["OTEL_TRACES_SAMPLER_ARG"] == "0.1"
    assert found["OTEL_SERVICE_NAME"] == "vllm-chat"


def test_text_logs_need_no_file() -> None:
    settings = Feature("text", {}, engine={"logs": {"format": "text", "level": "warning"}}).settings()
    engine = settings.engines[0]
    found = engine_environment.environment(settings, engine)
    assert engine_environment.logging_config(engine) == {}
    assert "VLLM_LOGGING_CONFIG_PATH" not in found
    assert found["VLLM_LOGGING_LEVEL"] == "WARNING"
