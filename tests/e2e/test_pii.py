"""What the redaction service finds of the labelled set, kind by kind: `make prove PART=pii` prints it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.gateway_guards.pii_labelled import samples
from tests.gateway_guards.pii_score import score
from tests.gateway_guards.pii_service import serving


@pytest.mark.proof
def test_recall_and_false_positives_of_every_kind(tmp_path: Path) -> None:
    given = samples()
    with serving(tmp_path) as running:
        found = score(running, given)
    print(f"\n{len(given)} sentences, {sum(found.wanted.values())} values in them\n{found.table()}")  # noqa: T201
    print("recall: Vietnamese {:.3f}, English {:.3f}".format(found.recall("vi"), found.recall("en")))  # noqa: T201
    print("\n".join(["what went wrong:", *found.mistakes]))  # noqa: T201
    assert len(given) > 300
    # Of a kind with enough samples to say so, nothing may be lost; the blind spots are one phone and one address.
    for key, wanted in found.wanted.items():
        assert found.gone[key] >= wanted - 1, found.mistakes
    assert sum(found.false.values()) <= 4, found.mistakes
