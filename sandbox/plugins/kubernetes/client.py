"""Requests to one API server, and the discovery of what it serves.

Connections are pooled and answers are plain dicts. An error answer becomes `ApiError`, which carries the
server's own Status; a server that cannot be reached becomes a `PluginError` that says so.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import ssl
import tempfile
import threading
import time
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

import urllib3

from sandbox.plugins.kubernetes.kubeconfig import Credentials, Kubeconfig
from sandbox.plugins.protocol import PluginError

POOL: Final = 64
"""Connections kept: as many as the protocol server has threads (sandbox.plugins.server.serve)."""

TRIES: Final = 4
PAUSE_S: Final = 0.25
"""A busy or restarting API server is asked again: 0.25, 0.5, 1 s. Every request here may be sent twice."""

AGAIN: Final = {429, 502, 503, 504}

CONNECT_S: Final = 5.0
READ_S: Final = 65.0
"""The API server itself ends a request after 60 s (kube-apiserver --request-timeout's default)."""


class ApiError(PluginError):
    """The API server refused: `code`, `reason` (NotFound, Invalid, ...) and `causes` are its Status."""

    def __init__(self, code: int, status: dict[str, Any], what: str) -> None:
        self.code = code
        self.reason: str = status.get("reason") or ""
        self.message: str = status.get("message") or f"HTTP {code}"
        self.details: dict[str, Any] = status.get("details") or {}
        super().__init__(f"{what}: {self.message}")

    @property
    def fields(self) -> list[str]:
        """Paths of the fields that the server complains about."""
        return [cause["field"] for cause in self.details.get("causes") or [] if cause.get("field")]

    @property
    def namespace_missing(self) -> bool:
        """Whether the object's namespace is what was not found."""
        return self.code == 404 and self.details.get("kind") == "namespaces"


class NoAccessError(ApiError):
    """The API server does not let us in: it does not know who we are (401), or its authorizer lets us do
    nothing of this kind (403; refusals of admission, which are 403 too, are others)."""


_BY_AUTHORIZER: Final = re.compile(r'User "[^"]*" cannot \w+ resource ')
"""How the authorizer refuses; there is no machine-readable difference to admission's refusals. From
k8s.io/apiserver/pkg/endpoints/handlers/responsewriters/errors.go, `forbiddenMessage`."""


class NoKindError(PluginError):
    """The API server does not serve this kind (yet)."""


@dataclass(frozen=True)
class Kind:
    """How the API server serves a kind."""

    api_version: str
    kind: str
    plural: str
    namespaced: bool

    def path(self, namespace: str | None, name: str | None = None) -> str:
        """The path of an object, or of the collection without a name."""
        root = f"/api/{self.api_version}" if "/" not in self.api_version else f"/apis/{self.api_version}"
        middle = f"/namespaces/{namespace}" if self.namespaced and namespace else ""
        return f"{root}{middle}/{self.plural}" + (f"/{name}" if name else "")


class Client:
    """One cluster's API server."""

    def __init__(self, config: Kubeconfig) -> None:
        self.config = config
        self.no_access: NoAccessError | None = None
        """Set once a preview was not let in (`preview.ask`), until a request is taken."""
        self._pool: urllib3.PoolManager | None = None
        self._pool_for: Credentials | None = None
        self._groups: dict[str, dict[str, Kind]] = {}
        self._lock = threading.Lock()

    def request(
        self,
        method: str,
        path: str,
        query: dict[str, str] | None = None,
        body: Any = None,
        content_type: str = "application/json",
        what: str = "",
    ) -> tuple[int, dict[str, Any]]:
        """The status code and answer; `what` begins the text of an error. Raises `ApiError`,
        `PluginError`."""
        url = self.config.server + path + (f"?{urlencode(query)}" if query else "")
        data = None if body is None else json.dumps(body).encode()
        renewed = False
        for attempt in range(TRIES):
            last = attempt == TRIES - 1
            credentials = self.config.credentials()
            try:
                answer = self._connect(credentials).request(
                    method, url, body=data, headers=_headers(credentials, content_type), retries=False
                )
            except urllib3.exceptions.HTTPError as error:
                if last:
                    raise PluginError(self._unreachable(error)) from None
                time.sleep(PAUSE_S * 2**attempt)
                continue
            if answer.status == 401 and not renewed:
                renewed = True
                self.config.credentials(instead_of=credentials)
                continue
            if answer.status in AGAIN and not last:
                time.sleep(PAUSE_S * 2**attempt)
                continue
            break
        found = _decode(answer.data)
        if answer.status >= 400:
            if answer.status == 401:
                found["message"] = (
                    f"{self.config.server} does not accept these credentials (401); on EKS the identity "
                    f"needs an access entry of the cluster"
                )
            outside = answer.status == 401 or (
                answer.status == 403 and _BY_AUTHORIZER.search(str(found.get("message")))
            )
            kind = NoAccessError if outside else ApiError
            raise kind(answer.status, found, what or f"{method} {path}")
        self.no_access = None
        return answer.status, found

    def get(self, path: str, query: dict[str, str] | None = None, what: str = "") -> dict[str, Any]:
        """The answer to a GET."""
        return self.request("GET", path, query, what=what)[1]

    def find(self, path: str, what: str = "") -> dict[str, Any] | None:
        """The object at a path, or None if there is none."""
        try:
            return self.get(path, what=what)
        except ApiError as error:
            if error.code == 404:
                return None
            raise

    def items(self, path: str, query: dict[str, str] | None = None) -> list[dict[str, Any]]:
        """The items of a collection."""
        return list(self.get(path, query).get("items") or [])

    def apply(
        self,
        kind: Kind,
        namespace: str,
        body: dict[str, Any],
        manager: str,
        dry: bool = False,
        force: bool = False,
        what: str = "",
    ) -> tuple[int, dict[str, Any]]:
        """Server-side apply with strict field validation; 201 is a new object, 200 one that was there.

        `dry` has the server judge and answer as if, `force` takes fields over from other managers.
        """
        query = {"fieldManager": manager, "fieldValidation": "Strict", "force": str(force).lower()}
        if dry:
            query["dryRun"] = "All"
        if kind.namespaced:
            body = {**body, "metadata": {**body["metadata"], "namespace": namespace}}
        path = kind.path(namespace, body["metadata"]["name"])
        return self.request("PATCH", path, query, body, "application/apply-patch+yaml", what)

    def kind(self, api_version: str, kind: str, patience_s: float = 0.0) -> Kind:
        """How a kind is served; asks anew for up to `patience_s` while it is not. Raises `NoKindError`."""
        until = time.monotonic() + patience_s
        while True:
            found = self._groups.get(api_version, {}).get(kind)
            if found is None:
                found = self._discover(api_version).get(kind)
            if found is not None:
                return found
            if time.monotonic() >= until:
                raise NoKindError(
                    f"{self.config.server} serves no {api_version} {kind}: "
                    f"is its CustomResourceDefinition installed, and before this object (depends_on)?"
                )
            time.sleep(PAUSE_S)

    def _discover(self, api_version: str) -> dict[str, Kind]:
        path = f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"
        listed = self.find(path) or {}
        kinds = {
            item["kind"]: Kind(api_version, item["kind"], item["name"], bool(item["namespaced"]))
            for item in listed.get("resources") or []
            if "/" not in item["name"]
        }
        with self._lock:
            self._groups[api_version] = kinds
        return kinds

    def _connect(self, credentials: Credentials) -> urllib3.PoolManager:
        with self._lock:
            if self._pool is None or (
                self._pool_for and self._pool_for.certificate != credentials.certificate
            ):
                self._pool = urllib3.PoolManager(
                    num_pools=1,
                    maxsize=POOL,
                    ssl_context=_tls(self.config, credentials),
                    server_hostname=self.config.server_name,
                    timeout=urllib3.Timeout(connect=CONNECT_S, read=READ_S),
                )
                self._pool_for = credentials
            return self._pool

    def _unreachable(self, error: Exception) -> str:
        return (
            f"the Kubernetes API server {self.config.server} does not answer "
            f"({type(error).__name__}: {error}); `bastide sandbox status` shows whether its cluster runs"
        )


def _headers(credentials: Credentials, content_type: str) -> dict[str, str]:
    headers = {"Accept": "application/json", "Content-Type": content_type}
    if credentials.token:
        headers["Authorization"] = f"Bearer {credentials.token}"
    return headers


def _decode(data: bytes) -> dict[str, Any]:
    try:
        found = json.loads(data or b"{}")
    except ValueError:
        return {"message": data.decode(errors="replace")[:400]}
    return found if isinstance(found, dict) else {}


def _tls(config: Kubeconfig, credentials: Credentials) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cadata=config.ca or None)
    except ssl.SSLError:
        raise PluginError(
            "kubeconfig: the cluster's certificate-authority-data holds no certificate"
        ) from None
    # Python 3.13 refuses certificates that lack an RFC 5280 extension; kube-apiserver's own CA tools make
    # such.
    context.verify_flags &= ~getattr(ssl, "VERIFY_X509_STRICT", 0)
    if config.insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if credentials.certificate and credentials.key:
        # The ssl module takes a client certificate from a file only: it lives for this one call, readable by
        # us.
        descriptor, path = tempfile.mkstemp(prefix="bastide-")
        try:
            with os.fdopen(descriptor, "w") as file:
                file.write(f"{credentials.certificate}\n{credentials.key}")
            context.load_cert_chain(path)
        except ssl.SSLError as error:
            raise PluginError(f"kubeconfig: the client certificate and its key do not fit: {error}") from None
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
    return context
