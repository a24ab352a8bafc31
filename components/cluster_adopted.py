"""A control plane that somebody else owns: known by what was read, and never changed."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi

from bastide.adopted.cluster import ClusterFacts


@dataclass(frozen=True)
class ClusterAdoptedArgs:
    """The cluster as it was read before the run."""

    facts: ClusterFacts


class ClusterAdopted(pulumi.ComponentResource):
    """Stands where `Cluster` would, and registers nothing: a destroy leaves the cluster as it is."""

    cluster_name: pulumi.Output[str]
    endpoint: pulumi.Output[str]
    certificate_authority: pulumi.Output[str]
    """PEM in base64."""
    security_group_id: pulumi.Output[str]
    """The group that EKS made for the control plane and its nodes."""

    def __init__(
        self, name: str, args: ClusterAdoptedArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("bastide:cluster:ClusterAdopted", name, None, opts)
        facts = args.facts
        self.cluster_name = pulumi.Output.from_input(facts.name)
        self.endpoint = pulumi.Output.from_input(facts.endpoint)
        self.certificate_authority = pulumi.Output.from_input(facts.certificate_authority)
        self.security_group_id = pulumi.Output.from_input(facts.security_group_id)
        self.register_outputs({"clusterName": self.cluster_name, "endpoint": self.endpoint})
