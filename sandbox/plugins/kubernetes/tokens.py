"""From a Pulumi type token to a Kubernetes kind, and which tokens are refused.

`kubernetes:<group>/<version>:<Kind>`: the group `core` is Kubernetes' empty one; every other group stands
as it is, so a CustomResource needs no table.
"""

from __future__ import annotations

from typing import Final

from sandbox.plugins.protocol import PluginError

RELEASE: Final = "kubernetes:helm.sh/v3:Release"

REFUSED_GROUPS: Final = {
    "yaml": "it is a component of many objects; declare the objects themselves",
    "kustomize": "kustomize is not part of the sandbox; declare the objects themselves",
    "helm.sh": "only helm.sh/v3:Release is run here, by the real helm, so that `helm list` and rollback work",
    "meta": "it is a part of answers and no object",
}


def api_version_kind(token: str) -> tuple[str, str]:
    """apiVersion and kind of a token; raises `PluginError` for one that the sandbox does not do."""
    parts = token.split(":")
    if len(parts) != 3 or parts[0] != "kubernetes":
        raise PluginError(f"{token} is no Kubernetes resource type")
    group_version, kind = parts[1], parts[2]
    group = group_version.split("/")[0]
    if group in REFUSED_GROUPS:
        raise PluginError(f"the sandbox does not do {token}: {REFUSED_GROUPS[group]}")
    builtin = "." not in group or group.endswith(".k8s.io")
    if builtin and kind.endswith("List"):
        raise PluginError(f"the sandbox does not do {token}: declare each object of the list")
    if builtin and kind.endswith("Patch"):
        raise PluginError(
            f"the sandbox does not do {token}: declare the whole object, or let its owner make the change"
        )
    return (group_version.removeprefix("core/"), kind)
