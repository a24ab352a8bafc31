"""Service Quotas for the quotas that the kit asks about: moto has those of VPC only, and no requests.

Nothing in this world is held to a quota; an increase stays PENDING. Values are AWS's
defaults of a new account."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime
from typing import Any, Final

# (service, code): (name, default of a new account). Source: bastide/plans/service_quotas.py, which a test compares.
DEFAULTS: Final[dict[tuple[str, str], tuple[str, float]]] = {
    ("ec2", "L-417A185B"): ("Running On-Demand P instances", 0),
    ("ec2", "L-DB2E81BA"): ("Running On-Demand G and VT instances", 0),
    ("ec2", "L-1216C47A"): ("Running On-Demand Standard (A, C, D, H, I, M, R, T, Z) instances", 5),
    ("ec2", "L-7212CCBC"): ("All P4, P3 and P2 Spot Instance Requests", 0),
    ("ec2", "L-C4BD4855"): ("All P5 Spot Instance Requests", 0),
    ("ec2", "L-3819A6DF"): ("All G and VT Spot Instance Requests", 0),
    ("ec2", "L-0263D0A3"): ("EC2-VPC Elastic IPs", 5),
    ("vpc", "L-F678F1CE"): ("VPCs per Region", 5),
    ("vpc", "L-A4707A72"): ("Internet gateways per Region", 5),
    ("vpc", "L-FE5A380F"): ("NAT gateways per Availability Zone", 5),
    ("vpc", "L-29B6F2EB"): ("Interface VPC endpoints per VPC", 50),
    ("eks", "L-1194D53C"): ("Clusters", 100),
    ("eks", "L-6D54EA21"): ("Managed node groups per cluster", 30),
    ("eks", "L-BD136A63"): ("Nodes per managed node group", 450),
    ("ebs", "L-7A658B76"): ("Storage for General Purpose SSD (gp3) volumes, in TiB", 50),
}


def apply() -> None:
    """Puts the operations in force."""
    from moto.servicequotas.exceptions import NoSuchResource
    from moto.servicequotas.models import ServiceQuotasBackend
    from moto.servicequotas.responses import ServiceQuotasResponse

    def requests_of(backend: Any) -> list[dict[str, Any]]:
        if not hasattr(backend, "quota_requests"):
            backend.quota_requests = []
        found: list[dict[str, Any]] = backend.quota_requests
        return found

    def quota(backend: Any, service_code: str, quota_code: str) -> dict[str, Any]:
        known = DEFAULTS.get((service_code, quota_code))
        if known is None:
            raise NoSuchResource
        name, value = known
        region, account = backend.region_name, backend.account_id
        return {
            "ServiceCode": service_code,
            "QuotaCode": quota_code,
            "QuotaName": name,
            "QuotaArn": f"arn:aws:servicequotas:{region}:{account}:{service_code}/{quota_code}",
            "Value": float(value),
            "Unit": "None",
            "Adjustable": True,
            "GlobalQuota": False,
        }

    def given(response: Any) -> tuple[Any, dict[str, Any], dict[str, Any]]:
        asked = json.loads(response.body)
        backend = response.backend
        return backend, quota(backend, asked["ServiceCode"], asked["QuotaCode"]), asked

    def default(response: Any) -> str:
        return json.dumps({"Quota": given(response)[1]})

    def ask(response: Any) -> str:
        backend, found, asked = given(response)
        made = {
            "Id": uuid.uuid4().hex,
            "ServiceCode": found["ServiceCode"],
            "QuotaCode": found["QuotaCode"],
            "QuotaName": found["QuotaName"],
            "QuotaArn": found["QuotaArn"],
            "DesiredValue": float(asked["DesiredValue"]),
            "Status": "PENDING",
            "Created": datetime.now(UTC).timestamp(),
            "GlobalQuota": False,
            "Unit": "None",
        }
        requests_of(backend).append(made)
        return json.dumps({"RequestedQuota": made})

    def history(response: Any) -> str:
        backend, found, _ = given(response)
        mine = [each for each in requests_of(backend) if each["QuotaCode"] == found["QuotaCode"]]
        return json.dumps({"RequestedQuotas": mine})

    ServiceQuotasBackend.get_service_quota = quota
    ServiceQuotasResponse.get_aws_default_service_quota = default
    ServiceQuotasResponse.request_service_quota_increase = ask
    ServiceQuotasResponse.list_requested_service_quota_change_history_by_quota = history
