"""The audit trail's bucket: locked, closed, encrypted, emptied by class, and only the gateway adds to it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from component_recording import Recording, region_of, stack

from bastide import names
from bastide.plans import audit
from bastide.plans.gateway_rights import serving
from bastide.plans.routing import document
from bastide.settings import Settings
from components import secret_values
from tests.identity.iam_linter import lint

ROUTES = [{"name": "chat", "deployments": [{"name": "chat"}]}]


@pytest.fixture(scope="module", autouse=True)
def _values_of_secrets() -> Iterator[None]:
    # They are made by AWS while a run goes on; here nobody answers.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(secret_values, "ensure", lambda *_: "a-version")
        yield


def settings(**gateway: Any) -> Settings:
    return stack("sandbox", routes=ROUTES, gateway={"enabled": True, **gateway})


@pytest.fixture(scope="module")
def kept() -> Recording:
    return region_of(settings(audit={}))


def trail(found: Recording, kind: str) -> Any:
    (only,) = [each for each in found.of(kind) if "-audit" in each.name]
    return only


def test_there_is_none_until_a_stack_asks(sandbox: Recording) -> None:
    assert not sandbox.of(":AuditStore")
    assert not region_of(settings()).of(":AuditStore")
    assert [each["name"] for each in document.document(settings())["guards"]] == ["pii"]


def test_the_bucket_is_locked_closed_and_encrypted_by_a_key_of_its_own(kept: Recording) -> None:
    assert (
        trail(kept, "bucketObjectLockConfiguration:BucketObjectLockConfiguration").inputs["objectLockEnabled"]
        == "Enabled"
    )
    closed = trail(kept, "bucketPublicAccessBlock:BucketPublicAccessBlock").inputs
    assert all(
        closed[name]
        for name in ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")
    )
    (rule,) = trail(
        kept, "bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"
    ).inputs["rules"]
    assert rule["applyServerSideEncryptionByDefault"]["sseAlgorithm"] == "aws:kms"
    assert (
        trail(kept, "bucketVersioning:BucketVersioning").inputs["versioningConfiguration"]["status"]
        == "Enabled"
    )


def test_each_class_ends_a_day_after_its_lock(kept: Recording) -> None:
    rules = trail(kept, "bucketLifecycleConfiguration:BucketLifecycleConfiguration").inputs["rules"]
    ends = {each["filter"]["prefix"]: each["expiration"]["days"] for each in rules}
    assert ends == {f"audit/{name}/": days + 1 for name, days in audit.days(settings()).items()}
    assert len(set(ends.values())) > 1


def test_only_the_gateway_adds_and_nothing_without_a_lock(kept: Recording) -> None:
    policy = json.loads(trail(kept, "bucketPolicy:BucketPolicy").inputs["policy"])["Statement"]
    by_name = {each["Sid"]: each for each in policy}
    assert {each["Effect"] for each in policy} == {"Deny"}
    but = by_name["DenyWritesByOthers"]["Condition"]["ArnNotEquals"]["aws:PrincipalArn"]
    assert but.endswith("-gateway")
    assert by_name["DenyWithoutLock"]["Condition"] == {"Null": {"s3:object-lock-mode": "true"}}
    assert by_name["DenyPlainHttp"]["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_the_gateway_may_add_and_neither_read_nor_delete() -> None:
    given = settings(audit={})
    actions = {action for each in serving(given, None) for action in each["Action"]}
    assert {"s3:PutObject", "s3:PutObjectRetention", "kms:GenerateDataKey"} <= actions
    assert not any(action.startswith(("s3:Get", "s3:List", "s3:Delete", "s3:Bypass")) for action in actions)
    (write,) = [each for each in serving(given, None) if each.get("Sid") == "AuditWrite"]
    assert write["Resource"] == [f"arn:aws:s3:::{given.audit_bucket}/audit/*"]
    assert write["Action"] == ["s3:PutObject"]
    assert not [each for each in serving(settings(), None) if "Audit" in each.get("Sid", "")]


def test_the_gateway_may_lock_for_the_days_of_each_class_alone() -> None:
    given = settings(audit={})
    locks = [each for each in serving(given, None) if "s3:PutObjectRetention" in each["Action"]]
    bounds = {
        each["Resource"][0]: [
            each["Condition"][operator]["s3:object-lock-remaining-retention-days"]
            for operator in ("NumericGreaterThanEquals", "NumericLessThanEquals")
        ]
        for each in locks
    }
    where = f"arn:aws:s3:::{given.audit_bucket}/audit"
    assert bounds == {
        f"{where}/{name}/*": [str(days - 1), str(days + 1)] for name, days in audit.days(given).items()
    }
    # Both hold at once, and there is no other statement by which a lock might be set.
    assert all(len(each["Condition"]) == 2 and each["Action"] == ["s3:PutObjectRetention"] for each in locks)
    # The linter knows on which actions S3 has this key.
    assert lint(names.policy_document(*serving(given, None)), "identity") == ()


def test_the_guard_is_the_first_and_knows_every_class() -> None:
    first = document.document(settings(audit={"mode": "governance"}))["guards"][0]
    assert (first["name"], first["module"], first["onFailure"]) == ("audit", audit.MODULE, "refuse")
    assert first["settings"]["mode"] == "GOVERNANCE"
    assert [each.split("=")[0] for each in first["settings"]["days"]] == [
        "public",
        "internal",
        "confidential",
        "regulated",
    ]
    from bastide_gateway.audit_settings import read

    assert read(first["settings"]).days == audit.days(settings())
