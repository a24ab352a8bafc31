"""IAM roles and their policies.

Blind spots: the sandbox's IAM keeps policies and judges their grammar; it evaluates them only where it is asked to
simulate (`SimulatePrincipalPolicy`), and refuses no request by them. Users, groups and policies with an ARN of their
own are not served.
"""

from __future__ import annotations

from typing import Any

from sandbox.plugins.aws.framework import (
    Call,
    Context,
    Inputs,
    ResourceType,
    compact,
    is_absent,
    register,
    tag_map,
    tag_pairs,
)
from sandbox.plugins.aws.table import judged, refused, replace, tags, update
from sandbox.plugins.aws.tagging import retag
from sandbox.plugins.aws.values import json_text, parts, stamp
from sandbox.plugins.protocol import Plain, PluginError, has_unknown

_NAME_PREFIX = refused("the kit computes its names, so that ARNs are known at the first preview; use name")


@register
class Role(ResourceType):
    """A role; its inline and attached policies are resources of their own."""

    token = "aws:iam/role:Role"  # noqa: S105 - a type token
    sdk = "iam.Role"
    cfn = "AWS::IAM::Role"
    inputs = {
        "assumeRolePolicy": judged("AssumeRolePolicyDocument", required=True, json=True),
        "description": judged("Description"),
        "forceDetachPolicies": update(
            source="no property in AWS: only steers how the role is deleted", default=False
        ),
        "inlinePolicies": refused(
            "an inline policy list here and RolePolicy resources undo one another; use aws.iam.RolePolicy"
        ),
        "managedPolicyArns": refused(
            "an attachment list here and attachment resources undo one another; "
            "use aws.iam.RolePolicyAttachment"
        ),
        "maxSessionDuration": judged("MaxSessionDuration", default=3600),
        "name": judged("RoleName", autoname=64),
        "namePrefix": _NAME_PREFIX,
        "path": judged("Path", default="/"),
        "permissionsBoundary": judged("PermissionsBoundary"),
        **tags("Tags"),
    }
    outputs = ("arn", "createDate", "uniqueId")
    identity = ("name",)

    def request(self, ctx: Context, inputs: Inputs) -> list[Call]:
        """CreateRole."""
        return [
            (
                "iam",
                "CreateRole",
                compact(
                    RoleName=inputs.get("name"),
                    AssumeRolePolicyDocument=inputs.get("assumeRolePolicy"),
                    Description=inputs.get("description"),
                    MaxSessionDuration=inputs.get("maxSessionDuration"),
                    Path=inputs.get("path"),
                    PermissionsBoundary=inputs.get("permissionsBoundary"),
                    Tags=tag_pairs(inputs.get("tagsAll") or {}),
                ),
            )
        ]

    def known(self, ctx: Context, inputs: Inputs) -> dict[str, Plain]:
        """The ARN follows from path and name."""
        path, name = inputs.get("path"), inputs.get("name")
        return (
            {} if has_unknown([path, name]) else {"arn": ctx.arn("iam", f"role{path}{name}", regional=False)}
        )

    def create(self, ctx: Context, inputs: Inputs) -> str:
        """The id is the role's name."""
        return str(ctx.send(self.request(ctx, inputs))["Role"]["RoleName"])

    def read(self, ctx: Context, resource_id: str, inputs: Inputs) -> dict[str, Plain] | None:
        """GetRole."""
        role = ctx.client("iam").get_role(RoleName=resource_id)["Role"]
        return {
            "name": role["RoleName"],
            "path": role["Path"],
            "assumeRolePolicy": json_text(role["AssumeRolePolicyDocument"]),
            "description": role.get("Description"),
            "maxSessionDuration": role.get("MaxSessionDuration"),
            "permissionsBoundary": role.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn"),
            "tagsAll": tag_map(role.get("Tags")),
            "arn": role["Arn"],
            "uniqueId": role["RoleId"],
            "createDate": stamp(role["CreateDate"]),
        }

    def update(self, ctx: Context, resource_id: str, old: Inputs, new: Inputs, changed: set[str]) -> None:
        """A role has a call for each group of properties."""
        iam = ctx.client("iam")
        if "assumeRolePolicy" in changed:
            iam.update_assume_role_policy(RoleName=resource_id, PolicyDocument=new["assumeRolePolicy"])
        if changed & {"description", "maxSessionDuration"}:
            # UpdateRole resets what it is not given, so both always go along.
            iam.update_role(
                RoleName=resource_id,
                Description=new.get("description") or "",
                MaxSessionDuration=new["maxSessionDuration"],
            )
        if "permissionsBoundary" in changed and new.get("permissionsBoundary"):
            iam.put_role_permissions_boundary(
                RoleName=resource_id, PermissionsBoundary=new["permissionsBoundary"]
            )
        elif "permissionsBoundary" in changed:
            iam.delete_role_permissions_boundary(RoleName=resource_id)
        retag(ctx, "iam", old, new, ("UntagRole", "TagRole"), RoleName=resource_id)

    def delete(self, ctx: Context, resource_id: str, state: dict[str, Plain]) -> None:
        """DeleteRole; with forceDetachPolicies whatever still hangs on the role goes first."""
        iam = ctx.client("iam")
        if state.get("forceDetachPolicies"):
            for arn in _attached(iam, resource_id):
                iam.detach_role_policy(RoleName=resource_id, PolicyArn=arn)
            for name in iam.list_role_policies(RoleName=resource_id)["PolicyNames"]:
                iam.delete_role_policy(RoleName=resource_id, PolicyName=name)
        iam.delete_role(RoleName=resource_id)

    def dependants(self, ctx: Context, resource_id: str) -> list[str]:
        """The policies that keep AWS from deleting the role."""
        iam = ctx.client("iam")
        inline = iam.list_role_policies(RoleName=resource_id)["PolicyNames"]
        return [*_attached(iam, resource_id), *(f"inline policy {name}" for name in inline)]


@register
class RolePolicy(ResourceType):
    """An inline policy of a role."""

    token = "aws:iam/rolePolicy:RolePolicy"  # noqa: S105 - a type token
    sdk = "iam.RolePolicy"
    cfn = "AWS::IAM::RolePolicy"
    inputs = {
        "policy": judged("PolicyDocument", required=True, json=True),
        "role": judged("RoleName", required=True),
        "name": judged("PolicyName", autoname=128),
        "namePrefix": _NAME_PREFIX,
    }
    identity = ("role", "name")

    def request(self, ctx: Context, inputs: Inputs) -> list[Call]:
        """PutRolePolicy, which makes and changes alike."""
        return [
            (
                "iam",
                "PutRolePolicy",
                compact(
                    RoleName=inputs.get("role"),
                    PolicyName=inputs.get("name"),
                    PolicyDocument=inputs.get("policy"),
                ),
            )
        ]

    def create(self, ctx: Context, inputs: Inputs) -> str:
        """The id is "role:name". A policy that is there is refused: Put would overwrite it unseen."""
        role, name = inputs["role"], inputs["name"]
        if not is_absent(lambda: ctx.client("iam").get_role_policy(RoleName=role, PolicyName=name)):
            raise PluginError(
                f"role {role} has an inline policy {name} already: import it as {role}:{name}, "
                "or choose another name"
            )
        ctx.send(self.request(ctx, inputs))
        return f"{role}:{name}"

    def read(self, ctx: Context, resource_id: str, inputs: Inputs) -> dict[str, Plain] | None:
        """GetRolePolicy."""
        role, name = parts(resource_id, ":", "role:policy")
        found = ctx.client("iam").get_role_policy(RoleName=role, PolicyName=name)
        return {"role": role, "name": name, "policy": json_text(found["PolicyDocument"])}

    def update(self, ctx: Context, resource_id: str, old: Inputs, new: Inputs, changed: set[str]) -> None:
        """PutRolePolicy again."""
        ctx.send(self.request(ctx, new))

    def delete(self, ctx: Context, resource_id: str, state: dict[str, Plain]) -> None:
        """DeleteRolePolicy."""
        role, name = parts(resource_id, ":", "role:policy")
        ctx.client("iam").delete_role_policy(RoleName=role, PolicyName=name)


@register
class RolePolicyAttachment(ResourceType):
    """The attachment of one policy to one role."""

    token = "aws:iam/rolePolicyAttachment:RolePolicyAttachment"  # noqa: S105 - a type token
    sdk = "iam.RolePolicyAttachment"
    cfn = "AWS::IAM::Role"
    inputs = {
        "role": replace(
            cfn="RoleName",
            required=True,
            source="IAM only attaches and detaches: another role is another attachment",
        ),
        "policyArn": replace(
            cfn="ManagedPolicyArns",
            required=True,
            encode=lambda arn: [arn],
            source="IAM only attaches and detaches: another policy is another attachment",
        ),
    }
    identity = ("role", "policyArn")

    def request(self, ctx: Context, inputs: Inputs) -> list[Call]:
        """AttachRolePolicy."""
        params = compact(RoleName=inputs.get("role"), PolicyArn=inputs.get("policyArn"))
        return [("iam", "AttachRolePolicy", params)]

    def create(self, ctx: Context, inputs: Inputs) -> str:
        """The id is "role/arn"."""
        ctx.send(self.request(ctx, inputs))
        return f"{inputs['role']}/{inputs['policyArn']}"

    def read(self, ctx: Context, resource_id: str, inputs: Inputs) -> dict[str, Plain] | None:
        """Looks for the policy among the role's."""
        role, arn = parts(resource_id, "/", "role/policy-arn")
        if arn not in _attached(ctx.client("iam"), role):
            return None
        return {"role": role, "policyArn": arn}

    def delete(self, ctx: Context, resource_id: str, state: dict[str, Plain]) -> None:
        """DetachRolePolicy."""
        role, arn = parts(resource_id, "/", "role/policy-arn")
        ctx.client("iam").detach_role_policy(RoleName=role, PolicyArn=arn)


def _attached(iam: Any, role: str) -> list[str]:
    pages = iam.get_paginator("list_attached_role_policies").paginate(RoleName=role)
    return [policy["PolicyArn"] for page in pages for policy in page["AttachedPolicies"]]
