"""KMS keys and their aliases.

A key is never deleted at once: KMS only schedules it, and the sandbox does the same. A key that is pending
deletion counts as gone, as it does for the official provider.
Blind spot: the sandbox's KMS enforces no key policy.
"""

from __future__ import annotations

import re
from typing import Any

from sandbox.plugins.aws.framework import (
    Call,
    Context,
    Inputs,
    Named,
    ResourceType,
    compact,
    register,
    tag_changes,
    tag_map,
    tag_pairs,
)
from sandbox.plugins.aws.table import REGION, judged, refused, replace, tags, update
from sandbox.plugins.protocol import Plain

_NO_CHANGE = (
    "KMS has no call that changes it: the API has only UpdateKeyDescription, PutKeyPolicy and the rotation's"
)

_LONGEST_WINDOW = 30
"""Days that KMS waits before it deletes a key when no window is given (ScheduleKeyDeletion's reference)."""


@register
class Key(ResourceType):
    """A customer-managed key."""

    token = "aws:kms/key:Key"  # noqa: S105 - a type token
    sdk = "kms.Key"
    cfn = "AWS::KMS::Key"
    inputs = {
        "bypassPolicyLockoutSafetyCheck": update(
            cfn="BypassPolicyLockoutSafetyCheck",
            source="a flag of CreateKey and PutKeyPolicy, which KMS does not keep",
            default=False,
        ),
        "customKeyStoreId": refused(
            "there is no CloudHSM in the sandbox, and the kit's keys live in KMS itself"
        ),
        "customerMasterKeySpec": replace(cfn="KeySpec", source=_NO_CHANGE, default="SYMMETRIC_DEFAULT"),
        "deletionWindowInDays": update(
            cfn="PendingWindowInDays",
            source="a parameter of ScheduleKeyDeletion, used when the key is deleted",
        ),
        "description": judged("Description", computed=True),
        "enableKeyRotation": judged("EnableKeyRotation", default=False),
        "isEnabled": judged("Enabled", default=True),
        "keyUsage": replace(cfn="KeyUsage", source=_NO_CHANGE, default="ENCRYPT_DECRYPT"),
        "multiRegion": replace(cfn="MultiRegion", source=_NO_CHANGE, default=False),
        "policy": judged("KeyPolicy", json=True, computed=True),
        "rotationPeriodInDays": judged("RotationPeriodInDays", computed=True),
        "xksKeyId": refused(
            "there is no external key store in the sandbox, and the kit's keys live in KMS itself"
        ),
        **tags("Tags"),
        **REGION,
    }
    outputs = ("arn", "keyId")

    def request(self, ctx: Context, inputs: Inputs) -> list[Call]:
        """CreateKey; rotation and the disabled state are set once the key exists."""
        return [
            (
                "kms",
                "CreateKey",
                compact(
                    BypassPolicyLockoutSafetyCheck=inputs.get("bypassPolicyLockoutSafetyCheck"),
                    Description=inputs.get("description"),
                    KeySpec=inputs.get("customerMasterKeySpec"),
                    KeyUsage=inputs.get("keyUsage"),
                    MultiRegion=inputs.get("multiRegion"),
                    Policy=inputs.get("policy"),
                    Tags=tag_pairs(inputs.get("tagsAll") or {}, "TagKey", "TagValue"),
                ),
            )
        ]

    def problems(self, ctx: Context, inputs: Inputs) -> list[tuple[str, str]]:
        """A rotation period says nothing about a key that does not rotate."""
        if inputs.get("rotationPeriodInDays") and inputs.get("enableKeyRotation") is False:
            return [
                (
                    "rotationPeriodInDays",
                    "a rotation period needs enableKeyRotation: true; set it or drop the period",
                )
            ]
        return []

    def create(self, ctx: Context, inputs: Inputs) -> str:
        """The id is the key's id."""
        return str(ctx.send(self.request(ctx, inputs))["KeyMetadata"]["KeyId"])

    def ready(self, ctx: Context, resource_id: str, inputs: Inputs) -> None:
        """Brings rotation and state to what is wanted; disabling last: a disabled key takes no rotation."""
        kms = ctx.client("kms")
        key = kms.describe_key(KeyId=resource_id)["KeyMetadata"]
        rotation, period = _rotation(kms, key), inputs.get("rotationPeriodInDays")
        if inputs.get("enableKeyRotation"):
            other_period = period is not None and rotation.get("RotationPeriodInDays") != period
            if not rotation["KeyRotationEnabled"] or other_period:
                kms.enable_key_rotation(**compact(KeyId=resource_id, RotationPeriodInDays=period))
        elif rotation["KeyRotationEnabled"]:
            kms.disable_key_rotation(KeyId=resource_id)
        if inputs.get("isEnabled") is False and key["Enabled"]:
            kms.disable_key(KeyId=resource_id)

    def read(self, ctx: Context, resource_id: str, inputs: Inputs) -> dict[str, Plain] | None:
        """DescribeKey with policy, rotation and tags."""
        kms = ctx.client("kms")
        key = kms.describe_key(KeyId=resource_id)["KeyMetadata"]
        if key["KeyState"] in {"PendingDeletion", "PendingReplicaDeletion"}:
            return None
        rotation = _rotation(kms, key)
        pages = kms.get_paginator("list_resource_tags").paginate(KeyId=key["KeyId"])
        state = {
            "arn": key["Arn"],
            "keyId": key["KeyId"],
            "customerMasterKeySpec": key["KeySpec"],
            "description": key.get("Description"),
            "enableKeyRotation": rotation["KeyRotationEnabled"],
            "isEnabled": key["Enabled"],
            "multiRegion": key["MultiRegion"],
            "policy": kms.get_key_policy(KeyId=key["KeyId"], PolicyName="default")["Policy"],
            "tagsAll": tag_map((tag for page in pages for tag in page["Tags"]), "TagKey", "TagValue"),
        }
        # The sandbox's KMS takes these two and does not always show them; what it does not show cannot drift.
        if "KeyUsage" in key:
            state["keyUsage"] = key["KeyUsage"]
        if "RotationPeriodInDays" in rotation:
            state["rotationPeriodInDays"] = rotation["RotationPeriodInDays"]
        return state

    def update(self, ctx: Context, resource_id: str, old: Inputs, new: Inputs, changed: set[str]) -> None:
        """Enables a disabled key first, since nothing else can change on it; rotation follows in `ready`."""
        kms = ctx.client("kms")
        if "isEnabled" in changed and new.get("isEnabled"):
            kms.enable_key(KeyId=resource_id)
        if "description" in changed:
            kms.update_key_description(KeyId=resource_id, Description=new.get("description") or "")
        if "policy" in changed and new.get("policy"):
            kms.put_key_policy(
                KeyId=resource_id,
                PolicyName="default",
                Policy=new["policy"],
                BypassPolicyLockoutSafetyCheck=bool(new.get("bypassPolicyLockoutSafetyCheck")),
            )
        gone, added = tag_changes(old.get("tagsAll"), new.get("tagsAll"))
        if gone:
            kms.untag_resource(KeyId=resource_id, TagKeys=gone)
        if added:
            kms.tag_resource(KeyId=resource_id, Tags=tag_pairs(added, "TagKey", "TagValue"))

    def delete(self, ctx: Context, resource_id: str, state: dict[str, Plain]) -> None:
        """ScheduleKeyDeletion, unless that has been done."""
        kms = ctx.client("kms")
        if kms.describe_key(KeyId=resource_id)["KeyMetadata"]["KeyState"] == "PendingDeletion":
            return
        window = state.get("deletionWindowInDays") or _LONGEST_WINDOW
        kms.schedule_key_deletion(KeyId=resource_id, PendingWindowInDays=window)


@register
class Alias(Named):
    """A name for a key, which can move to another key."""

    token = "aws:kms/alias:Alias"  # noqa: S105 - a type token
    sdk = "kms.Alias"
    cfn = "AWS::KMS::Alias"
    arn_form = ("kms", "{}")
    inputs = {
        "name": judged("AliasName"),
        "namePrefix": refused("the kit computes its names; use name"),
        "targetKeyId": judged("TargetKeyId", required=True),
        **REGION,
    }
    outputs = ("arn", "targetKeyArn")
    identity = ("name",)

    def volatile(self, changed: set[str]) -> tuple[str, ...]:
        """Another key has another ARN."""
        return ("targetKeyArn",) if "targetKeyId" in changed else ()

    def request(self, ctx: Context, inputs: Inputs) -> list[Call]:
        """CreateAlias."""
        params = compact(AliasName=inputs.get("name"), TargetKeyId=inputs.get("targetKeyId"))
        return [("kms", "CreateAlias", params)]

    def read(self, ctx: Context, resource_id: str, inputs: Inputs) -> dict[str, Plain] | None:
        """Looks among the account's aliases, since KMS cannot describe one."""
        found = _find_alias(ctx.client("kms"), resource_id)
        if found is None or "TargetKeyId" not in found:
            return None
        key_id = found["TargetKeyId"]
        wanted = inputs.get("targetKeyId")
        same_key = isinstance(wanted, str) and re.sub(r"^arn:.*:key/", "", wanted) == key_id
        return {
            "name": found["AliasName"],
            "targetKeyId": wanted if same_key else key_id,
            "arn": found["AliasArn"],
            "targetKeyArn": ctx.arn("kms", f"key/{key_id}"),
        }

    def update(self, ctx: Context, resource_id: str, old: Inputs, new: Inputs, changed: set[str]) -> None:
        """UpdateAlias."""
        ctx.client("kms").update_alias(AliasName=resource_id, TargetKeyId=new["targetKeyId"])

    def delete(self, ctx: Context, resource_id: str, state: dict[str, Plain]) -> None:
        """DeleteAlias; the key stays."""
        ctx.client("kms").delete_alias(AliasName=resource_id)


def _rotation(kms: Any, key: dict[str, Any]) -> dict[str, Any]:
    """A key's rotation; KMS answers the question for symmetric keys only."""
    if key["KeySpec"] != "SYMMETRIC_DEFAULT":
        return {"KeyRotationEnabled": False}
    found: dict[str, Any] = kms.get_key_rotation_status(KeyId=key["KeyId"])
    return found


def _find_alias(kms: Any, name: str) -> dict[str, Any] | None:
    for page in kms.get_paginator("list_aliases").paginate():
        for alias in page["Aliases"]:
            if alias["AliasName"] == name:
                found: dict[str, Any] = alias
                return found
    return None
