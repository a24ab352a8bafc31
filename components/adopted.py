"""What the stack adopts of others' networks and buckets, judged before anything is registered."""

from __future__ import annotations

import pulumi
import pulumi_aws as aws

from bastide.settings import Settings, SettingsError
from components.model_store_reading import model_store_problems
from components.network_reading import network_problems


def refuse_unusable(settings: Settings, provider: aws.Provider) -> None:
    """Raises RunError with everything for which an adopted VPC or bucket cannot be used."""
    problems = [*network_problems(settings, provider), *model_store_problems(settings, provider)]
    if problems:
        raise pulumi.RunError(str(SettingsError(problems)))
