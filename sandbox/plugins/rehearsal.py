"""A rehearsal: a real stack previewed by the sandbox's judges, and never applied.

`bastide sandbox rehearse` marks it by an environment variable that the engine hands to its plugins. Marked so,
they take a stack that is no sandbox, and refuse whatever would be written down as done.
"""

from __future__ import annotations

import os
from typing import Final

from sandbox.plugins.protocol import PluginError

VARIABLE: Final = "BASTIDE_REHEARSAL"


def active() -> bool:
    """Whether this run is a rehearsal."""
    return os.environ.get(VARIABLE) == "1"


def refuse_in_rehearsal(action: str) -> None:
    """Raises PluginError for a change in a rehearsal."""
    if active():
        raise PluginError(
            f"{action} is refused: this is a rehearsal ({VARIABLE} is set), which only previews; nothing of it "
            "exists anywhere. Apply the stack with the real providers, outside the sandbox's environment"
        )
