"""What the one process holds beside moto's own state."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from sandbox.aws.faults import Faults
from sandbox.aws.journal import Journal
from sandbox.aws.settings import Settings


@dataclass
class Runtime:
    """Settings, faults, journal, and the lock under which state changes.

    moto's backends are plain dictionaries that were not made for many writers, and one request takes a few
    milliseconds under the interpreter's own lock anyway: one lock for all loses nothing and cannot deadlock.
    """

    settings: Settings = field(default_factory=Settings)
    faults: Faults = field(default_factory=Faults)
    journal: Journal = field(default_factory=Journal)
    lock: threading.RLock = field(default_factory=threading.RLock)
