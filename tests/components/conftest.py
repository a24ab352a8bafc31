"""Whole regions, recorded once for all tests."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import pytest
from component_recording import Recording, region_of, stack


@pytest.fixture(scope="session")
def sandbox() -> Recording:
    return region_of(stack("sandbox"))


@pytest.fixture(scope="session")
def prod() -> Recording:
    """With gateway, stores, audit trail and entrance."""
    from components import secret_values

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(secret_values, "ensure", lambda *_: "a-version")
        return region_of(stack("prod-us-east-1"))


@pytest.fixture(scope="session", autouse=True)
def _one_day() -> Iterator[None]:
    """Kubernetes versions age: a day on which today's stack files are in standard support."""
    from components import cluster_reading

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cluster_reading, "_today", lambda: date(2026, 10, 1))
        yield
