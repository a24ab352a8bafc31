"""The firewall's rules: numbers compared as texts, an order, and no keys in logs."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from bastide.plans import firewall
from bastide.settings.edge import FirewallSettings


@given(st.integers(1, 10**10), st.integers(0, 10**11), st.integers(0, 4))
def test_numbers_are_compared_as_numbers(limit: int, number: int, zeros: int) -> None:
    found = re.fullmatch(firewall.numbers_above(limit), "0" * zeros + str(number))
    assert bool(found) == (number > limit)


@given(st.integers(1024, 1073741824))
def test_the_expression_is_one_that_waf_takes(limit: int) -> None:
    # WAF API, RegexMatchStatement: 512 characters.
    assert len(firewall.numbers_above(limit)) <= 512


def test_the_edges_of_a_limit() -> None:
    pattern = firewall.numbers_above(2097152)
    assert not re.fullmatch(pattern, "2097152")
    assert re.fullmatch(pattern, "2097153")
    for odd in ("", "-1", "2097153x", "0x500000"):
        assert not re.fullmatch(pattern, odd)


def test_floods_are_counted_after_the_cheap_refusals_and_before_aws_rules() -> None:
    rules = firewall.rules(FirewallSettings())
    assert [each["name"] for each in rules] == [
        "body-without-length",
        "body-too-long",
        "requests-per-address",
        "requests-per-key",
        "AWSManagedRulesAmazonIpReputationList",
        "AWSManagedRulesKnownBadInputsRuleSet",
    ]
    assert [each["priority"] for each in rules] == list(range(6))
    statuses = [each["action"]["block"]["customResponse"]["responseCode"] for each in rules[:4]]
    assert statuses == [411, 413, 429, 429]
    (key,) = rules[3]["statement"]["rateBasedStatement"]["customKeys"]
    assert key["header"]["name"] == "authorization"
    # However it is written: LiteLLM takes `bearer  KEY` for `Bearer KEY`.
    written = [each["type"] for each in key["header"]["textTransformations"]]
    assert written == ["COMPRESS_WHITE_SPACE", "LOWERCASE"]


def test_no_log_and_no_sample_has_a_callers_key() -> None:
    hidden = {each["singleHeader"]["name"] for each in firewall.redacted()}
    assert {"authorization", "x-api-key"} <= hidden
    assert not any(
        each["visibilityConfig"]["sampledRequestsEnabled"] for each in firewall.rules(FirewallSettings())
    )
