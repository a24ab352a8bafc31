"""Values of cert-manager's own chart, and what it needs besides. Pure."""

from __future__ import annotations

from typing import Any, Final

from bastide import names
from bastide.plans.serving import image_values
from bastide.settings import UNRESOLVED, ImageSettings, Settings

Object = dict[str, Any]

RELEASE: Final = "cert-manager"
SERVICE_ACCOUNT: Final = f"system:serviceaccount:{names.namespace('certificates')}:{RELEASE}"


def root_issuer(number: int) -> str:
    """Name of the ClusterIssuer that signs with this root of the private CA."""
    return f"bastide-root-{number}"


def _image(image: ImageSettings) -> Object:
    found = image_values(image)
    # Only a sandbox gets here with an unresolved digest.
    return {key: value for key, value in found.items() if value != UNRESOLVED}


def _part(image: ImageSettings, memory: int, limit: int) -> Object:
    """What the parts have in common. Memory in MiB, chosen: some hundreds of certificates at most."""
    return {
        "image": _image(image),
        "replicaCount": 2,
        "podDisruptionBudget": {"enabled": True, "maxUnavailable": 1},
        "resources": {
            "requests": {"cpu": "50m", "memory": f"{memory}Mi"},
            "limits": {"memory": f"{limit}Mi"},
        },
    }


def release_values(settings: Settings) -> Object:
    """Values of cert-manager's own chart."""
    images = settings.certificates.images
    vpc, services = str(settings.network.cidr), str(settings.cluster.service_cidr)
    outwards = [
        {
            "to": [{"ipBlock": {"cidr": block}} for block in (vpc, services)],
            "ports": [{"protocol": "TCP", "port": 443}],
        },
        {
            "to": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}}}],
            "ports": [{"protocol": protocol, "port": 53} for protocol in ("UDP", "TCP")],
        },
    ]
    monitoring = {
        "from": [
            {
                "namespaceSelector": {"matchLabels": {"app.kubernetes.io/part-of": "bastide"}},
                "podSelector": {"matchLabels": {names.ROLE_LABEL: names.ROLE_MONITORING}},
            }
        ],
        "ports": [{"protocol": "TCP", "port": "http-metrics"}],
    }
    # The API server's own addresses are network interfaces in the VPC.
    from_api = {"from": [{"ipBlock": {"cidr": vpc}}], "ports": [{"protocol": "TCP", "port": "https"}]}

    def reach(*inwards: Object) -> Object:
        return {"networkPolicy": {"enabled": True, "ingress": list(inwards), "egress": outwards}}

    return {
        "global": {
            # Without it no certificate is renewed: it outlives what it serves.
            "priorityClassName": "system-cluster-critical",
            "leaderElection": {"namespace": names.namespace("certificates")},
            "commonLabels": {"app.kubernetes.io/part-of": "bastide"},
        },
        # `keep`: deleting the definitions would delete every certificate of the cluster with them.
        "crds": {"enabled": True, "keep": True},
        "clusterResourceNamespace": names.namespace("pki"),
        "approveSignerNames": [
            "issuers.cert-manager.io/*",
            *(
                f"clusterissuers.cert-manager.io/{root_issuer(number)}"
                for number in settings.certificates.roots
            ),
        ],
        **_part(images.controller, 128, 512),
        **reach(monitoring),
        "webhook": {**_part(images.webhook, 64, 256), **reach(from_api, monitoring)},
        "cainjector": {**_part(images.cainjector, 128, 512), **reach(monitoring)},
        "startupapicheck": {
            "image": _image(images.startup_check),
            "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}, "limits": {"memory": "128Mi"}},
        },
    }


def startup_check_policy(settings: Settings) -> Object:
    """The way of the chart's startup check to the API server and to DNS, for which the chart has no value."""
    outwards: list[Object] = release_values(settings)["networkPolicy"]["egress"]
    return {
        "podSelector": {"matchLabels": {"app.kubernetes.io/component": "startupapicheck"}},
        "policyTypes": ["Egress"],
        "egress": outwards,
    }
