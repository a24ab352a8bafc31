"""Which class a request has, and which group of deployments it may therefore use.

The class comes from the key or its team; without one the strictest holds. A request may raise it, by header or by
`metadata.data_class`, and never lower it."""

from __future__ import annotations

from bastide_gateway.call import Call
from bastide_gateway.document import CLASSES, STRICTEST, Document, Route
from bastide_gateway.errors import Refused

KINDS = {
    "acompletion": "chat",
    "atext_completion": "completion",
    "aembedding": "embedding",
}
"""LiteLLM's call types that pass, and what we call them. Every other is refused."""

SERVES = {"chat": ("chat", "batch"), "completion": ("chat", "batch"), "embedding": ("embedding",)}
"""By what was called: the kinds of routes that answer it."""


def asked(header: str | None, metadata: object, name: str) -> str | None:
    """The class that a request asks for: the stricter where header and metadata both do. Raises `Refused`."""
    from_body = metadata.get("data_class") if isinstance(metadata, dict) else None
    found = [value for value in (header, from_body) if value is not None]
    for value in found:
        if value not in CLASSES:
            raise Refused(
                400,
                "unknown_data_class",
                f"the request names a data class that there is not; allowed in the header {name} and in "
                f"metadata.data_class: {', '.join(CLASSES)}; it may only raise the class of the key's team",
                param=name,
            )
    return max(found, key=CLASSES.index, default=None)


def settle(own: str | None, wanted: str | None) -> str:
    """The class that holds, from the caller's own and the wish. Raises `Refused` when the wish is lower."""
    held = own if own in CLASSES else STRICTEST
    if wanted is None:
        return held
    if CLASSES.index(wanted) < CLASSES.index(held):
        raise Refused(
            403,
            "data_class_lowered",
            f"the request asks for the class {wanted!r}, and the key's team has {held!r}: a request may "
            "raise its class, "
            "never lower it; leave it out, or use a key of a team with a lower class",
        )
    return wanted


def route_of(document: Document, call: Call) -> Route:
    """The route that the request names. Raises `Refused`."""
    name = call.model
    route = document.routes.get(name) if name is not None and "@" not in name else None
    team = None if call.caller is None or call.caller.team is None else document.teams.get(call.caller.team)
    if route is None or (team is not None and name not in team.routes):
        own = team.routes if team is not None else document.routes
        raise Refused(
            404,
            "model_not_found",
            f"there is no model of this name for this key; allowed: {', '.join(sorted(own)) or 'none'}",
            param="model",
        )
    if route.kind not in SERVES.get(call.kind, ()):
        raise Refused(
            400,
            "model_of_another_kind",
            f"the model {route.name!r} is of kind {route.kind}, which {call.path or call.kind} does not "
            "call; choose a "
            f"model of kind {' or '.join(SERVES.get(call.kind, ('none',)))}",
            param="model",
        )
    return route


def choose(document: Document, call: Call, own: str | None) -> Route:
    """Sets the call's class, route and group. Raises `Refused` where the class has no deployment."""
    call.data_class = settle(own, call.asked_class)
    route = route_of(document, call)
    call.route = route.name
    group = route.groups.get(call.data_class)
    if group is None or not route.candidates.get(call.data_class):
        why = document.refused.get(route.name, {}).get(call.data_class, {})
        reasons = "; ".join(f"{name}: {reason}" if name != "*" else reason for name, reason in why.items())
        raise Refused(
            403,
            "data_class_not_served",
            f"the model {route.name!r} has no deployment for {call.data_class} data"
            + (f" ({reasons})" if reasons else "")
            + "; choose another model, or send data of a lower class with a key of a team that has it",
        )
    call.group = group
    call.cache_allowed = route.cache and document.classes[call.data_class].cache
    return route


def may_answer(document: Document, call: Call, deployment: str, group: str) -> bool:
    """Whether this try stays in the class: asked before every single one, first choice, retry and
    fallback alike."""
    if call.data_class is None or call.route is None or not group.endswith(f"@{call.data_class}"):
        return False
    held = document.deployments.get(deployment)
    if held is None or call.data_class not in held.classes:
        return False
    return deployment in document.reachable(document.routes[call.route], call.data_class)
