"""The private CA and the public certificate, as they are registered."""

from __future__ import annotations

import pytest
from component_recording import Recording, Registered, record, region_of, stack

from bastide.plans import cert_manager, private_ca
from components.certificate_edge import EdgeCertificate, proven_names
from components.providers import aws_provider


@pytest.fixture(scope="module")
def inside() -> Recording:
    return region_of(stack("sandbox", certificates={"internal": True}))


def custom(recording: Recording, kind: str, name: str, namespace: str = "") -> Registered:
    (found,) = [
        each
        for each in recording.of(f"cert-manager.io/v1:{kind}")
        if each.inputs["metadata"]["name"] == name
        and each.inputs["metadata"].get("namespace", "") == namespace
    ]
    return found


def test_without_the_setting_nothing_of_it_is_there(sandbox: Recording) -> None:
    assert not sandbox.of(":Certificates")
    assert not [each for each in sandbox.found if "cert-manager" in each.type or "acm" in each.type]
    names = {each.inputs["metadata"]["name"] for each in sandbox.of("core/v1:Namespace")}
    assert not names & {"bastide-certificates", "bastide-pki"}


def test_cert_manager_is_its_own_chart_in_one_exact_version_and_images(inside: Recording) -> None:
    (release,) = [each for each in inside.of(":Release") if each.inputs["chart"] == "cert-manager"]
    assert release.inputs["version"] == "v1.21.2"
    assert release.inputs["repositoryOpts"] == {"repo": "https://charts.jetstack.io"}
    assert release.inputs["namespace"] == "bastide-certificates"
    values = release.inputs["values"]
    assert values["clusterResourceNamespace"] == "bastide-pki"
    assert values["approveSignerNames"] == [
        "issuers.cert-manager.io/*",
        "clusterissuers.cert-manager.io/bastide-root-1",
    ]
    for part in (values, values["webhook"], values["cainjector"]):
        assert part["image"]["tag"] == "v1.21.2"
        assert part["replicaCount"] == 2
        assert part["networkPolicy"]["enabled"] is True
        assert part["resources"]["limits"]["memory"]


def test_a_resolved_digest_reaches_the_chart_and_an_unresolved_one_is_told() -> None:
    digest = "sha256:" + "ab" * 32
    image = {"repository": "quay.io/jetstack/cert-manager-webhook", "tag": "v1.21.2", "digest": digest}
    settings = stack("sandbox", certificates={"internal": True, "images": {"webhook": image}})
    assert cert_manager.release_values(settings)["webhook"]["image"]["digest"] == digest
    told = [path for path in settings.unresolved() if path.startswith("certificates.")]
    assert told == [
        "certificates.images.controller.digest",
        "certificates.images.cainjector.digest",
        "certificates.images.startupCheck.digest",
    ]
    assert not [path for path in stack("sandbox").unresolved() if path.startswith("certificates.")]


def test_the_root_is_renewed_with_its_key_and_what_it_signs_with_new_ones(inside: Recording) -> None:
    root = custom(inside, "Certificate", "root-1", "bastide-pki").inputs["spec"]
    assert root["privateKey"]["rotationPolicy"] == "Never"
    assert (root["duration"], root["renewBefore"]) == ("87600h0m0s", "29184h0m0s")
    for namespace in ("bastide-serving", "bastide-gateway"):
        spec = custom(inside, "Certificate", "authority", namespace).inputs["spec"]
        assert spec["privateKey"]["rotationPolicy"] == "Always"
        assert (spec["duration"], spec["renewBefore"]) == ("8760h0m0s", "2904h0m0s")
        assert spec["nameConstraints"]["permitted"]["dnsDomains"] == [
            f"{namespace}.svc",
            f"{namespace}.svc.cluster.local",
        ]
        assert spec["nameConstraints"]["excluded"] == {"ipRanges": ["0.0.0.0/0", "::/0"]}
        issuer = custom(inside, "Issuer", "bastide", namespace).inputs["spec"]
        assert issuer == {"ca": {"secretName": "authority"}}


def test_a_root_is_guarded_before_it_is_there(inside: Recording) -> None:
    release = next(each for each in inside.of(":Release") if each.inputs["chart"] == "cert-manager")
    signer = custom(inside, "ClusterIssuer", "bastide-root-1")
    policies = inside.of(":ValidatingAdmissionPolicy")
    bindings = inside.of(":ValidatingAdmissionPolicyBinding")
    assert len(policies) == len(bindings) == 2
    for each in (*policies, *bindings):
        assert inside.reaches(signer, each)
    authority = custom(inside, "Certificate", "authority", "bastide-serving")
    assert inside.reaches(authority, signer)
    assert inside.reaches(signer, release)
    for each in inside.of("core/v1:Namespace"):
        assert inside.reaches(release, each)


def test_a_rotation_of_the_root_goes_in_three_steps_without_a_moment_without_a_root() -> None:
    steps: list[tuple[list[str], str]] = []
    for roots, signing in (((1,), 1), ((1, 2), 1), ((1, 2), 2), ((2,), 2)):
        settings = stack(
            "sandbox", certificates={"internal": True, "roots": list(roots), "signingRoot": signing}
        )
        signers = [
            each["metadata"]["name"] for each in private_ca.roots(settings) if each["kind"] == "ClusterIssuer"
        ]
        signed_by = private_ca.authority(settings, "serving")[0]["spec"]["issuerRef"]["name"]
        assert signed_by in signers
        steps.append((signers, signed_by))
    first, second = "bastide-root-1", "bastide-root-2"
    assert steps == [
        ([first], first),
        ([first, second], first),
        ([first, second], second),
        ([second], second),
    ]


EDGE = {
    "domain": "inference.example.com",
    "alternativeNames": ["*.inference.example.com"],
    "zoneId": "Z0EXAMPLE",
}


def test_the_edge_certificate_is_proven_by_one_record_for_a_domain_and_its_wildcard() -> None:
    recording = region_of(stack("sandbox", certificates=EDGE))
    certificate = recording.one("acm/certificate:Certificate")
    assert certificate.inputs["domainName"] == "inference.example.com"
    assert certificate.inputs["subjectAlternativeNames"] == ["*.inference.example.com"]
    assert certificate.inputs["validationMethod"] == "DNS"
    record_set = recording.one("route53/record:Record")
    assert record_set.inputs["zoneId"] == "Z0EXAMPLE"
    assert record_set.inputs["name"] == "_proof.inference.example.com."
    assert record_set.inputs["records"] == ["_value.acm-validations.aws."]
    validation = recording.one(":CertificateValidation")
    assert recording.reaches(validation, record_set)
    assert recording.reaches(validation, certificate)


def test_names_that_share_a_record_are_written_once() -> None:
    assert proven_names(["a.example.com", "*.a.example.com", "b.example.com"]) == [
        "a.example.com",
        "b.example.com",
    ]
    assert proven_names(["*.a.example.com"]) == ["*.a.example.com"]


def test_a_name_for_which_acm_gives_no_record_is_told() -> None:
    settings = stack("sandbox", certificates={**EDGE, "alternativeNames": ["odd.example.com"]})

    def program() -> None:
        provider = aws_provider("aws", settings)
        import pulumi

        EdgeCertificate(
            "edge", settings, "inference.example.com", "Z0EXAMPLE", pulumi.ResourceOptions(provider=provider)
        )

    with pytest.raises(Exception, match=r"ACM gave no record for odd\.example\.com"):
        record(program)
