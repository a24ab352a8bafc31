"""EKS add-ons in pinned versions.

Two groups: what a node needs to become Ready is there before the first node; what needs a node comes after.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from bastide.catalogues.addon_versions import CONFIGURATION
from bastide.settings import UNRESOLVED


@dataclass(frozen=True)
class AddonsArgs:
    """The cluster's name, and versions by add-on name."""

    cluster_name: pulumi.Input[str]
    versions: Mapping[str, str]


class Addons(pulumi.ComponentResource):
    """A group of add-ons that may be installed at the same time."""

    def __init__(self, name: str, args: AddonsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("bastide:cluster:Addons", name, None, opts)
        for addon, version in args.versions.items():
            aws.eks.Addon(
                f"{name}-{addon}",
                cluster_name=args.cluster_name,
                addon_name=addon,
                # Only a sandbox gets here with an unresolved version: EKS's default for the cluster is taken.
                addon_version=None if version == UNRESOLVED else version,
                configuration_values=json.dumps(CONFIGURATION[addon]) if addon in CONFIGURATION else None,
                opts=pulumi.ResourceOptions(parent=self),
            )
        self.register_outputs({"addons": list(args.versions)})
