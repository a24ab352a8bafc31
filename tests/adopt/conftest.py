"""The end-to-end tests' world and stack, for regions in what others own."""

from __future__ import annotations

from tests.e2e.conftest import sandbox, stack

__all__ = ["sandbox", "stack"]
