from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gateway_guards.pii_service import Running, serving


@pytest.fixture(scope="session")
def pii(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """The real service with the real Presidio, one for all tests of a worker."""
    with serving(Path(tmp_path_factory.mktemp("pii"))) as running:
        yield running
