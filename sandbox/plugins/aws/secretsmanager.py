"""Secrets of Secrets Manager, their policies, and the versions that have their values.

Blind spots: the sandbox encrypts nothing with the key, evaluates no policy, and rotates nothing. A value is never part
of an error here.
"""

from __future__ import annotations

from typing import Any, Final

from botocore.exceptions import ClientError

from sandbox.plugins.aws.framework import (
    Call,
    Context,
    Inputs,
    ResourceType,
    code_of,
    compact,
    is_gone,
    register,
    tag_map,
    tag_pairs,
)
from sandbox.plugins.aws.table import REGION, judged, refused, replace, tags, update
from sandbox.plugins.aws.tagging import retag
from sandbox.plugins.protocol import Plain

_LONGEST_WINDOW: Final = 30
"""Days in which a deleted secret can be had back when nothing is said (DeleteSecret's reference)."""

_VERSION: Final = (
    "a version's value never changes: PutSecretValue makes another (the official provider's ForceNew)"
)


@register
class Secret(ResourceType):
    """A secret without its value."""

    token = "aws:secretsmanager/secret:Secret"  # noqa: S105 - a type token
    sdk = "secretsmanager.Secret"
    cfn = "AWS::SecretsManager::Secret"
    inputs = {
        "description": judged("Description"),
        "forceOverwriteReplicaSecret": refused("the kit keeps a region's secrets in that region"),
        "kmsKeyId": judged("KmsKeyId"),
        "name": judged("Name", autoname=512),
        "namePrefix": refused("the kit computes its names; use name"),
        "policy": refused(
            "a policy here and a SecretPolicy resource undo one another; use aws.secretsmanager.SecretPolicy"
        ),
        "recoveryWindowInDays": update(
            source="a parameter of DeleteSecret, used when the secret is deleted", default=_LONGEST_WINDOW
        ),
        "replicas": refused("the kit keeps a region's secrets in that region"),
        "type": refused("a type is for secrets that partners of AWS manage"),
        **tags("Tags"),
        **REGION,
    }
    outputs = ("arn",)
    identity = ("name",)

    def request(self, ctx: Context, inputs: Inputs) -> list[Call]:
        """CreateSecret, without a value."""
        params = compact(
            Name=inputs.get("name"),
            Description=inputs.get("description"),
            KmsKeyId=inputs.get("kmsKeyId"),
            Tags=tag_pairs(inputs.get("tagsAll") or {}),
        )
        return [("secretsmanager", "CreateSecret", params)]

    def problems(self, ctx: Context, inputs: Inputs) -> list[tuple[str, str]]:
        """DeleteSecret's bounds, which no schema has."""
        days = inputs.get("recoveryWindowInDays")
        if isinstance(days, int | float) and days != 0 and not 7 <= days <= _LONGEST_WINDOW:
            return [("recoveryWindowInDays", f"{days} is refused: allowed are 7 to 30, and 0 for at once")]
        return []

    def create(self, ctx: Context, inputs: Inputs) -> str:
        """The id is the ARN."""
        return str(ctx.send(self.request(ctx, inputs))["ARN"])

    def read(self, ctx: Context, resource_id: str, inputs: Inputs) -> dict[str, Plain] | None:
        """DescribeSecret; one that is to be deleted counts as gone, as it does for the official provider."""
        found: dict[str, Any] = ctx.client("secretsmanager").describe_secret(SecretId=resource_id)
        if found.get("DeletedDate"):
            return None
        return {
            "arn": found["ARN"],
            "name": found["Name"],
            "description": found.get("Description"),
            "kmsKeyId": found.get("KmsKeyId"),
            "tagsAll": tag_map(found.get("Tags")),
        }

    def update(self, ctx: Context, resource_id: str, old: Inputs, new: Inputs, changed: set[str]) -> None:
        """UpdateSecret for description and key."""
        manager = ctx.client("secretsmanager")
        if changed & {"description", "kmsKeyId"}:
            params = compact(Description=new.get("description") or "", KmsKeyId=new.get("kmsKeyId"))
            manager.update_secret(SecretId=resource_id, **params)
        retag(ctx, "secretsmanager", old, new, SecretId=resource_id)

    def delete(self, ctx: Context, resource_id: str, state: dict[str, Plain]) -> None:
        """DeleteSecret: at once with a window of 0, else the name stays taken until the window has passed."""
        days = state.get("recoveryWindowInDays")
        window = (
            {"ForceDeleteWithoutRecovery": True} if days == 0 else {"RecoveryWindowInDays": int(days or 30)}
        )
        try:
            ctx.client("secretsmanager").delete_secret(SecretId=resource_id, **window)
        except ClientError as error:
            # Already on its way: deleted by hand, or by a run that was killed.
            if code_of(error) != "InvalidRequestException":
                raise


@register
class SecretPolicy(ResourceType):
    """Who may use a secret, besides what IAM says."""

    token = "aws:secretsmanager/secretPolicy:SecretPolicy"  # noqa: S105 - a type token
    sdk = "secretsmanager.SecretPolicy"
    cfn = "AWS::SecretsManager::ResourcePolicy"
    inputs = {
        "blockPublicPolicy": judged("BlockPublicPolicy"),
        "policy": judged("ResourcePolicy", required=True, json=True, encode=lambda text: text),
        "secretArn": judged("SecretId", required=True),
        **REGION,
    }
    identity = ("secretArn",)

    def request(self, ctx: Context, inputs: Inputs) -> list[Call]:
        """PutResourcePolicy."""
        params = compact(
            SecretId=inputs.get("secretArn"),
            ResourcePolicy=inputs.get("policy"),
            BlockPublicPolicy=inputs.get("blockPublicPolicy"),
        )
        return [("secretsmanager", "PutResourcePolicy", params)]

    def create(self, ctx: Context, inputs: Inputs) -> str:
        """The id is the secret's ARN."""
        ctx.send(self.request(ctx, inputs))
        return str(inputs["secretArn"])

    def read(self, ctx: Context, resource_id: str, inputs: Inputs) -> dict[str, Plain] | None:
        """GetResourcePolicy; whether a public one was refused is not kept by AWS."""
        found = ctx.client("secretsmanager").get_resource_policy(SecretId=resource_id)
        if not found.get("ResourcePolicy"):
            return None
        state: dict[str, Plain] = {"secretArn": found["ARN"], "policy": found["ResourcePolicy"]}
        if "blockPublicPolicy" in inputs:
            state["blockPublicPolicy"] = inputs["blockPublicPolicy"]
        return state

    def update(self, ctx: Context, resource_id: str, old: Inputs, new: Inputs, changed: set[str]) -> None:
        """PutResourcePolicy replaces it whole."""
        ctx.send(self.request(ctx, new))

    def delete(self, ctx: Context, resource_id: str, state: dict[str, Plain]) -> None:
        """DeleteResourcePolicy."""
        ctx.client("secretsmanager").delete_resource_policy(SecretId=resource_id)


@register
class SecretVersion(ResourceType):
    """A value of a secret. The engine keeps it encrypted where it was given as a secret."""

    token = "aws:secretsmanager/secretVersion:SecretVersion"  # noqa: S105 - a type token
    sdk = "secretsmanager.SecretVersion"
    cfn = "AWS::SecretsManager::Secret"
    inputs = {
        "secretBinary": refused("the kit's secrets are text"),
        "secretId": replace(cfn="Id", source="another secret has versions of its own", required=True),
        "secretString": replace(source=_VERSION),
        "secretStringWo": refused(
            "the program fills generated secrets itself, and no state has them (ADR 18)"
        ),
        "secretStringWoVersion": refused("it belongs to secretStringWo"),
        "versionStages": refused(
            "the newest version is the current one, and the one before stays AWSPREVIOUS"
        ),
        **REGION,
    }
    outputs = ("arn", "hasSecretStringWo", "secretArn", "versionId")

    def request(self, ctx: Context, inputs: Inputs) -> list[Call]:
        """PutSecretValue."""
        params = compact(SecretId=inputs.get("secretId"), SecretString=inputs.get("secretString"))
        return [("secretsmanager", "PutSecretValue", params)]

    def problems(self, ctx: Context, inputs: Inputs) -> list[tuple[str, str]]:
        """A version has a value; it is not repeated."""
        text = inputs.get("secretString")
        if text is None or text == "":
            return [("secretString", "is missing: a version without a value is none")]
        if isinstance(text, str) and len(text.encode()) > 65536:
            return [("secretString", "is longer than 65,536 bytes, which are all that Secrets Manager keeps")]
        return []

    def create(self, ctx: Context, inputs: Inputs) -> str:
        """The id is the secret's and the version's, as the official provider has it."""
        answer = ctx.send(self.request(ctx, inputs))
        return f"{answer['ARN']}|{answer['VersionId']}"

    def read(self, ctx: Context, resource_id: str, inputs: Inputs) -> dict[str, Plain] | None:
        """GetSecretValue of exactly this version."""
        arn, _, version = resource_id.rpartition("|")
        try:
            found = ctx.client("secretsmanager").get_secret_value(SecretId=arn, VersionId=version)
        except ClientError as error:
            if is_gone(error) or code_of(error) == "InvalidRequestException":
                return None  # the secret is to be deleted
            raise
        return {
            "arn": found["ARN"],
            "secretArn": arn,
            "secretId": arn,
            "secretString": found.get("SecretString"),
            "versionId": version,
            "hasSecretStringWo": False,
        }

    def delete(self, ctx: Context, resource_id: str, state: dict[str, Plain]) -> None:
        """A version is not deleted: it is forgotten when no stage is on it, or goes with its secret."""
