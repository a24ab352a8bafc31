"""What a program asks of a bucket and a key that are there: `s3.get_bucket`, `kms.get_key`, `kms.get_public_key`, and
Cloud Control's `get_resource` for the settings of a bucket, which no function of S3's gives.

Blind spot: of Cloud Control's types only AWS::S3::Bucket is here, with the properties that the kit judges.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any, Final

from botocore.exceptions import ClientError

from sandbox.plugins.aws.ec2_data import asked
from sandbox.plugins.aws.framework import Context, is_gone, tag_pairs
from sandbox.plugins.aws.functions import function, whole
from sandbox.plugins.aws.values import stamp
from sandbox.plugins.protocol import Plain, PluginError

_KEY: Final = (
    *("arn", "awsAccountId", "cloudHsmClusterId", "creationDate", "customKeyStoreId"),
    *("customerMasterKeySpec", "deletionDate", "description", "enabled", "expirationModel", "grantTokens"),
    *("id", "keyId", "keyManager", "keySpec", "keyState", "keyUsage", "multiRegion"),
    *("multiRegionConfigurations", "origin", "pendingDeletionWindowInDays", "region", "validTo"),
    "xksKeyConfigurations",
)


@function("aws:s3/getBucket:getBucket", sdk="s3.get_bucket")
def bucket(ctx: Context, args: dict[str, Plain]) -> dict[str, Plain]:
    """HeadBucket and GetBucketLocation."""
    name = asked("get_bucket", args, "bucket")["bucket"]
    s3 = ctx.client("s3")
    try:
        region = s3.get_bucket_location(Bucket=name)["LocationConstraint"] or "us-east-1"
    except ClientError as error:
        if is_gone(error):
            raise PluginError(f"reading S3 Bucket ({name}): couldn't find resource") from None
        raise
    return {
        "arn": ctx.arn("s3", name, regional=False, account=False),
        "bucket": name,
        "bucketDomainName": f"{name}.s3.amazonaws.com",
        "bucketRegion": region,
        "bucketRegionalDomainName": f"{name}.s3.{region}.amazonaws.com",
        "hostedZoneId": "",
        "id": name,
        "region": ctx.region,
        "websiteDomain": "",
        "websiteEndpoint": "",
    }


@function("aws:kms/getKey:getKey", sdk="kms.get_key")
def key(ctx: Context, args: dict[str, Plain]) -> dict[str, Plain]:
    """DescribeKey."""
    given = asked("get_key", args, "keyId")
    found: dict[str, Any] = ctx.client("kms").describe_key(KeyId=given["keyId"])["KeyMetadata"]
    return whole(
        _KEY,
        {
            "arn": found["Arn"],
            "awsAccountId": found["AWSAccountId"],
            "creationDate": stamp(found["CreationDate"]),
            "customerMasterKeySpec": found.get("CustomerMasterKeySpec", ""),
            "deletionDate": stamp(found.get("DeletionDate")) or "",
            "description": found.get("Description", ""),
            "enabled": found["Enabled"],
            "id": found["KeyId"],
            "keyId": given["keyId"],
            "keyManager": found["KeyManager"],
            "keySpec": found.get("KeySpec", ""),
            "keyState": found["KeyState"],
            "keyUsage": found["KeyUsage"],
            "multiRegion": found.get("MultiRegion", False),
            "multiRegionConfigurations": [],
            "origin": found.get("Origin", ""),
            "pendingDeletionWindowInDays": 0,
            "region": ctx.region,
            "xksKeyConfigurations": [],
        },
    )


@function("aws:kms/getPublicKey:getPublicKey", sdk="kms.get_public_key")
def public_key(ctx: Context, args: dict[str, Plain]) -> dict[str, Plain]:
    """GetPublicKey."""
    given = asked("get_public_key", args, "keyId")
    found: dict[str, Any] = ctx.client("kms").get_public_key(KeyId=given["keyId"])
    body = base64.b64encode(found["PublicKey"]).decode()
    lines = "\n".join(body[at : at + 64] for at in range(0, len(body), 64))
    return {
        "arn": found["KeyId"],
        "customerMasterKeySpec": found["KeySpec"],
        "encryptionAlgorithms": found.get("EncryptionAlgorithms", []),
        "grantTokens": None,
        "id": found["KeyId"],
        "keyId": given["keyId"],
        "keyUsage": found["KeyUsage"],
        "publicKey": body,
        "publicKeyPem": f"-----BEGIN PUBLIC KEY-----\n{lines}\n-----END PUBLIC KEY-----\n",
        "region": ctx.region,
        "signingAlgorithms": found.get("SigningAlgorithms", []),
    }


@function("aws:cloudcontrol/getResource:getResource", sdk="cloudcontrol.get_resource")
def resource(ctx: Context, args: dict[str, Plain]) -> dict[str, Plain]:
    """A resource in the words of AWS's resource schema."""
    given = asked("get_resource", args, "typeName", "identifier")
    if given["typeName"] != "AWS::S3::Bucket":
        raise PluginError(
            f"get_resource has in the sandbox only AWS::S3::Bucket, and {given['typeName']} was asked for"
        )
    name = given["identifier"]
    try:
        ctx.client("s3").head_bucket(Bucket=name)
    except ClientError as error:
        if is_gone(error):
            raise PluginError(
                f"reading Cloud Control API (AWS::S3::Bucket) Resource ({name}): couldn't find resource"
            ) from None
        raise
    return {
        "id": name,
        "identifier": name,
        "properties": json.dumps(_bucket_properties(ctx.client("s3"), name), sort_keys=True),
        "region": ctx.region,
        "roleArn": None,
        "typeName": given["typeName"],
        "typeVersionId": None,
    }


def _bucket_properties(s3: Any, name: str) -> dict[str, Any]:
    """AWS::S3::Bucket's properties; a setting that was never made is absent."""

    def setting(operation: Callable[..., dict[str, Any]], field: str) -> Any:
        try:
            return operation(Bucket=name).get(field)
        except ClientError as error:
            if is_gone(error) or "NotFound" in str(error):
                return None
            raise

    encryption = setting(s3.get_bucket_encryption, "ServerSideEncryptionConfiguration")
    lock = setting(s3.get_object_lock_configuration, "ObjectLockConfiguration")
    logging = setting(s3.get_bucket_logging, "LoggingEnabled")
    status = setting(s3.get_bucket_versioning, "Status")
    tags = setting(s3.get_bucket_tagging, "TagSet")
    found = {
        "BucketName": name,
        "BucketEncryption": encryption
        and {
            "ServerSideEncryptionConfiguration": [
                {
                    "ServerSideEncryptionByDefault": rule.get("ApplyServerSideEncryptionByDefault"),
                    "BucketKeyEnabled": rule.get("BucketKeyEnabled", False),
                }
                for rule in encryption["Rules"]
            ]
        },
        "VersioningConfiguration": status and {"Status": status},
        "PublicAccessBlockConfiguration": setting(
            s3.get_public_access_block, "PublicAccessBlockConfiguration"
        ),
        "OwnershipControls": setting(s3.get_bucket_ownership_controls, "OwnershipControls"),
        "ObjectLockEnabled": lock is not None,
        "LoggingConfiguration": logging
        and {
            "DestinationBucketName": logging["TargetBucket"],
            "LogFilePrefix": logging.get("TargetPrefix", ""),
        },
        "Tags": tags and tag_pairs({each["Key"]: each["Value"] for each in tags}),
    }
    return {field: value for field, value in found.items() if value is not None}
