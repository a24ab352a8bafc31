"""Signs users in to Postgres by token: an LDAP server that knows one request, the simple bind.

RDS lets Postgres ask a module of its own (PAM) whether a token is good. A plain Postgres can ask a directory: it binds
as `HOST:PORT,REGION,USER` (`ldapprefix`) with what the client gave as password.

    python -m sandbox.data.token_directory PORT"""

from __future__ import annotations

import logging
import socketserver
import sys
from typing import Final

from sandbox.data import tokens

SUCCESS: Final = 0
PROTOCOL_ERROR: Final = 2
INVALID_CREDENTIALS: Final = 49
"""Result codes (RFC 4511, 4.1.9)."""

_BIND_REQUEST, _BIND_RESPONSE, _UNBIND = 0x60, 0x61, 0x42
_LOG: Final = logging.getLogger(__name__)


def prefix(endpoint: str, port: int, region: str) -> str:
    """What stands before the user's name in the name that Postgres binds as."""
    return f"{endpoint}:{port},{region},"


def judge(name: str, password: str) -> int:
    """The result code for a bind."""
    try:
        place, region, user = name.split(",")
        endpoint, port = place.rsplit(":", 1)
        why = tokens.refusal(password, tokens.database(region, endpoint, int(port)), user)
    except ValueError:
        return PROTOCOL_ERROR
    _LOG.info("%s at %s: %s", user, endpoint, f"refused, {why}" if why else "signed in")
    return INVALID_CREDENTIALS if why else SUCCESS


class _Reader:
    """Tag, length and value of BER, one after the other (X.690)."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def take(self) -> tuple[int, bytes]:
        tag, length, begin = self._data[0], self._data[1], 2
        if length & 0x80:
            begin += length & 0x7F
            length = int.from_bytes(self._data[2:begin])
        value, self._data = self._data[begin : begin + length], self._data[begin + length :]
        return tag, value


def _ber(tag: int, value: bytes) -> bytes:
    length = len(value)
    if length < 128:
        return bytes([tag, length]) + value
    size = (length.bit_length() + 7) // 8
    return bytes([tag, 0x80 | size]) + length.to_bytes(size) + value


class _Session(socketserver.StreamRequestHandler):
    timeout = 30

    def handle(self) -> None:
        while (message := self._message()) is not None:
            envelope = _Reader(message)
            _, number = envelope.take()
            operation, content = envelope.take()
            if operation == _UNBIND:
                return
            code = PROTOCOL_ERROR
            if operation == _BIND_REQUEST:
                request = _Reader(content)
                request.take()  # version
                (_, name), (_, password) = request.take(), request.take()
                code = judge(name.decode(errors="replace"), password.decode(errors="replace"))
            result = _ber(0x0A, bytes([code])) + _ber(0x04, b"") + _ber(0x04, b"")
            self.wfile.write(_ber(0x30, _ber(0x02, number) + _ber(_BIND_RESPONSE, result)))

    def _message(self) -> bytes | None:
        head = self.rfile.read(2)
        if len(head) < 2 or head[0] != 0x30:
            return None
        length = head[1]
        if length & 0x80:
            length = int.from_bytes(self.rfile.read(length & 0x7F))
        return self.rfile.read(length) if length < 1 << 16 else None


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address, daemon_threads = True, True


def main() -> None:
    """Serves until it is ended."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stdout)
    with _Server(("127.0.0.1", int(sys.argv[1])), _Session) as server:
        server.serve_forever()


if __name__ == "__main__":
    main()
