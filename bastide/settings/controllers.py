"""Settings of the controllers that some engines need: KEDA, which scales them, and LeaderWorkerSet, which keeps the
pods of a replica over several nodes together."""

from __future__ import annotations

from typing import Final

from pydantic import Field

from bastide.settings.base import Strict
from bastide.settings.certificates import ChartVersion
from bastide.settings.images import ImageSettings

KEDA: Final = "2.20.2"
"""KEDA's release whose chart was read (kedacore/charts, 2026-08); chart and images have the same version."""

LEADER_WORKER_SET: Final = "0.8.0"
"""LeaderWorkerSet's newest release that its Go module carries (2026-11); the image's tag has a `v` before it."""


class KedaImages(Strict):
    """The images of KEDA's chart."""

    operator: ImageSettings = ImageSettings(repository="ghcr.io/kedacore/keda", tag=KEDA)
    """Asks Prometheus and keeps the HorizontalPodAutoscalers."""

    metrics_server: ImageSettings = ImageSettings(
        repository="ghcr.io/kedacore/keda-metrics-apiserver", tag=KEDA
    )
    """Hands the figures to Kubernetes as external metrics."""

    webhooks: ImageSettings = ImageSettings(repository="ghcr.io/kedacore/keda-admission-webhooks", tag=KEDA)
    """Judges KEDA's objects."""


class ScalingSettings(Strict):
    """KEDA, by which engines with `autoscaling` grow and shrink."""

    enabled: bool = False
    """Whether KEDA runs in the cluster. A cluster has room for one: it owns the external metrics API."""

    chart_repository: str = Field("https://kedacore.github.io/charts", pattern=r"^https://[^\s]+$")
    """Helm repository of KEDA's chart; a mirror of yours where nodes and runners reach nothing else."""

    chart_version: ChartVersion = KEDA
    """Version of KEDA's chart."""

    images: KedaImages = KedaImages()
    """KEDA's images."""

    def image_settings(self) -> dict[str, ImageSettings]:
        """KEDA's images by their names in the stack file."""
        return {
            info.alias or name: getattr(self.images, name) for name, info in KedaImages.model_fields.items()
        }


class MultiNodeSettings(Strict):
    """LeaderWorkerSet, by which engines with `nodes` above 1 start, restart and end as one."""

    enabled: bool = False
    """Whether its controller runs in the cluster."""

    chart_registry: str = Field(
        "oci://registry.k8s.io/lws/charts", pattern=r"^oci://[a-z0-9][a-z0-9.:/_-]*[a-z0-9]$"
    )
    """OCI registry of its chart; a mirror of yours where runners reach nothing else."""

    chart_version: ChartVersion = LEADER_WORKER_SET
    """Version of its chart. Its definitions lie in the chart's crds/, which Helm installs and never upgrades."""

    image: ImageSettings = ImageSettings(repository="registry.k8s.io/lws/lws", tag=f"v{LEADER_WORKER_SET}")
    """The controller's image."""
