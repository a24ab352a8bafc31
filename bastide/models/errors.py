"""The one error of this package."""

from __future__ import annotations


class ModelError(Exception):
    """A model that cannot be made, published or accepted; the text says what, why and what to do."""
