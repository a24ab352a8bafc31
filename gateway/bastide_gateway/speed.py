"""What the process itself does for speed; what each brings stands in docs/gateway-benchmark.md."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable


def event_loop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Makes uvloop's, which LiteLLM's own command takes too; none (asyncio's own) where an image lacks it."""
    try:
        import uvloop
    except ImportError:
        return None
    make: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return make


def spare_collector() -> None:
    """Takes what the start has made out of the garbage collector's sight. LiteLLM alone makes some hundred thousand
    objects that stay; each full collection would walk them all while every request waits."""
    gc.collect()
    gc.freeze()
