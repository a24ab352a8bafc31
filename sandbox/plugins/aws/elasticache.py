"""ElastiCache subnet groups and parameter groups."""

from __future__ import annotations

from typing import Any

from sandbox.plugins.aws.framework import Call, Context, Inputs, Named, compact, register, tag_pairs
from sandbox.plugins.aws.table import REGION, judged, replace, tags, update
from sandbox.plugins.aws.tagging import retag_store, store_tags
from sandbox.plugins.aws.values import inward, outward
from sandbox.plugins.protocol import Plain, has_unknown


@register
class SubnetGroup(Named):
    """The subnets in which nodes may be."""

    token = "aws:elasticache/subnetGroup:SubnetGroup"  # noqa: S105 - a type token
    sdk = "elasticache.SubnetGroup"
    cfn = "AWS::ElastiCache::SubnetGroup"
    arn_form = ("elasticache", "subnetgroup:{}")
    inputs = {
        "description": judged("Description", default="Managed by Pulumi"),
        "name": judged("CacheSubnetGroupName", autoname=255),
        "subnetIds": judged("SubnetIds", required=True, unordered=True),
        **tags("Tags"),
        **REGION,
    }
    outputs = ("arn", "vpcId")
    identity = ("name",)

    def request(self, ctx: Context, inputs: Inputs) -> list[Call]:
        """CreateCacheSubnetGroup."""
        params = compact(
            CacheSubnetGroupName=inputs.get("name"),
            CacheSubnetGroupDescription=inputs.get("description"),
            SubnetIds=inputs.get("subnetIds"),
            Tags=tag_pairs(inputs.get("tagsAll") or {}),
        )
        return [("elasticache", "CreateCacheSubnetGroup", params)]

    def read(self, ctx: Context, resource_id: str, inputs: Inputs) -> dict[str, Plain] | None:
        """DescribeCacheSubnetGroups."""
        found = ctx.client("elasticache").describe_cache_subnet_groups(CacheSubnetGroupName=resource_id)
        group = found["CacheSubnetGroups"][0]
        return {
            "arn": group["ARN"],
            "description": group["CacheSubnetGroupDescription"],
            "name": group["CacheSubnetGroupName"],
            "subnetIds": [each["SubnetIdentifier"] for each in group["Subnets"]],
            "vpcId": group["VpcId"],
            "tagsAll": store_tags(ctx, group["ARN"]),
        }

    def update(self, ctx: Context, resource_id: str, old: Inputs, new: Inputs, changed: set[str]) -> None:
        """ModifyCacheSubnetGroup."""
        if changed & {"subnetIds", "description"}:
            ctx.client("elasticache").modify_cache_subnet_group(
                CacheSubnetGroupName=resource_id,
                CacheSubnetGroupDescription=new["description"],
                SubnetIds=new["subnetIds"],
            )
        retag_store(ctx, self.arn(ctx, resource_id), old, new)

    def delete(self, ctx: Context, resource_id: str, state: dict[str, Plain]) -> None:
        """DeleteCacheSubnetGroup; refused while a cache is in it."""
        ctx.client("elasticache").delete_cache_subnet_group(CacheSubnetGroupName=resource_id)


_PARAMETER = {"name": "ParameterName", "value": "ParameterValue"}


@register
class ParameterGroup(Named):
    """Settings of the server."""

    token = "aws:elasticache/parameterGroup:ParameterGroup"  # noqa: S105 - a type token
    sdk = "elasticache.ParameterGroup"
    cfn = "AWS::ElastiCache::ParameterGroup"
    arn_form = ("elasticache", "parametergroup:{}")
    inputs = {
        "description": replace(
            cfn="Description",
            source="ModifyCacheParameterGroup changes values alone (ElastiCache API)",
            default="Managed by Pulumi",
        ),
        "family": judged("CacheParameterGroupFamily", required=True),
        "name": replace(
            source="CreateCacheParameterGroup names it and nothing renames it; AWS's schema has the name read-only",
            autoname=255,
        ),
        "parameters": judged(
            "Properties",
            unordered=True,
            fields={
                "name": update(source="AWS's schema has it as a key of the map", required=True),
                "value": update(source="AWS's schema has it as a value of the map", required=True),
            },
        ),
        **tags("Tags"),
        **REGION,
    }
    outputs = ("arn",)
    identity = ("name",)

    def request(self, ctx: Context, inputs: Inputs) -> list[Call]:
        """CreateCacheParameterGroup, then ModifyCacheParameterGroup with what differs from the family's own."""
        params = compact(
            CacheParameterGroupName=inputs.get("name"),
            CacheParameterGroupFamily=inputs.get("family"),
            Description=inputs.get("description"),
            Tags=tag_pairs(inputs.get("tagsAll") or {}),
        )
        calls: list[Call] = [("elasticache", "CreateCacheParameterGroup", params)]
        if inputs.get("parameters"):
            calls.append(
                (
                    "elasticache",
                    "ModifyCacheParameterGroup",
                    _parameters(inputs.get("name"), inputs["parameters"]),
                )
            )
        return calls

    def read(self, ctx: Context, resource_id: str, inputs: Inputs) -> dict[str, Plain] | None:
        """DescribeCacheParameterGroups, and those parameters that somebody set."""
        cache = ctx.client("elasticache")
        found = cache.describe_cache_parameter_groups(CacheParameterGroupName=resource_id)
        group = found["CacheParameterGroups"][0]
        pages = cache.get_paginator("describe_cache_parameters").paginate(
            CacheParameterGroupName=resource_id, Source="user"
        )
        return {
            "arn": group["ARN"],
            "description": group["Description"],
            "family": group["CacheParameterGroupFamily"],
            "name": group["CacheParameterGroupName"],
            "parameters": [inward(each, _PARAMETER) for page in pages for each in page["Parameters"]],
            "tagsAll": store_tags(ctx, group["ARN"]),
        }

    def update(self, ctx: Context, resource_id: str, old: Inputs, new: Inputs, changed: set[str]) -> None:
        """ModifyCacheParameterGroup with what is set, ResetCacheParameterGroup for what no longer is."""
        cache = ctx.client("elasticache")
        if "parameters" in changed:
            kept = {each["name"] for each in new.get("parameters") or []}
            gone = [each for each in old.get("parameters") or [] if each["name"] not in kept]
            if gone:
                cache.reset_cache_parameter_group(**_parameters(resource_id, gone))
            if new.get("parameters"):
                cache.modify_cache_parameter_group(**_parameters(resource_id, new["parameters"]))
        retag_store(ctx, self.arn(ctx, resource_id), old, new)

    def delete(self, ctx: Context, resource_id: str, state: dict[str, Plain]) -> None:
        """DeleteCacheParameterGroup; refused while a cache has it."""
        ctx.client("elasticache").delete_cache_parameter_group(CacheParameterGroupName=resource_id)


def _parameters(name: Plain, parameters: Plain) -> dict[str, Any]:
    wanted = parameters if has_unknown(parameters) else [outward(each, _PARAMETER) for each in parameters]
    return {"CacheParameterGroupName": name, "ParameterNameValues": wanted}
