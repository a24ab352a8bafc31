"""The id of a request: made here, the same in LiteLLM, in the engine's log and in the answer's header."""

from __future__ import annotations

import re
import uuid
from typing import Final

WELL_FORMED: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{7,63}")
"""What a client's own id may look like: it goes into logs."""


def make() -> str:
    """A new one. LiteLLM's and vLLM's own are UUIDs too."""
    return str(uuid.uuid4())


def correlated(given: str | None) -> str | None:
    """The client's id where it is well formed; another is dropped, and the request goes on."""
    return given if given is not None and WELL_FORMED.fullmatch(given) else None
