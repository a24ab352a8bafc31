"""Halves of bodies: each has its time, and all of them together a part of the memory."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from bastide_gateway.bodies import Bodies
from bastide_gateway.errors import Refused

SIZE = b"1000"


class Sender:
    """Sends what it is told to, piece by piece."""

    def __init__(self) -> None:
        self._pieces: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    def sends(self, size: int, is_last: bool = False) -> None:
        self._pieces.put_nowait({"type": "http.request", "body": b"x" * size, "more_body": not is_last})

    async def receive(self) -> dict[str, Any]:
        return await self._pieces.get()


async def settled() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


def test_who_came_first_and_is_not_whole_makes_room() -> None:
    async def all_of_it() -> None:
        bodies = Bodies(1000, 30, together=2500)
        senders = [Sender() for _ in range(4)]
        reading = [asyncio.create_task(bodies.read(one.receive, SIZE)) for one in senders]
        for one in senders[:2]:
            one.sends(900)
        await settled()
        # Nobody is kept out by halves: whoever comes and sends at once is read.
        for _ in range(50):
            quick = Sender()
            quick.sends(500)
            quick.sends(500, is_last=True)
            assert len(await bodies.read(quick.receive, SIZE)) == 1000
        assert not any(one.done() for one in reading)
        senders[2].sends(900)
        await settled()
        with pytest.raises(Refused, match="others needed its place"):
            await reading[0]
        senders[3].sends(900)
        await settled()
        assert [one.done() for one in reading] == [True, True, False, False]
        for one in senders[2:]:
            one.sends(100, is_last=True)
        assert [len(await one) for one in reading[2:]] == [1000, 1000]
        with pytest.raises(Refused):
            await reading[1]
        assert not bodies._held

    asyncio.run(all_of_it())


def test_one_largest_body_always_fits() -> None:
    async def read() -> bytes:
        one = Sender()
        one.sends(999)
        one.sends(1, is_last=True)
        return await Bodies(1000, 30, together=10).read(one.receive, SIZE)

    assert len(asyncio.run(read())) == 1000


@pytest.mark.parametrize(("length", "sent"), [(b"1001", 0), (b"-1", 0), (b"5, 5", 0), (b"5", 1001)])
def test_a_body_above_its_size_is_refused(length: bytes, sent: int) -> None:
    async def read() -> None:
        one = Sender()
        one.sends(sent)
        await Bodies(1000, 30).read(one.receive, length)

    with pytest.raises(Refused) as refused:
        asyncio.run(read())
    assert (refused.value.status, refused.value.code) == (413, "body_too_large")
