"""Whether a class of data may use a deployment, and if not, why."""

from __future__ import annotations

from bastide.plans.routing.deployments import Deployment
from bastide.settings import Settings
from bastide.settings.data_classes import DataClass


def regions(settings: Settings, data_class: DataClass) -> tuple[str, ...]:
    """Regions in which text of the class may be processed."""
    return settings.data_classes.of(data_class).regions or (settings.region,)


def refusal(settings: Settings, data_class: DataClass, deployment: Deployment) -> str | None:
    """Why the class may not use the deployment; None where it may."""
    rule = settings.data_classes.of(data_class)
    allowed = regions(settings, data_class)
    agreement = deployment.agreement
    if agreement is not None:
        if rule.hosted == "never":
            return f"{data_class} data goes to no hosted deployment"
        if data_class not in agreement.classes:
            return f"the agreement does not cover {data_class} data"
        if rule.hosted == "zeroRetention" and not agreement.zero_retention:
            return f"{data_class} data needs an agreement on zero retention"
        if rule.hosted != "any" and agreement.trains_on_data:
            return f"{data_class} data needs an agreement that nobody trains on it"
    if deployment.region not in allowed:
        return f"{data_class} data stays in {', '.join(allowed)}, and this is in {deployment.region}"
    return None
