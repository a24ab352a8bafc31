"""What the role under which `pulumi up` runs may do, as the fewest managed policies that IAM's limit allows.

Four fences, each where AWS has one: names (everything with a name of ours starts with the stack's prefix), tags
(what has no name may be changed only if it carries the stack's tags), the stack's region, and the services that
a role may be passed to. What bootstrap itself makes, this role's own rights included, has names outside the
prefix.

Blind spot: the sandbox refuses no request by a policy; tests ask its simulation, which knows the conditions that are
used here.
"""

from __future__ import annotations

import json
from typing import Any, Final

from bastide.bootstrap.rights import (
    boundary,
    cluster,
    edge,
    entrance,
    identity,
    network,
    secrets,
    state,
    storage,
    stores,
)
from bastide.bootstrap.rights.base import Right, Scope
from bastide.settings import Settings

MAX_CHARACTERS: Final = 6144
"""Most characters of a managed policy, white space not counted (IAM user guide, "IAM and AWS STS quotas")."""

MAX_POLICIES: Final = 10
"""Managed policies of a role before an increase is asked for (same page)."""

_TOPICS: Final = {
    "state": state.rights,
    "network": network.rights,
    "cluster": cluster.rights,
    "identity": identity.rights,
    "storage": storage.rights,
    "edge": edge.rights,
    "stores": stores.rights,
    "secrets": secrets.rights,
    "entrance": entrance.rights,
}


def rights(settings: Settings) -> dict[str, list[Right]]:
    """Every right by topic."""
    scope = Scope(settings)
    found = {topic: make(scope) for topic, make in _TOPICS.items()}
    return {topic: items for topic, items in found.items() if items}


def bound(settings: Settings) -> str:
    """Document of the permissions boundary of the stack's roles."""
    return document(boundary.rights(Scope(settings)))


def policies(settings: Settings) -> dict[str, str]:
    """Policy documents by topic, without white space and with a stable order. Raises ValueError where one has
    outgrown IAM's limit."""
    found = {topic: document(items) for topic, items in rights(settings).items()}
    for topic, text in found.items():
        if len(text) > MAX_CHARACTERS:
            raise ValueError(
                f"the policy {topic} has {len(text)} characters, IAM takes {MAX_CHARACTERS}: split it"
            )
    return found


def document(items: list[Right]) -> str:
    """One policy document."""
    statements: list[dict[str, Any]] = [each.statement() for each in items]
    return json.dumps(
        {"Version": "2012-10-17", "Statement": statements}, sort_keys=True, separators=(",", ":")
    )
