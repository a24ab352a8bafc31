"""One engine: the Helm release of charts/vllm, with values made by `bastide.plans.serving`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Final

import pulumi
import pulumi_kubernetes as kubernetes

from bastide import names
from bastide.plans.serving import PORT, chart_values
from bastide.settings import EngineSettings, Settings
from components.charts import with_digest

CHART: Final = "./charts/vllm"
"""Relative to the program, so that the state holds no path of a machine."""

MAX_HISTORY: Final = 10
"""Revisions that Helm keeps for a rollback; its own command line's default."""


@dataclass(frozen=True)
class VllmReleaseArgs:
    """The stack's settings, this engine's, and the bucket of models with its region."""

    settings: Settings
    engine: EngineSettings
    bucket: pulumi.Input[str]
    region: str


class VllmRelease(pulumi.ComponentResource):
    """vLLM pods serving one model. `url` is the engine's base URL inside the cluster."""

    url: str

    def __init__(self, name: str, args: VllmReleaseArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("bastide:serving:VllmRelease", name, None, opts)
        settings, engine = args.settings, args.engine
        release = names.engine_release(engine.name)
        values = partial(chart_values, settings, engine, region=args.region)
        kubernetes.helm.v3.Release(
            f"{name}-release",
            name=release,
            namespace=names.namespace("serving"),
            chart=CHART,
            values=pulumi.Output.from_input(args.bucket).apply(
                lambda bucket: with_digest(CHART, values(bucket=bucket))
            ),
            timeout=settings.rollout_timeout_seconds,
            max_history=MAX_HISTORY,
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.url = f"http://{release}.{names.namespace('serving')}.svc:{PORT}/v1"
        self.register_outputs({"url": self.url})
