"""Real Postgres and Redis: with TLS that a client verifies, and no longer than who started them."""

from __future__ import annotations

import os
import socket
import ssl
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from sandbox.cluster.certificates import Authority
from sandbox.daemon.child import ChildError
from sandbox.data.postgres import Postgres
from sandbox.data.redis import Redis
from sandbox.data.tls import server_pair
from sandbox.toolchain import databases, debian
from sandbox.toolchain.build import BuildError
from tests.waits import alive, until


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"), "amazon")


def test_a_database_answers_its_user_by_tls_alone(tmp_path: Path, authority: Authority) -> None:
    tls = server_pair(authority, "db.example")
    with closing(Postgres.start(tmp_path / "pg", password="p w'd\"", tls=tls)) as database:
        assert database.query(
            "select current_user, current_database(), ssl from pg_stat_ssl where pid = pg_backend_pid()"
        ) == [["litellm", "litellm", "t"]]
        plain = database._client(
            "psql", ["-U", "litellm", "-d", "sslmode=disable dbname=litellm", "-c", "select 1"]
        )
        assert "no pg_hba.conf entry" in plain.stderr
        verified = (
            f"dbname=litellm sslmode=verify-full sslrootcert={authority.pair.certificate} host=localhost"
        )
        done = database._client("psql", ["-U", "litellm", "-d", verified, "-Atc", "select 1"])
        assert done.stdout == "1\n", done.stderr
        database.password = "another"
        with pytest.raises(ChildError, match="password authentication failed"):
            database.query("select 1")
    assert not database.child.running()
    assert "p w'd" not in (tmp_path / "pg" / "log").read_text()


def test_a_database_that_ends_and_comes_back_has_what_it_had(tmp_path: Path) -> None:
    with closing(Postgres.start(tmp_path / "pg")) as database:
        database.query("create table t (n int); insert into t values (7)")
        database.stop()
        with pytest.raises(ChildError, match="refused"):
            database.query("select n from t")
        database.start_again()
        assert database.query("select n from t") == [["7"]]


def test_a_cache_answers_by_tls_and_stands_still_when_frozen(tmp_path: Path, authority: Authority) -> None:
    with closing(Redis.start(tmp_path / "redis", tls=server_pair(authority, "cache.example"))) as cache:
        assert cache.ask("SET", "a", "b") == b"+OK\r\n"
        context = ssl.create_default_context(cafile=str(authority.pair.certificate))
        with (
            socket.create_connection(("127.0.0.1", cache.port)) as plain,
            context.wrap_socket(plain, server_hostname="cache.example") as verified,
        ):
            verified.sendall(b"PING\r\n")
            assert verified.recv(100).startswith(b"-NOAUTH")
        with socket.create_connection(("127.0.0.1", cache.port)) as plain:
            plain.settimeout(2)
            plain.sendall(b"PING\r\n")
            try:
                answer = plain.recv(100)  # an alert of TLS, perhaps; never Redis's own answer
            except (ConnectionError, TimeoutError):
                answer = b""
            assert not answer.startswith((b"+", b"-"))
        cache.freeze()
        began = time.monotonic()
        with pytest.raises(TimeoutError):
            cache.ask("GET", "a")
        assert time.monotonic() - began >= 4
        cache.freeze(False)
        assert cache.ask("GET", "a") == b"$1\r\nb\r\n"
    assert not cache.child.running()


def test_both_end_with_who_started_them(tmp_path: Path) -> None:
    program = (
        "import os, signal, pathlib; from sandbox.data.postgres import Postgres; from sandbox.data.redis import Redis;"
        f"p = Postgres.start(pathlib.Path({str(tmp_path / 'pg')!r}));"
        f"r = Redis.start(pathlib.Path({str(tmp_path / 'r')!r}));"
        "print(p.pid, r.pid, flush=True); os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    pids = [int(each) for each in done.stdout.split()]
    assert len(pids) == 2, done.stderr
    until(lambda: not any(alive(pid) for pid in pids), "the servers' end")


def test_a_package_that_nobody_has_is_told_with_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BASTIDE_CACHE", str(tmp_path))
    package = debian.Package("no-such-package-of-debian", (), ())
    with pytest.raises(BuildError, match="apt-get --quiet download no-such-package-of-debian"):
        debian.ensure(package)
    assert not package.folder.exists()
    assert list((tmp_path / "debian").iterdir()) == []


def test_the_cache_program_is_fetched_where_the_machine_has_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not by network: the packages that were unpacked into the user's cache are what a second look finds."""
    found = databases.redis()
    again = databases.redis.__wrapped__()
    assert found == again
    said = subprocess.run(
        [found["redis-server"], "--version"],
        capture_output=True,
        text=True,
        env=os.environ | dict(found.env),
        check=True,
    )
    assert "v=" in said.stdout
