"""The provider: its configuration, and which part answers for which resource."""

from __future__ import annotations

import importlib.metadata
import json
import threading
from typing import Any, Final

from sandbox.plugins import guard
from sandbox.plugins.kubernetes import kubeconfig, ledger
from sandbox.plugins.kubernetes.client import Client
from sandbox.plugins.kubernetes.objects import Objects
from sandbox.plugins.kubernetes.preview import Say
from sandbox.plugins.kubernetes.release import Releases
from sandbox.plugins.kubernetes.tokens import RELEASE, api_version_kind
from sandbox.plugins.protocol import Diff, Plain, PluginError, Provider, Resource, Unknown

KNOWN: Final = {"kubeconfig", "context", "namespace", "enableServerSideApply"}
ENGINES: Final = {"version", "pluginDownloadURL", "__internal"}
"""What the engine itself may add to a provider's inputs."""


class KubernetesProvider(Provider):
    """One cluster, by the kubeconfig that the program gives."""

    name = "kubernetes"
    version = importlib.metadata.version("pulumi-kubernetes")

    def __init__(self) -> None:
        super().__init__()
        self._cancelled = threading.Event()
        self._objects = Objects(None, "default", self._cancelled)
        self._releases = Releases(None, None, "default", self._cancelled)

    def guard(self, resource: Resource) -> None:
        """Refuses a stack that is not marked as a sandbox."""
        guard.guard_stack(resource.stack)

    def check_config(self, config: dict[str, Plain]) -> list[tuple[str, str]]:
        """Every setting that is missing, unknown or not done here."""
        problems = [
            (key, f"the sandbox does not do it; a provider here takes {', '.join(sorted(KNOWN))}")
            for key in sorted(config.keys() - KNOWN - ENGINES)
        ]
        if "kubeconfig" not in config:
            problems.append(
                (
                    "kubeconfig",
                    "is required: the cluster is named by the program, never by the machine it runs on",
                )
            )
        if config.get("enableServerSideApply") not in (None, True, "true"):
            problems.append(
                ("enableServerSideApply", "must be true: the sandbox's judge is server-side apply")
            )
        if not problems:
            try:
                _parsed(config)
            except PluginError as error:
                problems.append(("kubeconfig", str(error).removeprefix("kubeconfig: ")))
        return problems

    def diff_config(self, old: dict[str, Plain], new: dict[str, Plain]) -> Diff:
        """Another cluster replaces everything in it; other credentials, or another way to it, replace
        nothing."""
        found = super().diff_config(old, new)
        before, after = _parsed(old), _parsed(new)
        if before and after and before.identity != after.identity:
            found.properties["kubeconfig"] = "update-replace"
        return found

    def configure(self, config: dict[str, Plain]) -> None:
        """Takes the cluster; asks it nothing yet, so that a stack without changes needs no cluster."""
        found = _parsed(config)
        namespace = str(config.get("namespace") or (found.namespace if found else "default"))
        client = Client(found) if found else None
        self._objects = Objects(client, namespace, self._cancelled)
        self._releases = Releases(found, client, namespace, self._cancelled)

    def check(
        self, resource: Resource, old: dict[str, Plain], new: dict[str, Plain], random_seed: bytes
    ) -> tuple[dict[str, Plain], list[tuple[str, str]]]:
        """See `Objects.check` and `Releases.check`."""
        part = self._releases if resource.type == RELEASE else self._objects
        return part.check(resource, old, new, random_seed)

    def diff(
        self,
        resource: Resource,
        resource_id: str,
        old_state: dict[str, Plain],
        old_inputs: dict[str, Plain],
        new_inputs: dict[str, Plain],
    ) -> Diff:
        """See `Objects.diff` and `Releases.diff`."""
        if resource.type == RELEASE:
            return self._releases.diff(old_state, old_inputs, new_inputs)
        return self._objects.diff(resource, old_state, old_inputs, new_inputs, self._say(resource))

    def create(
        self, resource: Resource, inputs: dict[str, Plain], preview: bool, timeout: float
    ) -> tuple[str, dict[str, Plain]]:
        """See `Objects.create` and `Releases.create`."""
        part = self._releases if resource.type == RELEASE else self._objects
        return part.create(resource, inputs, preview, timeout, self._say(resource))

    def read(
        self, resource: Resource, resource_id: str, state: dict[str, Plain], inputs: dict[str, Plain]
    ) -> tuple[str, dict[str, Plain], dict[str, Plain]] | None:
        """See `Objects.read` and `Releases.read`."""
        if resource.type == RELEASE:
            return self._releases.read(resource_id, state, inputs)
        return self._objects.read(resource, resource_id, state, inputs)

    def update(
        self,
        resource: Resource,
        resource_id: str,
        old_state: dict[str, Plain],
        old_inputs: dict[str, Plain],
        new_inputs: dict[str, Plain],
        preview: bool,
        timeout: float,
    ) -> dict[str, Any]:
        """See `Objects.update` and `Releases.update`."""
        part = self._releases if resource.type == RELEASE else self._objects
        return part.update(resource, old_state, new_inputs, preview, timeout, self._say(resource))

    def delete(
        self,
        resource: Resource,
        resource_id: str,
        state: dict[str, Plain],
        inputs: dict[str, Plain],
        timeout: float,
    ) -> None:
        """See `Objects.delete` and `Releases.delete`."""
        part = self._releases if resource.type == RELEASE else self._objects
        part.delete(resource, resource_id, state, timeout)
        if part is self._objects and ledger.is_custom(api_version_kind(resource.type)[0]):
            ledger.write(resource, None)

    def cancel(self) -> None:
        """Ends every wait, and every helm that runs, with what is known so far."""
        self._cancelled.set()

    def _say(self, resource: Resource) -> Say:
        def say(message: str, severity: str) -> None:
            if severity == "progress":
                self.log(message, resource, "info", ephemeral=True)
            elif severity == "warning":
                self.log(message, resource, "warning")
            else:
                self.log(message, resource, "debug" if severity == "debug" else "info")

        return say


def _parsed(config: dict[str, Plain]) -> kubeconfig.Kubeconfig | None:
    """The configuration's kubeconfig; None while it is not known."""
    text = config.get("kubeconfig")
    if text is None or isinstance(text, Unknown) or isinstance(config.get("context"), Unknown):
        return None
    return kubeconfig.parse(text if isinstance(text, str) else json.dumps(text), config.get("context"))
