"""What the model store needs of S3 besides the bucket: lock, logging, inventory, and policies that are held."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sandbox.aws.bucket_policy import verdict
from sandbox.state import OPERATOR_ARN, aws_client
from tests.plugin_aws.conftest import Driver, Made
from tests.plugin_aws.test_s3 import BUCKET, POLICY, VERSIONING

LOCK = "aws:s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration"
LOGGING = "aws:s3/bucketLogging:BucketLogging"
INVENTORY = "aws:s3/inventory:Inventory"


@pytest.fixture
def s3(aws_endpoint: str) -> Any:
    return aws_client("s3", "us-east-1", aws_endpoint)


@pytest.fixture
def bucket(driver: Driver) -> Iterator[Made]:
    made = driver.create(BUCKET, bucket="kept", forceDestroy=True)
    yield made
    made.delete()


@pytest.fixture
def logs(driver: Driver) -> Iterator[Made]:
    made = driver.create(BUCKET, bucket="kept-logs", forceDestroy=True)
    yield made
    made.delete()


def versioned(driver: Driver) -> Made:
    return driver.create(VERSIONING, bucket="kept", versioningConfiguration={"status": "Enabled"})


def retention(**period: Any) -> dict[str, Any]:
    return {"bucket": "kept", "rule": {"defaultRetention": period}}


def test_a_lock_is_switched_on_later_in_place_and_never_off(driver: Driver, bucket: Made, s3: Any) -> None:
    versions = versioned(driver)
    s3.put_object(Bucket="kept", Key="before", Body=b"1")
    made = driver.create(LOCK, **retention(mode="GOVERNANCE", days=3))
    assert made.refresh().properties == {}
    # The bucket itself shows no change, though it has the lock now.
    assert bucket.refresh().properties == {}
    assert bucket.diff(bucket="kept", forceDestroy=True).properties == {}
    key = s3.put_object(Bucket="kept", Key="after", Body=b"1")["VersionId"]
    with pytest.raises(ClientError, match="AccessDenied"):
        s3.delete_object(Bucket="kept", Key="after", VersionId=key)
    made.update(**retention(mode="COMPLIANCE", days=1))
    assert made.diff(**retention(mode="COMPLIANCE", days=2)).replaces == []
    made.delete()
    left = s3.get_object_lock_configuration(Bucket="kept")["ObjectLockConfiguration"]
    assert left == {"ObjectLockEnabled": "Enabled"}
    with pytest.raises(ClientError, match="InvalidBucketState"):
        s3.put_bucket_versioning(Bucket="kept", VersioningConfiguration={"Status": "Suspended"})
    versions.delete()


def test_a_lock_without_versions_and_an_unclear_retention_are_refused(driver: Driver, bucket: Made) -> None:
    with pytest.raises(Exception, match="Versioning must be 'Enabled'"):
        driver.create(LOCK, **retention(mode="GOVERNANCE", days=3))
    [(path, reason)] = driver.failures(LOCK, **retention(mode="GOVERNANCE", days=3, years=1))
    assert path == "rule.defaultRetention.days"
    assert "has 2 of them" in reason
    [(path, reason)] = driver.failures(LOCK, **retention(mode="governance", days=3))
    assert path == "rule.defaultRetention.mode"
    assert "COMPLIANCE, GOVERNANCE" in reason


def log_policy(service: str, resource: str) -> str:
    deny = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": ["arn:aws:s3:::kept-logs", "arn:aws:s3:::kept-logs/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    allow = {
        "Effect": "Allow",
        "Principal": {"Service": service},
        "Action": "s3:PutObject",
        "Resource": resource,
        "Condition": {
            "ArnLike": {"aws:SourceArn": "arn:aws:s3:::kept"},
            "StringEquals": {"aws:SourceAccount": "123456789012"},
        },
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [deny, allow]})


def test_requests_are_logged_where_the_target_lets_s3_write(
    driver: Driver, bucket: Made, logs: Made, s3: Any
) -> None:
    inputs = {"bucket": "kept", "targetBucket": "kept-logs", "targetPrefix": "access/"}
    for policy in (
        log_policy("s3.amazonaws.com", "arn:aws:s3:::kept-logs/*"),
        log_policy("logging.s3.amazonaws.com", "arn:aws:s3:::kept-logs/elsewhere/*"),
    ):
        s3.put_bucket_policy(Bucket="kept-logs", Policy=policy)
        with pytest.raises(Exception, match="permissions to the logging service"):
            driver.create(LOGGING, **inputs)
    s3.put_bucket_policy(
        Bucket="kept-logs", Policy=log_policy("logging.s3.amazonaws.com", "arn:aws:s3:::kept-logs/access/*")
    )
    made = driver.create(LOGGING, **inputs)
    assert made.refresh().properties == {}
    made.update(**{**inputs, "targetPrefix": "access/kept/"})
    assert s3.get_bucket_logging(Bucket="kept")["LoggingEnabled"]["TargetPrefix"] == "access/kept/"
    assert made.diff(**{**inputs, "bucket": "other"}).replaces == ["bucket"]
    [(path, reason)] = driver.failures(LOGGING, **inputs, targetGrants=[])
    assert path == "targetGrants"
    assert "log bucket's policy" in reason
    made.delete()
    assert made.refresh() is None
    assert driver.find(LOGGING, "kept") is None


def inventory(**changes: Any) -> dict[str, Any]:
    target = {
        "bucketArn": "arn:aws:s3:::kept-logs",
        "format": "Parquet",
        "accountId": "123456789012",
        "prefix": "inventory",
        "encryption": {"sseS3": {}},
    }
    return {
        "bucket": "kept",
        "name": "all",
        "includedObjectVersions": "All",
        "schedule": {"frequency": "Weekly"},
        "optionalFields": ["Size", "ETag"],
        "destination": {"bucket": target},
        **changes,
    }


def test_an_inventory_comes_back_as_it_was_given_and_goes_alone(
    driver: Driver, bucket: Made, logs: Made, s3: Any
) -> None:
    made = driver.create(INVENTORY, **inventory())
    assert made.id == "kept:all"
    assert made.refresh().properties == {}
    assert made.diff(**inventory(optionalFields=["ETag", "Size"])).properties == {}
    made.update(**inventory(schedule={"frequency": "Daily"}, includedObjectVersions="Current"))
    assert made.refresh().properties == {}
    kept = s3.get_bucket_inventory_configuration(Bucket="kept", Id="all")["InventoryConfiguration"]
    assert (kept["Schedule"]["Frequency"], kept["IncludedObjectVersions"]) == ("Daily", "Current")
    assert "SSES3" in kept["Destination"]["S3BucketDestination"]["Encryption"]
    diff = made.diff(**inventory(name="other"))
    assert diff.replaces == ["name"]
    assert not diff.delete_before_replace
    found = driver.find(INVENTORY, "kept:all")
    assert found is not None
    assert driver.failures(INVENTORY, **found[2]) == []
    made.delete()
    assert made.refresh() is None
    assert s3.head_bucket(Bucket="kept")


def test_an_inventory_that_aws_does_not_have_is_refused_with_the_list(driver: Driver) -> None:
    reasons = dict(driver.failures(INVENTORY, **inventory(schedule={"frequency": "Hourly"})))
    assert "Daily, Weekly" in reasons["schedule.frequency"]


ROLE = "arn:aws:iam::123456789012:role/engine"
WHO = {"aws:SecureTransport": "true", "aws:PrincipalArn": ROLE, "aws:PrincipalAccount": "123456789012"}


def denied_but(*principals: str) -> str:
    statement = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": ["s3:GetObject", "s3:GetObjectVersion"],
        "Resource": "arn:aws:s3:::kept/*",
        "Condition": {"ArnNotEquals": {"aws:PrincipalArn": list(principals)}},
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


@pytest.mark.parametrize(
    ("policy", "action", "context", "said"),
    [
        (denied_but(ROLE), "s3:GetObject", WHO, "neutral"),
        (denied_but(OPERATOR_ARN), "s3:GetObject", WHO, "denied"),
        (denied_but(OPERATOR_ARN), "s3:PutObject", WHO, "neutral"),
        (denied_but(ROLE), "s3:GetObject", {"aws:SecureTransport": "true"}, "denied"),
    ],
)
def test_a_denial_of_all_but_some_is_read_as_iam_reads_it(
    policy: str, action: str, context: dict[str, str], said: str
) -> None:
    assert verdict(policy, action, "arn:aws:s3:::kept/models/a", context) == said


def test_a_condition_that_is_not_known_neither_denies_nor_permits() -> None:
    document = json.loads(denied_but(ROLE))
    document["Statement"][0]["Condition"] = {"DateGreaterThan": {"aws:CurrentTime": "2020-01-01T00:00:00Z"}}
    assert verdict(json.dumps(document), "s3:GetObject", "arn:aws:s3:::kept/a", WHO) == "neutral"


def test_a_bucket_policy_holds_for_who_signs_the_request(
    driver: Driver, bucket: Made, s3: Any, aws_endpoint: str
) -> None:
    s3.put_object(Bucket="kept", Key="models/a", Body=b"1")
    driver.create(POLICY, bucket="kept", policy=denied_but(ROLE))
    with pytest.raises(ClientError, match=r"403|Forbidden|AccessDenied"):
        s3.get_object(Bucket="kept", Key="models/a")
    with pytest.raises(ClientError, match=r"403|Forbidden"):
        s3.head_object(Bucket="kept", Key="models/a")
    iam = aws_client("iam", "us-east-1", aws_endpoint)
    iam.create_role(RoleName="engine", AssumeRolePolicyDocument=json.dumps({"Statement": []}))
    session = aws_client("sts", "us-east-1", aws_endpoint).assume_role(RoleArn=ROLE, RoleSessionName="pod")[
        "Credentials"
    ]
    import boto3

    engine = boto3.client(
        "s3",
        region_name="us-east-1",
        endpoint_url=aws_endpoint,
        aws_access_key_id=session["AccessKeyId"],
        aws_secret_access_key=session["SecretAccessKey"],
        aws_session_token=session["SessionToken"],
    )
    assert engine.get_object(Bucket="kept", Key="models/a")["Body"].read() == b"1"
    # Nobody is locked out: the policy itself can be mended by who could not read.
    s3.put_bucket_policy(Bucket="kept", Policy=denied_but(ROLE, OPERATOR_ARN))
    assert s3.get_object(Bucket="kept", Key="models/a")["Body"].read() == b"1"
    iam.delete_role(RoleName="engine")
