"""What is told of a call of the administration: which ids and which bounds, and never a secret or text. Pure.

Names are LiteLLM 1.106.2's (proxy/_types.py: key, team and user requests). A value is told where its name stands in the
lists below and it is a number, a yes or no, or a short text; of every other field the name alone. A key is told as its
hash, by which LiteLLM, the decision lines and the audit trail know it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import parse_qs

from bastide_gateway.call import Call
from bastide_gateway.document import CLASSES
from bastide_gateway.errors import Refused
from bastide_gateway.holders import key_hash

KEYS: Final = frozenset({"key", "keys", "token", "tokens", "token_id"})
"""Fields that hold keys: hashes of them are told."""

TOLD: Final = frozenset(
    {
        # Whom or what it is about.
        *("team_id", "team_ids", "team_alias", "user_id", "user_ids", "key_alias", "key_aliases"),
        *("organization_id", "project_id", "budget_id", "models", "teams", "user_role", "role", "key_type"),
        # What binds it.
        *("max_budget", "soft_budget", "budget_duration", "duration", "rpm_limit", "tpm_limit", "tpd_limit"),
        *("max_parallel_requests", "blocked", "spend", "reset_to", "max_budget_in_team"),
        *("team_member_budget", "team_member_budget_duration", "team_member_key_duration"),
        *("team_member_rpm_limit", "team_member_tpm_limit", "temp_budget_increase", "temp_budget_expiry"),
        *("auto_create_key", "auto_rotate", "rotation_interval"),
    }
)
"""Fields whose value is an id or a bound."""

NESTED: Final = frozenset({"keys", "teams", "member", "members", "users"})
"""Fields that may hold objects, of each of which the same is told."""

NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
"""A field's name that may be told: others could be anything."""

MOST_NAMES: Final = 32
"""Names of fields without their values. LiteLLM has about 60 of a key; nobody sends half of them."""

MOST_TEXT: Final = 128
"""Characters of an id or bound; a longer one is told as its SHA-256."""

MOST_NUMBER: Final = 1e15
"""Above every budget and limit; a larger number is told by its field's name alone."""

ASKED_BYTES: Final = 32 << 10
"""The most that is told of one call: the hashes of 480 keys. A choice: a call that says more is refused, since nothing
of a change may be left out."""

_KEY_WITHIN: Final = re.compile(r"(?<![A-Za-z0-9])sk-")
"""How every virtual key begins: LiteLLM makes and takes no other."""

_RESET: Final = re.compile(r"/key/(.+)/reset_spend", re.DOTALL)


def asked(data: bytes, query: bytes) -> dict[str, Any]:
    """What body and query ask for. Raises `Refused` where that cannot be told: it is no JSON, or too much."""
    try:
        fields = json.loads(data) if data.strip() else {}
        of_query = parse_qs(query.decode("latin-1"), keep_blank_values=True, max_num_fields=MOST_NAMES)
    except (ValueError, RecursionError):
        fields = None
    if not isinstance(fields, dict):
        raise Refused(
            400,
            "invalid_json",
            "a call of the administration has no body or an object of JSON in UTF-8, and at most "
            f"{MOST_NAMES} parameters in its address; another could not be told in the log",
        )
    told = _fields(fields)
    if of_query:
        told["query"] = _fields({name: one[0] if len(one) == 1 else one for name, one in of_query.items()})
    if len(json.dumps(told)) > ASKED_BYTES:
        raise Refused(
            413,
            "too_much_to_tell",
            f"the ids and bounds of one call are more than {ASKED_BYTES} bytes, and each of them is told in the log; "
            "change fewer keys, teams or users at once",
        )
    return told


def answered(data: bytes) -> dict[str, Any]:
    """Which key, team or user LiteLLM's answer is about: the hash of the key that it made, ids that it gave."""
    try:
        fields = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    if not isinstance(fields, dict):
        return {}
    keys = [fields.get(name) for name in ("key", "token", "token_id")]
    found: dict[str, Any] = {
        name: _text(fields[name]) for name in ("team_id", "user_id") if isinstance(fields.get(name), str)
    }
    key = next((one for one in keys if isinstance(one, str) and one), None)
    return found if key is None else {"key": key_hash(key), **found}


def path(given: str) -> str:
    """The path without a key that stands in it."""
    reset = _RESET.fullmatch(given)
    if reset is not None:
        return f"/key/{key_hash(reset[1])}/reset_spend"
    told = "/".join(_text(part) if part else part for part in given.split("/"))
    return told if len(told) <= 4 * MOST_TEXT else _digest(given)


def record(
    call: Call, method: str, peer: str | None, latency_ms: float, about: Mapping[str, Any]
) -> dict[str, Any]:
    """The line; `about` is what was asked and answered, as far as it came."""
    return {
        "log": "bastide.administration",
        "time": datetime.fromtimestamp(call.started, UTC).isoformat(timespec="milliseconds"),
        "request_id": call.request_id,
        "method": method[:16],
        "path": call.path,
        "peer": peer,
        "status": call.status,
        "outcome": call.outcome,
        "latency_ms": round(latency_ms, 1),
        "asked": about.get("asked", {}),
        "answered": about.get("answered", {}),
    }


def _fields(fields: Mapping[str, Any], is_nested: bool = False) -> dict[str, Any]:
    told: dict[str, Any] = {}
    others: set[str] = set()
    for name, value in fields.items():
        if name == "metadata" and isinstance(value, Mapping) and "data_class" in value:
            # Of a key's or team's metadata this binds it.
            held = value["data_class"]
            told["data_class"] = held if held in CLASSES else "unknown"
            if len(value) > 1:
                others.add(name)
            continue
        try:
            told[name] = _value(name, value, is_nested)
        except ValueError:
            others.add(name if NAME.fullmatch(name) else "?")
    if others:
        told["other_fields"] = sorted(others)[:MOST_NAMES]
        told["other_fields"] += ["..."] * (len(others) > MOST_NAMES)
    return told


def _value(name: str, value: Any, is_nested: bool) -> Any:
    """The value as it is told. Raises ValueError where the name alone is."""
    if isinstance(value, list) and not any(isinstance(one, list) for one in value):
        return [_value(name, one, is_nested) for one in value]
    if isinstance(value, dict) and name in NESTED and not is_nested:
        return _fields(value, True)
    if name in KEYS and isinstance(value, str):
        return key_hash(value)
    if name not in TOLD:
        raise ValueError(name)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int | float) and -MOST_NUMBER <= value <= MOST_NUMBER:
        return value
    if isinstance(value, str):
        return _text(value)
    raise ValueError(name)


def _text(value: str) -> str:
    """A short text without a key in it as it stands."""
    if len(value) <= MOST_TEXT and value.isprintable() and not _KEY_WITHIN.search(value):
        return value
    return _digest(value)


def _digest(value: str) -> str:
    # JSON may hold half a character of Unicode.
    return f"sha256:{hashlib.sha256(value.encode('utf-8', 'surrogatepass')).hexdigest()}"
