"""Where moto's ACM is looser than AWS: a certificate is issued when its records are in a zone, not after a minute."""

from __future__ import annotations

import hashlib
from functools import wraps
from typing import Any

from sandbox.aws.identity import PARTITION

_PENDING = "PENDING_VALIDATION"

_NOT_YET = ("NotBefore", "NotAfter", "Serial", "Issuer", "IssuedAt", "SignatureAlgorithm")
"""What a certificate that is not issued does not have."""


def apply() -> None:
    """Puts the differences in force."""
    from moto.acm.models import CertBundle
    from moto.acm.responses import AWSCertificateManagerResponse

    _remember_the_request(AWSCertificateManagerResponse)
    _describe_as_aws_does(CertBundle)
    CertBundle.check = _check


def _remember_the_request(responses: Any) -> None:
    # moto makes an RSA key whatever was asked for, and knows no other validation than DNS.
    original = responses.request_certificate

    @wraps(original)
    def request_certificate(self: Any) -> Any:
        from moto.acm.models import acm_backends

        answer = original(self)
        arn = answer.result["CertificateArn"]
        bundle = acm_backends[self.current_account][self.region]._certificates[arn]
        bundle.asked_algorithm = self._get_param("KeyAlgorithm") or "RSA_2048"
        bundle.asked_sans = [bundle.common_name, *(self._get_param("SubjectAlternativeNames") or [])]
        bundle.account = self.current_account
        return answer

    responses.request_certificate = request_certificate


def _describe_as_aws_does(bundle: Any) -> None:
    original = bundle.describe

    @wraps(original)
    def describe(self: Any) -> Any:
        answer = original(self)
        if not hasattr(self, "asked_algorithm"):
            return answer
        found = answer["Certificate"]
        found["KeyAlgorithm"] = self.asked_algorithm
        names = list(dict.fromkeys(self.asked_sans))
        found["SubjectAlternativeNames"] = names
        found["DomainValidationOptions"] = [
            {
                "DomainName": name,
                "ValidationDomain": name,
                "ValidationMethod": "DNS",
                "ValidationStatus": _PENDING if self.status == _PENDING else "SUCCESS",
                "ResourceRecord": proof(self.account, name),
            }
            for name in names
        ]
        if self.status == _PENDING:
            for each in _NOT_YET:
                found.pop(each, None)
        return answer

    bundle.describe = describe


def proof(account: str, domain: str) -> dict[str, str]:
    """The record that proves a domain. As on AWS it is the same for every certificate of an account, and for the
    domain's wildcard."""
    base = domain.removeprefix("*.")
    token = hashlib.sha256(f"{account}/{base}".encode()).hexdigest()
    return {
        "Name": f"_{token[:32]}.{base}.",
        "Type": "CNAME",
        "Value": f"_{token[32:]}.acm-validations.aws.",
    }


def _check(self: Any) -> None:
    """Called by moto before it shows a certificate."""
    if self.status != _PENDING or not hasattr(self, "asked_sans"):
        return
    if all(_in_a_zone(self.account, proof(self.account, name)) for name in self.asked_sans):
        self.status = "ISSUED"


def _in_a_zone(account: str, record: dict[str, str]) -> bool:
    from moto.route53.models import route53_backends

    for zone in route53_backends[account][PARTITION].zones.values():
        if zone.private_zone:
            continue  # ACM asks public DNS
        for found in zone.rrsets:
            if (
                found.name.rstrip(".").lower() == record["Name"].rstrip(".").lower()
                and found.type == "CNAME"
                and _values(found) == [record["Value"].rstrip(".")]
            ):
                return True
    return False


def _values(record_set: Any) -> list[str]:
    return [
        str(each["Value"] if isinstance(each, dict) else each).rstrip(".")
        for each in record_set.records or []
    ]
