"""Where moto's buckets are looser or poorer than S3's, each with its reason. `apply` is called once at start."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import wraps
from typing import Any, Final

from sandbox.aws import bucket_policy, identity
from sandbox.state import ACCOUNT_ID


def apply() -> None:
    """Puts every patch in force."""
    from moto.s3.models import FakeBucket, S3Backend
    from moto.s3.responses import S3Response

    _read_bucket_policies(FakeBucket)
    _read_log_policies(FakeBucket)
    _lock_buckets(S3Backend)
    _keep_inventories(S3Backend, S3Response)


def _read_bucket_policies(bucket: Any) -> None:
    # moto reads neither conditions nor principals, so that a policy which denies all but some would deny
    # everybody. The sandbox's loopback stands for AWS's HTTPS.
    def get_permission(self: Any, action: str, resource: str) -> Any:
        from moto.iam.access_control import PermissionResult

        if not self.policy:
            return PermissionResult.NEUTRAL
        said = bucket_policy.verdict(self.policy, _REAL.get(action, action), resource, _context())
        return {
            "denied": PermissionResult.DENIED,
            "permitted": PermissionResult.PERMITTED,
            "neutral": PermissionResult.NEUTRAL,
        }[said]

    bucket.get_permission = get_permission


_REAL: Final = {"s3:HeadObject": "s3:GetObject", "s3:PostObject": "s3:PutObject"}
"""Actions as moto names them after the HTTP method, and as IAM does."""


def _context() -> dict[str, str]:
    """Who asks, by the access key in the request's signature."""
    from flask import has_request_context, request

    context = {"aws:SecureTransport": "true"}
    if not has_request_context():
        return context
    encryption = request.headers.get("x-amz-server-side-encryption")
    if encryption:
        context["s3:x-amz-server-side-encryption"] = encryption
    signed = request.headers.get("Authorization", "").partition("Credential=")[2]
    key = (signed or request.args.get("X-Amz-Credential", "")).partition("/")[0]
    caller = identity.caller_arn(key) if key else None
    if caller is not None:
        principal = identity.principal_of(caller)
        context |= {"aws:PrincipalArn": principal, "aws:PrincipalAccount": principal.split(":")[4]}
    return context


def _read_log_policies(bucket: Any) -> None:
    # moto fails on a statement for everybody, such as one that denies plain HTTP.
    def permitted(target_bucket: Any, target_prefix: str | None) -> bool:
        if not target_bucket.policy:
            return False
        context = {"aws:SecureTransport": "true", "aws:SourceAccount": ACCOUNT_ID}
        wanted = f"arn:aws:s3:::{target_bucket.name}/{target_prefix or ''}log"
        document = json.loads(target_bucket.policy)
        document["Statement"] = [_for_log_delivery(each) for each in document["Statement"]]
        return bucket_policy.verdict(json.dumps(document), "s3:PutObject", wanted, context) == "permitted"

    bucket._log_permissions_enabled_policy = staticmethod(permitted)


def _for_log_delivery(statement: Mapping[str, Any]) -> dict[str, Any]:
    """The statement as it is for S3's log delivery: the source's ARN, which moto does not pass, is believed."""
    principal = statement.get("Principal")
    service = principal.get("Service") if isinstance(principal, Mapping) else None
    services = [service] if isinstance(service, str) else service or []
    conditions = {
        operator: {key: value for key, value in keys.items() if key != "aws:SourceArn"}
        for operator, keys in statement.get("Condition", {}).items()
    }
    meant = "logging.s3.amazonaws.com" in services
    return {**statement, "Principal": "*" if meant else principal, "Condition": conditions}


def _lock_buckets(backend: Any) -> None:
    # Since 2023-11 S3 takes a lock on a bucket that holds objects; moto does not. And S3 never lets go of a
    # locked bucket's versions; moto does.
    from moto.s3.exceptions import InvalidBucketState

    def put_object_lock_configuration(
        self: Any,
        bucket_name: str,
        lock_enabled: bool,
        mode: str | None = None,
        days: int | None = None,
        years: int | None = None,
    ) -> None:
        bucket = self.get_bucket(bucket_name)
        if not bucket.is_versioned:
            raise InvalidBucketState(
                "Versioning must be 'Enabled' on the bucket to apply a Object Lock configuration"
            )
        bucket.object_lock_enabled = bucket.object_lock_enabled or bool(lock_enabled)
        bucket.default_lock_mode = mode
        bucket.default_lock_days = days or 0
        bucket.default_lock_years = years or 0

    backend.put_object_lock_configuration = put_object_lock_configuration
    read = backend.get_object_lock_configuration

    @wraps(read)
    def get_object_lock_configuration(self: Any, bucket_name: str) -> Any:
        # S3 says days or years, and not the other as 0.
        enabled, mode, days, years = read(self, bucket_name)
        return enabled, mode, days or None, years or None

    backend.get_object_lock_configuration = get_object_lock_configuration
    original = backend.put_bucket_versioning

    @wraps(original)
    def put_bucket_versioning(self: Any, bucket_name: str, status: str) -> None:
        if status != "Enabled" and self.get_bucket(bucket_name).object_lock_enabled:
            raise InvalidBucketState(
                "An Object Lock configuration is present on this bucket, so the versioning state cannot be changed."
            )
        original(self, bucket_name, status)

    backend.put_bucket_versioning = put_bucket_versioning


def _keep_inventories(backend: Any, response: Any) -> None:
    # moto has no DeleteBucketInventoryConfiguration and deletes the bucket instead; it forgets which versions
    # an inventory includes, cannot give an encryption back, and has an error code of its own.
    from moto.s3.exceptions import MissingInventoryConfig

    MissingInventoryConfig.code = "NoSuchConfiguration"
    put = backend.put_bucket_inventory_configuration
    get, delete = response.get_bucket_inventory_configuration, response._bucket_response_delete

    @wraps(put)
    def put_inventory(self: Any, bucket_name: str, inventory_configuration: dict[str, Any]) -> None:
        target = inventory_configuration["Destination"]["S3BucketDestination"]
        encryption = target.get("Encryption") or {}
        if "SSE-S3" in encryption:
            target["Encryption"] = {"SSES3": {}}
        elif "SSE-KMS" in encryption:
            target["Encryption"] = {"SSEKMS": encryption["SSE-KMS"]}
        put(self, bucket_name, inventory_configuration)
        kept = self.get_bucket(bucket_name).inventory_configs[inventory_configuration["Id"]]
        kept.included_versions = inventory_configuration["IncludedObjectVersions"]

    @wraps(get)
    def get_inventory(self: Any) -> Any:
        status, headers, body = get(self)
        name = self.querystring["id"][0]
        versions = self.backend.get_bucket(self.bucket_name).inventory_configs[name].included_versions
        tag = "<IncludedObjectVersions>"
        return status, headers, body.replace(f"{tag}All", f"{tag}{versions}")

    @wraps(delete)
    def delete_of_bucket(self: Any, bucket_name: str, querystring: dict[str, Any]) -> Any:
        if "inventory" not in querystring:
            return delete(self, bucket_name, querystring)
        name = querystring["id"][0]
        self.backend.get_bucket_inventory_configuration(bucket_name=bucket_name, id=name)
        del self.backend.get_bucket(bucket_name).inventory_configs[name]
        return 204, {}, ""

    backend.put_bucket_inventory_configuration = put_inventory
    response.get_bucket_inventory_configuration = get_inventory
    response._bucket_response_delete = delete_of_bucket
