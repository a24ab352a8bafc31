"""The public certificate of the region's entrance: ACM's, proven by records in the domain's zone.

ACM renews it by itself for as long as the records stay; load balancers take the renewed one without a restart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pulumi
import pulumi_aws as aws

from bastide.settings import Settings

RECORD_TTL = 300
"""Seconds; the records are asked for at the first validation and then about once a year."""


class EdgeCertificate(pulumi.ComponentResource):
    """A certificate for `certificates.domain` and its alternative names."""

    certificate_arn: pulumi.Output[str]
    """Known only once ACM has issued it."""

    def __init__(
        self,
        name: str,
        settings: Settings,
        domain: str,
        zone_id: str,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("bastide:certificates:EdgeCertificate", name, None, opts)
        others = list(settings.certificates.alternative_names)
        certificate = aws.acm.Certificate(
            f"{name}-certificate",
            domain_name=domain,
            subject_alternative_names=others,
            validation_method="DNS",
            key_algorithm="EC_prime256v1",
            tags={"Name": domain},
            # A listener holds the old one until it has the new one.
            opts=pulumi.ResourceOptions(parent=self),
        )
        records = [self._record(name, certificate, zone_id, each) for each in proven_names([domain, *others])]
        issued = aws.acm.CertificateValidation(
            f"{name}-issued",
            certificate_arn=certificate.arn,
            validation_record_fqdns=[each.fqdn for each in records],
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.certificate_arn = issued.certificate_arn
        self.register_outputs({"certificateArn": self.certificate_arn})

    def _record(
        self, name: str, certificate: aws.acm.Certificate, zone_id: str, domain: str
    ) -> aws.route53.Record:
        def part(field: str) -> pulumi.Output[str]:
            found: pulumi.Output[str] = certificate.domain_validation_options.apply(
                lambda options: _option(options, domain, field)
            )
            return found

        return aws.route53.Record(
            f"{name}-proof-{domain.replace('*', 'any')}",
            zone_id=zone_id,
            name=part("resource_record_name"),
            type=part("resource_record_type"),
            records=[part("resource_record_value")],
            ttl=RECORD_TTL,
            opts=pulumi.ResourceOptions(parent=self),
        )


def proven_names(domains: Sequence[str]) -> list[str]:
    """The names that need a record of their own: ACM takes one record for a domain and for its wildcard."""
    found: dict[str, str] = {}
    for each in domains:
        found.setdefault(each.removeprefix("*."), each)
    return list(found.values())


def _option(options: Sequence[Any], domain: str, field: str) -> str:
    for each in options:
        if each.domain_name == domain:
            return str(getattr(each, field))
    raise ValueError(
        f"ACM gave no record for {domain}: it has {', '.join(each.domain_name for each in options)}"
    )
