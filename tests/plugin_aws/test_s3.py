from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from sandbox.state import aws_client
from tests.plugin_aws.conftest import Driver, Made

BUCKET = "aws:s3/bucket:Bucket"
VERSIONING = "aws:s3/bucketVersioning:BucketVersioning"
ENCRYPTION = "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"
ACCESS = "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock"
OWNERSHIP = "aws:s3/bucketOwnershipControls:BucketOwnershipControls"
POLICY = "aws:s3/bucketPolicy:BucketPolicy"
LIFECYCLE = "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration"


@pytest.fixture
def s3(aws_endpoint: str) -> Any:
    return aws_client("s3", "us-east-1", aws_endpoint)


@pytest.fixture
def bucket(driver: Driver) -> Iterator[Made]:
    made = driver.create(BUCKET, bucket="weights", forceDestroy=True)
    yield made
    made.delete()


def test_bucket_lives_through_creation_tagging_refresh_and_deletion(driver: Driver, s3: Any) -> None:
    inputs = {"bucket": "models-of-life", "tags": {"a": "1"}}
    made = driver.create(BUCKET, **inputs)
    assert made.state["arn"] == "arn:aws:s3:::models-of-life"
    assert made.state["bucketRegionalDomainName"] == "models-of-life.s3.us-east-1.amazonaws.com"
    assert made.diff(**inputs).properties == {}
    assert made.refresh().properties == {}

    made.update(bucket="models-of-life", tags={"b": "2"})
    assert s3.get_bucket_tagging(Bucket="models-of-life")["TagSet"] == [{"Key": "b", "Value": "2"}]
    s3.put_bucket_tagging(Bucket="models-of-life", Tagging={"TagSet": [{"Key": "b", "Value": "3"}]})
    assert "tags" in {path.split(".")[0] for path in made.refresh().properties}

    made.delete()
    assert made.refresh() is None
    made.delete()


def test_bucket_in_another_region_is_made_there(aws_endpoint: str, s3: Any) -> None:
    driver = Driver(region="eu-west-1")
    made = driver.create(BUCKET, bucket="far-away", tags={"a": "1"})
    assert s3.get_bucket_location(Bucket="far-away")["LocationConstraint"] == "eu-west-1"
    assert made.state["bucketRegion"] == "eu-west-1"
    made.delete()


def test_bucket_that_exists_is_never_taken_over(driver: Driver, s3: Any) -> None:
    s3.create_bucket(Bucket="someones")
    with pytest.raises(Exception, match="the bucket someones exists already"):
        driver.create(BUCKET, bucket="someones")
    s3.delete_bucket(Bucket="someones")


def test_full_bucket_is_kept_unless_it_may_be_emptied(driver: Driver, s3: Any) -> None:
    made = driver.create(BUCKET, bucket="full")
    s3.put_bucket_versioning(Bucket="full", VersioningConfiguration={"Status": "Enabled"})
    s3.put_object(Bucket="full", Key="a", Body=b"1")
    s3.put_object(Bucket="full", Key="a", Body=b"2")
    s3.delete_object(Bucket="full", Key="a")
    with pytest.raises(Exception, match="still holds objects, and forceDestroy is not set"):
        made.delete()
    made.update(bucket="full", forceDestroy=True)
    made.delete()
    assert made.refresh() is None


def test_object_lock_replaces_a_bucket_and_the_old_one_goes_first(driver: Driver, bucket: Made) -> None:
    diff = bucket.diff(bucket="weights", forceDestroy=True, objectLockEnabled=True)
    assert diff.replaces == ["objectLockEnabled"]
    assert diff.delete_before_replace


def test_inline_settings_of_the_bucket_point_to_their_resources(driver: Driver) -> None:
    reasons = dict(
        driver.failures(
            BUCKET,
            bucket="x-y-z",
            versioning={"enabled": True},
            acl="private",
            serverSideEncryptionConfiguration={},
        )
    )
    assert "use aws.s3.BucketVersioning" in reasons["versioning"]
    assert "use aws.s3.BucketAcl" in reasons["acl"]
    assert (
        "use aws.s3.BucketServerSideEncryptionConfiguration" in reasons["serverSideEncryptionConfiguration"]
    )


def test_bucket_name_that_s3_does_not_take_is_refused(driver: Driver) -> None:
    [(path, reason)] = driver.failures(BUCKET, bucket="Models_Bucket")
    assert path == "bucket"
    assert "does not match the pattern" in reason


def test_misspelt_bucket_input_is_refused_with_the_nearest_name(driver: Driver) -> None:
    [(path, reason)] = driver.failures(BUCKET, bucket="abc", forceDestory=True)
    assert path == "forceDestory"
    assert "did you mean 'forceDestroy'" in reason


def test_versioning_is_suspended_in_place_and_on_deletion(driver: Driver, bucket: Made, s3: Any) -> None:
    inputs = {"bucket": "weights", "versioningConfiguration": {"status": "Enabled"}}
    made = driver.create(VERSIONING, **inputs)
    assert made.refresh().properties == {}
    assert made.diff(**{**inputs, "bucket": "other"}).replaces == ["bucket"]
    s3.put_bucket_versioning(Bucket="weights", VersioningConfiguration={"Status": "Suspended"})
    assert made.refresh().properties == {"versioningConfiguration.status": "update"}
    made.update(**inputs)
    made.delete()
    assert s3.get_bucket_versioning(Bucket="weights")["Status"] == "Suspended"
    assert driver.find(VERSIONING, "weights") is not None


def test_versioning_status_that_aws_does_not_have_is_refused_with_the_list(driver: Driver) -> None:
    [(path, reason)] = driver.failures(
        VERSIONING, bucket="weights", versioningConfiguration={"status": "On", "mfaDelete": None}
    )
    assert path == "versioningConfiguration.status"
    assert "Enabled, Suspended" in reason


def test_encryption_with_a_key_is_kept_and_drift_is_found(driver: Driver, bucket: Made, s3: Any) -> None:
    key = "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
    default = {"sseAlgorithm": "aws:kms", "kmsMasterKeyId": key}
    inputs = {
        "bucket": "weights",
        "rules": [{"applyServerSideEncryptionByDefault": default, "bucketKeyEnabled": True}],
    }
    made = driver.create(ENCRYPTION, **inputs)
    assert made.diff(**inputs).properties == {}
    assert made.refresh().properties == {}
    [rule] = s3.get_bucket_encryption(Bucket="weights")["ServerSideEncryptionConfiguration"]["Rules"]
    assert rule["ApplyServerSideEncryptionByDefault"]["KMSMasterKeyID"] == key
    plain = {"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]}
    s3.put_bucket_encryption(Bucket="weights", ServerSideEncryptionConfiguration=plain)
    assert made.refresh().replaces == []
    assert made.refresh().properties != {}
    found = driver.find(ENCRYPTION, "weights")
    assert found is not None
    assert found[2]["rules"][0]["applyServerSideEncryptionByDefault"] == {"sseAlgorithm": "AES256"}
    made.delete()
    assert made.refresh() is None


def test_unknown_encryption_algorithm_is_refused_with_the_list(driver: Driver) -> None:
    rules = [{"applyServerSideEncryptionByDefault": {"sseAlgorithm": "AES512"}}]
    [(path, reason)] = driver.failures(ENCRYPTION, bucket="weights", rules=rules)
    assert path == "rules[0].applyServerSideEncryptionByDefault.sseAlgorithm"
    assert "aws:kms, AES256" in reason


def test_public_access_block_that_someone_opens_is_drift(driver: Driver, bucket: Made, s3: Any) -> None:
    inputs = {
        "bucket": "weights",
        "blockPublicAcls": True,
        "blockPublicPolicy": True,
        "ignorePublicAcls": True,
        "restrictPublicBuckets": True,
    }
    made = driver.create(ACCESS, **inputs)
    assert made.refresh().properties == {}
    block = {"BlockPublicAcls": True, "BlockPublicPolicy": False, "IgnorePublicAcls": True}
    s3.put_public_access_block(
        Bucket="weights", PublicAccessBlockConfiguration={**block, "RestrictPublicBuckets": True}
    )
    assert made.refresh().properties == {"blockPublicPolicy": "update"}
    made.update(**{**inputs, "ignorePublicAcls": False})
    seen = s3.get_public_access_block(Bucket="weights")["PublicAccessBlockConfiguration"]
    assert (seen["BlockPublicPolicy"], seen["IgnorePublicAcls"]) == (True, False)
    made.delete()
    assert made.refresh() is None


def test_ownership_controls_change_in_place(driver: Driver, bucket: Made, s3: Any) -> None:
    made = driver.create(OWNERSHIP, bucket="weights", rule={"objectOwnership": "BucketOwnerEnforced"})
    assert made.refresh().properties == {}
    made.update(bucket="weights", rule={"objectOwnership": "ObjectWriter"})
    [rule] = s3.get_bucket_ownership_controls(Bucket="weights")["OwnershipControls"]["Rules"]
    assert rule == {"ObjectOwnership": "ObjectWriter"}
    [(path, reason)] = driver.failures(OWNERSHIP, bucket="weights", rule={"objectOwnership": "Mine"})
    assert path == "rule.objectOwnership"
    assert "BucketOwnerEnforced" in reason
    made.delete()
    assert made.refresh() is None


def test_bucket_policy_is_compared_as_json(driver: Driver, bucket: Made, s3: Any) -> None:
    statement = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": ["arn:aws:s3:::weights/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    made = driver.create(POLICY, bucket="weights", policy=json.dumps(policy))
    assert made.diff(bucket="weights", policy=json.dumps(policy, indent=2)).properties == {}
    assert made.refresh().properties == {}
    statement["Action"] = "s3:GetObject"
    assert made.diff(bucket="weights", policy=json.dumps(policy)).properties == {"policy": "update"}
    made.update(bucket="weights", policy=json.dumps(policy))
    assert (
        json.loads(s3.get_bucket_policy(Bucket="weights")["Policy"])["Statement"][0]["Action"]
        == "s3:GetObject"
    )
    made.delete()
    assert made.refresh() is None


def test_lifecycle_rules_come_back_as_they_were_given(driver: Driver, bucket: Made, s3: Any) -> None:
    inputs = {
        "bucket": "weights",
        "rules": [
            {
                "id": "uploads",
                "status": "Enabled",
                "filter": {"prefix": "tmp/"},
                "abortIncompleteMultipartUpload": {"daysAfterInitiation": 7},
                "noncurrentVersionExpiration": {"noncurrentDays": 30},
            },
            {
                "id": "cold",
                "status": "Enabled",
                "filter": {"and": {"prefix": "old/", "tags": {"keep": "no"}}},
                "transitions": [{"days": 30, "storageClass": "GLACIER_IR"}],
                "expiration": {"days": 365},
            },
        ],
    }
    made = driver.create(LIFECYCLE, **inputs)
    assert made.diff(**inputs).properties == {}
    assert made.refresh().properties == {}
    found = driver.find(LIFECYCLE, "weights")
    assert found is not None
    assert driver.failures(LIFECYCLE, **found[2]) == []
    changed = json.loads(json.dumps(inputs))
    changed["rules"][0]["noncurrentVersionExpiration"]["noncurrentDays"] = 60
    diff = made.diff(**changed)
    assert diff.properties == {"rules[0].noncurrentVersionExpiration.noncurrentDays": "update"}
    made.update(**changed)
    rules = {rule["ID"]: rule for rule in s3.get_bucket_lifecycle_configuration(Bucket="weights")["Rules"]}
    assert rules["uploads"]["NoncurrentVersionExpiration"]["NoncurrentDays"] == 60
    s3.delete_bucket_lifecycle(Bucket="weights")
    assert made.refresh() is None
    made.delete()


def test_lifecycle_mistakes_are_named_by_their_path(driver: Driver) -> None:
    rules = [
        {
            "id": "a",
            "status": "On",
            "filter": {"objectSizeGreaterThan": 5},
            "transitions": [{"days": 1, "storageClass": "COLD"}],
        }
    ]
    reasons = dict(driver.failures(LIFECYCLE, bucket="weights", rules=rules))
    assert "Enabled, Disabled" in reasons["rules[0].status"]
    assert "GLACIER_IR" in reasons["rules[0].transitions[0].storageClass"]
    assert "does not keep it" in reasons["rules[0].filter.objectSizeGreaterThan"]
    [(path, reason)] = driver.failures(LIFECYCLE, bucket="weights", rules=[])
    assert path == "rules"
    assert "at least one rule" in reason
