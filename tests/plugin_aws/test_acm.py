"""Certificates are issued when the records that prove them are in a public zone, and not before."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from sandbox.plugins.protocol import PluginError
from sandbox.state import aws_client
from tests.plugin_aws.conftest import Driver

CERTIFICATE = "aws:acm/certificate:Certificate"
VALIDATION = "aws:acm/certificateValidation:CertificateValidation"
RECORD = "aws:route53/record:Record"


@pytest.fixture
def zone(aws_endpoint: str) -> Any:
    route53 = aws_client("route53", "us-east-1", aws_endpoint)
    made = route53.create_hosted_zone(Name="example.com", CallerReference=str(time.time()))["HostedZone"][
        "Id"
    ]
    return made.rpartition("/")[2]


@pytest.fixture
def acm(aws_endpoint: str) -> Any:
    return aws_client("acm", "us-east-1", aws_endpoint)


def wanted(domain: str, *others: str) -> dict[str, Any]:
    return {
        "domainName": domain,
        "subjectAlternativeNames": list(others),
        "validationMethod": "DNS",
        "keyAlgorithm": "EC_prime256v1",
        "tags": {"a": "1"},
    }


def proofs(driver: Driver, zone: str, certificate: Any) -> list[Any]:
    options = certificate.state["domainValidationOptions"]
    needed = {each["resourceRecordName"]: each for each in options}
    return [
        driver.create(
            RECORD,
            name,
            zoneId=zone,
            name=name,
            type=each["resourceRecordType"],
            ttl=300,
            records=[each["resourceRecordValue"]],
        )
        for name, each in needed.items()
    ]


def test_a_certificate_waits_for_its_record_and_is_then_issued(driver: Driver, zone: str, acm: Any) -> None:
    inputs = wanted("one.example.com", "*.one.example.com", "two.example.com")
    made = driver.create(CERTIFICATE, **inputs)
    assert made.state["status"] == "PENDING_VALIDATION"
    assert made.state["notAfter"] == ""
    options = made.state["domainValidationOptions"]
    assert [each["domainName"] for each in options] == [
        "one.example.com",
        "*.one.example.com",
        "two.example.com",
    ]
    assert (
        options[0]["resourceRecordName"]
        == options[1]["resourceRecordName"]
        != options[2]["resourceRecordName"]
    )
    assert made.diff(**inputs).properties == {}
    assert made.refresh().properties == {}
    assert acm.describe_certificate(CertificateArn=made.id)["Certificate"]["KeyAlgorithm"] == "EC_prime256v1"

    waiting = threading.Thread(target=lambda: proofs(driver, zone, made))
    later = threading.Timer(1.0, waiting.start)
    later.start()
    started = time.monotonic()
    names = sorted({each["resourceRecordName"].rstrip(".") for each in options})
    issued = driver.create(VALIDATION, certificateArn=made.id, validationRecordFqdns=names)
    assert time.monotonic() - started > 0.9
    assert issued.state["certificateArn"] == made.id
    found = acm.describe_certificate(CertificateArn=made.id)["Certificate"]
    assert found["Status"] == "ISSUED"
    assert found["NotAfter"]
    assert made.refresh().properties == {}
    issued.delete()
    made.delete()
    assert made.refresh() is None


def test_a_validation_without_one_of_the_records_is_refused_with_its_name(driver: Driver) -> None:
    made = driver.create(CERTIFICATE, **wanted("three.example.com"))
    name = made.state["domainValidationOptions"][0]["resourceRecordName"].rstrip(".")
    with pytest.raises(PluginError, match=name):
        driver.create(VALIDATION, certificateArn=made.id, validationRecordFqdns=["_other.example.com"])
    made.delete()


def test_a_record_with_another_value_or_in_a_private_zone_proves_nothing(
    driver: Driver, zone: str, acm: Any, aws_endpoint: str, ec2: Any
) -> None:
    made = driver.create(CERTIFICATE, **wanted("four.example.com"))
    (option,) = made.state["domainValidationOptions"]
    record = {"zoneId": zone, "name": option["resourceRecordName"], "type": "CNAME", "ttl": 60}
    wrong = driver.create(RECORD, **record, records=["_somebody-else.acm-validations.aws."])
    route53 = aws_client("route53", "us-east-1", aws_endpoint)
    vpc = ec2.create_vpc(CidrBlock="10.99.0.0/16")["Vpc"]["VpcId"]
    private = route53.create_hosted_zone(
        Name="four.example.com",
        CallerReference="private-four",
        VPC={"VPCRegion": "us-east-1", "VPCId": vpc},
        HostedZoneConfig={"PrivateZone": True},
    )["HostedZone"]["Id"]
    inside = driver.create(
        RECORD,
        "inside",
        **{**record, "zoneId": private.rpartition("/")[2]},
        records=[option["resourceRecordValue"]],
    )
    assert acm.describe_certificate(CertificateArn=made.id)["Certificate"]["Status"] == "PENDING_VALIDATION"
    wrong.update(**record, records=[option["resourceRecordValue"]])
    assert acm.describe_certificate(CertificateArn=made.id)["Certificate"]["Status"] == "ISSUED"
    for each in (inside, wrong, made):
        each.delete()


def test_names_and_key_replace_and_tags_change_in_place(driver: Driver, acm: Any) -> None:
    inputs = wanted("five.example.com")
    made = driver.create(CERTIFICATE, **inputs)
    assert made.diff(**{**inputs, "domainName": "six.example.com"}).replaces == ["domainName"]
    assert made.diff(**{**inputs, "keyAlgorithm": "RSA_2048"}).replaces == ["keyAlgorithm"]
    assert made.diff(**{**inputs, "tags": {"b": "2"}}).replaces == []
    made.update(**{**inputs, "tags": {"b": "2"}})
    tags = acm.list_tags_for_certificate(CertificateArn=made.id)["Tags"]
    assert {each["Key"]: each["Value"] for each in tags} == {"b": "2"}
    made.delete()


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"validationMethod": "EMAIL"}, "validationMethod"),
        ({"privateKey": "x"}, "privateKey"),
        ({"subjectAlternativeNames": "x"}, "subjectAlternativeNames"),
        ({"domainName": None}, "domainName"),
    ],
)
def test_what_acm_or_the_sandbox_does_not_do_is_refused_by_name(
    driver: Driver, changes: dict[str, Any], path: str
) -> None:
    failures = driver.failures(CERTIFICATE, **{**wanted("x.example.com"), **changes})
    assert [each[0] for each in failures] == [path]
