"""The one error of this package."""

from __future__ import annotations


class RefusedError(Exception):
    """A model that must not be served, or cannot be had; the text says which file, what was expected and what was
    found."""
