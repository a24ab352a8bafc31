"""The one error of this package."""

from __future__ import annotations


class BootstrapError(Exception):
    """Something of the account that cannot be used or made; the text says what, why and what to do."""
