"""What a raw HTTP request asks of AWS: service, region, operation, and whose key signed it."""

from __future__ import annotations

import io
import json
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from sandbox.aws import model
from sandbox.aws.errors import QUERY_PROTOCOLS

_CREDENTIAL = re.compile(r"Credential=([^/,\s]+)/(\d{8})/([^/]+)/([^/]+)/aws4_request")


@dataclass
class Request:
    """One request. `body` is None where it was left in the stream (S3, whose bodies may be large)."""

    environ: dict[str, Any]
    service: str
    region: str
    access_key: str | None
    method: str
    path: str
    query: str
    body: bytes | None
    operation: str = "Unknown"
    protocol: str = "rest-xml"

    def form(self) -> dict[str, str]:
        """The parameters of a query-protocol request, from the URL and the body."""
        pairs = parse_qsl(self.query, keep_blank_values=True)
        if self.environ.get("CONTENT_TYPE", "").startswith("application/x-www-form-urlencoded"):
            pairs += parse_qsl((self.body or b"").decode(), keep_blank_values=True)
        return dict(pairs)

    def json(self) -> Any:
        """The JSON body, an empty object when there is none; raises ValueError for anything else."""
        return json.loads(self.body) if self.body else {}


def read(environ: dict[str, Any]) -> Request:
    """Reads a request and puts its body back for whoever answers it."""
    raw = str(environ.get("REQUEST_URI") or environ.get("RAW_URI") or environ["PATH_INFO"])
    path, _, query = raw.partition("?")
    if path.startswith("http"):  # an absolute URI, as a proxy's client sends it
        path = "/" + path.split("/", 3)[-1]
    authorization = environ.get("HTTP_AUTHORIZATION", "")
    if not authorization:
        authorization = _presigned(environ, query)
    match = _CREDENTIAL.search(authorization)
    service, region = (match.group(4), match.group(3)) if match else ("s3", "us-east-1")
    request = Request(
        environ,
        service,
        region,
        match.group(1) if match else None,
        environ["REQUEST_METHOD"],
        path,
        query,
        None,
    )
    if service != "s3":
        length = int(environ.get("CONTENT_LENGTH") or 0)
        request.body = environ["wsgi.input"].read(length) if length else b""
        environ["wsgi.input"] = io.BytesIO(request.body)
    request.protocol = model.protocol_of(service)
    request.operation = _operation(request)
    return request


def _presigned(environ: dict[str, Any], query: str) -> str:
    # `aws eks get-token` is a presigned GetCallerIdentity. moto takes unsigned GETs for S3's, so the
    # credential of the URL is put where moto looks for it.
    pairs = dict(parse_qsl(query))
    credential = pairs.get("X-Amz-Credential")
    if not credential:
        return ""
    signature = pairs.get("X-Amz-Signature", "")
    header = f"AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders=host, Signature={signature}"
    if "/s3/" not in credential:
        environ["HTTP_AUTHORIZATION"] = header
    return header


def _operation(request: Request) -> str:
    target = request.environ.get("HTTP_X_AMZ_TARGET")
    if target:
        return str(target).rpartition(".")[2]
    if request.protocol in QUERY_PROTOCOLS:
        return request.form().get("Action", "Unknown")
    found = model.rest_route(request.service, request.method, request.path, request.query)
    return found[0].operation if found else "Unknown"
