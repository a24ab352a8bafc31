"""How many nodes a pool has: a number, or a range that something else moves in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final

from pydantic import PlainSerializer, PlainValidator, WithJsonSchema

MOST_NODES: Final = 450
"""EKS's quota of nodes in one managed node group (EKS user guide, "View and manage service quotas")."""


@dataclass(frozen=True)
class PoolSize:
    """Fewest and most nodes; equal for a fixed size."""

    min: int
    max: int

    @property
    def fixed(self) -> bool:
        """Whether the pool always has the same number of nodes."""
        return self.min == self.max

    def __str__(self) -> str:
        return str(self.max) if self.fixed else f"{self.min} to {self.max}"


_RULE: Final = (
    f"allowed: a number from 0 to {MOST_NODES}, or a range such as {{min: 1, max: 4}} with min up to max and "
    f"max at least 1; {MOST_NODES} is EKS's quota of nodes in one node group; an autoscaler moves in the "
    "range and starts at min"
)


def _whole(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MOST_NODES:
        raise ValueError(f"is not a size; {_RULE}")
    return value


def _size(value: Any) -> PoolSize:
    if isinstance(value, PoolSize):
        return value
    if not isinstance(value, Mapping):
        return PoolSize(_whole(value), _whole(value))
    if set(value) != {"min", "max"}:
        raise ValueError(f"is not a range with exactly min and max; {_RULE}")
    size = PoolSize(_whole(value["min"]), _whole(value["max"]))
    if size.max < 1 or size.min > size.max:
        raise ValueError(f"is not a range; {_RULE}")
    return size


def _plain(size: PoolSize) -> int | dict[str, int]:
    return size.max if size.fixed else {"min": size.min, "max": size.max}


_COUNT: Final = {"type": "integer", "minimum": 0, "maximum": MOST_NODES}

Size = Annotated[
    PoolSize,
    PlainValidator(_size),
    PlainSerializer(_plain),
    WithJsonSchema(
        {
            "anyOf": [
                _COUNT,
                {
                    "type": "object",
                    "additionalProperties": False,
                    "required": ["min", "max"],
                    "properties": {
                        "min": {**_COUNT, "description": "Fewest nodes, and what the pool starts with."},
                        "max": {**_COUNT, "minimum": 1, "description": "Most nodes."},
                    },
                },
            ]
        }
    ),
]
