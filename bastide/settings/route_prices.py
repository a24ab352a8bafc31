"""A price of tokens, given by hand, with where it was read and when."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, WithJsonSchema

from bastide.settings.base import Strict

MILLION = Decimal(1_000_000)


def _amount(value: Any) -> Decimal:
    # By the text as it was written: 0.1 is a tenth, and not the nearest binary fraction.
    if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
        raise ValueError("is not an amount of money; allowed: a number of USD from 0 on, such as 0.15")
    try:
        found = Decimal(str(value))
    except ArithmeticError:
        found = Decimal(-1)
    if not found.is_finite() or not 0 <= found <= MILLION:
        raise ValueError(
            "is not an amount of money; allowed: a number of USD from 0 to 1,000,000, such as 0.15"
        )
    return found


Usd = Annotated[
    Decimal,
    BeforeValidator(_amount),
    PlainSerializer(float, when_used="json"),
    WithJsonSchema({"type": ["number", "string"]}),
]
"""USD, exact as written."""


def _day(value: Any) -> date:
    if type(value) is date:
        return value
    try:
        return date.fromisoformat(str(value))
    except ValueError:
        raise ValueError("is not a day; allowed: year, month and day such as '2026-11-02'") from None


def _past(value: date) -> date:
    if value.year < 2000:
        raise ValueError("is not a day that anything here can be of; allowed: a day from the year 2000 on")
    return value


Day = Annotated[
    date,
    BeforeValidator(_day),
    AfterValidator(_past),
    PlainSerializer(date.isoformat),
    WithJsonSchema({"type": "string", "format": "date"}),
]
"""A calendar day."""


class TokenPrice(Strict):
    """What tokens cost. Spend and budgets are reckoned by it, so it is never guessed."""

    input_per_million: Usd
    """USD for a million tokens of prompts."""

    output_per_million: Usd
    """USD for a million tokens of answers; 0 for embeddings."""

    source: str = Field(min_length=3, max_length=300)
    """Where it was read: a price page, a contract, a calculation."""

    read: Day
    """The day on which it was read there."""

    @property
    def input(self) -> Decimal:
        """USD for one token of a prompt."""
        return self.input_per_million / MILLION

    @property
    def output(self) -> Decimal:
        """USD for one token of an answer."""
        return self.output_per_million / MILLION
