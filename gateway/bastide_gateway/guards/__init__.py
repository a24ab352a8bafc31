"""What a guard is. Each is one module with `make(settings) -> Guard`, named in routes.json's `guards`.

    {"name": "pii", "module": "bastide_gateway.guards.pii", "timeoutMs": 500, "onFailure": "refuse", "settings": {...}}

`make` raises `errors.StartError` for settings that cannot work: the gateway then does not start. A guard derives from
`Guard` and overrides what it needs; what it does not override costs nothing.

Order of one request, each step of which may end it:

1. the edge: path, request id, size, JSON, unknown parameters (`edge.py`, `parameters.py`);
2. LiteLLM: the key, its allow-list;
3. the data class and the route (`data_class.py`), limits (`limits.py`);
4. `check_request` of each guard that the class or the route names, in the order of routes.json's list;
5. the reservation of rate and budget (`reservations.py`), LiteLLM's cache and router;
6. `check_answer`, or `stream` for a stream, in reverse order, so that what the first guard hid the last restores;
7. `finished`, once, whatever happened: refusals of steps 1 and 2 too, then with `call.caller` none. In the order of
   the list, after the last byte has gone: it delays no client.

Calls of the administration come to `administered` alone (`inner_face.py`), and those without the master key to
`finished`, as other strangers' do.

A guard of a class or a route runs only there; one whose `always` is true runs for every request. It has `timeoutMs`
for each of `check_request`, `check_answer`, and for each text of a stream. Later than that, or with any exception but
`errors.Refused`, it has failed: `onFailure` "refuse" (the default) answers 503, "pass" goes on with what there was
before it ran. `errors.Refused` is its verdict and always holds.

Text is handed to guards by `texts.py`: `request_texts(body)` gives every text that a model will see, in places that
can be replaced. `check_answer` gets the answer's texts and gives back as many. Bodies and texts must never be logged,
nor be part of an exception's message."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bastide_gateway.call import Call


class StreamFilter:
    """What a guard does to one choice of one stream. This one lets everything through."""

    async def feed(self, text: str) -> str:
        """The next piece came; gives what may go on now. What it keeps back must come later."""
        return text

    async def close(self) -> str:
        """The choice is at its end; gives what was kept back."""
        return ""


class Guard:
    """The face of a guard. This one does nothing."""

    name: str = ""
    """As in routes.json; set by the frame."""

    always: bool = False
    """It runs for every class and route, also where none names it (an audit trail)."""

    async def start(self) -> None:
        """Opens connections, once, in the server's event loop. An exception keeps the gateway from starting."""

    async def ready(self) -> str | None:
        """Why it cannot work now, or nothing. Asked every few seconds, and `/bastide/ready` says it."""
        return None

    async def check_request(self, call: Call, body: dict[str, Any]) -> None:
        """Looks at and may change `body` in place, before any model sees it. Raises `Refused`."""

    async def check_answer(self, call: Call, texts: Sequence[str]) -> Sequence[str]:
        """Gives the answer's texts as the client may see them, as many as it got. Raises `Refused`."""
        return texts

    def stream(self, call: Call) -> StreamFilter | None:
        """A filter for one choice of a stream; none lets it through. A filter may raise `Refused`: the stream ends."""
        return None

    async def finished(self, call: Call) -> None:
        """The request has ended, as `call.outcome` says. An exception is counted, and `onFailure` holds for
        `ready`: with "refuse" the gateway stops being ready until it works again."""

    async def administered(self, record: Mapping[str, Any]) -> None:
        """A call of the administration has ended, as the record says (`administration_line.record`: ids and bounds,
        never a key). It comes to every guard that overrides this, whatever classes and routes name. A guard with
        "refuse" that is not `ready` keeps the next such call from LiteLLM."""

    async def stop(self) -> None:
        """The server ends: what is kept must be written now."""
