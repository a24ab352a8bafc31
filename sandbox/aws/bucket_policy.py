"""What a bucket's own policy says of a request on an object: denied, permitted, or nothing.

Judged are principals, actions, resources and the conditions below; a statement with a condition that is not among
them is taken as not met, and so neither denies nor permits. Blind spots: IAM's policies are not asked, and moto asks
this only where the object exists."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Literal

Verdict = Literal["denied", "permitted", "neutral"]


def verdict(document: str | bytes, action: str, resource: str, context: Mapping[str, str]) -> Verdict:
    """What the policy says. `context` has IAM's keys, such as aws:PrincipalArn; a missing one is absent from the
    request."""
    found: Verdict = "neutral"
    for statement in _many(json.loads(document)["Statement"]):
        if not _applies(statement, action, resource, context):
            continue
        if statement["Effect"] == "Deny":
            return "denied"
        found = "permitted"
    return found


def _applies(statement: Mapping[str, Any], action: str, resource: str, context: Mapping[str, str]) -> bool:
    return (
        _principal(statement.get("Principal"), context)
        and any(_like(pattern.lower(), action.lower()) for pattern in _many(statement.get("Action")))
        and any(_like(pattern, resource) for pattern in _many(statement.get("Resource")))
        and all(
            _condition(operator, key, _many(wanted), context)
            for operator, keys in statement.get("Condition", {}).items()
            for key, wanted in keys.items()
        )
    )


def _principal(wanted: Any, context: Mapping[str, str]) -> bool:
    if wanted == "*":
        return True
    caller = context.get("aws:PrincipalArn", "")
    account = context.get("aws:PrincipalAccount", "none")
    named = _many(wanted.get("AWS")) if isinstance(wanted, Mapping) else []
    return any(each in ("*", caller, account, f"arn:aws:iam::{account}:root") for each in named)


def _condition(operator: str, key: str, wanted: list[Any], context: Mapping[str, str]) -> bool:
    if operator == "Null":
        return str(key not in context).lower() in [str(each).lower() for each in wanted]
    name, _, suffix = operator.partition("IfExists")
    known = _OPERATORS.get(name)
    if known is None or suffix:
        return False
    test, negated = known
    value = context.get(key)
    if value is None:
        # IAM: a missing key meets a negated operator and no other.
        return negated
    met = any(test(str(each), value) for each in wanted)
    return not met if negated else met


def _like(pattern: str, value: str) -> bool:
    # IAM's only wildcards are * and ?, and * crosses slashes.
    parts = (
        ".*" if part == "*" else "." if part == "?" else re.escape(part)
        for part in re.split(r"([*?])", pattern)
    )
    return re.fullmatch("".join(parts), value, re.DOTALL) is not None


def _equal(wanted: str, value: str) -> bool:
    return wanted == value


def _same_truth(wanted: str, value: str) -> bool:
    return wanted.lower() == value.lower()


_OPERATORS: Final[dict[str, tuple[Callable[[str, str], bool], bool]]] = {
    "Bool": (_same_truth, False),
    "StringEquals": (_equal, False),
    "StringNotEquals": (_equal, True),
    "StringLike": (_like, False),
    "StringNotLike": (_like, True),
    "ArnEquals": (_like, False),
    "ArnNotEquals": (_like, True),
    "ArnLike": (_like, False),
    "ArnNotLike": (_like, True),
}
"""IAM's operators (IAM user guide, "IAM JSON policy elements: Condition operators"); an Arn operator's Equals and Like
mean the same."""


def _many(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, Iterable) and not isinstance(value, str | Mapping) else [value]
