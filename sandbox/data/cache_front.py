"""What stands before a Redis that stands for ElastiCache: TLS, and users that sign in by token.

Redis knows passwords alone. The front ends TLS, judges the token in `AUTH` and `HELLO ... AUTH`, and says in its place
the password that only it and the Redis behind it know; what the user may then do is Redis's own to judge.

    python -m sandbox.data.cache_front FILE       # JSON of `Front`"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import ssl
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sandbox.data import tokens

MOST_WORDS: Final = 1 << 20
"""Redis's own limit of words in a command."""

_LOG: Final = logging.getLogger(__name__)


@dataclass(frozen=True)
class Front:
    """Where it listens, what is behind it, and whom it lets in."""

    port: int
    behind: int
    region: str
    group: str
    certificate: str
    key: str
    passwords: dict[str, str]
    """Of the users that sign in by token: what Redis has for them."""

    @staticmethod
    def read(path: Path) -> Front:
        """From its file."""
        return Front(**json.loads(path.read_text()))

    def rewritten(self, words: Sequence[bytes]) -> list[bytes] | None:
        """The command as Redis is to have it; None where a token is refused."""
        found = list(words)
        at = _credentials(found)
        if at is None:
            return found
        user, token = found[at].decode(errors="replace"), found[at + 1].decode(errors="replace")
        password = self.passwords.get(user)
        if password is None:
            return found  # whoever has a password, or nothing: Redis judges
        why = tokens.refusal(token, tokens.cache(self.region, self.group), user)
        _LOG.info("%s: %s", user, f"refused, {why}" if why else "signed in")
        if why:
            return None
        found[at + 1] = password.encode()
        return found


def _credentials(words: Sequence[bytes]) -> int | None:
    """Where a command has a user's name with a password behind it."""
    upper = [word.upper() for word in words]
    if upper[:1] == [b"AUTH"] and len(words) == 3:
        return 1
    if upper[:1] == [b"HELLO"] and b"AUTH" in upper[2:]:
        at = upper.index(b"AUTH", 2) + 1
        return at if at + 1 < len(words) else None
    return None


async def _command(reader: asyncio.StreamReader) -> tuple[bytes, list[bytes] | None]:
    """The next command: its bytes, and its words where it is an array of strings (RESP), as clients send it."""
    line = await reader.readuntil(b"\r\n")
    if not line.startswith(b"*"):
        return line, None
    count, raw, words = int(line[1:]), [line], []
    if count > MOST_WORDS:
        raise ValueError("too many words")
    for _ in range(count):
        head = await reader.readuntil(b"\r\n")
        body = await reader.readexactly(int(head[1:]) + 2)
        raw += [head, body]
        words.append(body[:-2])
    return b"".join(raw), words


def _encoded(words: Sequence[bytes]) -> bytes:
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)


async def _inward(front: Front, client: asyncio.StreamReader, redis: asyncio.StreamWriter) -> None:
    while True:
        raw, words = await _command(client)
        if words is not None and _credentials(words) is not None:
            allowed = front.rewritten(words)
            # A password that is none: Redis refuses it in its own words, and counts it.
            raw = _encoded(allowed or [b"AUTH", b"nobody", b""])
        redis.write(raw)
        await redis.drain()


async def _outward(redis: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
    while data := await redis.read(65536):
        client.write(data)
        await client.drain()


async def _session(front: Front, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    redis_reader, redis_writer = await asyncio.open_connection("127.0.0.1", front.behind, limit=1 << 24)
    tasks = [
        asyncio.create_task(_inward(front, reader, redis_writer)),
        asyncio.create_task(_outward(redis_reader, writer)),
    ]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        # The end of a connection is an error to whoever waits for more of it.
        await asyncio.gather(*tasks, return_exceptions=True)
        for each in (redis_writer, writer):
            each.close()
            with contextlib.suppress(OSError, asyncio.CancelledError):
                await each.wait_closed()


async def _serve(front: Front) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(front.certificate, front.key)

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            await _session(front, reader, writer)

    server = await asyncio.start_server(handle, "127.0.0.1", front.port, ssl=context, limit=1 << 24)
    async with server:
        await server.serve_forever()


def main() -> None:
    """Serves until it is ended."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stdout)
    asyncio.run(_serve(Front.read(Path(sys.argv[1]))))


if __name__ == "__main__":
    main()
