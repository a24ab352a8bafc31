"""The door: every request passes here, and is refused, answered by our EKS, or handed to moto."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any

from sandbox.aws import identity, model, request, s3_owners
from sandbox.aws.eks import api as eks_api
from sandbox.aws.eks.store import Store
from sandbox.aws.errors import QUERY_PROTOCOLS, ApiError
from sandbox.aws.internal import Internal
from sandbox.aws.runtime import Runtime

StartResponse = Callable[..., Any]
_CODE = re.compile(rb"<Code>([^<]*)</Code>|\"__type\":\s*\"([^\"]*)\"")
_MESSAGE = re.compile(rb"<Message>(.*?)</Message>|\"[mM]essage\":\s*\"((?:[^\"\\]|\\.)*)\"", re.DOTALL)


class Front:
    """A WSGI application in front of moto's."""

    def __init__(self, runtime: Runtime, store: Store, moto: Any) -> None:
        self.runtime = runtime
        self.store = store
        self.moto = moto
        self.internal = Internal(runtime, store)

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        """Answers one request."""
        if environ["PATH_INFO"].startswith("/_bastide/"):
            return _send(start_response, *self.internal.answer(environ))
        if environ["PATH_INFO"].startswith("/moto-api"):
            # moto's own reset would leave the operator and the clusters out of step with it.
            return _send(start_response, 404, "application/json", b'{"error": "use /_bastide/reset"}')
        asked = request.read(environ)
        self.runtime.journal.called(asked.service, asked.operation)
        try:
            self._check(asked)
            if asked.service == "eks":
                return _send(start_response, 200, "application/json", self._eks(asked))
            return self._moto(asked, start_response)
        except ApiError as error:
            self.runtime.journal.refused(
                asked.service, asked.operation, error.status, error.code, error.message
            )
            content_type, body = error.render(asked.protocol)
            return _send(start_response, error.status, content_type, body, error.code)

    def _check(self, asked: request.Request) -> None:
        fault = self.runtime.faults.take(asked.service, asked.operation)
        if fault is not None:
            raise fault
        if asked.access_key is not None and identity.caller_arn(asked.access_key) is None:
            code = (
                "InvalidClientTokenId" if asked.protocol in QUERY_PROTOCOLS else "UnrecognizedClientException"
            )
            raise ApiError(code, "The security token included in the request is invalid.", 403)
        s3_owners.refuse_others(asked)
        if asked.protocol in QUERY_PROTOCOLS:
            model.validate_query(asked.service, asked.operation, asked.form())
        elif asked.protocol == "json" and "json" in asked.environ.get("CONTENT_TYPE", ""):
            found = model.service_model(asked.service)
            if found is not None and asked.operation in found.operation_names:
                model.validate(asked.service, asked.operation, _json(asked))

    def _eks(self, asked: request.Request) -> bytes:
        found = model.rest_route("eks", asked.method, asked.path, asked.query)
        if found is None or asked.access_key is None:
            raise ApiError("UnknownOperationException", f"EKS has no {asked.method} {asked.path}", 404)
        route, path = found
        body = _json(asked)
        parameters = model.rest_parameters("eks", route, path, asked.query, body)
        model.validate("eks", route.operation, parameters)
        caller = identity.caller_arn(asked.access_key) or ""
        with self.runtime.lock:
            call = eks_api.Call(self.runtime, self.store, asked.region, caller)
            return json.dumps(eks_api.dispatch(call, route.operation, parameters)).encode()

    def _moto(self, asked: request.Request, start_response: StartResponse) -> Iterable[bytes]:
        status: list[str] = []

        def note(line: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            status.append(line)
            return start_response(line, headers, *rest)

        if asked.body is None:
            # S3's bodies come from and go to slow peers; its backend has locks of its own.
            answer: Iterable[bytes] = self.moto(asked.environ, note)
            if status and int(status[0][:3]) >= HTTPStatus.BAD_REQUEST and asked.method != "HEAD":
                answer = [b"".join(answer)]
        else:
            with self.runtime.lock:
                answer = [b"".join(self.moto(asked.environ, note))]
        code = int(status[0][:3]) if status else 0
        if code >= HTTPStatus.BAD_REQUEST:
            text = answer[0] if isinstance(answer, list) and answer else b""
            self.runtime.journal.refused(
                asked.service, asked.operation, code, _first(_CODE, text), _first(_MESSAGE, text)
            )
        return answer


def _json(asked: request.Request) -> Any:
    try:
        return asked.json()
    except ValueError:
        raise ApiError("SerializationException", "The request body is not JSON.") from None


def _first(pattern: re.Pattern[bytes], text: bytes) -> str:
    match = pattern.search(text)
    return next((group.decode() for group in match.groups() if group is not None), "") if match else ""


def _send(
    start_response: StartResponse, status: int, content_type: str, body: bytes, error: str | None = None
) -> list[bytes]:
    headers = [("Content-Type", content_type), ("Content-Length", str(len(body)))]
    if error is not None:
        headers.append(("x-amzn-ErrorType", error))
    start_response(f"{status} {HTTPStatus(status).phrase}", headers)
    return [body]
