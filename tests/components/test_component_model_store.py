"""The model bucket is closed, and an engine reads exactly its model."""

from __future__ import annotations

import json

from component_recording import Recording, stack


def test_the_bucket_is_closed_to_the_public_in_all_four_ways(sandbox: Recording) -> None:
    closed = sandbox.one(":BucketPublicAccessBlock").inputs
    ways = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")
    assert all(closed[each] is True for each in ways)
    assert sandbox.one(":BucketOwnershipControls").inputs["rule"] == {
        "objectOwnership": "BucketOwnerEnforced"
    }


def test_the_bucket_is_versioned_and_encrypted_with_its_own_key(sandbox: Recording) -> None:
    assert sandbox.one(":BucketVersioning").inputs["versioningConfiguration"] == {"status": "Enabled"}
    (rule,) = sandbox.one(":BucketServerSideEncryptionConfiguration").inputs["rules"]
    default = rule["applyServerSideEncryptionByDefault"]
    assert default["sseAlgorithm"] == "aws:kms"
    assert default["kmsMasterKeyId"].endswith("bastide-models-key-key")


def test_plain_http_is_denied_to_everybody(sandbox: Recording) -> None:
    (deny,) = json.loads(sandbox.one(":BucketPolicy").inputs["policy"])["Statement"]
    assert (deny["Effect"], deny["Principal"], deny["Action"]) == ("Deny", "*", "s3:*")
    assert deny["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    bucket = f"arn:aws:s3:::{stack('sandbox').model_bucket}"
    assert deny["Resource"] == [bucket, f"{bucket}/*"]


def test_parts_of_uploads_that_never_ended_are_deleted(sandbox: Recording) -> None:
    (rule,) = sandbox.one(":BucketLifecycleConfiguration").inputs["rules"]
    assert rule["abortIncompleteMultipartUpload"] == {"daysAfterInitiation": 7}


def test_an_engine_reads_its_own_model_version_and_nothing_else(sandbox: Recording) -> None:
    (policy,) = [each for each in sandbox.of(":RolePolicy") if "engine-chat" in each.name]
    rights = {each["Sid"]: each for each in json.loads(policy.inputs["policy"])["Statement"]}
    bucket = f"arn:aws:s3:::{stack('sandbox').model_bucket}"
    assert rights["ReadModel"]["Action"] == "s3:GetObject"
    assert rights["ReadModel"]["Resource"] == f"{bucket}/models/tiny-qwen2/1.0.0/*"
    assert rights["ListModel"]["Condition"] == {"StringLike": {"s3:prefix": "models/tiny-qwen2/1.0.0/*"}}
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
