"""How secrets come from their store into the cluster: External Secrets' own chart, its pods' ways, its objects. Pure.

It runs in a namespace of its own, and sees the gateway's namespace alone: by its Role, not by good will. There is no
webhook: the objects are the kit's own, and the definitions' schemas judge them. A value passes through here nowhere.
"""

from __future__ import annotations

import base64
from typing import Any, Final

from bastide import names
from bastide.plans import controllers, secrets
from bastide.settings import Settings
from bastide.settings.secrets import AwsSecretsManager, GoogleSecretManager, Vault

Object = dict[str, Any]

RELEASE: Final = "external-secrets"
API: Final = "external-secrets.io/v1"
POD: Final = {"app.kubernetes.io/name": "external-secrets", "app.kubernetes.io/instance": RELEASE}
"""Labels of the operator's pods (chart, _helpers.tpl, selectorLabels)."""
SERVICE_ACCOUNT: Final = "external-secrets"

METRICS_PORT: Final = 8080
"""Chart, `metrics.listen.port`."""
LIVE_PORT: Final = 8082
"""Chart, `livenessProbe.spec.port`."""

POD_IDENTITY: Final = "169.254.170.23/32"
"""The Pod Identity agent's address on every node (EKS user guide, "Learn how EKS Pod Identity grants pods access to AWS
services"); it answers at port 80."""

VAULT_VALUE: Final = "value"
"""Field of a Vault entry that has the secret."""

PURPOSE: Final = "gateway"
"""Namespace, by purpose, whose secrets are delivered. Others get a store of their own when they have secrets."""


def release_values(settings: Settings) -> Object:
    """Values of External Secrets' own chart."""
    wanted = settings.secrets
    outside = not isinstance(wanted.store, AwsSecretsManager)
    return {
        "image": {
            "repository": wanted.image.repository,
            "tag": controllers.tag(wanted.image),
            "pullPolicy": "IfNotPresent",
        },
        "fullnameOverride": RELEASE,
        "replicaCount": wanted.replicas,
        "leaderElect": wanted.replicas > 1,
        # `keep`: deleting the definitions would delete every ExternalSecret, and with it the Secrets of running pods.
        "installCRDs": True,
        "crds": {
            "createClusterExternalSecret": False,
            "createClusterSecretStore": False,
            "createClusterGenerator": False,
            "createClusterPushSecret": False,
            "createPushSecret": False,
            "annotations": {"helm.sh/resource-policy": "keep"},
        },
        "scopedNamespace": names.namespace(PURPOSE),
        "scopedRBAC": True,
        "processClusterExternalSecret": False,
        "processClusterPushSecret": False,
        "processClusterStore": False,
        "processClusterGenerator": False,
        "processPushSecret": False,
        "rbac": {
            "create": True,
            # A token of any service account of the namespace is asked for only where the store is signed in to by one.
            "serviceAccountTokenCreate": outside,
            "servicebindings": {"create": False},
            # Otherwise everybody with `view` or `edit` sees or points them elsewhere.
            "aggregateToView": False,
            "aggregateToEdit": False,
            "aggregateToAdmin": False,
        },
        "serviceAccount": {"create": True, "name": SERVICE_ACCOUNT},
        "webhook": {"create": False},
        "certController": {"create": False},
        "podSecurityContext": {"enabled": True, **controllers.POD_SECURITY},
        "securityContext": {
            "enabled": True,
            "runAsNonRoot": True,
            "runAsUser": 65532,
            **controllers.CONTAINER_SECURITY,
        },
        # Measured by nobody here with many objects: a handful of ExternalSecrets took 60 MiB.
        "resources": controllers.resources(50, 128, 256),
        "priorityClassName": "system-cluster-critical",
        "nodeSelector": dict(controllers.ON_SYSTEM_NODES),
        "topologySpreadConstraints": controllers.spread(POD),
        "podDisruptionBudget": {"enabled": wanted.replicas > 1, "minAvailable": 1},
        "livenessProbe": {"enabled": True},
        "concurrent": 1,
        "log": {"level": "info", "timeEncoding": "iso8601"},
    }


def network_policies(settings: Settings) -> dict[str, Object]:
    """Specifications of the NetworkPolicies of its namespace, by name."""
    outwards = [controllers.to_dns(), controllers.to_api_server(settings), *_to_store(settings)]
    return {
        RELEASE: controllers.policy(POD, [controllers.from_monitoring(METRICS_PORT)], outwards),
    }


def _to_store(settings: Settings) -> list[Object]:
    store = settings.secrets.store
    if isinstance(store, AwsSecretsManager):
        inside = "secretsmanager" in getattr(settings.network, "interface_endpoints", ())
        block = str(settings.network.cidr) if inside else "0.0.0.0/0"
        agent = {
            "to": [{"ipBlock": {"cidr": POD_IDENTITY}}],
            "ports": [{"protocol": "TCP", "port": 80}],
        }
        return [_https(block), agent]
    return [_https("0.0.0.0/0", store.port if isinstance(store, Vault) else 443)]


def _https(block: str, port: int = 443) -> Object:
    return {"to": [{"ipBlock": {"cidr": block}}], "ports": [{"protocol": "TCP", "port": port}]}


def _provider(settings: Settings) -> Object:
    store = settings.secrets.store
    reader = {"name": names.SECRETS_READER}
    if isinstance(store, GoogleSecretManager):
        federation = {
            "audience": store.audience,
            "serviceAccountRef": {**reader, "audiences": [store.audience]},
        }
        return {
            "gcpsm": {
                "projectID": store.project,
                "auth": {"workloadIdentityFederation": federation},
                "secretVersionSelectionPolicy": "LatestOrFail",
            }
        }
    if isinstance(store, Vault):
        vault: Object = {
            "server": f"https://{store.host}:{store.port}",
            "path": store.mount,
            "version": "v2",
            "auth": {
                "kubernetes": {
                    "mountPath": store.auth_mount,
                    "role": store.role,
                    "serviceAccountRef": {**reader, "audiences": ["vault"]},
                }
            },
        }
        if store.ca is not None:
            vault["caBundle"] = base64.b64encode(store.ca.encode()).decode()
        return {"vault": vault}
    # Without `auth` it is the operator's own Pod Identity: there is no credential to name.
    return {"aws": {"service": "SecretsManager", "region": settings.region}}


def _metadata(settings: Settings, name: str) -> Object:
    return {
        "name": name,
        "namespace": names.namespace(PURPOSE),
        "labels": names.labels("bastide", settings.name, "secrets"),
    }


def service_account(settings: Settings) -> Object | None:
    """Metadata of the service account by which a store outside AWS is signed in to; None for AWS."""
    if isinstance(settings.secrets.store, AwsSecretsManager):
        return None
    return _metadata(settings, names.SECRETS_READER)


def store(settings: Settings) -> Object:
    """The SecretStore of the gateway's namespace."""
    return {
        "apiVersion": API,
        "kind": "SecretStore",
        "metadata": _metadata(settings, names.SECRET_STORE),
        "spec": {"provider": _provider(settings)},
    }


def external_secret(settings: Settings) -> Object:
    """The ExternalSecret that makes the Secret `gateway-secrets`, a key for each secret."""
    vault = isinstance(settings.secrets.store, Vault)
    data = []
    for each in secrets.wanted(settings):
        remote = {"key": secrets.store_name(settings, each.name)} | (
            {"property": VAULT_VALUE} if vault else {}
        )
        # Its own defaults, said: they would otherwise come back as a difference at the next run.
        remote |= {"conversionStrategy": "Default", "decodingStrategy": "None", "metadataPolicy": "None"}
        data.append({"secretKey": each.name, "remoteRef": remote})
    seconds = settings.secrets.refresh_seconds
    return {
        "apiVersion": API,
        "kind": "ExternalSecret",
        "metadata": _metadata(settings, names.GATEWAY_SECRETS),
        "spec": {
            "refreshInterval": f"{seconds}s",
            "refreshPolicy": "Periodic",
            "secretStoreRef": {"kind": "SecretStore", "name": names.SECRET_STORE},
            # Retain: a store that is empty for a moment must not take the keys from running pods.
            "target": {
                "name": names.GATEWAY_SECRETS,
                "creationPolicy": "Owner",
                "deletionPolicy": "Retain",
            },
            "data": data,
        },
    }
