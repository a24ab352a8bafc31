"""Asking a cluster at preview: one that does not let the run in yet judges nothing, and that is said.

A run that was killed between the cluster and its access entry (or the entry and its policy) leaves a cluster that
refuses the very run that would let itself in. The official provider treats such a cluster as unreachable at preview
and goes on; a refusal stays an error wherever something is really made, changed or read.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from http import HTTPStatus
from typing import Final, TypeVar

from sandbox.plugins.kubernetes.client import Client, NoAccessError

Say = Callable[[str, str], None]
"""(message, severity): severity is debug, info, warning, or `progress` for a line that only lasts a while."""

_Answer = TypeVar("_Answer")

_LOCK: Final = threading.Lock()


_OF_EVERYBODY: Final = {"authentication.k8s.io", "authorization.k8s.io"}
"""Groups in which Kubernetes' default role `system:basic-user` lets everybody ask who they are and what they may."""


def ask(client: Client | None, question: Callable[[Client], _Answer], say: Say) -> _Answer | None:
    """The answer; None where there is no cluster yet, or where it does not let us in yet.

    The first refusal of a cluster is a warning beside its resource; later ones ask no more, and are debug lines.
    """
    if client is None:
        say("its cluster is not known yet: shown, but judged by no API server", "debug")
        return None
    if client.no_access is None:
        try:
            return question(client)
        except NoAccessError as error:
            if error.code != HTTPStatus.UNAUTHORIZED and _may_something(client):
                raise  # it was let in, and this very thing is refused
            with _LOCK:
                first, client.no_access = client.no_access is None, error
            if first:
                say(
                    f"not judged yet: {error}. If this run makes that access, it goes on by itself; until then this "
                    "and all other objects of the cluster are shown, but judged by no API server",
                    "warning",
                )
                return None
    say("its cluster does not let us in yet: shown, but judged by no API server", "debug")
    return None


def _may_something(client: Client) -> bool:
    """Whether anybody gave us a right in this cluster."""
    path, body = "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews", {"spec": {"namespace": "default"}}
    rules = client.request("POST", path, body=body)[1]["status"].get("resourceRules") or []
    return any(set(rule.get("apiGroups") or []) - _OF_EVERYBODY for rule in rules)
