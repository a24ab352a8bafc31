"""The model bucket is closed, logged and read by its own roles alone, and an engine reads exactly its model."""

from __future__ import annotations

import json
from typing import Any

import pytest
from component_recording import Recording, Registered, region_of, stack

from components import model_signing
from sandbox.aws.bucket_policy import verdict

KEY_ARN = "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
PEM = """-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEaxfR8uEsQkf4vOblY6RA8ncDfYEt
6zOg9KE5RdiYwpZP40Li/hp/m47n60p8D54WK84zV2sxXs7LtkBoN79R9Q==
-----END PUBLIC KEY-----
"""
"""The generator of P-256: the public half of the number 1."""
OPERATOR = "arn:aws:iam::123456789012:user/sandbox-operator"
ENGINE = "arn:aws:iam::123456789012:role/bastide-sandbox-us-east-1-engine-chat"


def both(recording: Recording, kind: str) -> list[Registered]:
    """The setting of the model bucket, and of the bucket of its logs."""
    models, logs = sorted(recording.of(kind), key=lambda each: len(each.inputs["bucket"]))
    assert logs.inputs["bucket"].endswith("-models-logs-123456789012")
    return [models, logs]


def statements(policy: Registered) -> dict[str, Any]:
    return {each["Sid"]: each for each in json.loads(policy.inputs["policy"])["Statement"]}


def test_both_buckets_are_closed_to_the_public_in_all_four_ways(sandbox: Recording) -> None:
    ways = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")
    for closed in both(sandbox, ":BucketPublicAccessBlock"):
        assert all(closed.inputs[each] is True for each in ways)
    for ownership in both(sandbox, ":BucketOwnershipControls"):
        assert ownership.inputs["rule"] == {"objectOwnership": "BucketOwnerEnforced"}


def test_models_are_encrypted_with_their_own_key_and_logs_as_log_delivery_can(sandbox: Recording) -> None:
    models, logs = both(sandbox, ":BucketServerSideEncryptionConfiguration")
    (rule,) = models.inputs["rules"]
    assert rule["applyServerSideEncryptionByDefault"]["sseAlgorithm"] == "aws:kms"
    assert rule["applyServerSideEncryptionByDefault"]["kmsMasterKeyId"].endswith("bastide-models-key-key")
    assert rule["bucketKeyEnabled"] is True
    (rule,) = logs.inputs["rules"]
    assert rule["applyServerSideEncryptionByDefault"] == {"sseAlgorithm": "AES256"}
    for versions in both(sandbox, ":BucketVersioning"):
        assert versions.inputs["versioningConfiguration"] == {"status": "Enabled"}


def test_plain_http_is_denied_to_everybody(sandbox: Recording) -> None:
    for policy in both(sandbox, ":BucketPolicy"):
        deny = statements(policy)["DenyPlainHttp"]
        assert (deny["Effect"], deny["Principal"], deny["Action"]) == ("Deny", "*", "s3:*")
        assert deny["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
        bucket = f"arn:aws:s3:::{policy.inputs['bucket']}"
        assert deny["Resource"] == [bucket, f"{bucket}/*"]


def test_models_are_read_by_engines_and_publishers_and_written_by_publishers_alone(
    sandbox: Recording,
) -> None:
    policy = statements(both(sandbox, ":BucketPolicy")[0])
    assert set(policy) == {
        *("DenyPlainHttp", "DenyReadsByOthers", "DenyWritesByOthers", "DenyOtherEncryption"),
        "DenyCustomerKeys",
    }
    reads, writes = policy["DenyReadsByOthers"], policy["DenyWritesByOthers"]
    assert reads["Condition"] == {"ArnNotEquals": {"aws:PrincipalArn": [ENGINE, OPERATOR]}}
    assert writes["Condition"] == {"ArnNotEquals": {"aws:PrincipalArn": [OPERATOR]}}
    assert "s3:GetObject" in reads["Action"]
    assert {"s3:PutObject", "s3:DeleteObjectVersion"} <= set(writes["Action"])
    roles = {each.inputs["name"] for each in sandbox.of("iam/role:Role")}
    assert ENGINE.rpartition("/")[2] in roles


def test_no_statement_can_lock_the_administrators_out(sandbox: Recording) -> None:
    """The policy and the bucket's settings stay as IAM says: only objects are denied."""
    for statement in statements(both(sandbox, ":BucketPolicy")[0]).values():
        if statement["Sid"] == "DenyPlainHttp":
            continue
        assert statement["Resource"].endswith("/*")
        actions = statement["Action"]
        for action in [actions] if isinstance(actions, str) else actions:
            assert "Bucket" not in action
            assert any(each in action for each in ("Object", "Upload", "Retention", "Replicate")), action


@pytest.mark.parametrize(
    ("principal", "encryption", "action", "said"),
    [
        (OPERATOR, None, "s3:PutObject", "neutral"),
        # `aws:kms` without a key is not the bucket's key but AWS's own.
        (OPERATOR, "aws:kms", "s3:PutObject", "denied"),
        (OPERATOR, "AES256", "s3:PutObject", "denied"),
        (ENGINE, None, "s3:GetObject", "neutral"),
        (ENGINE, None, "s3:PutObject", "denied"),
        (ENGINE, None, "s3:DeleteObjectVersion", "denied"),
        (OPERATOR + "2", None, "s3:GetObject", "denied"),
        (None, None, "s3:GetObject", "denied"),
        (OPERATOR + "2", None, "s3:ReplicateObject", "denied"),
        (OPERATOR + "2", None, "s3:GetObjectVersionForReplication", "denied"),
        (OPERATOR + "2", None, "s3:PutBucketPolicy", "neutral"),
    ],
)
def test_who_may_do_what_as_iam_reads_the_policy(
    sandbox: Recording, principal: str | None, encryption: str | None, action: str, said: str
) -> None:
    policy = both(sandbox, ":BucketPolicy")[0]
    context = {"aws:SecureTransport": "true"}
    if principal is not None:
        context["aws:PrincipalArn"] = principal
    if encryption is not None:
        context["s3:x-amz-server-side-encryption"] = encryption
    resource = f"arn:aws:s3:::{policy.inputs['bucket']}"
    if "Object" in action:
        resource += "/models/tiny-qwen2/1.0.0/config.json"
    assert verdict(policy.inputs["policy"], action, resource, context) == said
    assert (
        verdict(policy.inputs["policy"], action, resource, {**context, "aws:SecureTransport": "false"})
        == "denied"
    )


def test_nobody_uploads_with_a_key_that_engines_have_not(sandbox: Recording) -> None:
    policy = both(sandbox, ":BucketPolicy")[0]
    key = f"arn:aws:s3:::{policy.inputs['bucket']}/models/tiny-qwen2/1.0.0/config.json"
    plain = {"aws:SecureTransport": "true", "aws:PrincipalArn": OPERATOR}
    customers = {**plain, "s3:x-amz-server-side-encryption-customer-algorithm": "AES256"}
    assert verdict(policy.inputs["policy"], "s3:PutObject", key, plain) == "neutral"
    assert verdict(policy.inputs["policy"], "s3:PutObject", key, customers) == "denied"


def test_who_publishes_and_reads_can_be_named() -> None:
    role = "arn:aws:iam::123456789012:role/"
    named = region_of(
        stack("sandbox", modelStore={"publishers": [role + "ci"], "readers": [role + "scanner"]})
    )
    policy = statements(both(named, ":BucketPolicy")[0])
    assert policy["DenyWritesByOthers"]["Condition"]["ArnNotEquals"]["aws:PrincipalArn"] == [role + "ci"]
    assert policy["DenyReadsByOthers"]["Condition"]["ArnNotEquals"]["aws:PrincipalArn"] == [
        ENGINE,
        role + "ci",
        role + "scanner",
    ]


def test_unfinished_uploads_and_old_versions_end_and_a_published_version_never(sandbox: Recording) -> None:
    models, logs = both(sandbox, ":BucketLifecycleConfiguration")
    uploads, old = models.inputs["rules"]
    assert uploads["abortIncompleteMultipartUpload"] == {"daysAfterInitiation": 7}
    assert old["noncurrentVersionExpiration"] == {"noncurrentDays": 90}
    assert old["expiration"] == {"expiredObjectDeleteMarker": True}
    assert not [each for each in models.inputs["rules"] if "days" in each.get("expiration", {})]
    (rule,) = logs.inputs["rules"]
    assert rule["expiration"] == {"days": 365}


def test_requests_and_objects_are_written_down_in_the_bucket_of_logs(sandbox: Recording) -> None:
    models, logs = both(sandbox, ":BucketPolicy")
    logging, inventory = sandbox.one(":BucketLogging"), sandbox.one(":Inventory")
    assert logging.inputs["bucket"] == models.inputs["bucket"]
    assert logging.inputs["targetBucket"] == logs.inputs["bucket"]
    allowed = statements(logs)
    source = {
        "ArnLike": {"aws:SourceArn": f"arn:aws:s3:::{models.inputs['bucket']}"},
        "StringEquals": {"aws:SourceAccount": "123456789012"},
    }
    for sid, service, prefix in (
        ("AccessLogs", "logging.s3.amazonaws.com", logging.inputs["targetPrefix"]),
        ("Inventory", "s3.amazonaws.com", inventory.inputs["destination"]["bucket"]["prefix"] + "/"),
    ):
        statement = allowed[sid]
        assert statement["Principal"] == {"Service": service}
        assert statement["Resource"] == f"arn:aws:s3:::{logs.inputs['bucket']}/{prefix}*"
        assert statement["Condition"] == source
    assert inventory.inputs["schedule"] == {"frequency": "Weekly"}
    for each in (logging, inventory):
        assert sandbox.reaches(each, logs), f"{each.name} does not wait for the log bucket's policy"


def test_a_lock_is_off_by_default_and_a_resource_of_its_own_by_setting(sandbox: Recording) -> None:
    assert not sandbox.of(":BucketObjectLockConfiguration")
    locked = region_of(stack("staging", modelStore={"objectLock": {"mode": "compliance", "days": 30}}))
    lock = locked.one(":BucketObjectLockConfiguration")
    assert lock.inputs["rule"] == {"defaultRetention": {"mode": "COMPLIANCE", "days": 30}}
    # S3 cannot switch it off, so taking the setting away is refused.
    assert lock.protect
    # The bucket's own input would replace the bucket when the lock is added later.
    assert all("objectLockEnabled" not in each.inputs for each in locked.of("s3/bucket:Bucket"))


def test_an_engine_reads_its_own_model_version_and_nothing_else(sandbox: Recording) -> None:
    (policy,) = [each for each in sandbox.of(":RolePolicy") if "engine-chat" in each.name]
    rights = statements(policy)
    bucket = f"arn:aws:s3:::{stack('sandbox').model_bucket}"
    assert rights["ReadModel"]["Action"] == ["s3:GetObject", "s3:GetObjectVersion"]
    assert rights["ReadModel"]["Resource"] == [f"{bucket}/models/tiny-qwen2/1.0.0/*"]
    assert rights["ListModel"]["Condition"] == {"StringLike": {"s3:prefix": ["models/tiny-qwen2/1.0.0/*"]}}
    assert rights["DecryptModel"]["Action"] == "kms:Decrypt"
    assert rights["DecryptModel"]["Resource"].endswith("bastide-models-key-key")
    assert set(rights) == {"ReadModel", "ListModel", "DecryptModel"}


def test_an_engines_role_trusts_one_service_account_of_one_cluster(sandbox: Recording) -> None:
    (role,) = [each for each in sandbox.of("iam/role:Role") if "engine-chat" in each.name]
    (trust,) = json.loads(role.inputs["assumeRolePolicy"])["Statement"]
    assert trust["Principal"] == {"Service": "pods.eks.amazonaws.com"}
    bound = trust["Condition"]["StringEquals"]
    assert bound["aws:RequestTag/kubernetes-namespace"] == "bastide-serving"
    assert bound["aws:RequestTag/kubernetes-service-account"] == "vllm-chat"
    assert bound["aws:RequestTag/eks-cluster-arn"].endswith(":cluster/bastide-sandbox-us-east-1")
    assert bound["aws:SourceAccount"] == "123456789012"


def test_models_are_signed_by_a_key_of_the_stores_own_that_only_publishers_use(prod: Recording) -> None:
    (key,) = [each for each in prod.of("kms/key:Key") if "signing" in each.name]
    assert key.inputs["customerMasterKeySpec"] == "ECC_NIST_P256"
    assert key.inputs["keyUsage"] == "SIGN_VERIFY"
    assert key.protect
    denied = {each["Sid"]: each for each in json.loads(key.inputs["policy"])["Statement"]}[
        "DenySigningByOthers"
    ]
    assert (denied["Effect"], denied["Action"]) == ("Deny", "kms:Sign")
    assert denied["Condition"] == {
        "ArnNotEquals": {"aws:PrincipalArn": ["arn:aws:iam::111122223333:role/model-publisher"]}
    }
    (alias,) = [each for each in prod.of("kms/alias:Alias") if "signing" in each.name]
    assert alias.inputs["name"] == "alias/bastide-prod-us-east-1-model-signing"


def test_of_an_adopted_store_the_clusters_administrators_sign_and_not_everybody_whom_iam_lets() -> None:
    store = {"kind": "adopt", "bucket": "their-models", "keyArn": KEY_ARN}
    statements = model_signing.key_statements(stack("sandbox", modelStore=store))
    (denied,) = [each for each in statements if each["Effect"] == "Deny"]
    assert denied["Condition"] == {"ArnNotEquals": {"aws:PrincipalArn": [OPERATOR]}}


@pytest.mark.parametrize(
    ("signing", "trusted", "unsigned"),
    [
        ({"trustedKeys": [PEM]}, ["PEM of bastide-models-signing-key-id", PEM], False),
        ({"kind": "kms", "keyArn": KEY_ARN}, [f"PEM of {KEY_ARN}"], False),
        ({"kind": "keys", "trustedKeys": [PEM]}, [PEM], False),
        ({"kind": "allow-unsigned"}, [], True),
    ],
)
def test_engines_trust_the_keys_that_the_settings_name(
    signing: dict[str, Any], trusted: list[str], unsigned: bool
) -> None:
    found = region_of(stack("sandbox", modelStore={"signing": signing}))
    (release,) = [each for each in found.of("helm.sh/v3:Release") if each.inputs["name"] == "vllm-chat"]
    assert release.inputs["values"]["fetch"]["publicKeys"] == trusted
    assert release.inputs["values"]["fetch"]["allowUnsigned"] is unsigned
    made = [each for each in found.of("kms/key:Key") if "signing" in each.name]
    assert len(made) == (1 if signing.get("kind", "kms") == "kms" and "keyArn" not in signing else 0)
