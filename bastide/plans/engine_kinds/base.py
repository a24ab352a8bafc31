"""What is known of a kind of engine: how its program is run, what it is asked for, and what it cannot do. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from bastide.settings import EngineSettings, Settings

HOST: Final = "127.0.0.1"
"""Every kind listens inside its pod only: clients come by the proxy."""

PORT: Final = 8001
"""Port of every kind inside its pod (`plans/engine_flags.py`)."""

CACHE: Final = "/cache"
HOME: Final = "/home/vllm"
"""Where a pod of `charts/vllm` may write."""

FILES: Final = "/etc/vllm"
"""Where a pod of `charts/vllm` has a program's files."""


@dataclass(frozen=True)
class Metrics:
    """Names of a kind's metrics."""

    waiting: str
    """Requests that wait: a gauge."""
    running: str
    """Requests that run: a gauge."""
    moving: tuple[str, ...]
    """Of which at least one changes while the engine makes progress."""
    by_model: bool = True
    """Whether they have the label `model_name`, by which KEDA's queries tell engines apart."""


@dataclass(frozen=True)
class Program:
    """How one engine is run in its pod."""

    command: tuple[str, ...]
    args: tuple[str, ...]
    environment: Mapping[str, str]
    files: Mapping[str, str] = field(default_factory=dict)
    """By name, in `FILES`."""
    worker_command: tuple[str, ...] = ()
    worker_args: tuple[str, ...] = ()
    """Of the further pods of a replica over several nodes; none where the kind knows one node only."""


@dataclass(frozen=True)
class Kind:
    """One kind. `refused` has, by a setting's path in the stack file, why this kind cannot do what a value other than
    the default asks for; `unmet` what even a default promises and this kind does not keep."""

    name: str
    version: str
    image: str
    """Field of `ImagesSettings`; nothing where no pod can run it."""
    judge: Literal["parser", "rendered only"]
    """Whether the engine's own parser judges what is rendered, in the tests."""
    health_path: str
    metrics_path: str
    metrics: Metrics | None
    program: Callable[[Settings, EngineSettings], Program]
    refused: Mapping[str, str]
    unmet: tuple[str, ...] = ()
    cannot_run: str = ""
    """Why a pod of `charts/vllm` cannot run it; nothing where it can."""


def at(engine: EngineSettings, path: str) -> Any:
    """The value of a setting by its path in the stack file, such as `queue.maxTokens`; None where a part of it is
    not there (another kind of speculation)."""
    found: Any = engine
    for name in path.split("."):
        fields = type(found).model_fields
        key = next((key for key, info in fields.items() if name in (key, info.alias)), None)
        if key is None:
            return None
        found = getattr(found, key)
    return found


def default(path: str, engine: EngineSettings | None = None) -> Any:
    """The default of a setting, of the kind of group that `engine` has where it has kinds (speculation); None where
    there is none, which no `refused` setting is."""
    fields: Any = EngineSettings
    *parents, last = path.split(".")
    for number, name in enumerate(parents, 1):
        info = next(info for key, info in fields.model_fields.items() if name in (key, info.alias))
        fields = type(info.default if engine is None else at(engine, ".".join(parents[:number])))
    found = [info for key, info in fields.model_fields.items() if last in (key, info.alias)]
    return None if not found or found[0].is_required() else found[0].default


def refusals(kind: Kind, engine: EngineSettings) -> dict[str, str]:
    """The engine's settings that its kind cannot do, by their paths, with the reason. A key may be a value too:
    `dtype=float32`."""
    found = {}
    for key, why in kind.refused.items():
        path, only, value = key.partition("=")
        given = at(engine, path)
        if str(given) == value if only else given is not None and given != default(path, engine):
            found[path] = why
    return found


def caches(names: Mapping[str, str]) -> dict[str, str]:
    """Variables by which programs write to the pod's volumes alone; `names` adds a kind's own, as folders of the
    cache."""
    return {
        # The root is read-only and the user has no entry in /etc/passwd.
        "HOME": HOME,
        "USER": "vllm",
        "LOGNAME": "vllm",
        "XDG_CACHE_HOME": CACHE,
        "XDG_CONFIG_HOME": f"{HOME}/.config",
        **{name: f"{CACHE}/{folder}" for name, folder in names.items()},
    }


def offline() -> dict[str, str]:
    """Variables of Hugging Face's libraries: nothing is fetched, nothing is reported."""
    return {
        "HF_HUB_OFFLINE": "1",
        "TRANSFORMERS_OFFLINE": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "DO_NOT_TRACK": "1",
    }
