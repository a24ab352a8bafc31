"""Add-ons: the versions that AWS publishes, and their installation on a cluster.

What an add-on runs is not emulated here (the daemon runs the control plane, charts bring the agents); its
API life is: versions that fit the cluster, configuration that is JSON, and those that need a node wait for
one.
"""

from __future__ import annotations

import json
from typing import Any

import yaml

from sandbox.aws import identity
from sandbox.aws.eks import pod_identity
from sandbox.aws.eks.api import Call, operation, page
from sandbox.aws.eks.store import Addon, Cluster, Update, now
from sandbox.aws.eks.tables import ADDONS, AddonFacts, AddonVersion
from sandbox.aws.errors import ApiError


def document(cluster: Cluster, addon: Addon) -> dict[str, Any]:
    """The API's Addon."""
    return {
        "addonName": addon.name,
        "clusterName": cluster.name,
        "status": addon.status,
        "addonVersion": addon.version,
        "health": {"issues": addon.issues},
        "addonArn": addon.arn,
        "createdAt": addon.created_at,
        "modifiedAt": addon.modified_at,
        "serviceAccountRoleArn": addon.role_arn,
        "tags": addon.tags,
        "publisher": "eks",
        "owner": "aws",
        "configurationValues": addon.configuration,
        "podIdentityAssociations": addon.associations or None,
        "namespaceConfig": {"namespace": "kube-system"},
    }


def _facts(name: str) -> AddonFacts:
    if name not in ADDONS:
        raise ApiError(
            "InvalidParameterException",
            f"Addon specified is not supported: {name}; this table knows {', '.join(ADDONS)}",
            addonName=name,
        )
    return ADDONS[name]


def _fitting(cluster: Cluster, name: str) -> list[AddonVersion]:
    return [version for version in _facts(name).versions if cluster.version in version.kubernetes]


def _chosen(cluster: Cluster, name: str, version: str | None) -> str:
    fitting = _fitting(cluster, name)
    if version is None and fitting:
        return fitting[0].version
    if version not in {known.version for known in fitting}:
        raise ApiError(
            "InvalidParameterException",
            f"Addon version specified is not supported: {name} {version} on Kubernetes "
            f"{cluster.version}; known here: {', '.join(known.version for known in fitting) or 'none'}",
            clusterName=cluster.name,
            addonName=name,
        )
    return str(version)


def _configuration(text: str | None) -> str | None:
    if not text:
        return None
    try:
        parsed = yaml.safe_load(text)
    except yaml.YAMLError:
        parsed = None
    if not isinstance(parsed, dict):
        raise ApiError(
            "InvalidParameterException",
            "ConfigurationValue provided in request is not supported: it is neither a JSON nor a YAML object",
        )
    return text


def _found(cluster: Cluster, name: str) -> Addon:
    if name not in cluster.addons:
        raise ApiError(
            "ResourceNotFoundException",
            f"No addon: {name} found in cluster: {cluster.name}",
            404,
            clusterName=cluster.name,
            addonName=name,
        )
    return cluster.addons[name]


def _associate(cluster: Cluster, addon: Addon, wanted: list[dict[str, str]]) -> None:
    for arn in addon.associations:
        cluster.associations.pop(arn.rpartition("/")[2], None)
    addon.associations = [
        pod_identity.add(
            cluster, "kube-system", item["serviceAccount"], item["roleArn"], {}, owner=addon.arn
        ).arn
        for item in wanted
    ]


def _check_role(arn: str | None) -> None:
    # IRSA roles trust an OIDC provider, so only their existence is checked here.
    if arn and not identity.principal_exists(arn):
        raise ApiError("InvalidParameterException", f"The role {arn} does not exist.")


@operation("CreateAddon")
def create(call: Call, given: dict[str, Any]) -> dict[str, Any]:
    """Installs an add-on on an active cluster."""
    cluster, name = call.cluster(given["clusterName"]), given["addonName"]
    _facts(name)
    cluster.require("ACTIVE", "UPDATING")
    if name in cluster.addons:
        raise ApiError(
            "ResourceInUseException", "Addon already exists.", 409, clusterName=cluster.name, addonName=name
        )
    _check_role(given.get("serviceAccountRoleArn"))
    addon = Addon(
        name=name,
        version=_chosen(cluster, name, given.get("addonVersion")),
        arn=cluster.sub_arn("addon", name),
        configuration=_configuration(given.get("configurationValues")),
        role_arn=given.get("serviceAccountRoleArn"),
        tags=dict(given.get("tags") or {}),
    )
    _associate(cluster, addon, given.get("podIdentityAssociations") or [])
    cluster.addons[name] = addon
    return {"addon": document(cluster, addon)}


@operation("DescribeAddon")
def describe(call: Call, given: dict[str, Any]) -> dict[str, Any]:
    """One add-on."""
    cluster = call.cluster(given["clusterName"])
    return {"addon": document(cluster, _found(cluster, given["addonName"]))}


@operation("ListAddons")
def list_addons(call: Call, given: dict[str, Any]) -> dict[str, Any]:
    """Names of the installed add-ons."""
    names, token = page(sorted(call.cluster(given["clusterName"]).addons), given)
    return {"addons": names, "nextToken": token}


@operation("UpdateAddon")
def update(call: Call, given: dict[str, Any]) -> dict[str, Any]:
    """Another version, configuration, role or set of associations; what is left out stays."""
    cluster = call.cluster(given["clusterName"])
    addon = _found(cluster, given["addonName"])
    if addon.status in ("CREATING", "UPDATING", "DELETING"):
        raise ApiError(
            "ResourceInUseException",
            f"Addon {addon.name} is {addon.status}.",
            409,
            clusterName=cluster.name,
            addonName=addon.name,
        )
    params: dict[str, Any] = {}
    if given.get("addonVersion"):
        addon.version = params["AddonVersion"] = _chosen(cluster, addon.name, given["addonVersion"])
    if given.get("configurationValues") is not None:
        addon.configuration = params["ConfigurationValues"] = _configuration(given["configurationValues"])
    if given.get("serviceAccountRoleArn"):
        _check_role(given["serviceAccountRoleArn"])
        addon.role_arn = params["ServiceAccountRoleArn"] = given["serviceAccountRoleArn"]
    if given.get("podIdentityAssociations") is not None:
        _associate(cluster, addon, given["podIdentityAssociations"])
        params["PodIdentityAssociations"] = json.dumps(given["podIdentityAssociations"])
    addon.status, addon.modified_at = "UPDATING", now()
    addon.update = cluster.start(Update("AddonUpdate", params, addon=addon.name))
    return {"update": addon.update.document()}


@operation("DeleteAddon")
def delete(call: Call, given: dict[str, Any]) -> dict[str, Any]:
    """Starts the removal; the associations that the add-on owns go with it."""
    cluster = call.cluster(given["clusterName"])
    addon = _found(cluster, given["addonName"])
    _associate(cluster, addon, [])
    addon.status = "DELETING"
    return {"addon": document(cluster, addon)}


@operation("DescribeAddonVersions")
def describe_versions(call: Call, given: dict[str, Any]) -> dict[str, Any]:
    """The versions of the table, with the Kubernetes versions each goes with."""
    wanted, kubernetes = given.get("addonName"), given.get("kubernetesVersion")
    shown = []
    for name, facts in ADDONS.items():
        versions = [v for v in facts.versions if kubernetes is None or kubernetes in v.kubernetes]
        if wanted in (None, name) and versions:
            shown.append(
                {
                    "addonName": name,
                    "type": facts.kind,
                    "publisher": "eks",
                    "owner": "aws",
                    "addonVersions": [_version(facts, v) for v in versions],
                }
            )
    listed, token = page(shown, given)
    return {"addons": listed, "nextToken": token}


def _version(facts: AddonFacts, version: AddonVersion) -> dict[str, Any]:
    newest = {k: next(v.version for v in facts.versions if k in v.kubernetes) for k in version.kubernetes}
    return {
        "addonVersion": version.version,
        "architecture": ["amd64", "arm64"],
        "compatibilities": [
            {"clusterVersion": k, "platformVersions": ["*"], "defaultVersion": newest[k] == version.version}
            for k in version.kubernetes
        ],
        "requiresConfiguration": False,
    }
