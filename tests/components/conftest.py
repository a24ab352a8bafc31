"""Whole regions, recorded once for all tests."""

from __future__ import annotations

import pytest
from component_recording import Recording, region_of, stack


@pytest.fixture(scope="session")
def sandbox() -> Recording:
    return region_of(stack("sandbox"))


@pytest.fixture(scope="session")
def prod() -> Recording:
    return region_of(stack("prod-us-east-1"))
