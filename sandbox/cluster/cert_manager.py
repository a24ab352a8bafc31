"""What cert-manager's controller would sign: Secrets for Certificates of SelfSigned and CA issuers.

It stands in for a controller that is a pod, so that pods which mount a certificate's Secret start, and live ones speak
real TLS. Keys, chains, name constraints and lifetimes are those that each Certificate asks for. Blind spots: it signs
without a CertificateRequest, so what admission says of one is not shown; nothing is renewed, and other issuers (ACME,
Vault) are left alone.
"""

from __future__ import annotations

import base64
import datetime
import ipaddress
import logging
import re
from threading import Event, Thread
from typing import Any, Final

import urllib3
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from sandbox.cluster.kube import Kube, KubeError
from sandbox.cluster.nodes import now as stamp

_GROUP: Final = "/apis/cert-manager.io/v1"
_EVERY: Final = 1.0
_LOG = logging.getLogger(__name__)

_DAY: Final = datetime.timedelta(days=1)
_DEFAULT: Final = 90 * _DAY
"""Lifetime of a Certificate that names none (cert-manager's API reference, CertificateSpec.duration)."""

_PART: Final = re.compile(r"(\d+(?:\.\d+)?)(h|m|s)")
_SECONDS: Final = {"h": 3600.0, "m": 60.0, "s": 1.0}

Object = dict[str, Any]


class Signer:
    """Signs for one cluster until `stop`."""

    def __init__(self, kube: Kube) -> None:
        self._kube = kube
        self._stopped = Event()
        self._thread = Thread(target=self._run, name="cert-manager", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread."""
        self._stopped.set()

    def _run(self) -> None:
        while not self._stopped.wait(_EVERY):
            try:
                self.sign_all()
            except (KubeError, urllib3.exceptions.HTTPError, OSError) as error:
                if not self._stopped.is_set():
                    _LOG.warning("cert-manager's stand-in: %s", error)
            except Exception:  # without this thread no Secret would appear any more
                _LOG.exception("cert-manager's stand-in: tried again")

    def sign_all(self) -> int:
        """Signs each Certificate that lacks its Secret and whose issuer can; returns how many."""
        signed = 0
        for each in self._list(f"{_GROUP}/certificates"):
            namespace, secret = each["metadata"]["namespace"], each["spec"]["secretName"]
            if each["metadata"].get("deletionTimestamp") or self._get("", namespace, "secrets", secret):
                continue
            issuer = self._issuer(each)
            if issuer is not None:
                self._sign(each, issuer)
                signed += 1
        return signed

    def _list(self, path: str) -> list[Object]:
        try:
            return list(self._kube.request("GET", path)["items"])
        except KubeError as error:
            if error.status == 404:  # cert-manager's definitions are not there
                return []
            raise

    def _get(self, group: str, namespace: str | None, plural: str, name: str) -> Object | None:
        where = f"/namespaces/{namespace}" if namespace else ""
        try:
            return self._kube.request("GET", f"{group or '/api/v1'}{where}/{plural}/{name}")
        except KubeError as error:
            if error.status == 404:
                return None
            raise

    def _issuer(self, certificate: Object) -> tuple[bytes, bytes, bytes] | str | None:
        """Key, chain and root of what signs; "self" for a certificate that signs itself; None while it cannot."""
        wanted, namespace = certificate["spec"]["issuerRef"], certificate["metadata"]["namespace"]
        if wanted.get("kind", "Issuer") == "ClusterIssuer":
            found = self._get(_GROUP, None, "clusterissuers", wanted["name"])
            namespace = self._cluster_namespace()
        else:
            found = self._get(_GROUP, namespace, "issuers", wanted["name"])
        spec = (found or {}).get("spec", {})
        if "selfSigned" in spec:
            return "self"
        secret = self._get("", namespace, "secrets", spec["ca"]["secretName"]) if "ca" in spec else None
        if secret is None:
            return None
        data = {name: base64.b64decode(value) for name, value in secret.get("data", {}).items()}
        return data["tls.key"], data["tls.crt"], data.get("ca.crt", data["tls.crt"])

    def _cluster_namespace(self) -> str:
        """Where the Secrets of ClusterIssuers lie: an argument of the controller."""
        for each in self._list(
            "/apis/apps/v1/deployments?labelSelector=app.kubernetes.io%2Fname%3Dcert-manager"
        ):
            arguments: list[str] = each["spec"]["template"]["spec"]["containers"][0].get("args", [])
            for argument in arguments:
                if argument.startswith("--cluster-resource-namespace="):
                    value = argument.partition("=")[2]
                    return str(each["metadata"]["namespace"]) if value == "$(POD_NAMESPACE)" else value
        return "cert-manager"

    def _sign(self, certificate: Object, issuer: tuple[bytes, bytes, bytes] | str) -> None:
        spec, metadata = certificate["spec"], certificate["metadata"]
        key = _key(spec.get("privateKey", {}))
        if isinstance(issuer, str):
            made = _certificate(spec, key, None, key)
            chain, root = b"", _pem(made)
        else:
            signing = serialization.load_pem_private_key(issuer[0], None)
            parent = x509.load_pem_x509_certificate(issuer[1])
            if not isinstance(signing, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
                raise TypeError(
                    f"an authority's key is of {type(signing).__name__}; cert-manager makes EC and RSA"
                )
            made = _certificate(spec, key, parent, signing)
            # The root itself is not sent: who trusts it has it.
            chain = b"" if parent.subject == parent.issuer else issuer[1]
            root = issuer[2]
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        data = {"tls.crt": _pem(made) + chain, "tls.key": private, "ca.crt": root}
        secret = {
            "apiVersion": "v1",
            "kind": "Secret",
            "type": "kubernetes.io/tls",
            "metadata": {
                "name": spec["secretName"],
                "labels": {"controller.cert-manager.io/fao": "true"},
                "annotations": {"cert-manager.io/certificate-name": metadata["name"]},
            },
            "data": {name: base64.b64encode(value).decode() for name, value in data.items()},
        }
        path = f"/namespaces/{metadata['namespace']}"
        self._kube.request("POST", f"/api/v1{path}/secrets", secret)
        ready = {
            "type": "Ready",
            "status": "True",
            "reason": "Ready",
            "message": "Certificate is up to date and has not expired",
            "lastTransitionTime": stamp(),
        }
        status = {
            "conditions": [ready],
            "notAfter": f"{made.not_valid_after_utc:%Y-%m-%dT%H:%M:%SZ}",
            "revision": 1,
        }
        self._kube.merge(f"{_GROUP}{path}/certificates/{metadata['name']}/status", {"status": status})


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def duration(text: str | None) -> datetime.timedelta:
    """A duration as Go writes it, `2160h0m0s`; cert-manager's default for None."""
    if not text:
        return _DEFAULT
    return datetime.timedelta(
        seconds=sum(float(count) * _SECONDS[unit] for count, unit in _PART.findall(text))
    )


def _key(wanted: Object) -> ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey:
    if wanted.get("algorithm", "RSA") == "ECDSA":
        curves = {256: ec.SECP256R1(), 384: ec.SECP384R1(), 521: ec.SECP521R1()}
        return ec.generate_private_key(curves[wanted.get("size", 256)])
    return rsa.generate_private_key(65537, wanted.get("size", 2048))


def _certificate(
    spec: Object,
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey,
    parent: x509.Certificate | None,
    signing: CertificateIssuerPrivateKeyTypes,
) -> x509.Certificate:
    common = [x509.NameAttribute(NameOID.COMMON_NAME, spec["commonName"])] if spec.get("commonName") else []
    subject = x509.Name(common)
    began = datetime.datetime.now(datetime.UTC)
    usages = set(spec.get("usages") or ("digital signature", "key encipherment"))
    authority = bool(spec.get("isCA"))
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(parent.subject if parent else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(began)
        .not_valid_after(began + duration(spec.get("duration")))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(
            x509.KeyUsage(
                digital_signature="digital signature" in usages,
                content_commitment=False,
                key_encipherment="key encipherment" in usages,
                data_encipherment=False,
                key_agreement=False,
                key_cert_sign=authority,
                crl_sign=authority,
                encipher_only=False,
                decipher_only=False,
            ),
            critical=True,
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signing.public_key()), critical=False
        )
    )
    uses = {"server auth": ExtendedKeyUsageOID.SERVER_AUTH, "client auth": ExtendedKeyUsageOID.CLIENT_AUTH}
    wanted = [oid for usage, oid in uses.items() if usage in usages]
    if wanted:
        builder = builder.add_extension(x509.ExtendedKeyUsage(wanted), critical=False)
    names: list[x509.GeneralName] = [x509.DNSName(each) for each in spec.get("dnsNames", [])]
    names += [x509.IPAddress(ipaddress.ip_address(each)) for each in spec.get("ipAddresses", [])]
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=not common)
    constraints = spec.get("nameConstraints")
    if constraints:
        permitted, excluded = (_trees(constraints.get(part) or {}) for part in ("permitted", "excluded"))
        builder = builder.add_extension(
            x509.NameConstraints(permitted, excluded), critical=bool(constraints.get("critical"))
        )
    return builder.sign(signing, hashes.SHA256())


def _trees(part: Object) -> list[x509.GeneralName] | None:
    found: list[x509.GeneralName] = [x509.DNSName(each) for each in part.get("dnsDomains", [])]
    found += [x509.IPAddress(ipaddress.ip_network(each)) for each in part.get("ipRanges", [])]
    return found or None
