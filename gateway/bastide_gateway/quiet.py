"""LiteLLM's own log, without what its messages hold: errors of providers are logged with their text, which can be the
request's. What is left says where it happened and of which kind it was; the decision line says of which request."""

from __future__ import annotations

import logging
import os
from typing import Final

from bastide_gateway.errors import StartError

WHOLE: Final = "BASTIDE_LITELLM_LOGS"
"""Set to `whole` while someone looks for a fault, with text that may be seen: messages then stay as they
are."""

LOGGERS: Final = (
    "LiteLLM",
    "LiteLLM Proxy",
    "LiteLLM Router",
    "asyncio",
    "uvicorn.error",
    "httpx",
    "openai",
    "aiohttp",
)


class WithoutText(logging.Filter):
    """Keeps the place and the kind of a record, and drops what it says."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Changes the record; lets through what is a warning or worse."""
        if record.levelno < logging.WARNING:
            return False
        kind = record.exc_info[0].__name__ if record.exc_info and record.exc_info[0] else "message"
        record.msg, record.args = f"{record.name}: {kind} at {record.filename}:{record.lineno}", ()
        record.exc_info = record.exc_text = record.stack_info = None
        return True


def listens_alone() -> None:
    """Takes from LiteLLM what lets a key's or a team's metadata name further listeners (`logging`,
    `callback_settings`): they would get every text, at an address that stands in a database. Raises `StartError`."""
    from litellm.proxy import litellm_pre_call_utils as utils

    if not callable(getattr(utils, "get_dynamic_logging_metadata", None)):
        raise StartError("this LiteLLM has no get_dynamic_logging_metadata; the gateway is made for 1.106.2")
    utils.get_dynamic_logging_metadata = lambda *_, **__: None


def install() -> None:
    """Puts the filter on every handler and logger that LiteLLM has, and on those of its libraries."""
    if os.environ.get(WHOLE) == "whole":
        logging.getLogger("bastide.gateway").warning("LiteLLM's log is whole: it may hold text of requests")
        return
    keep = WithoutText()
    for name in LOGGERS:
        logger = logging.getLogger(name)
        logger.addFilter(keep)
        # What the filter would drop is not even made: LiteLLM searches each record for secrets first.
        logger.setLevel(max(logger.level, logging.WARNING))
        for handler in logger.handlers:
            handler.addFilter(keep)
