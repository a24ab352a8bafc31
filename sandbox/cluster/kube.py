"""A small client of the Kubernetes API: requests, server-side apply and watches, over one pool of
connections."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import urllib3

FIELD_MANAGER: Final = "eks"
"""The name under which EKS itself owns fields of what it installs (seen in `managedFields` of its
add-ons)."""

_APPLY: Final = "application/apply-patch+yaml"
_MERGE: Final = "application/merge-patch+json"


class KubeError(Exception):
    """The API server refused; `status` is the HTTP status and the text its message."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status


class ExpiredError(Exception):
    """A watch's resource version is too old: list again."""


class Kube:
    """Speaks to one API server with a client certificate. Safe for use by several threads."""

    def __init__(self, endpoint: str, ca: Path, certificate: Path, key: Path) -> None:
        self.endpoint = endpoint
        self._pool = urllib3.PoolManager(
            maxsize=16,
            ca_certs=str(ca),
            cert_file=str(certificate),
            key_file=str(key),
            retries=urllib3.Retry(connect=0, read=0, redirect=0),
        )

    def request(
        self, method: str, path: str, body: Any = None, content_type: str = "application/json"
    ) -> dict[str, Any]:
        """One request; raises `KubeError` for a refusal and `urllib3.exceptions.HTTPError` for no
        connection."""
        response = self._pool.request(
            method,
            self.endpoint + path,
            body=None if body is None else json.dumps(body),
            headers={"Content-Type": content_type, "Accept": "application/json"},
            timeout=urllib3.Timeout(connect=5, read=30),
        )
        try:
            answer = json.loads(response.data) if response.data else {}
        except ValueError:
            answer = {"message": response.data.decode(errors="replace")}
        if response.status >= 300:
            raise KubeError(response.status, str(answer.get("message", response.reason)))
        return dict(answer)

    def ready(self) -> bool:
        """Whether the API server says that it is ready to serve."""
        try:
            response = self._pool.request("GET", self.endpoint + "/readyz", timeout=2, retries=False)
        except urllib3.exceptions.HTTPError:
            return False
        return response.status == 200

    def apply(self, path: str, manifest: dict[str, Any]) -> dict[str, Any]:
        """Server-side apply as EKS, taking over fields that someone else owns (as EKS does with
        OVERWRITE)."""
        return self.request(
            "PATCH", f"{path}?fieldManager={FIELD_MANAGER}&force=true", manifest, content_type=_APPLY
        )

    def merge(self, path: str, patch: dict[str, Any]) -> dict[str, Any]:
        """A JSON merge patch."""
        return self.request("PATCH", path, patch, content_type=_MERGE)

    def delete(self, path: str, grace_seconds: int | None = None, uid: str | None = None) -> bool:
        """Deletes one object; false if it was gone, or is another one than `uid`, already."""
        options: dict[str, Any] = {"kind": "DeleteOptions", "apiVersion": "v1"}
        if grace_seconds is not None:
            options["gracePeriodSeconds"] = grace_seconds
        if uid is not None:
            options["preconditions"] = {"uid": uid}
        try:
            self.request("DELETE", path, options)
        except KubeError as error:
            if error.status in (404, 409):
                return False
            raise
        return True

    def watch(self, path: str, resource_version: str, seconds: int = 300) -> Iterator[dict[str, Any]]:
        """Events from `resource_version` on until the server ends the watch after `seconds`.

        Raises `ExpiredError` when the version is too old (410), which asks for a new list.
        """
        separator = "&" if "?" in path else "?"
        response = self._pool.request(
            "GET",
            f"{self.endpoint}{path}{separator}watch=1&allowWatchBookmarks=true"
            f"&resourceVersion={resource_version}&timeoutSeconds={seconds}",
            preload_content=False,
            timeout=urllib3.Timeout(connect=5, read=seconds + 10),
        )
        try:
            if response.status == 410:
                raise ExpiredError
            if response.status >= 300:
                raise KubeError(response.status, response.data.decode(errors="replace")[:500])
            rest = b""
            for chunk in response.stream():
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    event: dict[str, Any] = json.loads(line)
                    if event["type"] == "ERROR":
                        if event["object"].get("code") == 410:
                            raise ExpiredError
                        raise KubeError(event["object"].get("code", 500), event["object"].get("message", ""))
                    yield event
        finally:
            response.close()
