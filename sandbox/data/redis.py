"""A private Redis: a password, TLS where asked for, and nothing kept on disk."""

from __future__ import annotations

import os
import secrets
import signal
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from sandbox.cluster.certificates import Pair
from sandbox.daemon.child import Child, ChildError, free_port
from sandbox.data.awaiting import until_answers
from sandbox.toolchain import databases

READY_WITHIN: Final = 30.0
"""Seconds until it must answer: 0.1 on an idle machine."""

OWNER: Final = "sandbox-owner"
"""The user behind `password` where there are others."""


@dataclass
class Redis:
    """A server that runs."""

    port: int
    password: str = field(repr=False)
    folder: Path
    tls: bool
    _child: Child = field(repr=False)
    user: str = "default"
    host: str = "127.0.0.1"

    @classmethod
    def start(
        cls,
        folder: Path,
        password: str | None = None,
        tls: Pair | None = None,
        port: int | None = None,
        users: Mapping[str, str] | None = None,
    ) -> Redis:
        """Starts it in `folder`, which must not be there yet; with `tls` nothing but TLS is accepted. `users` are
        rights by name, as ACL SETUSER takes them, for what is to be reached by others than the one with `password`.

        Raises `ChildError` where it does not answer in time, and `BuildError` where it cannot be had."""
        folder.mkdir(mode=0o700, parents=True)
        chosen, password = port or free_port(), password or secrets.token_urlsafe(24)
        lines = ["bind 127.0.0.1", f"dir {folder}", 'save ""', "appendonly no", "maxmemory-policy noeviction"]
        if users is None:
            lines += [f"requirepass {password}"]
        else:
            lines += [f"user {each} {rights}" for each, rights in users.items()]
            lines += [f"user {OWNER} on >{password} ~* &* +@all"]
        if tls is None:
            lines += [f"port {chosen}"]
        else:
            lines += ["port 0", f"tls-port {chosen}", "tls-auth-clients no"]
            lines += [f"tls-cert-file {tls.certificate}", f"tls-key-file {tls.key}"]
            lines += [f"tls-ca-cert-file {tls.certificate}"]  # it asks for one, though no client shows any
        configuration = folder / "redis.conf"
        configuration.touch(mode=0o600)
        configuration.write_text("\n".join(lines) + "\n")
        made = cls(
            chosen, password, folder, tls is not None, _serve(folder), "default" if users is None else OWNER
        )
        made._await()
        return made

    @property
    def url(self) -> str:
        """For redis-py."""
        return f"redis{'s' if self.tls else ''}://{self.user}:{self.password}@{self.host}:{self.port}/0"

    @property
    def pid(self) -> int:
        """Of the server."""
        return self._child.pid

    @property
    def child(self) -> Child:
        """The server's process."""
        return self._child

    def freeze(self, frozen: bool = True) -> None:
        """The server stands still, or goes on: connections stay open and nobody answers."""
        os.kill(self.pid, signal.SIGSTOP if frozen else signal.SIGCONT)

    def stop(self) -> None:
        """Ends it. No error if it has ended."""
        if self._child.running():
            self.freeze(False)
        self._child.stop()

    close = stop

    def start_again(self) -> None:
        """After `stop`: on the same port, empty."""
        self._child = _serve(self.folder)
        self._await()

    def ask(self, *words: str) -> bytes:
        """One command, and the answer as Redis writes it (RESP), at most 64 KiB of it."""
        with socket.create_connection((self.host, self.port), 5) as plain:
            stream = _unverified().wrap_socket(plain) if self.tls else plain
            stream.settimeout(5)
            stream.sendall(_command("AUTH", self.user, self.password))
            if (said := stream.recv(1024)) != b"+OK\r\n":
                raise ChildError(f"Redis: {said.decode(errors='replace').strip()}")
            stream.sendall(_command(*words))
            return stream.recv(65536)

    def _await(self) -> None:
        def answers() -> bool:
            try:
                return self.ask("PING") == b"+PONG\r\n"
            except OSError:
                return False

        until_answers("Redis", self._child, answers, READY_WITHIN)


def _unverified() -> ssl.SSLContext:
    """For a question from the same machine; who uses the server verifies it."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def _command(*words: str) -> bytes:
    encoded = [word.encode() for word in words]
    return b"*%d\r\n" % len(encoded) + b"".join(b"$%d\r\n%s\r\n" % (len(each), each) for each in encoded)


def _serve(folder: Path) -> Child:
    programs = databases.redis()
    command = [programs["redis-server"], str(folder / "redis.conf")]
    return Child("redis", command, folder / "log", os.environ | dict(programs.env))
