"""Takes personal data out of every text before a model sees it, by the redaction service (docs/pii.md).

Its settings in routes.json:

    url        where the service is: https://HOST:PORT; plain http only on this machine's own address
    plaintext  true: plain http is taken for another machine too (a sandbox without a private CA)
    restore    true: the answer's placeholders become what they stood for; false (default): they stay
    unjudged   what happens to what has no text to judge (images, sound, files, tokens): "refuse" (default) or "pass"
    ca         file of certificates that the service's is checked by; default: the one of the mounted trust
    cert, key  files of our own certificate, where the service asks callers for one

The frame bounds its time and decides, by `onFailure`, what a dead or slow service means."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bastide_gateway.call import Call
from bastide_gateway.errors import Refused
from bastide_gateway.guards import Guard, StreamFilter
from bastide_gateway.guards.pii_client import Client
from bastide_gateway.guards.pii_places import judged_texts, unjudged
from bastide_gateway.guards.pii_restore import Restoring, restorable, restored
from bastide_gateway.guards.pii_settings import Settings, read


class Pii(Guard):
    """The guard. Of a request it keeps the placeholders' meaning until the end, and only where it restores."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._client = Client(settings)

    async def ready(self) -> str | None:
        """Whether the service answers and is ready."""
        return await self._client.ready()

    async def check_request(self, call: Call, body: dict[str, Any]) -> None:
        """Replaces texts in place. Raises `Refused` for what cannot be judged."""
        if self._settings.unjudged == "refuse" and (found := unjudged(body)):
            raise Refused(
                400,
                "cannot_be_redacted",
                f"{found} cannot be searched for personal data, and nothing goes through unsearched here; send text",
                param=found,
            )
        places = judged_texts(body)
        if not places:
            return
        done = await self._client.redact(places, self._settings.restore)
        if len(done.texts) != len(places):
            raise ValueError("the service gave back another number of texts")
        for place, text in zip(places, done.texts, strict=True):
            if text != place.text:
                place.replace(text)
        for kind, count in done.found.items():
            call.facts[f"{self.name}.{kind}"] = count
        if self._settings.restore:
            call.notes[self.name] = restorable(done.mapping)

    async def check_answer(self, call: Call, texts: Sequence[str]) -> Sequence[str]:
        """Puts back what placeholders stand for."""
        mapping = call.notes.get(self.name) or {}
        return [restored(text, mapping) for text in texts] if mapping else texts

    def stream(self, call: Call) -> StreamFilter | None:
        """The same, where a placeholder may come in pieces."""
        mapping = call.notes.get(self.name) or {}
        return Restoring(mapping) if mapping else None

    async def finished(self, call: Call) -> None:
        """Forgets what the placeholders stood for."""
        call.notes.pop(self.name, None)

    async def stop(self) -> None:
        """Closes connections."""
        await self._client.close()


def make(settings: Mapping[str, Any]) -> Guard:
    """Raises `StartError` for settings that cannot work."""
    return Pii(read(settings))
