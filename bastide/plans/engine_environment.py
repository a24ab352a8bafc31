"""From an engine's settings to vLLM's environment variables and its log configuration. Pure."""

from __future__ import annotations

from typing import Any, Final

from bastide import names
from bastide.plans.engine_flags import UNLOGGED_PATHS
from bastide.settings import EngineSettings, Settings

STARTUP_SECONDS: Final = 900
"""Seconds from start to /health. Measured elsewhere for small models: 53 to 80 s of compilation after the
weights; 141 GB from a GPU pool's disk (1,000 MiB/s) take 135 s, and from one half as fast 270 s."""

LOGGING_CONFIG_PATH: Final = "/etc/vllm/logging.json"
"""Where the pod has what `logging_config` gives, as JSON."""


def environment(settings: Settings, engine: EngineSettings) -> dict[str, str]:
    """vLLM's environment variables for one engine; none is a secret. With JSON logs, `LOGGING_CONFIG_PATH` has to be
    there: the engine does not start without it."""
    return {
        # Nothing is fetched and nothing is reported: the model is the folder that was checked.
        "HF_HUB_OFFLINE": "1",
        "TRANSFORMERS_OFFLINE": "1",
        "VLLM_NO_USAGE_STATS": "1",
        "DO_NOT_TRACK": "1",
        "VLLM_MEDIA_URL_ALLOW_REDIRECTS": "0",
        "VLLM_MAX_N_SEQUENCES": str(engine.limits.max_answers),
        # No plugin that an image happens to bring.
        "VLLM_PLUGINS": "",
        "VLLM_ENGINE_READY_TIMEOUT_S": str(STARTUP_SECONDS),
        # The root is read-only and the user has no entry in /etc/passwd: every cache gets its place and name.
        "HOME": "/home/vllm",
        "USER": "vllm",
        "LOGNAME": "vllm",
        "XDG_CACHE_HOME": "/cache",
        "XDG_CONFIG_HOME": "/home/vllm/.config",
        "HF_HOME": "/cache/huggingface",
        "VLLM_CACHE_ROOT": "/cache/vllm",
        "VLLM_CONFIG_ROOT": "/home/vllm/.config/vllm",
        "TORCHINDUCTOR_CACHE_DIR": "/cache/inductor",
        "TRITON_CACHE_DIR": "/cache/triton",
        **_logs(engine),
        **_tracing(settings, engine),
    }


def _logs(engine: EngineSettings) -> dict[str, str]:
    level = {"VLLM_LOGGING_LEVEL": engine.logs.level.upper()}
    if engine.logs.format == "text":
        # Colours are for terminals, and a log store keeps their codes.
        return {**level, "NO_COLOR": "1"}
    return {**level, "VLLM_LOGGING_CONFIG_PATH": LOGGING_CONFIG_PATH}


def _tracing(settings: Settings, engine: EngineSettings) -> dict[str, str]:
    """OpenTelemetry's own variables (its specification, "Environment Variable Specification"); the endpoint is a
    flag."""
    if engine.tracing.endpoint is None:
        return {}
    attributes = {
        "deployment.environment.name": str(settings.environment),
        "cloud.region": settings.region,
    }
    return {
        # vLLM's default is gRPC without TLS.
        "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf",
        "OTEL_SERVICE_NAME": names.engine_release(engine.name),
        "OTEL_RESOURCE_ATTRIBUTES": ",".join(f"{key}={value}" for key, value in attributes.items()),
        # Who called with a trace decided already.
        "OTEL_TRACES_SAMPLER": "parentbased_traceidratio",
        "OTEL_TRACES_SAMPLER_ARG": str(engine.tracing.sample_ratio),
    }


def logging_config(engine: EngineSettings) -> dict[str, Any]:
    """What `LOGGING_CONFIG_PATH` holds: Python's `dictConfig`, for vLLM, for its HTTP server, and for every library
    beside them, one JSON object a line. Empty for text logs.

    `pythonjsonlogger` is one of vLLM's own requirements. Blind spots: what a library prints, and a traceback of a
    process that dies before logging is set up, stay text."""
    if engine.logs.format == "text":
        return {}
    level = engine.logs.level.upper()
    logger = {"handlers": ["json"], "level": level, "propagate": False}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "filters": {
            "unlogged": {
                "()": "vllm.logging_utils.UvicornAccessLogFilter",
                "excluded_paths": list(UNLOGGED_PATHS),
            }
        },
        "formatters": {
            "json": {
                # As a factory: by `class` it would not get the fields below.
                "()": "pythonjsonlogger.jsonlogger.JsonFormatter",
                "fmt": "%(asctime)s %(levelname)s %(name)s %(processName)s %(process)d %(message)s",
                "rename_fields": {"asctime": "time", "levelname": "level", "name": "logger"},
                "static_fields": {"engine": engine.name, "model": engine.model},
            }
        },
        "handlers": {
            "json": {
                "class": "logging.StreamHandler",
                "formatter": "json",
                "filters": ["unlogged"],
                "stream": "ext://sys.stdout",
            }
        },
        "loggers": {
            **dict.fromkeys(("vllm", "uvicorn", "uvicorn.error", "uvicorn.access"), logger),
            # It has a handler of its own, which this takes away.
            "transformers": {**logger, "level": "WARNING"},
        },
        "root": {"handlers": ["json"], "level": "WARNING"},
    }
