"""ElastiCache users and groups of them."""

from __future__ import annotations

from sandbox.plugins.aws.framework import Call, Context, Inputs, Named, compact, register, tag_pairs
from sandbox.plugins.aws.table import REGION, judged, refused, tags
from sandbox.plugins.aws.tagging import retag_store, store_tags
from sandbox.plugins.protocol import Plain, Unknown

_PASSWORD = refused(
    "a password in a program's state is known to all who read it; use authenticationMode type iam"
)


@register
class User(Named):
    """Who may sign in, how, and what it may do then."""

    token = "aws:elasticache/user:User"  # noqa: S105 - a type token
    sdk = "elasticache.User"
    cfn = "AWS::ElastiCache::User"
    named_by = "userId"
    arn_form = ("elasticache", "user:{}")
    inputs = {
        "accessString": judged("AccessString", required=True),
        "authenticationMode": judged(
            "AuthenticationMode",
            computed=True,
            fields={
                "passwordCount": refused("ElastiCache counts them"),
                "passwords": _PASSWORD,
                "type": judged("Type", required=True),
            },
        ),
        "engine": judged("Engine", required=True),
        "noPasswordRequired": judged("NoPasswordRequired", default=False),
        "passwords": _PASSWORD,
        "passwordsWo": _PASSWORD,
        "passwordsWoVersion": _PASSWORD,
        "userId": judged("UserId", required=True),
        "userName": judged("UserName", required=True),
        **tags("Tags"),
        **REGION,
    }
    outputs = ("arn",)
    identity = ("userId",)

    def problems(self, ctx: Context, inputs: Inputs) -> list[tuple[str, str]]:
        """A user has exactly one way in."""
        mode = inputs.get("authenticationMode")
        if isinstance(mode, Unknown):
            return []
        if bool(mode) == bool(inputs.get("noPasswordRequired")):
            return [("authenticationMode", "give either authenticationMode or noPasswordRequired: true")]
        return []

    def request(self, ctx: Context, inputs: Inputs) -> list[Call]:
        """CreateUser."""
        mode = inputs.get("authenticationMode")
        params = compact(
            UserId=inputs.get("userId"),
            UserName=inputs.get("userName"),
            Engine=inputs.get("engine"),
            AccessString=inputs.get("accessString"),
            NoPasswordRequired=True if inputs.get("noPasswordRequired") else None,
            AuthenticationMode={"Type": mode.get("type")} if isinstance(mode, dict) else mode,
            Tags=tag_pairs(inputs.get("tagsAll") or {}),
        )
        return [("elasticache", "CreateUser", params)]

    def read(self, ctx: Context, resource_id: str, inputs: Inputs) -> dict[str, Plain] | None:
        """DescribeUsers."""
        (found,) = ctx.client("elasticache").describe_users(UserId=resource_id)["Users"]
        if found["Status"] == "deleting":
            return None
        kind = found["Authentication"]["Type"]
        open_to_all = kind in ("no-password", "no-password-required")
        return {
            "accessString": found["AccessString"],
            "arn": found["ARN"],
            "authenticationMode": None if open_to_all else {"type": kind},
            "engine": found["Engine"],
            "noPasswordRequired": open_to_all,
            "userId": found["UserId"],
            "userName": found["UserName"],
            "tagsAll": store_tags(ctx, found["ARN"]),
        }

    def update(self, ctx: Context, resource_id: str, old: Inputs, new: Inputs, changed: set[str]) -> None:
        """ModifyUser."""
        if changed & {"accessString", "engine", "noPasswordRequired", "authenticationMode"}:
            (_, _, params), *_ = self.request(ctx, new)
            allowed = {"UserId", "Engine", "AccessString", "NoPasswordRequired", "AuthenticationMode"}
            wanted = {name: value for name, value in params.items() if name in allowed}
            ctx.client("elasticache").modify_user(**wanted)
        retag_store(ctx, self.arn(ctx, resource_id), old, new)

    def delete(self, ctx: Context, resource_id: str, state: dict[str, Plain]) -> None:
        """DeleteUser, until it is gone."""
        cache = ctx.client("elasticache")
        cache.delete_user(UserId=resource_id)
        ctx.wait(
            f"user {resource_id} to be gone",
            lambda: (
                all(each["UserId"] != resource_id for each in cache.describe_users()["Users"])
                or cache.describe_users(UserId=resource_id)["Users"][0]["Status"] == "deleting"
            ),
        )


@register
class UserGroup(Named):
    """Users that one or more caches know."""

    token = "aws:elasticache/userGroup:UserGroup"  # noqa: S105 - a type token
    sdk = "elasticache.UserGroup"
    cfn = "AWS::ElastiCache::UserGroup"
    named_by = "userGroupId"
    arn_form = ("elasticache", "usergroup:{}")
    inputs = {
        "engine": judged("Engine", required=True),
        "userGroupId": judged("UserGroupId", required=True),
        "userIds": judged("UserIds", unordered=True),
        **tags("Tags"),
        **REGION,
    }
    outputs = ("arn",)
    identity = ("userGroupId",)

    def request(self, ctx: Context, inputs: Inputs) -> list[Call]:
        """CreateUserGroup."""
        params = compact(
            UserGroupId=inputs.get("userGroupId"),
            Engine=inputs.get("engine"),
            UserIds=inputs.get("userIds"),
            Tags=tag_pairs(inputs.get("tagsAll") or {}),
        )
        return [("elasticache", "CreateUserGroup", params)]

    def ready(self, ctx: Context, resource_id: str, inputs: Inputs) -> None:
        """Until it is active."""
        ctx.wait(
            f"user group {resource_id} to be active", lambda: _group(ctx, resource_id)["Status"] == "active"
        )

    def read(self, ctx: Context, resource_id: str, inputs: Inputs) -> dict[str, Plain] | None:
        """DescribeUserGroups."""
        found = _group(ctx, resource_id)
        return {
            "arn": found["ARN"],
            "engine": found["Engine"],
            "userGroupId": found["UserGroupId"],
            "userIds": found["UserIds"],
            "tagsAll": store_tags(ctx, found["ARN"]),
        }

    def update(self, ctx: Context, resource_id: str, old: Inputs, new: Inputs, changed: set[str]) -> None:
        """ModifyUserGroup."""
        if changed & {"userIds", "engine"}:
            before, after = set(old.get("userIds") or []), set(new.get("userIds") or [])
            ctx.client("elasticache").modify_user_group(
                **compact(
                    UserGroupId=resource_id,
                    UserIdsToAdd=sorted(after - before),
                    UserIdsToRemove=sorted(before - after),
                    Engine=new["engine"] if "engine" in changed else None,
                )
            )
        retag_store(ctx, self.arn(ctx, resource_id), old, new)

    def delete(self, ctx: Context, resource_id: str, state: dict[str, Plain]) -> None:
        """DeleteUserGroup; refused while a cache knows it."""
        ctx.client("elasticache").delete_user_group(UserGroupId=resource_id)


def _group(ctx: Context, name: str) -> dict[str, Plain]:
    found: dict[str, Plain] = ctx.client("elasticache").describe_user_groups(UserGroupId=name)["UserGroups"][
        0
    ]
    return found
