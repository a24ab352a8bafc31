"""The guards as the kit renders them for a stack, hung into the gateway's own frame."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from bastide_gateway import frame
from bastide_gateway.call import Call, Caller
from bastide_gateway.document import Document, parse
from bastide_gateway.errors import Refused
from bastide_gateway.guards.audit import Audit

from bastide.plans.routing import document
from bastide.settings import Settings, read_stack_file
from sandbox.daemon.child import free_port
from tests.gateway_guards.pii_service import Running

STACK = Path(__file__).parents[2] / "stacks/Pulumi.sandbox.yaml"
SAID = {"messages": [{"role": "user", "content": "gọi 0912345678"}]}


def rendered(url: str, spool: Path, **guard: Any) -> Document:
    """Of the sandbox's stack, with the service where it is here and the spool of this test."""
    raw = read_stack_file(STACK)
    given = Settings.load(
        {
            **raw,
            "routes": [{"name": "chat", "deployments": [{"name": raw["engines"][0]["name"]}]}],
            "gateway": {"enabled": True, "audit": {}},
        }
    )
    found = json.loads(document.rendered(given))
    for each in found["guards"]:
        if each["name"] == "pii":
            each["settings"] |= {"url": url, **guard.pop("settings", {})}
            each |= guard
        if each["name"] == "audit":
            each["settings"]["spool"] = str(spool)
    return parse(found)


def regulated() -> Call:
    call = Call("r-1", path="/v1/chat/completions")
    call.data_class, call.route, call.caller = "regulated", "chat", Caller("a" * 64, "research")
    return call


async def sent(hung: frame.Frame, call: Call) -> dict[str, Any]:
    for each in hung._hung:
        if isinstance(each.guard, Audit):
            # No S3 here; lines wait in the spool.
            await asyncio.to_thread(each.guard._spool.open)
            each.guard._writing = asyncio.create_task(asyncio.sleep(60))
    body: dict[str, Any] = json.loads(json.dumps(SAID))
    try:
        await hung.check_request(call, body)
    finally:
        call.outcome = call.outcome or "ok"
        await hung.finished(call)
    return body


@pytest.mark.xdist_group("pii")
def test_what_the_kit_renders_redacts_and_is_told(pii: Running, tmp_path: Path) -> None:
    hung = frame.load(rendered(pii.url, tmp_path, timeoutMs=20_000))
    assert hung.names == ("audit", "pii")
    call = regulated()
    assert asyncio.run(sent(hung, call)) == {"messages": [{"role": "user", "content": "gọi <PHONE_1>"}]}
    (spool,) = tmp_path.glob("*.regulated.open")
    line = json.loads(spool.read_text())
    assert (line["facts"], line["outcome"]) == ({"pii.PHONE": 1}, "ok")
    assert "0912345678" not in spool.read_text()


def test_a_dead_service_refuses_and_the_refusal_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    hung = frame.load(rendered(f"http://127.0.0.1:{free_port()}", tmp_path))
    with pytest.raises(Refused) as refused:
        asyncio.run(sent(hung, regulated()))
    assert (refused.value.status, refused.value.code) == (503, "guard_unavailable")
    assert len(list(tmp_path.glob("*.regulated.open"))) == 1
    assert "0912345678" not in caplog.text


def test_only_where_the_setting_says_so_a_text_passes_unseen(tmp_path: Path) -> None:
    hung = frame.load(rendered(f"http://127.0.0.1:{free_port()}", tmp_path, onFailure="pass"))
    assert asyncio.run(sent(hung, regulated())) == SAID
