"""Reading large files over HTTP from a given byte on, through broken connections.

`requests` and no more: it honours proxies and certificate bundles of the environment, and drops the token when a hub
sends us on to another host. huggingface_hub would bring a downloader that goes through a disk cache, and a dozen
packages with a compiled one among them, where two documented requests are all that is needed.

Blind spot: one connection a file. A hub that is slow on each needs more files at once.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from threading import local
from typing import Any, Final
from urllib.parse import urljoin, urlsplit

import requests
from requests.auth import AuthBase

from bastide.models.errors import ModelError

TRIES: Final = 6
"""Failures in a row, without a byte between them, before we give up."""

TIMEOUT: Final = (10, 60)
"""Seconds to connect, and without a byte."""

LONGEST_WAIT: Final = 60.0
"""Most seconds between two tries, whatever the server asks for."""

CHUNK: Final = 1024 * 1024

_LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")


class _Bearer(AuthBase):
    """The token, as an object: a plain header would be overruled by the machine's .netrc."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


def check_url(url: str) -> str:
    """The URL, if it is HTTPS (plain HTTP only on this machine). Raises ModelError."""
    parts = urlsplit(url)
    local = parts.scheme == "http" and parts.hostname in _LOOPBACK
    if not parts.hostname or (parts.scheme != "https" and not local):
        raise ModelError(
            f"{url!r} is no https:// URL: weights and tokens do not go over plain HTTP; give one"
        )
    if parts.username or parts.password:
        raise ModelError("a URL with a user or a password is refused: it would be printed and recorded")
    return url


class _Session(requests.Session):
    """Follows redirects to HTTPS only: not down to plain HTTP, and from elsewhere not back to this machine."""

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        """Where an answer sends us, if it does and that is allowed. Raises ModelError."""
        given = super().get_redirect_target(resp)
        if given is None:
            return None
        here, there = urlsplit(resp.url), urlsplit(urljoin(resp.url, given))
        among_us = here.hostname in _LOOPBACK and there.hostname in _LOOPBACK
        if not among_us and (there.scheme != "https" or there.hostname in _LOOPBACK):
            raise ModelError(
                f"{here.hostname} sends us on to {there.scheme}://{there.hostname}: only https:// elsewhere is "
                "followed, so that nobody in between sees or exchanges what is read"
            )
        return given


@dataclass
class Fetcher:
    """Asks a server, with a token if there is one. `pause` waits, in seconds."""

    token: str = ""
    pause: Callable[[float], None] = time.sleep
    _own: local = field(default_factory=local)

    @property
    def _session(self) -> requests.Session:
        """This thread's own: requests promises nothing of one that several use."""
        if not hasattr(self._own, "session"):
            self._own.session = _Session()
        session: requests.Session = self._own.session
        return session

    def json(self, url: str, about: str) -> Any:
        """A JSON document. `about` says what was asked for, for errors."""
        for last in self._tries():
            try:
                answer = self._session.get(url, auth=self._auth(), timeout=TIMEOUT)
                self._judge(answer, about)
                return answer.json()
            except (requests.ConnectionError, requests.Timeout, _AgainError) as error:
                self._wait(error, last, about)
            except ValueError:
                raise ModelError(f"{about}: {urlsplit(url).hostname} answered no JSON") from None
        raise AssertionError("the last try raises")

    def size(self, url: str, about: str) -> int:
        """Bytes of a file, from the answer to a request for its first one."""
        for last in self._tries():
            try:
                with self._session.get(
                    url, headers={"Range": "bytes=0-0"}, auth=self._auth(), timeout=TIMEOUT, stream=True
                ) as answer:
                    self._judge(answer, about)
                    total = answer.headers.get("Content-Range", "").rpartition("/")[2]
                if not total.isdigit():
                    raise ModelError(
                        f"{about}: the server does not say how large it is, or gives no parts of files"
                    )
                return int(total)
            except (requests.ConnectionError, requests.Timeout, _AgainError) as error:
                self._wait(error, last, about)
        raise AssertionError("the last try raises")

    def read(self, url: str, start: int, end: int, about: str) -> Iterator[bytes]:
        """Bytes `start` up to but without `end`, in order and each once, however often the connection breaks."""
        at, failures = start, 0
        while at < end:
            try:
                for chunk in self._range(url, at, end, about):
                    at += len(chunk)
                    failures = 0
                    yield chunk
                if at < end:
                    raise _AgainError("the connection ended early")
            except (requests.RequestException, _AgainError) as error:
                failures += 1
                self._wait(error, failures >= TRIES, about, 2 ** (failures - 1))

    def _range(self, url: str, at: int, end: int, about: str) -> Iterator[bytes]:
        headers = {"Range": f"bytes={at}-{end - 1}", "Accept-Encoding": "identity"}
        with self._session.get(
            url, headers=headers, auth=self._auth(), timeout=TIMEOUT, stream=True
        ) as answer:
            self._judge(answer, about)
            if answer.status_code != 206 and at:
                raise ModelError(
                    f"{about}: the server does not give parts of a file, so nothing can be resumed"
                )
            given = answer.headers.get("Content-Range", f"bytes {at}-")
            if not given.startswith(f"bytes {at}-"):
                raise ModelError(f"{about}: asked for bytes from {at} on, and the server gave {given!r}")
            left = end - at
            for chunk in answer.iter_content(CHUNK):
                yield chunk[:left]
                left -= len(chunk)
                if left <= 0:
                    return

    def _auth(self) -> AuthBase | None:
        return _Bearer(self.token) if self.token else None

    def _tries(self) -> Iterator[bool]:
        for number in range(1, TRIES + 1):
            yield number == TRIES

    def _judge(self, answer: requests.Response, about: str) -> None:
        code = answer.status_code
        if code in (401, 403):
            hint = (
                "the token in HF_TOKEN may not read it, or the model's terms were not accepted"
                if self.token
                else "a token is needed: accept the model's terms, and put a token that may read it into HF_TOKEN"
            )
            raise ModelError(f"{about}: the server refuses ({code}); {hint}")
        if code == 404:
            raise ModelError(f"{about}: there is no such thing (404), or it is private: check the name")
        if code == 429 or code >= 500:
            raise _AgainError(f"the server answered {code}", answer.headers.get("Retry-After", ""))
        if code >= 400:
            raise ModelError(f"{about}: the server answered {code}")

    def _wait(self, error: Exception, last: bool, about: str, seconds: float = 1.0) -> None:
        if last:
            raise ModelError(
                f"{about}: {TRIES} tries in a row failed, the last with: {error}; run the command again, it goes on "
                "where it stopped"
            ) from None
        asked = error.retry_after if isinstance(error, _AgainError) else 0.0
        self.pause(min(max(seconds, asked), LONGEST_WAIT))


class _AgainError(Exception):
    """Worth another try."""

    def __init__(self, text: str, retry_after: str = "") -> None:
        super().__init__(text)
        # The other form of the header is a date: then our own wait is taken.
        self.retry_after = float(retry_after) if retry_after.isdigit() else 0.0
