"""Settings of Karpenter, which makes the nodes of pools with `provisioner: karpenter`."""

from __future__ import annotations

from typing import Final

from pydantic import Field

from bastide.settings.base import Strict
from bastide.settings.certificates import ChartVersion
from bastide.settings.images import ImageSettings

KARPENTER: Final = "1.14.1"
"""Karpenter's release (its Go module's newest, 2026-11); charts and image have the same version."""


class KarpenterSettings(Strict):
    """The controller, and how it takes nodes away. It is installed where a pool asks for it."""

    chart_registry: str = Field(
        "oci://public.ecr.aws/karpenter", pattern=r"^oci://[a-z0-9][a-z0-9.:/_-]*[a-z0-9]$"
    )
    """OCI registry of Karpenter's two charts; a mirror of yours where runners reach nothing else."""

    chart_version: ChartVersion = KARPENTER
    """Version of both charts."""

    image: ImageSettings = ImageSettings(repository="public.ecr.aws/karpenter/controller", tag=KARPENTER)
    """The controller's image."""

    empty_minutes: int = Field(10, ge=1, le=1440)
    """Minutes for which a node without an engine is kept. A choice: an engine that restarts finds its node, image and
    weights again."""
