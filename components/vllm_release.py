"""One engine of any kind: the Helm release of charts/vllm, with values made by `bastide.plans.serving`. Chart, release
and component are called after the kind that came first; a name in the state is not changed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Final

import pulumi
import pulumi_kubernetes as kubernetes

from bastide import names
from bastide.plans import engine_kinds, engine_rollout, private_ca
from bastide.plans.engine_proxy import PORT
from bastide.plans.serving import chart_values
from bastide.settings import EngineSettings, Settings
from components.charts import MAX_HISTORY, with_digest

CHART: Final = "./charts/vllm"
"""Relative to the program, so that the state holds no path of a machine."""


@dataclass(frozen=True)
class VllmReleaseArgs:
    """The stack's settings, this engine's, and the bucket of models with its region."""

    settings: Settings
    engine: EngineSettings
    bucket: pulumi.Input[str]
    region: str
    public_keys: pulumi.Input[list[str]]
    """In PEM: those by which models are signed."""


class VllmRelease(pulumi.ComponentResource):
    """Pods of an engine serving one model. `url` is the engine's base URL inside the cluster."""

    url: str

    def __init__(self, name: str, args: VllmReleaseArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("bastide:serving:VllmRelease", name, None, opts)
        settings, engine = args.settings, args.engine
        release = names.engine_release(engine.name)
        values = partial(chart_values, settings, engine, region=args.region)
        if engine_rollout.interrupts(engine):
            pulumi.log.warn(
                f"engine {engine.name}: with one replica that ends before its successor starts, nobody is served while "
                "an update loads; `replicas: 2`, or `rollout: surge` on a pool with room for one more, avoids it",
                self,
            )
        if caveats := engine_kinds.caveats(engine):
            pulumi.log.warn(f"engine {engine.name}: {caveats}", self)
        secured = settings.certificates.internal
        needed = [self._certificate(name, settings, release)] if secured else []
        kubernetes.helm.v3.Release(
            f"{name}-release",
            name=release,
            namespace=names.namespace("serving"),
            chart=CHART,
            values=pulumi.Output.all(args.bucket, args.public_keys).apply(
                lambda known: with_digest(CHART, values(bucket=known[0], public_keys=known[1]))
            ),
            timeout=settings.rollout_timeout_seconds,
            max_history=MAX_HISTORY,
            opts=pulumi.ResourceOptions(parent=self, depends_on=needed),
        )
        scheme = "https" if secured else "http"
        self.url = f"{scheme}://{release}.{names.namespace('serving')}.svc:{PORT}/v1"
        self.register_outputs({"url": self.url})

    def _certificate(self, name: str, settings: Settings, release: str) -> pulumi.Resource:
        """The certificate of the engine's Service; the pods wait for its Secret."""
        wanted = private_ca.service_certificate(settings, release, "serving")
        made: pulumi.Resource = kubernetes.apiextensions.CustomResource(
            f"{name}-certificate",
            api_version=wanted["apiVersion"],
            kind=wanted["kind"],
            metadata=wanted["metadata"],
            spec=wanted["spec"],
            opts=pulumi.ResourceOptions(parent=self),
        )
        return made
