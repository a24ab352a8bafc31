"""Rules of the web application firewall, as WAF's API has them but for their spelling. Pure.

A body cannot be counted here: at a load balancer WAF reads its first 8 KB. What is judged is what it says of itself,
its Content-Length, which the load balancer holds it to; a body that says nothing is refused."""

from __future__ import annotations

from typing import Any, Final

from bastide.settings.edge import FirewallSettings

Rule = dict[str, Any]

WINDOW_SECONDS: Final = 300
"""Over which WAF counts requests: its own default."""

KEY_HEADERS: Final = ("authorization", "x-api-key", "x-litellm-api-key", "cookie", "proxy-authorization")
"""Headers that can carry a caller's key; no log has them."""

_PLAIN: Final = [{"priority": 0, "type": "NONE"}]

_SAME: Final = [{"priority": 0, "type": "COMPRESS_WHITE_SPACE"}, {"priority": 1, "type": "LOWERCASE"}]
"""`Bearer KEY` and `bearer  KEY` are one caller: who writes it in another way each time has no count of his own."""


def numbers_above(limit: int) -> str:
    """A regular expression for decimal numbers above `limit`, with zeros before them or without. WAF compares texts
    alone."""
    digits = str(limit)
    parts = [
        f"{digits[:place]}[{int(digit) + 1}-9][0-9]{{{len(digits) - place - 1}}}"
        for place, digit in enumerate(digits)
        if digit != "9"
    ]
    return "^0*(" + "|".join([*parts, f"[1-9][0-9]{{{len(digits)},}}"]) + ")$"


def rules(wanted: FirewallSettings) -> list[Rule]:
    """All rules in the order in which WAF looks at them: the cheap refusals first."""
    found = [
        _rule("body-without-length", _body_without_length(), 411),
        _rule(
            "body-too-long", _matches(_header("content-length"), numbers_above(wanted.max_body_bytes)), 413
        ),
        _rule("requests-per-address", _rate(wanted.requests_per_address, "IP"), 429),
        _rule("requests-per-key", _rate(wanted.requests_per_key, "CUSTOM_KEYS"), 429),
        *(_managed(each) for each in wanted.managed_rules),
    ]
    return [{**rule, "priority": place} for place, rule in enumerate(found)]


def redacted() -> list[dict[str, Any]]:
    """What the firewall's log leaves out."""
    return [{"singleHeader": {"name": each}} for each in KEY_HEADERS]


def visibility(name: str) -> dict[str, Any]:
    """Counted under this name; no requests are kept as samples, since those have their headers."""
    return {"cloudwatchMetricsEnabled": True, "metricName": name, "sampledRequestsEnabled": False}


def _rule(name: str, statement: dict[str, Any], status: int) -> Rule:
    return {
        "name": name,
        "action": {"block": {"customResponse": {"responseCode": status}}},
        "statement": statement,
        "visibilityConfig": visibility(name),
    }


def _managed(name: str) -> Rule:
    return {
        "name": name,
        "overrideAction": {"none": {}},
        "statement": {"managedRuleGroupStatement": {"vendorName": "AWS", "name": name}},
        "visibilityConfig": visibility(name),
    }


def _header(name: str) -> dict[str, Any]:
    return {"singleHeader": {"name": name}}


def _matches(field: dict[str, Any], pattern: str) -> dict[str, Any]:
    return {
        "regexMatchStatement": {
            "regexString": pattern,
            "fieldToMatch": field,
            "textTransformations": list(_PLAIN),
        }
    }


def _body_without_length() -> dict[str, Any]:
    sends = _matches({"method": {}}, "^(POST|PUT|PATCH)$")
    says = _matches(_header("content-length"), "^[0-9]+$")
    return {"andStatement": {"statements": [sends, {"notStatement": {"statement": says}}]}}


def _rate(limit: int, by: str) -> dict[str, Any]:
    statement: dict[str, Any] = {
        "limit": limit,
        "aggregateKeyType": by,
        "evaluationWindowSec": WINDOW_SECONDS,
    }
    if by == "CUSTOM_KEYS":
        statement["customKeys"] = [{"header": {"name": "authorization", "textTransformations": list(_SAME)}}]
    return {"rateBasedStatement": statement}
