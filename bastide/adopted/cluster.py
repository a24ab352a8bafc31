"""Whether a cluster that somebody else owns can carry a region: what is refused, and what is only warned of.

Refused is what the region cannot work with, or would be open by; warned of is what its owner should mend and the
region works without. docs/cluster.md has the table.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date

from bastide.catalogues.eks_versions import CALENDAR, judge, versions


@dataclass(frozen=True)
class ClusterFacts:
    """A cluster as EKS describes it."""

    name: str
    status: str
    version: str
    endpoint: str
    certificate_authority: str
    """PEM in base64."""
    vpc_id: str
    security_group_id: str
    """The group that EKS made for the control plane and its nodes."""
    private_access: bool
    public_access: bool
    public_cidrs: Sequence[str]
    authentication_mode: str
    """API, API_AND_CONFIG_MAP or CONFIG_MAP."""
    service_cidr: str
    ip_family: str
    upgrade_policy: str
    deletion_protection: bool
    log_types: Sequence[str] = ()


@dataclass(frozen=True)
class Judgement:
    """Sentences, each with what to do."""

    refusals: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def examine(
    facts: ClusterFacts,
    *,
    wanted_version: str,
    service_cidr: str,
    vpc_id: str | None,
    pod_identity: bool,
    today: date,
) -> Judgement:
    """Everything that is wrong with the cluster at once. `vpc_id`: the stack's adopted VPC, where it is known
    by id. `pod_identity`: whether the Pod Identity agent is there, or will be."""
    found = Judgement()
    refuse, warn = found.refusals.append, found.warnings.append
    if facts.status != "ACTIVE":
        refuse(f"its status is {facts.status}; wait until it is ACTIVE")
    _version(facts, wanted_version, today, found)
    if not facts.private_access:
        refuse(
            "it has no private endpoint, so that nodes in private subnets would reach it over the internet; its "
            "owner turns endpointPrivateAccess on"
        )
    if facts.public_access and "0.0.0.0/0" in facts.public_cidrs:
        refuse(
            "its public endpoint is open to 0.0.0.0/0; an API server that everybody can reach is one bug from "
            "being lost; its owner narrows publicAccessCidrs, or turns the public endpoint off"
        )
    if facts.authentication_mode == "CONFIG_MAP":
        refuse(
            "its authentication mode is CONFIG_MAP, in which there are no access entries: the pools' nodes could "
            "not join without a change of its aws-auth; its owner moves it to API_AND_CONFIG_MAP or API"
        )
    elif facts.authentication_mode != "API":
        warn(
            f"its authentication mode is {facts.authentication_mode}: whoever may edit the ConfigMap aws-auth is "
            "an administrator, and no access entry shows it; API shows everybody"
        )
    if facts.ip_family != "ipv4":
        refuse(
            f"its Services have {facts.ip_family} addresses, and this kit's network is IPv4; adopt an IPv4 one"
        )
    elif facts.service_cidr != service_cidr:
        refuse(
            f"its Services have {facts.service_cidr}, and cluster.serviceCidr says {service_cidr}, against which "
            f"overlaps are checked; set '{facts.service_cidr}'"
        )
    if vpc_id is not None and facts.vpc_id != vpc_id:
        refuse(
            f"it is in {facts.vpc_id}, and the stack's network is {vpc_id}; a node group is in its cluster's VPC; "
            "adopt that VPC"
        )
    if not pod_identity:
        refuse(
            "it has no add-on eks-pod-identity-agent, by which pods get their roles; its owner installs it, or "
            "cluster.managedAddons lists it"
        )
    if "audit" not in facts.log_types:
        warn(
            "its audit log is off: nobody can tell who did what, and no alarm sees break-glass; its owner turns "
            "it on"
        )
    others = ("api", "authenticator", "controllerManager", "scheduler")
    missing = [kind for kind in others if kind not in facts.log_types]
    if missing:
        warn(f"these control plane logs are off: {', '.join(missing)}")
    if not facts.deletion_protection:
        warn("it has no deletion protection: one call deletes it with everything that runs on it")
    return found


def _version(facts: ClusterFacts, wanted: str, today: date, found: Judgement) -> None:
    if facts.version not in CALENDAR:
        found.refusals.append(
            f"it runs Kubernetes {facts.version}, of which this kit knows nothing; it knows {', '.join(versions())}"
        )
        return
    verdict = judge(facts.version, facts.upgrade_policy, today)
    found.refusals.extend(filter(None, [verdict.refusal]))
    found.warnings.extend(filter(None, [verdict.warning]))
    if facts.version != wanted:
        found.refusals.append(
            f"it runs Kubernetes {facts.version}, and cluster.kubernetesVersion is {wanted}; its owner upgrades "
            f"it, and the pools follow; set '{facts.version}'"
        )
