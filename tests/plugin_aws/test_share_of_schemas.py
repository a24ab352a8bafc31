"""How much of what updates and what replaces is said by AWS's own schemas, and by what the rest is."""

from __future__ import annotations

import sys
from collections import defaultdict

import pytest

from sandbox.plugins.aws.judge import Ruling
from sandbox.plugins.aws.provider import verdicts

FLOOR_TYPES = 0.90
"""Types of which AWS's schema judges at least half of the mapped inputs; 0.92 of 53 on the day of writing."""

FLOOR_WHOLE = 0.38
"""Types of which it judges every mapped input; 0.42 of 53 on the day of writing."""

FLOOR_INPUTS = 0.80
"""Inputs that it judges; 0.87 on the day of writing."""


def share(found: list[Ruling]) -> float:
    return sum(ruling.by_aws_schema for ruling in found) / len(found)


def test_most_types_are_judged_by_aws_schemas_and_the_rest_says_by_what(
    capsys: pytest.CaptureFixture[str],
) -> None:
    by_type: dict[str, list[Ruling]] = defaultdict(list)
    for ruling in verdicts():
        if ruling.effect != "refused":
            by_type[ruling.token].append(ruling)
    whole = [token for token, found in by_type.items() if share(found) == 1]
    mostly = [token for token, found in by_type.items() if share(found) >= 0.5]
    every = [ruling for found in by_type.values() for ruling in found]
    others = [ruling for ruling in every if not ruling.by_aws_schema]
    lines = [
        f"{len(by_type)} AWS types: AWS's schemas judge every input of {len(whole)} ({len(whole) / len(by_type):.0%}), "
        f"at least half of {len(mostly)} ({len(mostly) / len(by_type):.0%}); {share(every):.0%} of {len(every)} "
        f"inputs. The other {len(others)}:",
        *(
            f"  {ruling.token.rpartition(':')[2]}.{ruling.path}: {ruling.effect}; {ruling.source}"
            for ruling in others
        ),
    ]
    with capsys.disabled():
        sys.stdout.write("\n" + "\n".join(lines) + "\n")
    assert len(mostly) >= FLOOR_TYPES * len(by_type)
    assert len(whole) >= FLOOR_WHOLE * len(by_type)
    assert share(every) >= FLOOR_INPUTS
    # A verdict without a schema stands on a reason that a person can check.
    assert [ruling.path for ruling in others if len(ruling.source.split()) < 4] == []
