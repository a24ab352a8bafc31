"""A private Postgres: one database, one user with a password, in a folder of its own."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import quote

from sandbox.cluster.certificates import Pair
from sandbox.daemon.child import Child, ChildError, free_port
from sandbox.data import unprivileged
from sandbox.data.awaiting import until_answers
from sandbox.toolchain import databases

READY_WITHIN: Final = 60.0
"""Seconds until it must answer: 0.3 on an idle machine."""

END_WITHIN: Final = 5.0
"""Seconds for an orderly end."""

_SETTINGS: Final = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    # A sandbox's data need not outlive a crash of the machine.
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_connections": "200",
    "shared_buffers": "32MB",
}


@dataclass
class Postgres:
    """A server that runs. `host` and `port` are where it answers; `user` owns `database` and the server."""

    port: int
    user: str
    password: str = field(repr=False)
    database: str
    folder: Path
    tls: bool
    _child: Child = field(repr=False)
    host: str = "127.0.0.1"

    @classmethod
    def start(
        cls,
        folder: Path,
        database: str = "litellm",
        user: str = "litellm",
        password: str | None = None,
        tls: Pair | None = None,
        port: int | None = None,
        rules: Sequence[str] = (),
    ) -> Postgres:
        """Makes the data in `folder`, which must not be there yet, and starts the server.

        With `tls` nothing but TLS is accepted. `rules` are lines of pg_hba.conf that come before the one by which
        users have passwords. Raises `ChildError` where it does not answer in time, and `BuildError` where its
        programs cannot be had."""
        folder.mkdir(mode=0o700, parents=True)
        chosen, password = port or free_port(), password or secrets.token_urlsafe(24)
        _initialise(folder / "data", user, password, database)
        settings = _SETTINGS | {"port": str(chosen)}
        if tls is not None:
            settings |= {"ssl": "on", "ssl_cert_file": str(tls.certificate), "ssl_key_file": str(tls.key)}
        kind = "host" if tls is None else "hostssl"
        every = [*rules, f"{kind} all all 127.0.0.1/32 scram-sha-256"]
        (folder / "data" / "pg_hba.conf").write_text("\n".join(every) + "\n")
        lines = "".join(f"{name} = '{value}'\n" for name, value in settings.items())
        (folder / "data" / "postgresql.conf").write_text(lines)
        made = cls(chosen, user, password, database, folder, tls is not None, _serve(folder))
        made._await()
        return made

    @property
    def url(self) -> str:
        """For Prisma and libpq; where there is TLS it is asked for, and nobody's certificate is verified."""
        who = f"{quote(self.user, safe='')}:{quote(self.password, safe='')}"
        end = "?sslmode=require" if self.tls else ""
        return f"postgresql://{who}@{self.host}:{self.port}/{self.database}{end}"

    @property
    def pid(self) -> int:
        """Of the server; those of its connections are its children."""
        return self._child.pid

    @property
    def child(self) -> Child:
        """The server's process."""
        return self._child

    def freeze(self, frozen: bool = True) -> None:
        """The server and every connection stand still, or go on."""
        for pid in (self.pid, *_children(self.pid)):
            os.kill(pid, signal.SIGSTOP if frozen else signal.SIGCONT)

    def stop(self) -> None:
        """Ends it with every connection. No error if it has ended."""
        if self._child.running():
            self.freeze(False)
            os.kill(self.pid, signal.SIGINT)  # its "fast" shutdown; SIGTERM would wait for the clients
        deadline = time.monotonic() + END_WITHIN
        while self._child.running() and time.monotonic() < deadline:
            time.sleep(0.02)
        self._child.stop(0)

    close = stop

    def start_again(self) -> None:
        """After `stop`: over the same data, on the same port."""
        (self.folder / "data" / "postmaster.pid").unlink(missing_ok=True)
        self._child = _serve(self.folder)
        self._await()

    def query(self, text: str) -> list[list[str]]:
        """Rows of text, "" for null, of one or several statements. Raises `ChildError` with Postgres's words."""
        command = ["-X", "-A", "-t", "-q", "-F", "\x1f", "-R", "\x1e", "-v", "ON_ERROR_STOP=1", "-f", "-"]
        done = self._client("psql", [*command, "-U", self.user, "-d", self.database], text)
        if done.returncode != 0:
            raise ChildError(f"Postgres: {done.stderr.strip()[-1500:]}")
        return [row.split("\x1f") for row in done.stdout.rstrip("\n").split("\x1e") if row]

    def _client(
        self, name: str, arguments: Sequence[str], text: str = ""
    ) -> subprocess.CompletedProcess[str]:
        programs = databases.postgres()
        asked = {"PGPASSWORD": self.password, "PGSSLMODE": "require" if self.tls else "disable"}
        return subprocess.run(
            [programs[name], "-h", self.host, "-p", str(self.port), *arguments],
            input=text, capture_output=True, text=True, check=False,
            env=os.environ | dict(programs.env) | asked | {"PGCONNECT_TIMEOUT": "5"},
        )  # fmt: skip

    def _await(self) -> None:
        def answers() -> bool:
            return self._client("pg_isready", ["-q"]).returncode == 0

        until_answers("Postgres", self._child, answers, READY_WITHIN)


def _serve(folder: Path) -> Child:
    programs = databases.postgres()
    command = unprivileged.command([programs["postgres"], "-D", str(folder / "data")])
    return Child("postgres", command, folder / "log", os.environ | dict(programs.env))


def _initialise(data: Path, user: str, password: str, database: str) -> None:
    programs = databases.postgres()
    given = data.with_name("password")
    given.touch(mode=0o600)
    given.write_text(password)
    make = [programs["initdb"], "-D", str(data), "-U", user, "--pwfile", str(given), "--no-sync"]
    make += ["--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8", "--no-instructions"]
    single = [programs["postgres"], "--single", "-D", str(data), "postgres"]
    try:
        for command, text in ((make, ""), (single, f'CREATE DATABASE "{database}";\n')):
            done = subprocess.run(
                unprivileged.command(command), input=text, capture_output=True, text=True, check=False,
                env=os.environ | dict(programs.env),
            )  # fmt: skip
            if done.returncode != 0 or "ERROR" in done.stderr:
                raise ChildError(f"{Path(command[0]).name} failed: {done.stderr.strip()[-1500:]}")
    finally:
        given.unlink()


def _children(pid: int) -> list[int]:
    found = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(each) for each in found.read_text().split()] if found.exists() else []
