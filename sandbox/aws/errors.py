"""Errors as AWS answers them, in the wire form of each protocol."""

from __future__ import annotations

import json
from typing import Any
from xml.sax.saxutils import escape

REQUEST_ID = "00000000-0000-4000-8000-000000000000"
"""Clients want one in error bodies; nobody looks requests up by it here."""

QUERY_PROTOCOLS = frozenset({"query", "ec2"})


class ApiError(Exception):
    """An AWS error: its code, its message, the HTTP status, and the fields its shape has beside the
    message."""

    def __init__(self, code: str, message: str, status: int = 400, **fields: Any) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status
        self.fields = fields

    def render(self, protocol: str) -> tuple[str, bytes]:
        """Content type and body in the form that a client of `protocol` parses."""
        code, message = escape(self.code), escape(self.message)
        if protocol == "ec2":
            body = (
                f"<Response><Errors><Error><Code>{code}</Code><Message>{message}</Message></Error></Errors>"
                f"<RequestID>{REQUEST_ID}</RequestID></Response>"
            )
            return "text/xml", body.encode()
        if protocol == "query":
            fault = "Sender" if self.status < 500 else "Receiver"
            body = (
                f"<ErrorResponse><Error><Type>{fault}</Type><Code>{code}</Code><Message>{message}</Message>"
                f"</Error><RequestId>{REQUEST_ID}</RequestId></ErrorResponse>"
            )
            return "text/xml", body.encode()
        if protocol == "rest-xml":
            return "application/xml", (
                f"<Error><Code>{code}</Code><Message>{message}</Message><RequestId>{REQUEST_ID}</RequestId></Error>"
            ).encode()
        document = {"__type": self.code, "message": self.message, **self.fields}
        return "application/json", json.dumps(document).encode()
