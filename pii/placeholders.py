"""The names under which what was found goes on: `<PHONE_1>`, the same for the same text within one request."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from typing import Any, Final

from presidio_anonymizer.operators import Operator, OperatorType

SHAPE: Final = re.compile(r"<([A-Z][A-Z_]{1,15})_(\d{1,4})>")
"""What a placeholder looks like."""


class Placeholders:
    """The names of one request. Names that stand in the texts already are left out, so that restoring does not put
    one person's number where somebody wrote a placeholder by hand."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._taken = {found.group(0) for text in texts for found in SHAPE.finditer(text)}
        self._by_value: dict[tuple[str, str], str] = {}
        self._last: Counter[str] = Counter()

    def of(self, kind: str, value: str) -> str:
        """The name of a finding."""
        known = self._by_value.get((kind, value))
        if known:
            return known
        while True:
            self._last[kind] += 1
            name = f"<{kind}_{self._last[kind]}>"
            if name not in self._taken:
                self._by_value[kind, value] = name
                return name

    @property
    def mapping(self) -> dict[str, str]:
        """What each name stands for."""
        return {name: value for (_, value), name in self._by_value.items()}


class Named(Operator):  # type: ignore[misc]
    """Presidio's anonymizer puts in what this gives: the placeholder of the found text."""

    def operate(self, text: str, params: dict[str, Any]) -> str:
        """The placeholder."""
        given: Placeholders = params["placeholders"]
        return given.of(params["entity_type"], text)

    def validate(self, params: dict[str, Any]) -> None:
        """Raises ValueError without the names of the request."""
        if not isinstance(params.get("placeholders"), Placeholders):
            raise ValueError("the operator needs the request's placeholders")

    def operator_name(self) -> str:
        """As the anonymizer knows it."""
        return "named"

    def operator_type(self) -> OperatorType:
        """It takes out; putting back is the caller's."""
        return OperatorType.Anonymize
