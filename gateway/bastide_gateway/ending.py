"""The end of the process: what waits is written, and then it is gone, within a bound.

Measured, LiteLLM 1.106.2: it leaves tasks and threads behind, its last spends only in memory, and the interpreter
then takes 10 s and more of a core to take half a gigabyte of modules apart. So what must be written is written here,
and the process ends without that."""

from __future__ import annotations

import asyncio
import faulthandler
import logging
import os
import sys
from collections.abc import Awaitable, Callable
from typing import Any, Final, NoReturn

from bastide_gateway.frame import Frame
from bastide_gateway.gateway import Gateway

log = logging.getLogger("bastide.gateway")

GRACE_S: Final = 5.0
"""How long requests still come after the pod is unready: Kubernetes tells load balancers and proxies meanwhile."""

STEP_S: Final = 4.0
"""Longest of one step of the end. There are two, one after the other, so that the whole end stays below `END_S`."""

END_S: Final = 10.0
"""From the last request to the end of the process at most. The chart's terminationGracePeriodSeconds is its preStop,
the drain, `GRACE_S` and this."""


def watch(drain_s: float) -> None:
    """From the signal on: should anything hang, the process says where and ends all the same."""
    faulthandler.dump_traceback_later(GRACE_S + drain_s + END_S, exit=True)


async def written(held: Gateway, hung: Frame) -> None:
    """Ends of requests (Redis, decision lines), LiteLLM's spends, the guards' own (the audit trail's lines)."""
    await _bounded("ends of requests", held.drained)
    await asyncio.gather(_bounded("spends in Postgres", _spends), _bounded("guards", hung.stop))


async def left(context: Any) -> None:
    """LiteLLM's own end: its connections to the database."""
    await _bounded("LiteLLM", lambda: context.__aexit__(None, None, None), 1.0)


def leave(code: int) -> NoReturn:
    """Ends the process."""
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            code = code or 1
    os._exit(code)


async def _bounded(what: str, work: Callable[[], Awaitable[object]], bound_s: float = STEP_S) -> None:
    try:
        async with asyncio.timeout(bound_s):
            await work()
    except Exception as error:
        log.error("at the end, %s: %s", what, type(error).__name__)


async def _spends() -> None:
    """LiteLLM writes spends every some seconds, and at its own end not at all."""
    from litellm.litellm_core_utils.logging_worker import GLOBAL_LOGGING_WORKER
    from litellm.proxy import proxy_server
    from litellm.proxy.utils import update_spend

    await GLOBAL_LOGGING_WORKER.flush()
    if proxy_server.prisma_client is not None:
        await update_spend(
            proxy_server.prisma_client, proxy_server.db_writer_client, proxy_server.proxy_logging_obj
        )
