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
from bastide.plans import cert_manager
from bastide.settings import Settings

Object = dict[str, Any]

API: Final = "cert-manager.io/v1"
MAY_ASK: Final = ("serving", "gateway")
"""Purposes of the namespaces that have an authority."""

ALL_ADDRESSES: Final = ("0.0.0.0/0", "::/0")

SELF_SIGNED: Final = "self-signed"
AUTHORITY: Final = "authority"
"""Name of an authority's Certificate and of its Secret."""
ISSUER: Final = "bastide"
"""Name of the Issuer in each namespace that may ask."""


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
        found.append(_object(settings, "ClusterIssuer", cert_manager.root_issuer(number), signer))
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
        # A list of domains says nothing about addresses: without the second part it could speak for any of them.
        "nameConstraints": {
            "critical": True,
            "permitted": {"dnsDomains": domains(namespace)},
            "excluded": {"ipRanges": list(ALL_ADDRESSES)},
        },
        "issuerRef": {
            "group": "cert-manager.io",
            "kind": "ClusterIssuer",
            "name": cert_manager.root_issuer(settings.certificates.signing_root),
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
        "each == object.metadata.namespace + '.svc' || each == object.metadata.namespace + '.svc.cluster.local') && "
        "has(object.spec.nameConstraints.excluded) && has(object.spec.nameConstraints.excluded.ipRanges) && "
        + " && ".join(f"'{each}' in object.spec.nameConstraints.excluded.ipRanges" for each in ALL_ADDRESSES)
    )
    certificates = [
        {
            "expression": f"object.metadata.namespace in [{spaces}] && object.metadata.name == '{AUTHORITY}'",
            "message": f"a root signs only the Certificate {AUTHORITY} of {', '.join(map(names.namespace, MAY_ASK))}; "
            f"ask the Issuer {ISSUER} of your namespace",
        },
        {
            "expression": own_domain,
            "message": "an authority's nameConstraints must be critical, permit its own namespace's domains only, and "
            "exclude every address",
        },
    ]
    requests = [
        {
            "expression": f"request.userInfo.username == '{cert_manager.SERVICE_ACCOUNT}'",
            "message": "only cert-manager itself asks a root, for a Certificate; make a Certificate",
        }
    ]
    return [
        *_policy("bastide-root-certificates", "certificates", certificates),
        *_policy("bastide-root-requests", "certificaterequests", requests),
    ]
