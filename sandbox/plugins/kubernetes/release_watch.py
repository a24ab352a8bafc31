"""Looks at a release while helm is silent: what its objects wait for."""

from __future__ import annotations

import threading
from typing import Any, Final

from sandbox.plugins.kubernetes.client import Client
from sandbox.plugins.kubernetes.helm import Helm
from sandbox.plugins.kubernetes.manifest import live_objects
from sandbox.plugins.kubernetes.preview import Say
from sandbox.plugins.kubernetes.reasons import reasons_for
from sandbox.plugins.protocol import PluginError

Object = dict[str, Any]

LOOK_EVERY_S: Final = 5.0


class Watch(threading.Thread):
    """Says what a release is waiting for while helm is silent, and remembers it for when helm gives up."""

    def __init__(self, helm: Helm, client: Client, inputs: Object, revision: int, say: Say) -> None:
        super().__init__(daemon=True)
        self._helm, self._client, self._say = helm, client, say
        place = ["--namespace", inputs["namespace"], "--revision", str(revision)]
        self._commands = [["get", part, inputs["name"], *place] for part in ("manifest", "hooks")]
        self._namespace = inputs["namespace"]
        self._manifest = ""
        self._last: list[str] = []
        self._done = threading.Event()

    def run(self) -> None:
        """Looks every few seconds until helm ends."""
        while not self._done.wait(LOOK_EVERY_S):
            if found := self._look():
                self._last = found
                self._say("; ".join(found[:2]), "progress")

    def finish(self) -> None:
        """Ends the looking."""
        self._done.set()

    def reasons(self, fresh: bool) -> list[str]:
        """Why the release is not whole: as of now, or (after a rollback) as of the last look that saw
        anything."""
        return (self._look() if fresh else []) or self._last

    def _look(self) -> list[str]:
        try:
            if not self._manifest:
                self._manifest = "\n---\n".join(self._helm.run(item) for item in self._commands)
            return reasons_for(self._client, live_objects(self._client, self._manifest, self._namespace))
        except PluginError:
            return []  # the revision is not written yet, or is gone again: there is nothing to say
