"""IAM instance profiles: how EC2 instances carry a role."""

from __future__ import annotations

from sandbox.plugins.aws.framework import (
    Call,
    Context,
    Inputs,
    ResourceType,
    compact,
    register,
    tag_map,
    tag_pairs,
)
from sandbox.plugins.aws.table import judged, refused, tags
from sandbox.plugins.aws.tagging import retag
from sandbox.plugins.aws.values import stamp
from sandbox.plugins.protocol import Plain, has_unknown


@register
class InstanceProfile(ResourceType):
    """A profile with at most one role."""

    token = "aws:iam/instanceProfile:InstanceProfile"  # noqa: S105 - a type token
    sdk = "iam.InstanceProfile"
    cfn = "AWS::IAM::InstanceProfile"
    inputs = {
        "name": judged("InstanceProfileName", autoname=128),
        "namePrefix": refused(
            "the kit computes its names, so that ARNs are known at the first preview; use name"
        ),
        "path": judged("Path", default="/"),
        "role": judged("Roles", encode=lambda role: [role]),
        **tags(source="the schema has none; IAM's TagInstanceProfile and UntagInstanceProfile change them"),
    }
    outputs = ("arn", "createDate", "uniqueId")
    identity = ("name",)

    def request(self, ctx: Context, inputs: Inputs) -> list[Call]:
        """CreateInstanceProfile and AddRoleToInstanceProfile."""
        name = inputs.get("name")
        create = compact(
            InstanceProfileName=name, Path=inputs.get("path"), Tags=tag_pairs(inputs.get("tagsAll") or {})
        )
        calls: list[Call] = [("iam", "CreateInstanceProfile", create)]
        if inputs.get("role"):
            add = {"InstanceProfileName": name, "RoleName": inputs["role"]}
            calls.append(("iam", "AddRoleToInstanceProfile", add))
        return calls

    def known(self, ctx: Context, inputs: Inputs) -> dict[str, Plain]:
        """The ARN follows from path and name."""
        path, name = inputs.get("path"), inputs.get("name")
        if has_unknown([path, name]):
            return {}
        return {"arn": ctx.arn("iam", f"instance-profile{path}{name}", regional=False)}

    def create(self, ctx: Context, inputs: Inputs) -> str:
        """The id is the name."""
        ctx.send(self.request(ctx, inputs))
        return str(inputs["name"])

    def read(self, ctx: Context, resource_id: str, inputs: Inputs) -> dict[str, Plain] | None:
        """GetInstanceProfile."""
        found = ctx.client("iam").get_instance_profile(InstanceProfileName=resource_id)["InstanceProfile"]
        return {
            "name": found["InstanceProfileName"],
            "path": found["Path"],
            "role": found["Roles"][0]["RoleName"] if found["Roles"] else None,
            "arn": found["Arn"],
            "uniqueId": found["InstanceProfileId"],
            "createDate": stamp(found["CreateDate"]),
            "tagsAll": tag_map(found.get("Tags")),
        }

    def update(self, ctx: Context, resource_id: str, old: Inputs, new: Inputs, changed: set[str]) -> None:
        """A profile holds one role: the old one goes before the new one comes."""
        iam = ctx.client("iam")
        if "role" in changed:
            if old.get("role"):
                iam.remove_role_from_instance_profile(InstanceProfileName=resource_id, RoleName=old["role"])
            if new.get("role"):
                iam.add_role_to_instance_profile(InstanceProfileName=resource_id, RoleName=new["role"])
        calls = ("UntagInstanceProfile", "TagInstanceProfile")
        retag(ctx, "iam", old, new, calls, InstanceProfileName=resource_id)

    def delete(self, ctx: Context, resource_id: str, state: dict[str, Plain]) -> None:
        """DeleteInstanceProfile, which AWS refuses while it has a role."""
        iam = ctx.client("iam")
        for role in iam.get_instance_profile(InstanceProfileName=resource_id)["InstanceProfile"]["Roles"]:
            iam.remove_role_from_instance_profile(InstanceProfileName=resource_id, RoleName=role["RoleName"])
        iam.delete_instance_profile(InstanceProfileName=resource_id)
