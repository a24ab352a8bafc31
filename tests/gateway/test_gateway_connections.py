"""The real server within its bounds: slow headers, endless headers, too many connections."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from sandbox.daemon.child import Child, free_port
from sandbox.toolchain import environments
from tests.waits import listens, until

HERE = Path(__file__).parent
MOST = 20
HEADER_S = 3.0
"""Long enough that a busy machine opens `MOST` connections meanwhile."""

GET = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"


@dataclass
class Listener:
    port: int
    child: Child

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=20)

    def until_read(self, requests: int, bodies: int) -> None:
        """Waits until the application has had so many requests, and the first of so many bodies."""

        def read() -> bool:
            lines = self.child.log.read_text().splitlines()
            return lines.count("request") >= requests and lines.count("body") >= bodies

        until(read)


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[Listener]:
    port = free_port()
    command = [str(environments.ensure(environments.LITELLM)), str(HERE / "connections_listener.py")]
    env = {"PYTHONPATH": str(HERE.parents[1] / "gateway"), "PYTHONDONTWRITEBYTECODE": "1"}
    child = Child("listener", [*command, str(port), str(MOST), str(HEADER_S)], tmp_path / "listener.log", env)
    made = Listener(port, child)
    try:
        until(lambda: listens(port), goes_on=child.require_running)
        yield made
    finally:
        child.stop()


def ended(one: socket.socket) -> bool:
    """Waits for the connection's end; whatever is said before it is a mistake."""
    try:
        return one.recv(4096) == b""
    except ConnectionError:
        return True


def answer(one: socket.socket) -> bytes:
    said = b""
    while b"\r\n\r\n" not in said or not said.partition(b"\r\n\r\n")[2]:
        more = one.recv(4096)
        assert more, said
        said += more
    return said.partition(b"\r\n\r\n")[2]


def test_headers_that_never_end_are_not_waited_for(listener: Listener) -> None:
    with listener.connect() as silent, listener.connect() as slow, listener.connect() as good:
        slow.sendall(b"GET / HTTP/1.1\r\nhost: a\r\n")
        began = time.monotonic()
        with suppress(ConnectionError):  # each byte in time is no reason to wait longer
            while time.monotonic() < began + 2 * HEADER_S:
                slow.sendall(b"x")
                time.sleep(0.1)
        assert time.monotonic() < began + 2 * HEADER_S
        assert ended(slow)
        assert ended(silent)
        with suppress(ConnectionError):
            assert ended(good)
    with listener.connect() as good:
        for _ in range(2):
            good.sendall(GET)
            assert answer(good) == b"0"
        # The next request's headers have the same time, while nothing at all has uvicorn's keep-alive.
        time.sleep(HEADER_S + 0.5)
        good.sendall(GET)
        assert answer(good) == b"0"
        good.sendall(GET[:-2])
        assert ended(good)


def test_headers_without_an_end_are_cut_off_by_their_size(listener: Listener) -> None:
    with listener.connect() as long:
        began = time.monotonic()
        with suppress(ConnectionError):
            long.sendall(b"GET / HTTP/1.1\r\nhost: a\r\nx: ")
            for _ in range(1000):
                long.sendall(b"x" * 1024)
                time.sleep(0.001)
            assert b"400" in long.recv(4096)
        assert time.monotonic() < began + HEADER_S


def test_a_body_may_be_longer_and_slower_than_headers(listener: Listener) -> None:
    with listener.connect() as one:
        one.sendall(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 200000\r\n\r\n" + b"x" * 100_000)
        time.sleep(HEADER_S + 0.5)
        one.sendall(b"x" * 100_000)
        assert answer(one) == b"200000"


def test_the_answer_reaches_who_still_sends_a_refused_body(listener: Listener) -> None:
    with listener.connect() as one:
        one.sendall(b"POST /refused HTTP/1.1\r\nhost: a\r\ncontent-length: 900000\r\n\r\n" + b"x" * 300_000)
        assert answer(one) == b"0"
        # And not for ever.
        with suppress(ConnectionError):
            while True:
                one.sendall(b"x")
                time.sleep(0.1)
        assert ended(one)


def test_silent_connections_make_room_and_whole_requests_stay(listener: Listener) -> None:
    with ExitStack() as held:
        callers = [held.enter_context(listener.connect()) for _ in range(3)]
        for one in callers:
            one.sendall(GET.replace(b"/ ", b"/slow "))
        half = held.enter_context(listener.connect())
        half.sendall(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\nx")
        listener.until_read(4, 1)
        silent = [held.enter_context(listener.connect()) for _ in range(5 * MOST)]
        # Each newcomer is served at once, a probe too, though strangers hold all places.
        with listener.connect() as probe:
            probe.sendall(GET)
            assert answer(probe) == b"0"
        assert all(ended(one) for one in silent[: 4 * MOST])
        os.kill(listener.child.pid, signal.SIGUSR1)
        assert [answer(one) for one in callers] == [b"0"] * 3
        half.sendall(b"x" * 8)
        assert answer(half) == b"9"


def test_a_house_full_of_whole_requests_takes_no_more(listener: Listener) -> None:
    with ExitStack() as held:
        callers = [held.enter_context(listener.connect()) for _ in range(MOST)]
        for one in callers[1:]:
            one.sendall(GET.replace(b"/ ", b"/slow "))
        callers[0].sendall(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\nx")
        listener.until_read(MOST, 1)
        # The one whose body is not whole goes first, then nobody.
        last = held.enter_context(listener.connect())
        last.sendall(GET.replace(b"/ ", b"/slow "))
        assert ended(callers[0])
        listener.until_read(MOST + 1, 1)
        with listener.connect() as late:
            assert ended(late)
        os.kill(listener.child.pid, signal.SIGUSR1)
        assert [answer(one) for one in [*callers[1:], last]] == [b"0"] * MOST
