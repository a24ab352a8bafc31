"""Settings of how several pods share a GPU."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, Tag

from bastide.settings.base import Strict
from bastide.settings.variants import by_kind


class NotShared(Strict):
    """Each GPU belongs to one pod."""

    kind: Literal["none"] = "none"
    """Whole GPUs."""


class TimeSlicing(Strict):
    """Pods take turns on a GPU. Nothing keeps one from taking all of its memory or from ending the others by a
    fault: for development, not for serving several customers."""

    kind: Literal["timeSlicing"]
    """Pods take turns."""

    replicas: int = Field(ge=2, le=64)
    """Pods for each GPU. 64 is a choice: at that number an H100 leaves 1.25 GiB to each."""


class Mig(Strict):
    """Each GPU is cut into parts with memory and units of their own (NVIDIA Multi-Instance GPU); every GPU
    of the pool in the same way."""

    kind: Literal["mig"]
    """Hardware partitions."""

    profile: str
    """Profile of every part, such as 1g.10gb; bastide/catalogues/mig.py lists those of each GPU."""


Sharing = Annotated[
    Annotated[NotShared, Tag("none")]
    | Annotated[TimeSlicing, Tag("timeSlicing")]
    | Annotated[Mig, Tag("mig")],
    by_kind("none"),
]
"""How pods share a GPU."""
