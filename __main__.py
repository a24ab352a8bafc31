"""Bastide's Pulumi program: the stack's settings, then its region."""

from __future__ import annotations

from pathlib import Path

import pulumi
from pulumi.runtime.config import CONFIG, get_config_env

from bastide.plans.capacity.documents import outputs
from bastide.plans.costs import estimate
from bastide.settings import (
    Layer,
    SettingsError,
    decode,
    load_layers,
    refuse_ambiguous,
    refuse_unresolved,
    shared_layers,
    siblings,
)
from components.region import Region, RegionArgs

try:
    own = Layer("the stack's file", decode({**get_config_env(), **CONFIG.get()}))
    stacks = Path(__file__).parent / "stacks"
    refuse_ambiguous(stacks / f"Pulumi.{pulumi.get_stack()}.yaml")
    shared = shared_layers(stacks, own.values.get("environment"))
    settings = load_layers([*shared, own], siblings(stacks, pulumi.get_stack()), stacks.parent)
    refuse_unresolved(settings)
except SettingsError as error:
    # A RunError is shown as its text alone: a traceback would bury the list.
    raise pulumi.RunError(str(error)) from None

if settings.unresolved():
    pulumi.log.warn(
        "accepted in a sandbox only, and refused elsewhere - still 'unresolved': "
        + ", ".join(settings.unresolved())
    )

cost = estimate(settings)
pulumi.log.info(f"this region costs {cost.line()} (`bastide cost --stack {pulumi.get_stack()}` says of what)")

region = Region(settings.name, RegionArgs(settings))
pulumi.export("clusterName", region.cluster_name)
pulumi.export("clusterEndpoint", region.cluster_endpoint)
pulumi.export("modelBucket", region.model_bucket)
pulumi.export("engineServices", region.engine_services)
pulumi.export("cost", cost.line())
# What the planner says of each engine (`bastide plan --stack NAME` says of what it is made).
pulumi.export("capacity", outputs(settings))
