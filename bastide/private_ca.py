"""The private CA as objects of cert-manager. Pure.

One root a number (see `certificates.roots`), in a namespace of its own, signs one authority a namespace that may
ask, and nothing else; each authority signs certificates of its own namespace only, which its certificate itself says
(name constraints). So clients everywhere trust one root, and no namespace can speak for another. A ClusterIssuer is
the one way of cert-manager to sign across namespaces; two admission policies, judged by the API server itself, keep
everybody but the authorities from it.
"""

from __future__ import annotations

from typing import Any, Final

from bastide import names
from bastide.serving import image_values
from bastide.settings import UNRESOLVED, ImageSettings, Settings

Object = dict[str, Any]

API: Final = "cert-manager.io/v1"
RELEASE: Final = "cert-manager"
SERVICE_ACCOUNT: Final = f"system:serviceaccount:{names.namespace('certificates')}:{RELEASE}"

MAY_ASK: Final = ("serving", "gateway")
"""Purposes of the namespaces that have an authority."""

SELF_SIGNED: Final = "self-signed"
AUTHORITY: Final = "authority"
"""Name of an authority's Certificate and of its Secret."""
ISSUER: Final = "bastide"
"""Name of the Issuer in each namespace that may ask."""


def root_issuer(number: int) -> str:
    """Name of the ClusterIssuer that signs with this root."""
    return f"bastide-root-{number}"


def _hours(days: int) -> str:
    return f"{24 * days}h0m0s"


def _lifetime(days: int) -> Object:
    # Stated and not left to the default, which is the same third: it is what the checks rely on.
    return {"duration": _hours(days), "renewBefore": _hours(days // 3)}


def _object(settings: Settings, kind: str, name: str, spec: Object, namespace: str | None = None) -> Object:
    metadata: Object = {"name": name, "labels": names.labels("bastide", settings.name, "certificates")}
    if namespace:
        metadata["namespace"] = namespace
    return {"apiVersion": API, "kind": kind, "metadata": metadata, "spec": spec}


def roots(settings: Settings) -> list[Object]:
    """The roots: what signs them, their certificates, and the ClusterIssuers that sign with them."""
    pki = names.namespace("pki")
    found = [_object(settings, "Issuer", SELF_SIGNED, {"selfSigned": {}}, pki)]
    for number in settings.certificates.roots:
        spec = {
            "isCA": True,
            "commonName": f"{settings.prefix} root {number}",
            "secretName": f"root-{number}",
            **_lifetime(settings.certificates.root_days),
            # Renewed with the same key, so that who trusts the root goes on doing so: a new key is a new root.
            "privateKey": {"algorithm": "ECDSA", "size": 384, "rotationPolicy": "Never"},
            "usages": ["cert sign", "crl sign"],
            "issuerRef": {"group": "cert-manager.io", "kind": "Issuer", "name": SELF_SIGNED},
        }
        found.append(_object(settings, "Certificate", f"root-{number}", spec, pki))
        signer = {"ca": {"secretName": f"root-{number}"}}
        found.append(_object(settings, "ClusterIssuer", root_issuer(number), signer))
    return found


def domains(namespace: str) -> list[str]:
    """DNS domains of a namespace's Services."""
    return [f"{namespace}.svc", f"{namespace}.svc.cluster.local"]


def authority(settings: Settings, purpose: str) -> list[Object]:
    """A namespace's authority, and the Issuer by which pods of that namespace get certificates."""
    namespace = names.namespace(purpose)
    spec = {
        "isCA": True,
        "commonName": f"{settings.prefix} {purpose} authority",
        "secretName": AUTHORITY,
        **_lifetime(settings.certificates.authority_days),
        "privateKey": {"algorithm": "ECDSA", "size": 256, "rotationPolicy": "Always"},
        "usages": ["cert sign", "crl sign"],
        "nameConstraints": {"critical": True, "permitted": {"dnsDomains": domains(namespace)}},
        "issuerRef": {
            "group": "cert-manager.io",
            "kind": "ClusterIssuer",
            "name": root_issuer(settings.certificates.signing_root),
        },
    }
    return [
        _object(settings, "Certificate", AUTHORITY, spec, namespace),
        _object(settings, "Issuer", ISSUER, {"ca": {"secretName": AUTHORITY}}, namespace),
    ]


def service_certificate(settings: Settings, service: str, purpose: str) -> Object:
    """A Service's certificate, for server and client authentication, in the Secret `SERVICE-tls`."""
    namespace = names.namespace(purpose)
    spec = {
        "secretName": f"{service}-tls",
        **_lifetime(settings.certificates.leaf_days),
        "privateKey": {"algorithm": "ECDSA", "size": 256, "rotationPolicy": "Always"},
        "usages": ["digital signature", "server auth", "client auth"],
        # No bare `service`: it is no name below the namespace's domains, which are all that its authority may sign.
        "dnsNames": [f"{service}.{domain}" for domain in domains(namespace)],
        "issuerRef": {"group": "cert-manager.io", "kind": "Issuer", "name": ISSUER},
    }
    return _object(settings, "Certificate", service, spec, namespace)


def _policy(name: str, resource: str, validations: list[Object]) -> list[Object]:
    """An admission policy over cert-manager's objects that name a root, and its binding."""
    api = "admissionregistration.k8s.io/v1"
    rule = {
        "apiGroups": ["cert-manager.io"],
        "apiVersions": ["*"],
        "operations": ["CREATE", "UPDATE"],
        "resources": [resource],
    }
    spec = {
        "failurePolicy": "Fail",
        "matchConstraints": {"resourceRules": [rule]},
        "matchConditions": [
            {
                "name": "names-a-root",
                "expression": "has(object.spec.issuerRef.kind) && object.spec.issuerRef.kind == 'ClusterIssuer' && "
                "object.spec.issuerRef.name.startsWith('bastide-root-')",
            }
        ],
        "validations": validations,
    }
    return [
        {"apiVersion": api, "kind": "ValidatingAdmissionPolicy", "metadata": {"name": name}, "spec": spec},
        {
            "apiVersion": api,
            "kind": "ValidatingAdmissionPolicyBinding",
            "metadata": {"name": name},
            "spec": {"policyName": name, "validationActions": ["Deny"]},
        },
    ]


def policies() -> list[Object]:
    """What keeps everybody but the authorities from the roots. In force before the first root is there."""
    spaces = ", ".join(f"'{names.namespace(purpose)}'" for purpose in MAY_ASK)
    own_domain = (
        "has(object.spec.nameConstraints) && has(object.spec.nameConstraints.critical) && "
        "object.spec.nameConstraints.critical && has(object.spec.nameConstraints.permitted) && "
        "has(object.spec.nameConstraints.permitted.dnsDomains) && "
        "size(object.spec.nameConstraints.permitted.dnsDomains) > 0 && "
        "object.spec.nameConstraints.permitted.dnsDomains.all(each, "
        "each == object.metadata.namespace + '.svc' || each == object.metadata.namespace + '.svc.cluster.local')"
    )
    certificates = [
        {
            "expression": f"object.metadata.namespace in [{spaces}] && object.metadata.name == '{AUTHORITY}'",
            "message": f"a root signs only the Certificate {AUTHORITY} of {', '.join(map(names.namespace, MAY_ASK))}; "
            f"ask the Issuer {ISSUER} of your namespace",
        },
        {
            "expression": own_domain,
            "message": "an authority's nameConstraints must be critical and permit its own namespace's domains only",
        },
    ]
    requests = [
        {
            "expression": f"request.userInfo.username == '{SERVICE_ACCOUNT}'",
            "message": "only cert-manager itself asks a root, for a Certificate; make a Certificate",
        }
    ]
    return [
        *_policy("bastide-root-certificates", "certificates", certificates),
        *_policy("bastide-root-requests", "certificaterequests", requests),
    ]


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
