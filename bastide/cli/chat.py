"""`bastide chat TEXT`: one question to a gateway, and its answer as it comes.

  bastide chat "Where does the river end?"                          by the environment (below)
  bastide chat --url https://gateway.example.com --key-file KEY "Hello"
  bastide chat --data-class regulated --show "Hello"                raises the class; shows what the gateway says of it

--url, --key-file, --ca-file and --connect may stand in the environment: BASTIDE_GATEWAY_URL, BASTIDE_GATEWAY_KEY (the
key itself, or BASTIDE_GATEWAY_KEY_FILE), BASTIDE_GATEWAY_CA, BASTIDE_GATEWAY_CONNECT. `make live` makes a key, and
`make env` exports all of them. A key is never taken from the command line, which every process can read.

Exit status 0: answered; 1: refused or failed; 2: wrongly used."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import urllib3

URL: Final = "BASTIDE_GATEWAY_URL"
KEY: Final = "BASTIDE_GATEWAY_KEY"
KEY_FILE: Final = "BASTIDE_GATEWAY_KEY_FILE"
CA: Final = "BASTIDE_GATEWAY_CA"
CONNECT: Final = "BASTIDE_GATEWAY_CONNECT"

WAIT: Final = 600.0
"""Seconds for the next piece of an answer: a route's `clientTimeoutSeconds` by default."""


class ChatError(Exception):
    """There is no answer; the text says why and what to do."""


@dataclass(frozen=True)
class Place:
    """A gateway, and how to get there."""

    url: str
    key: str
    ca: Path | None
    connect: str | None
    """HOST:PORT that leads to it, where its name does not."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `bastide chat`."""
    add = parser.add_argument
    add("text", nargs="?", help="what to say; without it, or with -, standard input")
    add("--url", help=f"the gateway, such as https://gateway.example.com ({URL})")
    add("--key-file", type=Path, help=f"file of a key of the gateway's ({KEY_FILE}; or the key in {KEY})")
    add("--ca-file", type=Path, help=f"authorities of the gateway's certificate ({CA})")
    add(
        "--connect",
        metavar="HOST:PORT",
        help=f"where the gateway is reached, if not under its name ({CONNECT})",
    )
    add("--route", default="chat", help="the route, as `bastide plan routes` shows it (chat)")
    add("--data-class", choices=["public", "internal", "confidential", "regulated"],
        help="class of the text; it may only raise that of the key's team")  # fmt: skip
    add("--max-tokens", type=int, default=256, help="most tokens of the answer (256)")
    add("--no-stream", action="store_true", help="wait for the whole answer")
    add("--show", action="store_true", help="afterwards, on standard error: status, request id and tokens")


def run(arguments: argparse.Namespace) -> int:
    """Runs `bastide chat`; returns the exit status."""
    text = arguments.text if arguments.text not in (None, "-") else sys.stdin.read()
    if not text.strip():
        print("error: there is nothing to say: give a text, or one on standard input", file=sys.stderr)
        return 2
    try:
        place = _place(arguments)
        for piece in _answer(place, arguments, text):
            print(piece, end="", flush=True)
        print()
    except ChatError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _place(arguments: argparse.Namespace) -> Place:
    url = arguments.url or os.environ.get(URL, "")
    if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
        told = f"{url!r} is no address of a gateway" if url else "no gateway is named"
        raise ChatError(
            f"{told}: give --url or {URL}, such as https://gateway.example.com; `make live` starts one here"
        )
    try:
        _ = urlsplit(url).port
    except ValueError:
        raise ChatError(f"{url!r} has no port from 0 to 65535; take it out, or give the gateway's") from None
    ca = arguments.ca_file or (Path(os.environ[CA]) if os.environ.get(CA) else None)
    if ca is not None and not ca.is_file():
        raise ChatError(f"--ca-file {ca} is not there")
    return Place(
        url.rstrip("/"), _key(arguments.key_file), ca, arguments.connect or os.environ.get(CONNECT) or None
    )


def _key(given: Path | None) -> str:
    file = given or (Path(os.environ[KEY_FILE]) if os.environ.get(KEY_FILE) else None)
    if file is None:
        key = os.environ.get(KEY, "")
        if not key:
            raise ChatError(f"there is no key: give --key-file, or {KEY_FILE} or {KEY} in the environment")
        return key
    try:
        key = file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ChatError(f"--key-file {file} cannot be read ({error})") from None
    if not key or not key.isprintable():
        raise ChatError(f"--key-file {file} holds no key")
    return key


def _pool(place: Place) -> urllib3.HTTPConnectionPool:
    parsed = urlsplit(place.url)
    name = str(parsed.hostname)
    host, port = name, parsed.port
    if place.connect:
        host, _, number = place.connect.rpartition(":")
        if not host or not number.isdigit():
            raise ChatError(f"--connect {place.connect!r} is no HOST:PORT")
        port = int(number)
    patience = urllib3.Timeout(connect=10, read=WAIT)
    if parsed.scheme == "http":
        return urllib3.HTTPConnectionPool(host, port or 80, timeout=patience, retries=False)
    return urllib3.HTTPSConnectionPool(
        host, port or 443, timeout=patience, retries=False, server_hostname=name, assert_hostname=name,
        ca_certs=str(place.ca) if place.ca else None,
    )  # fmt: skip


def _answer(place: Place, arguments: argparse.Namespace, text: str) -> Iterator[str]:
    body = {
        "model": arguments.route,
        "messages": [{"role": "user", "content": text}],
        "max_tokens": arguments.max_tokens,
        **({} if arguments.no_stream else {"stream": True, "stream_options": {"include_usage": True}}),
    }
    headers = {"authorization": f"Bearer {place.key}", "host": urlsplit(place.url).netloc}
    if arguments.data_class:
        headers["x-data-class"] = arguments.data_class
    path = f"{urlsplit(place.url).path}/v1/chat/completions"
    try:
        reply = _pool(place).request("POST", path, json=body, headers=headers, preload_content=False)
        if reply.status != 200:
            raise ChatError(_refusal(reply))
        usage: Any = None
        if arguments.no_stream:
            whole = json.loads(reply.read())
            usage = whole.get("usage")
            yield str(whole["choices"][0]["message"].get("content") or "")
        else:
            for event in _events(reply):
                usage = event.get("usage") or usage
                for choice in event.get("choices", []):
                    yield str((choice.get("delta") or {}).get("content") or "")
    except urllib3.exceptions.HTTPError as error:
        raise ChatError(f"{place.url} gave no answer: {error}") from None
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise ChatError(
            f"{place.url} answered with what is no chat completion ({type(error).__name__})"
        ) from None
    if arguments.show:
        told = {"status": reply.status, "request": reply.headers.get("x-request-id"), "usage": usage}
        print(f"\n{json.dumps(told)}", file=sys.stderr, end="", flush=True)


def _events(reply: urllib3.BaseHTTPResponse) -> Iterator[dict[str, Any]]:
    """The pieces of a streamed answer. Raises `ChatError` where it breaks off."""
    held = b""
    for piece in reply.stream(amt=None):
        held += piece
        *lines, held = held.split(b"\n")
        for line in lines:
            data = line.strip().removeprefix(b"data:").strip()
            if data == b"[DONE]":
                return
            if line.startswith(b"data:"):
                event = json.loads(data)
                if "error" in event:
                    raise ChatError(f"the answer broke off: {_words(event)}")
                yield event
    raise ChatError("the answer broke off: the gateway closed the connection before the end")


def _refusal(reply: urllib3.BaseHTTPResponse) -> str:
    text = reply.read(65536)
    try:
        said = _words(json.loads(text))
    except (ValueError, AttributeError):
        said = text.decode(errors="replace").strip()[:500]
    return f"the gateway refused it with {reply.status}: {said or 'no reason given'}"


def _words(document: dict[str, Any]) -> str:
    error = document.get("error", document)
    found = error.get("message", error) if isinstance(error, dict) else error
    return found if isinstance(found, str) else json.dumps(found)
