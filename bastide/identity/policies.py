"""IAM policy documents, read: statements with every element as a list, and what is too wide in them.

Grammar: IAM user guide, "Grammar of the IAM JSON policy language".
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

SENSITIVE: Final = (
    "iam",
    "sts",
    "kms",
    "secretsmanager",
    "s3",
    "eks",
    "organizations",
    "account",
    "ec2",
    "ssm",
)
"""Services in which a wildcard of actions gives away data, keys, identities or machines, now or when AWS adds an
action."""

READ_VERBS: Final = ("Get", "List", "Describe", "Head", "BatchGet", "Lookup", "Search")
"""How actions begin that change nothing. A wildcard after one of these in a service that holds no data is a list."""

NO_DATA: Final = ("ec2", "eks")
"""Sensitive services whose reads give facts about the account, and no contents."""


@dataclass(frozen=True)
class Statement:
    """One statement. `principals` are (kind, value) pairs; an identity policy has none."""

    effect: str
    actions: tuple[str, ...] = ()
    not_actions: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    not_resources: tuple[str, ...] = ()
    principals: tuple[tuple[str, str], ...] = ()
    not_principals: tuple[tuple[str, str], ...] = ()
    conditions: Mapping[str, Mapping[str, tuple[str, ...]]] = field(default_factory=dict)
    sid: str = ""


def statements(document: str | Mapping[str, Any]) -> list[Statement]:
    """The statements of a document. Raises ValueError where it is no policy."""
    parsed = json.loads(document) if isinstance(document, str) else document
    if not isinstance(parsed, Mapping) or "Statement" not in parsed:
        raise ValueError("is no IAM policy: a JSON object with a Statement")
    return [_statement(each) for each in _list(parsed["Statement"])]


def _statement(raw: Any) -> Statement:
    if not isinstance(raw, Mapping) or raw.get("Effect") not in ("Allow", "Deny"):
        raise ValueError("has a statement whose Effect is neither Allow nor Deny")
    return Statement(
        effect=raw["Effect"],
        actions=_texts(raw.get("Action")),
        not_actions=_texts(raw.get("NotAction")),
        resources=_texts(raw.get("Resource")),
        not_resources=_texts(raw.get("NotResource")),
        principals=_principals(raw.get("Principal")),
        not_principals=_principals(raw.get("NotPrincipal")),
        conditions={
            operator: {key: _texts(value) for key, value in sorted(keys.items())}
            for operator, keys in sorted((raw.get("Condition") or {}).items())
        },
        sid=str(raw.get("Sid", "")),
    )


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _texts(value: Any) -> tuple[str, ...]:
    if value is None:
        return ()
    return tuple(str(each).lower() if isinstance(each, bool) else str(each) for each in _list(value))


def _principals(value: Any) -> tuple[tuple[str, str], ...]:
    if value is None:
        return ()
    if value == "*":
        return (("AWS", "*"),)
    return tuple((kind, each) for kind, given in sorted(value.items()) for each in _texts(given))


def wildcards(document: str | Mapping[str, Any], account_id: str = "") -> list[str]:
    """What an Allow statement gives without naming it, in services where that matters; [] when nothing.

    A statement of a resource's own policy for the root of the resource's account (`account_id`) gives nothing by
    itself: it lets the account's IAM policies decide.
    """
    found: list[str] = []
    for statement in statements(document):
        if statement.effect != "Allow" or _only_the_account(statement, account_id):
            continue
        named = statement.sid or "a statement"
        if statement.not_actions:
            found.append(
                f"{named} allows everything but {', '.join(statement.not_actions)}; list the actions"
            )
        found += [
            f"{named} allows {action}, which is every such action that AWS has or adds; list the actions"
            for action in statement.actions
            if _too_wide(action)
        ]
        if statement.principals and ("AWS", "*") in statement.principals and not statement.conditions:
            found.append(f"{named} allows everybody; name who, or limit it by a condition")
        if not statement.principals and statement.not_resources:
            found.append(f"{named} allows everything but some resources; list the resources")
    return found


def _only_the_account(statement: Statement, account_id: str) -> bool:
    root = f"arn:aws:iam::{account_id}:root"
    return bool(account_id) and statement.principals == (("AWS", root),)


def _too_wide(action: str) -> bool:
    service, _, name = action.partition(":")
    if action == "*" or "*" in service or "?" in service:
        return True
    if service not in SENSITIVE or ("*" not in name and "?" not in name):
        return False
    stem = name.split("*")[0].split("?")[0]
    if service == "kms" and stem in ("ReEncrypt", "GenerateDataKey"):
        # AWS's own spelling for what a service does with a key (KMS developer guide, "Key policies").
        return False
    if service == "s3" and stem.startswith("GetBucket"):
        # A bucket's settings, and no object of it.
        return False
    return not (service in NO_DATA and stem.startswith(tuple(READ_VERBS)))


def merged(documents: Iterable[str | Mapping[str, Any]]) -> list[Statement]:
    """The statements of several documents together."""
    return [each for document in documents for each in statements(document)]
