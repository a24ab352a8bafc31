"""Makes vLLM's readers of shared memory sleep where they would spin, as far as BASTIDE_SPIN_SECONDS says.

vLLM 0.32 calls sched_yield() in a loop for a second after each message (its module named below): with several
engines on two cores that leaves no time for the work. Only live pods have this module on their path.
"""

import os
import sys
import time
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

_MODULE = "vllm.distributed.device_communicators.shm_broadcast"


class _Patient(Loader):
    """The module's own loader, and a pause in the place of a yield."""

    def __init__(self, loader: Loader, seconds: float) -> None:
        self._loader, self._seconds = loader, seconds

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self._loader.exec_module(module)
        module.sched_yield = lambda: time.sleep(self._seconds)  # type: ignore[attr-defined]


class _Finder(MetaPathFinder):
    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def find_spec(self, name, path=None, target=None):  # type: ignore[no-untyped-def]
        if name != _MODULE:
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _Patient(spec.loader, self._seconds)
        return spec


if _seconds := os.environ.get("BASTIDE_SPIN_SECONDS"):
    sys.meta_path.insert(0, _Finder(float(_seconds)))
