"""The live stack in a world of its own, as `make live` makes it."""

from __future__ import annotations

from sandbox.toolchain import databases, environments, prisma_client

from .conftest import BIN, ROOT, Sandbox, Stack
from .live_pods import EMBED_PORT, NAMESPACE, PORT, trust

NAME = "sandbox-live"
CLUSTER = "live-sandbox-us-east-1"


def apply_live(sandbox: Sandbox) -> Stack:
    """The committed stack, applied to a world with live nodes; the engines' ports are open."""
    for each in environments.ALL:
        environments.ensure(each)
    prisma_client.ensure()
    databases.ensure_all()
    assert sandbox.run("bastide", "sandbox", "live", "on").code == 0
    sandbox.env["STACK"] = NAME
    done = sandbox.run(str(BIN / "python"), "-m", "sandbox.make_up", timeout=1500)
    assert done.code == 0, done.text[-6000:]
    stack = Stack(sandbox, ROOT / "stacks" / f"Pulumi.{NAME}.yaml", NAME)
    for release, port in (("vllm-chat", PORT), ("vllm-embed", EMBED_PORT)):
        opened = sandbox.run("bastide", "sandbox", "forward", f"{NAMESPACE}/{release}", "--port", str(port))
        assert opened.code == 0, opened.text
        trust(sandbox, port, release)
    return stack
