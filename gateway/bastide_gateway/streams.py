"""Texts of answers: where they stand in LiteLLM's objects, and how a stream of them goes through the
guards."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from copy import copy, deepcopy
from typing import Any, Final

from bastide_gateway.call import Call
from bastide_gateway.errors import Refused
from bastide_gateway.guards import StreamFilter
from bastide_gateway.texts import Place


class StreamEnd(Exception):  # noqa: N818 - LiteLLM makes a stream's last chunk of it
    """Ends a stream with an error that its client sees. LiteLLM reads these attributes; a FastAPI exception it would
    raise on, and the connection would only break."""

    def __init__(self, refused: Refused) -> None:
        error: dict[str, Any] = refused.body()["error"]  # type: ignore[assignment]
        super().__init__(refused.message)
        self.message, self.type, self.param = refused.message, error["type"], refused.code
        self.status_code = refused.status


FIELDS: Final = ("content", "reasoning_content", "refusal")
"""Of a message or a delta."""


def answer_texts(response: Any) -> list[Place]:
    """The texts of a whole answer: messages, arguments of tool calls, completions."""
    return [
        place for choice in getattr(response, "choices", None) or () for place in _choice(choice, "message")
    ]


def has_text(chunk: Any) -> bool:
    """Whether a chunk brings something that a client shows."""
    return any(True for choice in getattr(chunk, "choices", None) or () for _ in _choice(choice, "delta"))


def _choice(choice: Any, holder: str) -> Iterator[Place]:
    index = getattr(choice, "index", 0)
    message = getattr(choice, holder, None)
    if message is None or getattr(choice, "text", None):
        yield from _field(choice, "text", f"choices[{index}].text")
    if message is None:
        return
    for name in FIELDS:
        yield from _field(message, name, f"choices[{index}].{holder}.{name}")
    for position, call in enumerate(getattr(message, "tool_calls", None) or ()):
        given = getattr(call, "index", None)
        number = position if given is None else given
        yield from _field(
            getattr(call, "function", None),
            "arguments",
            f"choices[{index}].{holder}.tool_calls[{number}].arguments",
        )


def _field(holder: Any, name: str, path: str) -> Iterator[Place]:
    text = getattr(holder, name, None)
    if isinstance(text, str) and text:
        yield Place(path, text, lambda new: setattr(holder, name, new))


async def filtered(
    call: Call, chunks: AsyncIterator[Any], make: Callable[[], StreamFilter] | None
) -> AsyncIterator[Any]:
    """The chunks, with their texts as the guards let them through.

    Each text of each choice has a filter of its own. What filters keep back comes with the chunk that ends its choice,
    or, where none does, with a last chunk like the one before."""
    filters: dict[str, StreamFilter] = {}
    last: Any = None
    async for chunk in chunks:
        answered_by(call)
        hide_group(call, chunk)
        usage = getattr(chunk, "usage", None)
        count(call, usage)
        chunk.model = call.route
        if make is not None and getattr(chunk, "choices", None):
            # LiteLLM keeps its chunks, and makes of them what it caches: that must stay as the model gave it.
            chunk = copy(chunk)
            chunk.choices = deepcopy(chunk.choices)
            for choice in chunk.choices:
                for place in _choice(choice, "delta"):
                    made = filters.get(place.path)
                    if made is None:
                        made = filters[place.path] = make()
                    place.replace(await made.feed(place.text))
                if _ends(choice):
                    await _flush(filters, choice)
        if usage is not None and not call.notes.get("usage_asked"):
            if not has_text(chunk) and not any(
                _ends(choice) for choice in getattr(chunk, "choices", None) or ()
            ):
                continue
            chunk.usage = None
        elif usage is not None and hasattr(usage, "cost"):
            del usage.cost
        last = chunk
        yield chunk
    if filters and last is not None and getattr(last, "choices", None):
        rest = deepcopy(last)
        for choice in rest.choices:
            for place in list(_choice(choice, "delta")):
                place.replace("")
            await _flush(filters, choice)
        yield rest


def _ends(choice: Any) -> bool:
    return bool(getattr(choice, "finish_reason", None))


async def _flush(filters: dict[str, StreamFilter], choice: Any) -> None:
    start = f"choices[{getattr(choice, 'index', 0)}]."
    for path in [path for path in filters if path.startswith(start)]:
        kept = await filters.pop(path).close()
        if not kept:
            continue
        holder = choice if path.endswith("].text") else choice.delta
        name = path.rsplit(".", 1)[1]
        if name == "arguments":
            _add_arguments(holder, int(path.rsplit("[", 1)[1].split("]")[0]), kept)
            continue
        setattr(holder, name, (getattr(holder, name, None) or "") + kept)


def _add_arguments(delta: Any, number: int, kept: str) -> None:
    from litellm.types.utils import ChatCompletionDeltaToolCall, Function

    calls = list(getattr(delta, "tool_calls", None) or [])
    for call in calls:
        if getattr(call, "index", None) == number:
            call.function.arguments = (call.function.arguments or "") + kept
            return
    calls.append(
        ChatCompletionDeltaToolCall(index=number, type="function", function=Function(arguments=kept))
    )
    delta.tool_calls = calls


def answered_by(call: Call) -> None:
    """Notes that the last deployment that was tried answered, unless the cache did (which notes it
    itself)."""
    if call.attempts and not call.cache_hit:
        call.deployment = call.attempts[-1].deployment


def hide_group(call: Call, holder: Any) -> None:
    """After a fallback LiteLLM says the group's name as the answer's model: it is to say the public one."""
    headers = (getattr(holder, "_hidden_params", None) or {}).get("additional_headers")
    if isinstance(headers, dict) and "x-litellm-model-group" in headers:
        headers["x-litellm-model-group"] = call.route


def count(call: Call, usage: Any) -> None:
    """Tokens, where the answer says how many."""
    given = getattr(usage, "prompt_tokens", None)
    if given is not None:
        # Never below zero: that would give money back.
        call.input_tokens = max(int(given), 0)
        call.output_tokens = max(int(getattr(usage, "completion_tokens", None) or 0), 0)
