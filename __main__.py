"""Bastide's Pulumi program: the stack's settings, then its region."""

from __future__ import annotations

import pulumi
from pulumi.runtime.config import CONFIG, get_config_env

from bastide.settings import Settings, SettingsError, decode, refuse_unresolved
from components.region import Region, RegionArgs

try:
    settings = Settings.load(decode({**get_config_env(), **CONFIG.get()}))
    refuse_unresolved(settings)
except SettingsError as error:
    # A RunError is shown as its text alone: a traceback would bury the list.
    raise pulumi.RunError(str(error)) from None

if settings.unresolved():
    pulumi.log.warn(
        "accepted in a sandbox only, and refused elsewhere - still 'unresolved': "
        + ", ".join(settings.unresolved())
    )

region = Region(settings.name, RegionArgs(settings))
pulumi.export("clusterName", region.cluster_name)
pulumi.export("clusterEndpoint", region.cluster_endpoint)
pulumi.export("modelBucket", region.model_bucket)
pulumi.export("engineServices", region.engine_services)
