"""Only fields that widen nothing reach LiteLLM."""

from __future__ import annotations

from typing import Any

import pytest
from bastide_gateway import limits, parameters
from bastide_gateway.errors import Refused

from tests.gateway.gateway_samples import call, table

STEERING = [
    "fallbacks",
    "context_window_fallbacks",
    "content_policy_fallbacks",
    "default_fallbacks",
    "disable_fallbacks",
    "model_list",
    "api_base",
    "base_url",
    "api_key",
    "api_version",
    "user_config",
    "mock_response",
    "mock_timeout",
    "mock_testing_fallbacks",
    "num_retries",
    "max_retries",
    "timeout",
    "request_timeout",
    "specific_deployment",
    "tags",
    "extra_headers",
    "extra_body",
    "extra_query",
    "headers",
    "cache",
    "caching",
    "no-log",
    "guardrails",
    "guardrail_config",
    "litellm_metadata",
    "litellm_params",
    "litellm_call_id",
    "litellm_trace_id",
    "router_settings_override",
    "custom_llm_provider",
    "organization",
    "proxy_server_request",
    "secret_fields",
    "prompt_id",
    "prompt_variables",
    "input_cost_per_token",
    "output_cost_per_token",
    "model_info",
    "preset_cache_key",
    "ttl",
    "deployment_id",
    "vertex_credentials",
    "aws_access_key_id",
    "aws_role_name",
    "aws_bedrock_runtime_endpoint",
    "azure_ad_token",
    "hf_model_name",
    "use_in_pass_through",
    "merge_reasoning_content_in_choices",
    "functions",
    "function_call",
    "web_search_options",
    "modalities",
    "audio",
    "prediction",
    "service_tier",
    "store",
    "chat_template",
    "chat_template_kwargs",
    "priority",
    "prompt_logprobs",
]

MESSAGES = [{"role": "user", "content": "hello"}]


def body(**more: Any) -> dict[str, Any]:
    return {"model": "chat", "messages": MESSAGES} | more


@pytest.mark.parametrize(
    "name",
    STEERING,
)
def test_what_would_steer_litellm_is_refused(name: str) -> None:
    with pytest.raises(Refused) as refused:
        parameters.clean("chat", body(**{name: "x"}))
    assert (refused.value.status, refused.value.code, refused.value.param) == (400, "unknown_parameter", name)


def test_metadata_and_user_do_not_go_on() -> None:
    cleaned = parameters.clean(
        "chat", body(metadata={"tags": ["a"], "data_class": "public"}, user="ann@example.org")
    )
    assert set(cleaned) == {"model", "messages"}


@pytest.mark.parametrize(
    "given",
    [
        [],
        "text",
        {"messages": MESSAGES},
        body(model=["chat"]),
        body(messages=[]),
        body(messages="hello"),
        body(messages=["hello"]),
        body(messages=[{"role": "user", "content": 5}]),
        body(n=-1),
        body(n=True),
        body(n=0),
        body(max_tokens=0),
        body(max_completion_tokens=2**31),
        body(messages=[{"role": "someone", "content": "hi"}]),
        body(messages=[{"content": "hi"}]),
        body(messages=[{"role": "user", "content": "hi", "thinking": "text that no guard reads"}]),
        body(
            messages=[{"role": "assistant", "tool_calls": [{"type": "custom", "custom": {"input": "text"}}]}]
        ),
        body(messages=[{"role": "assistant", "tool_calls": "text"}]),
        # No guard reads names and ids: they are too short and too plain to be a text.
        body(messages=[{"role": "assistant", "tool_calls": [{"function": {"name": "call An Nguyen"}}]}]),
        body(messages=[{"role": "assistant", "tool_calls": [{"id": "a" * 300, "function": {"name": "f"}}]}]),
        body(messages=[{"role": "tool", "content": "1", "tool_call_id": "a" * 300}]),
        body(
            messages=[{"role": "assistant", "function_call": {"name": "call An Nguyen", "arguments": "{}"}}]
        ),
        body(tools=[{"type": "function", "function": {"name": "call An Nguyen"}}]),
        body(tools=[{"type": "function", "function": "f"}]),
        body(
            messages=[
                {"role": "user", "content": [{"type": "text", "text": "hi", "image_url": "http://10.0.0.1"}]}
            ]
        ),
        body(n="2"),
        body(max_tokens=1.5),
        body(stream="yes"),
        body(tools="x"),
    ],
)
def test_what_is_not_a_request_is_refused(given: object) -> None:
    with pytest.raises(Refused) as refused:
        parameters.clean("chat", given)
    assert refused.value.status == 400


@pytest.mark.parametrize("kind", ["image_url", "input_audio", "file", "video_url"])
def test_what_no_guard_can_read_is_refused(kind: str) -> None:
    part = {"type": kind, kind: {"url": "http://10.0.0.1/latest/meta-data"}}
    with pytest.raises(Refused) as refused:
        parameters.clean("chat", body(messages=[{"role": "user", "content": [part]}]))
    assert refused.value.code == "unsupported_content"
    assert "10.0.0.1" not in refused.value.message


@pytest.mark.parametrize("kind", ["web_search", "mcp", "code_interpreter", "file_search"])
def test_tools_that_run_elsewhere_are_refused(kind: str) -> None:
    with pytest.raises(Refused) as refused:
        parameters.clean("chat", body(tools=[{"type": kind, "server_url": "https://example.org"}]))
    assert refused.value.code == "unsupported_tool"


@pytest.mark.parametrize(("kind", "field"), [("completion", "prompt"), ("embedding", "input")])
def test_token_ids_are_refused(kind: str, field: str) -> None:
    for value in ([1, 2, 3], [[1, 2]], None, []):
        with pytest.raises(Refused):
            parameters.clean(kind, {"model": "chat", field: value})
    assert parameters.clean(kind, {"model": "chat", field: ["a", "b"]})[field] == ["a", "b"]


def check(given: dict[str, Any], counted: int = 10_000) -> Any:
    found = call(data_class="public")
    limits.check(table(), table().routes["chat"], found, given, lambda _: counted)
    return found


def test_without_a_wish_the_routes_limit_is_written_in() -> None:
    given = body()
    assert check(given).output_bound == 50
    assert given["max_tokens"] == 50


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
def test_a_wish_above_the_limit_is_refused(name: str) -> None:
    with pytest.raises(Refused) as refused:
        check(body(**{name: 51}))
    assert "51" in refused.value.message
    assert "50" in refused.value.message
    assert check(body(**{name: 50})).output_bound == 50


def test_the_larger_of_two_wishes_counts() -> None:
    with pytest.raises(Refused):
        check(body(max_tokens=1, max_completion_tokens=1000))


def test_answers_are_bounded_and_paid_for() -> None:
    assert check(body(n=2)).output_bound == 100
    for n in (0, 3):
        with pytest.raises(Refused) as refused:
            check(body(n=n) if n else body(n=n, best_of=9))
        assert refused.value.code == "too_many_answers"


def test_a_long_text_is_counted_only_where_bytes_cannot_tell() -> None:
    asked: list[str] = []

    def counted(text: str) -> int:
        asked.append(text)
        return 100

    route, found = table().routes["chat"], call(data_class="public")
    limits.check(table(), route, found, body(), counted)
    assert not asked
    limits.check(table(), route, found, body(messages=[{"role": "user", "content": "a" * 600}]), counted)
    assert asked
    asked.clear()
    with pytest.raises(Refused) as refused:
        limits.check(table(), route, found, body(messages=[{"role": "user", "content": "a" * 7000}]), counted)
    assert not asked
    assert refused.value.code == "context_length_exceeded"


def test_what_is_counted_as_too_long_is_refused() -> None:
    with pytest.raises(Refused) as refused:
        check(body(messages=[{"role": "user", "content": "a" * 600}]), counted=401)
    assert "401" in refused.value.message


def test_calls_of_tools_count_as_text() -> None:
    calls = [{"id": "1" * 100, "type": "function", "function": {"name": "f" * 100, "arguments": "{}"}}] * 9
    assert limits.bound({"messages": [{"role": "assistant", "tool_calls": calls}]}) > 9 * 200


def test_tools_and_schemas_count_as_text() -> None:
    tools = [{"type": "function", "function": {"name": "f", "description": "d" * 5000}}]
    with pytest.raises(Refused):
        check(body(tools=tools), counted=401)


def test_what_an_answer_brings_may_come_back_in_the_next_request() -> None:
    """Clients put an answer's message into their next request as it is; what no guard reads is left out of it."""
    said = {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {"id": "1", "index": 0, "type": "function", "function": {"name": "f", "arguments": "{}"}}
        ],
        "function_call": None,
        "audio": None,
        "annotations": [],
        "provider_specific_fields": {"thinking": "text that no guard reads"},
        "thinking_blocks": [{"thinking": "text that no guard reads"}],
    }
    cleaned = parameters.clean("chat", body(messages=[*MESSAGES, said]))
    assert cleaned["messages"][1] == {name: said[name] for name in ("role", "content", "tool_calls")}
