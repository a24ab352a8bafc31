"""Requests held against botocore's model of AWS: shapes, required members, lengths, enumerations.

botocore's own validator checks all but the enumerations, which real AWS checks on its side and an emulator
may not. The same validation serves a preview, where some values are not known yet, and every real call.
"""

from __future__ import annotations

from functools import lru_cache
from importlib.metadata import version
from typing import Any, Final

from botocore.loaders import Loader
from botocore.model import ServiceModel
from botocore.validate import ParamValidator

from sandbox.plugins.protocol import Unknown

SOURCE: Final = f"botocore {version('botocore')}'s model"


class StrictValidator(ParamValidator):  # type: ignore[misc]
    """botocore's validator, which also judges enumerations and lets values pass that are not known yet."""

    def _shape_has_constraints(self, shape: Any) -> bool:
        # botocore looks at a list's unconstrained members by their type alone, past `_validate`.
        return True

    def _validate(self, params: Any, shape: Any, errors: Any, name: str) -> None:
        if isinstance(params, Unknown):
            return
        super()._validate(params, shape, errors, name)
        allowed = shape.metadata.get("enum")
        if shape.type_name == "string" and allowed and isinstance(params, str) and params not in allowed:
            errors.report(
                name,
                "unknown enumeration value",
                param=params,
                valid_types=allowed,
                additional=f"not in {SOURCE}",
            )


class _Report:
    """Collects sentences; botocore's own report knows no enumerations."""

    def __init__(self) -> None:
        self.sentences: list[str] = []

    def report(self, name: str, reason: str, **details: Any) -> None:
        """Called by the validator for each problem."""
        from botocore.validate import ValidationErrors

        if reason == "unknown enumeration value":
            allowed = ", ".join(details["valid_types"])
            self.sentences.append(
                f"{name.lstrip('.')}: {details['param']!r} is none of the values that {SOURCE} has: {allowed}"
            )
            return
        single = ValidationErrors()
        single.report(name, reason, **details)
        self.sentences.append(f"{single.generate_report()} ({SOURCE})")


@lru_cache(maxsize=32)
def service_model(service: str) -> ServiceModel:
    """botocore's model of a service, read once (some are megabytes)."""
    return ServiceModel(_loader().load_service_model(service, "service-2"), service)


@lru_cache(maxsize=1)
def _loader() -> Loader:
    from botocore.session import Session

    loader: Loader = Session().get_component("data_loader")
    return loader


def problems(shape: Any, params: Any) -> list[str]:
    """What the model has against a request's parameters."""
    report = _Report()
    StrictValidator()._validate(params, shape, report, name="")
    return report.sentences


def request_problems(service: str, operation: str, params: dict[str, Any]) -> list[str]:
    """What the model of `service` has against the parameters of `operation` (as in CreateVpc)."""
    shape = service_model(service).operation_model(operation).input_shape
    return [f"{operation}: {sentence}" for sentence in problems(shape, params)]
