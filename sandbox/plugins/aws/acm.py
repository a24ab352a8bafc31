"""ACM certificates that are proven by DNS.

Blind spots: a certificate's content is moto's and not trusted by anybody; nothing is renewed, since no year passes
here; the zone is looked at whether or not the world's DNS delegates to it.
"""

from __future__ import annotations

from typing import Any

from sandbox.plugins.aws.framework import (
    Call,
    Context,
    Inputs,
    ResourceType,
    compact,
    is_gone,
    register,
    tag_changes,
    tag_map,
    tag_pairs,
)
from sandbox.plugins.aws.table import REGION, judged, refused, replace, tags
from sandbox.plugins.aws.values import stamp
from sandbox.plugins.protocol import Plain, PluginError, Unknown

_IMPORTED = refused("an imported certificate is not renewed by ACM; ask ACM for one, by domainName")


@register
class Certificate(ResourceType):
    """A public certificate, asked for and not yet necessarily issued."""

    token = "aws:acm/certificate:Certificate"  # noqa: S105 - a type token
    sdk = "acm.Certificate"
    cfn = "AWS::CertificateManager::Certificate"
    inputs = {
        "certificateAuthorityArn": refused("inside the cluster the kit has a CA of its own (cert-manager)"),
        "certificateBody": _IMPORTED,
        "certificateChain": _IMPORTED,
        "domainName": judged("DomainName"),
        "earlyRenewalDuration": refused(
            "it is for certificates of AWS Private CA, which the kit does not use"
        ),
        "keyAlgorithm": judged("KeyAlgorithm", computed=True),
        "options": refused(
            "the defaults are kept: transparency logging, which browsers ask for, and no export"
        ),
        "privateKey": _IMPORTED,
        "privateKeyWo": _IMPORTED,
        "privateKeyWoVersion": _IMPORTED,
        "subjectAlternativeNames": judged("SubjectAlternativeNames", unordered=True, computed=True),
        "validationMethod": replace(
            cfn="ValidationMethod", source="ACM has no call that changes it: only RequestCertificate names it"
        ),
        "validationOptions": refused("they choose domains for mails, and the kit proves by DNS"),
        **tags("Tags"),
        **REGION,
    }
    outputs = (
        "arn",
        "domainValidationOptions",
        "notAfter",
        "notBefore",
        "pendingRenewal",
        "renewalEligibility",
        "renewalSummaries",
        "status",
        "type",
        "validationEmails",
    )

    def problems(self, ctx: Context, inputs: Inputs) -> list[tuple[str, str]]:
        """No mail arrives here, and without a name there is nothing to certify."""
        method = inputs.get("validationMethod")
        found = []
        if method != "DNS" and not isinstance(method, Unknown):
            found.append(
                (
                    "validationMethod",
                    f"{method!r} is not done here: only 'DNS', whose records can be written and seen",
                )
            )
        if not inputs.get("domainName"):
            found.append(("domainName", "is missing: the sandbox asks for certificates and imports none"))
        return found

    def request(self, ctx: Context, inputs: Inputs) -> list[Call]:
        """RequestCertificate."""
        params = compact(
            DomainName=inputs.get("domainName"),
            ValidationMethod=inputs.get("validationMethod"),
            SubjectAlternativeNames=inputs.get("subjectAlternativeNames"),
            KeyAlgorithm=inputs.get("keyAlgorithm"),
            Tags=tag_pairs(inputs.get("tagsAll") or {}),
        )
        return [("acm", "RequestCertificate", params)]

    def create(self, ctx: Context, inputs: Inputs) -> str:
        """The id is the ARN."""
        return str(ctx.send(self.request(ctx, inputs))["CertificateArn"])

    def read(self, ctx: Context, resource_id: str, inputs: Inputs) -> dict[str, Plain] | None:
        """DescribeCertificate."""
        found = describe(ctx, resource_id)
        names = found.get("SubjectAlternativeNames", [])
        wanted = inputs.get("subjectAlternativeNames")
        if wanted is not None:
            # ACM counts the domain itself among them.
            names = [each for each in names if each != found["DomainName"] or each in wanted]
        pairs = ctx.client("acm").list_tags_for_certificate(CertificateArn=resource_id)["Tags"]
        return {
            "domainName": found["DomainName"],
            "subjectAlternativeNames": names,
            "keyAlgorithm": found["KeyAlgorithm"],
            "validationMethod": found["DomainValidationOptions"][0]["ValidationMethod"],
            "arn": found["CertificateArn"],
            "status": found["Status"],
            "type": found["Type"],
            "domainValidationOptions": [_option(each) for each in found["DomainValidationOptions"]],
            "notAfter": stamp(found.get("NotAfter")) or "",
            "notBefore": stamp(found.get("NotBefore")) or "",
            "pendingRenewal": False,
            "renewalEligibility": found.get("RenewalEligibility"),
            "renewalSummaries": [],
            "validationEmails": [],
            "tagsAll": tag_map(pairs),
        }

    def update(self, ctx: Context, resource_id: str, old: Inputs, new: Inputs, changed: set[str]) -> None:
        """Only tags change in place."""
        gone, added = tag_changes(old.get("tagsAll"), new.get("tagsAll"))
        acm = ctx.client("acm")
        if gone:
            acm.remove_tags_from_certificate(CertificateArn=resource_id, Tags=[{"Key": key} for key in gone])
        if added:
            acm.add_tags_to_certificate(CertificateArn=resource_id, Tags=tag_pairs(added))

    def delete(self, ctx: Context, resource_id: str, state: dict[str, Plain]) -> None:
        """DeleteCertificate."""
        ctx.client("acm").delete_certificate(CertificateArn=resource_id)


@register
class CertificateValidation(ResourceType):
    """The wait until ACM has issued a certificate. It is no thing of AWS's: deleting it changes nothing."""

    token = "aws:acm/certificateValidation:CertificateValidation"  # noqa: S105 - a type token
    sdk = "acm.CertificateValidation"
    cfn = "AWS::CertificateManager::Certificate"
    inputs = {
        "certificateArn": replace(required=True, source="another certificate is another wait"),
        "validationRecordFqdns": replace(
            unordered=True, source="the records are compared with the certificate's when the wait begins"
        ),
        **REGION,
    }

    def create(self, ctx: Context, inputs: Inputs) -> str:
        """The id is the certificate's ARN. Refuses when a record that ACM will look for is not among those given."""
        arn = str(inputs["certificateArn"])
        given = inputs.get("validationRecordFqdns")
        if given is not None:
            needed = {name.rstrip(".") for name in _record_names(describe(ctx, arn))}
            missing = sorted(needed - {str(each).rstrip(".") for each in given})
            if missing:
                raise PluginError(
                    f"validationRecordFqdns: ACM will look for {', '.join(missing)} too; write that record"
                )
        return arn

    def ready(self, ctx: Context, resource_id: str, inputs: Inputs) -> None:
        """ACM issues it once it has seen every record."""

        def pending() -> str:
            found = describe(ctx, resource_id)
            return f"{found['Status']}; ACM looks for CNAME records {', '.join(_record_names(found))} in a public zone"

        ctx.wait(
            "the certificate to be issued", lambda: describe(ctx, resource_id)["Status"] == "ISSUED", pending
        )

    def read(self, ctx: Context, resource_id: str, inputs: Inputs) -> dict[str, Plain] | None:
        """There as long as the certificate is issued."""
        try:
            found = describe(ctx, resource_id)
        except Exception as error:
            if is_gone(error):
                return None
            raise
        return {"certificateArn": resource_id} if found["Status"] == "ISSUED" else None

    def delete(self, ctx: Context, resource_id: str, state: dict[str, Plain]) -> None:
        """Nothing is to be done."""


def describe(ctx: Context, arn: str) -> dict[str, Any]:
    """The certificate as ACM has it."""
    found: dict[str, Any] = ctx.client("acm").describe_certificate(CertificateArn=arn)["Certificate"]
    return found


def _record_names(found: dict[str, Any]) -> list[str]:
    return list(dict.fromkeys(each["ResourceRecord"]["Name"] for each in found["DomainValidationOptions"]))


def _option(each: dict[str, Any]) -> dict[str, Plain]:
    record = each["ResourceRecord"]
    return {
        "domainName": each["DomainName"],
        "resourceRecordName": record["Name"],
        "resourceRecordType": record["Type"],
        "resourceRecordValue": record["Value"],
    }
