"""What a client is told when its request is refused, in the shape that OpenAI's clients read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

NOTHING: Mapping[str, str] = MappingProxyType({})

TYPES: Mapping[int, str] = MappingProxyType(
    {
        400: "invalid_request_error",
        401: "authentication_error",
        403: "permission_error",
        404: "not_found_error",
        413: "invalid_request_error",
        429: "rate_limit_error",
    }
)
"""The `type` that OpenAI gives an error of a status; every other is the server's."""


@dataclass(eq=False)
class Refused(Exception):  # noqa: N818 - a verdict
    """A request that is answered here instead of by a model."""

    status: int
    code: str
    """Short and stable, for programs and metrics: `data_class_lowered`."""

    message: str
    """For people: what was given, what is allowed, what to do. Never text of a prompt."""

    headers: Mapping[str, str] = field(default_factory=lambda: NOTHING)
    param: str | None = None
    told: str | None = None
    """The message as logs may have it, where the message names something that the client wrote."""

    @property
    def reason(self) -> str:
        """For logs and records."""
        return self.told or self.message

    def __str__(self) -> str:
        return f"{self.status} {self.code}: {self.reason}"

    def body(self) -> dict[str, object]:
        """The answer's JSON."""
        return body(self.status, self.code, self.message, self.param)


class StartError(Exception):
    """The gateway must not start; the message says what is wrong and what to do."""


def body(status: int, code: str, message: str, param: str | None = None) -> dict[str, object]:
    """An error in OpenAI's shape."""
    kind = TYPES.get(status, "invalid_request_error" if status < 500 else "server_error")
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}
