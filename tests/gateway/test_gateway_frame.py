"""Guards: order, time, failures."""

from __future__ import annotations

import asyncio
import sys
import types
from collections.abc import Sequence
from typing import Any

import pytest
from bastide_gateway import frame, texts
from bastide_gateway.call import Call
from bastide_gateway.errors import Refused, StartError
from bastide_gateway.frame import Frame
from bastide_gateway.guards import Guard, StreamFilter

from tests.gateway.gateway_samples import RAW, table

SEEN: list[str] = []


class Marking(Guard):
    """Puts its mark around every text; can be told to fail."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self.mark, self.how = settings["mark"], settings.get("how")

    async def _act(self) -> None:
        if self.how == "slow":
            await asyncio.sleep(5)
        if self.how == "raise":
            raise ValueError("the secret text")
        if self.how == "refuse":
            raise Refused(400, "marked", "a mark was found")

    async def check_request(self, call: Call, body: dict[str, Any]) -> None:
        SEEN.append(f"request {self.mark}")
        for place in list(texts.request_texts(body)):
            place.replace(place.text + self.mark)
        await self._act()

    async def check_answer(self, call: Call, texts: Sequence[str]) -> Sequence[str]:
        SEEN.append(f"answer {self.mark}")
        await self._act()
        return [text + self.mark for text in texts]

    def stream(self, call: Call) -> StreamFilter:
        guard = self

        class Last(StreamFilter):
            kept = ""

            async def feed(self, text: str) -> str:
                await guard._act()
                out, self.kept = self.kept, text
                return out

            async def close(self) -> str:
                return f"{self.kept}{guard.mark}"

        return Last()

    async def finished(self, call: Call) -> None:
        SEEN.append(f"finished {self.mark}")
        await self._act()


@pytest.fixture(autouse=True)
def module(monkeypatch: pytest.MonkeyPatch) -> None:
    made = types.ModuleType("marking_guard")
    made.make = Marking  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "marking_guard", made)
    SEEN.clear()


def hang(*guards: dict[str, Any], named: Sequence[str] | None = None) -> Frame:
    entries = [
        {
            "name": guard["mark"],
            "module": "marking_guard",
            "timeoutMs": 50,
            "onFailure": guard.get("onFailure", "refuse"),
            "settings": guard,
        }
        for guard in guards
    ]
    names = [guard["mark"] for guard in guards] if named is None else list(named)
    classes = {name: held | {"guards": names} for name, held in RAW["classes"].items()}
    return frame.load(table(guards=entries, classes=classes))


def request(hung: Frame) -> dict[str, Any]:
    body: dict[str, Any] = {"messages": [{"role": "user", "content": "x"}]}
    asyncio.run(hung.check_request(Call("1", data_class="public", route="chat"), body))
    return body


def answer(hung: Frame) -> Sequence[str]:
    return asyncio.run(hung.check_answer(Call("1", data_class="public", route="chat"), ["x"]))


def test_requests_in_order_and_answers_in_reverse() -> None:
    hung = hang({"mark": "a"}, {"mark": "b"})
    assert request(hung)["messages"][0]["content"] == "xab"
    assert answer(hung) == ["xba"]
    assert SEEN == ["request a", "request b", "answer b", "answer a"]


@pytest.mark.parametrize("how", ["slow", "raise"])
def test_a_guard_that_fails_refuses_by_default(how: str) -> None:
    for run in (request, answer):
        with pytest.raises(Refused) as refused:
            run(hang({"mark": "a", "how": how}))
        assert (refused.value.status, refused.value.code) == (503, "guard_unavailable")
        assert "secret text" not in str(refused.value)


@pytest.mark.parametrize("how", ["slow", "raise"])
def test_one_that_may_be_passed_by_leaves_everything_as_it_was(how: str) -> None:
    hung = hang({"mark": "a", "how": how, "onFailure": "pass"}, {"mark": "b"})
    assert request(hung)["messages"][0]["content"] == "xb"
    assert answer(hung) == ["xb"]


def test_a_verdict_holds_also_of_one_that_may_be_passed_by() -> None:
    with pytest.raises(Refused) as refused:
        request(hang({"mark": "a", "how": "refuse", "onFailure": "pass"}))
    assert refused.value.code == "marked"


def test_a_guard_runs_only_where_it_is_named() -> None:
    assert request(hang({"mark": "a"}, named=[]))["messages"][0]["content"] == "x"


def test_the_time_of_each_is_noted() -> None:
    call = Call("1", data_class="public", route="chat")
    asyncio.run(hang({"mark": "a"}).check_request(call, {"messages": [{"content": "x"}]}))
    assert set(call.guards_ms) == {"a"}


def test_what_a_filter_keeps_back_goes_through_the_others() -> None:
    hung = hang({"mark": "a"}, {"mark": "b"})
    call = Call("1", data_class="public", route="chat")

    async def run() -> list[str]:
        made = hung.stream(call)
        assert made is not None
        one = made()
        return [await one.feed("1"), await one.feed("2"), await one.feed("3"), await one.close()]

    # b sees the pieces first and keeps one back, then a does.
    assert asyncio.run(run()) == ["", "", "1", "23ba"]


def test_a_stream_through_a_failing_filter_ends() -> None:
    made = hang({"mark": "a", "how": "raise"}).stream(Call("1", data_class="public", route="chat"))
    assert made is not None
    with pytest.raises(Refused):
        asyncio.run(made().feed("x"))


def test_a_record_that_fails_makes_the_gateway_unready_until_one_works() -> None:
    hung = hang({"mark": "a", "how": "raise"})
    call = Call("1", data_class="public", route="chat")

    async def run() -> list[dict[str, str]]:
        await hung.finished(call)
        first = await hung.readiness()
        hung._hung[0].guard.how = None  # type: ignore[attr-defined]
        await hung.finished(call)
        return [first, await hung.readiness()]

    broken, working = asyncio.run(run())
    assert set(broken) == {"a"}
    assert not working


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ({"module": "bastide_gateway.guards.pij"}, "cannot be imported"),
        ({"module": "json"}, "no `make(settings)`"),
        ({"module": "marking_guard", "settings": {}}, "KeyError"),
    ],
)
def test_a_guard_that_is_not_there_keeps_the_gateway_from_starting(entry: dict[str, Any], says: str) -> None:
    with pytest.raises(StartError) as error:
        frame.load(table(guards=[{"name": "pii", "timeoutMs": 5} | entry]))
    assert says in str(error.value)
    assert "pii" in str(error.value)


def test_every_text_of_a_request_is_found() -> None:
    body = {
        "model": "no",
        "messages": [
            {"role": "no", "content": "1"},
            {"role": "no", "name": "2", "content": [{"type": "no", "text": "3"}]},
            {"role": "no", "tool_calls": [{"id": "no", "function": {"name": "no", "arguments": "4"}}]},
        ],
        "tools": [
            {
                "type": "no",
                "function": {
                    "name": "no",
                    "description": "5",
                    "parameters": {
                        "required": ["no"],
                        "properties": {
                            "p": {"type": "no", "enum": ["6"]},
                            # Words of a schema are also names that people give to what they ask for.
                            "name": {"type": "no", "description": "a"},
                            "type": {"type": ["no"], "enum": ["b"]},
                            "q": {"default": {"name": "c", "required": ["d"]}, "const": "e"},
                        },
                    },
                },
            }
        ],
        "prompt": ["7"],
        "input": "8",
        "suffix": "9",
    }
    places = list(texts.request_texts(body))
    assert {place.text for place in places} == set("123456789abcde")
    for place in places:
        place.replace("gone")
    assert {place.text for place in texts.request_texts(body)} == {"gone"}
