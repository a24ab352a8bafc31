"""RDS subnet groups and parameter groups."""

from __future__ import annotations

from typing import Any

from sandbox.plugins.aws.framework import Call, Context, Inputs, Named, compact, register, tag_pairs
from sandbox.plugins.aws.table import REGION, judged, refused, tags, update
from sandbox.plugins.aws.tagging import retag_store, store_tags
from sandbox.plugins.aws.values import inward, outward
from sandbox.plugins.protocol import Plain, has_unknown

NAME_PREFIX = refused("the kit computes its names, so that ARNs are known at the first preview; use name")


@register
class SubnetGroup(Named):
    """The subnets in which an instance may be."""

    token = "aws:rds/subnetGroup:SubnetGroup"  # noqa: S105 - a type token
    sdk = "rds.SubnetGroup"
    cfn = "AWS::RDS::DBSubnetGroup"
    arn_form = ("rds", "subgrp:{}")
    inputs = {
        "description": judged("DBSubnetGroupDescription", default="Managed by Pulumi"),
        "name": judged("DBSubnetGroupName", autoname=255),
        "namePrefix": NAME_PREFIX,
        "subnetIds": judged("SubnetIds", required=True, unordered=True),
        **tags("Tags"),
        **REGION,
    }
    outputs = ("arn", "supportedNetworkTypes", "vpcId")
    identity = ("name",)

    def request(self, ctx: Context, inputs: Inputs) -> list[Call]:
        """CreateDBSubnetGroup."""
        params = compact(
            DBSubnetGroupName=inputs.get("name"),
            DBSubnetGroupDescription=inputs.get("description"),
            SubnetIds=inputs.get("subnetIds"),
            Tags=tag_pairs(inputs.get("tagsAll") or {}),
        )
        return [("rds", "CreateDBSubnetGroup", params)]

    def read(self, ctx: Context, resource_id: str, inputs: Inputs) -> dict[str, Plain] | None:
        """DescribeDBSubnetGroups."""
        found = ctx.client("rds").describe_db_subnet_groups(DBSubnetGroupName=resource_id)
        group = found["DBSubnetGroups"][0]
        arn = group.get("DBSubnetGroupArn") or self.arn(ctx, resource_id)
        return {
            "arn": arn,
            "description": group["DBSubnetGroupDescription"],
            "name": group["DBSubnetGroupName"],
            "subnetIds": [each["SubnetIdentifier"] for each in group["Subnets"]],
            "supportedNetworkTypes": group.get("SupportedNetworkTypes", ["IPV4"]),
            "vpcId": group["VpcId"],
            "tagsAll": store_tags(ctx, arn),
        }

    def update(self, ctx: Context, resource_id: str, old: Inputs, new: Inputs, changed: set[str]) -> None:
        """ModifyDBSubnetGroup."""
        if changed & {"subnetIds", "description"}:
            ctx.client("rds").modify_db_subnet_group(
                DBSubnetGroupName=resource_id,
                DBSubnetGroupDescription=new["description"],
                SubnetIds=new["subnetIds"],
            )
        retag_store(ctx, self.arn(ctx, resource_id), old, new)

    def delete(self, ctx: Context, resource_id: str, state: dict[str, Plain]) -> None:
        """DeleteDBSubnetGroup; refused while an instance is in it."""
        ctx.client("rds").delete_db_subnet_group(DBSubnetGroupName=resource_id)


_PARAMETER = {"name": "ParameterName", "value": "ParameterValue", "applyMethod": "ApplyMethod"}


@register
class ParameterGroup(Named):
    """Settings of the server."""

    token = "aws:rds/parameterGroup:ParameterGroup"  # noqa: S105 - a type token
    sdk = "rds.ParameterGroup"
    cfn = "AWS::RDS::DBParameterGroup"
    arn_form = ("rds", "pg:{}")
    inputs = {
        "description": judged("Description", default="Managed by Pulumi"),
        "family": judged("Family", required=True),
        "name": judged("DBParameterGroupName", autoname=255),
        "namePrefix": NAME_PREFIX,
        "parameters": judged(
            "Parameters",
            unordered=True,
            fields={
                "applyMethod": update(source="ModifyDBParameterGroup takes it with each value"),
                "name": update(source="AWS's schema has it as a key of the map", required=True),
                "value": update(source="AWS's schema has it as a value of the map", required=True),
            },
        ),
        "skipDestroy": refused("the kit leaves nothing behind that it made"),
        **tags("Tags"),
        **REGION,
    }
    outputs = ("arn",)
    identity = ("name",)

    def request(self, ctx: Context, inputs: Inputs) -> list[Call]:
        """CreateDBParameterGroup, then ModifyDBParameterGroup with what differs from the family's own."""
        params = compact(
            DBParameterGroupName=inputs.get("name"),
            DBParameterGroupFamily=inputs.get("family"),
            Description=inputs.get("description"),
            Tags=tag_pairs(inputs.get("tagsAll") or {}),
        )
        calls: list[Call] = [("rds", "CreateDBParameterGroup", params)]
        if inputs.get("parameters"):
            calls.append(
                ("rds", "ModifyDBParameterGroup", _parameters(inputs.get("name"), inputs["parameters"]))
            )
        return calls

    def read(self, ctx: Context, resource_id: str, inputs: Inputs) -> dict[str, Plain] | None:
        """DescribeDBParameterGroups, and those parameters that somebody set."""
        rds = ctx.client("rds")
        group = rds.describe_db_parameter_groups(DBParameterGroupName=resource_id)["DBParameterGroups"][0]
        pages = rds.get_paginator("describe_db_parameters").paginate(DBParameterGroupName=resource_id)
        found: list[Any] = [
            each for page in pages for each in page["Parameters"] if each.get("ParameterValue")
        ]
        arn = group.get("DBParameterGroupArn") or self.arn(ctx, resource_id)
        return {
            "arn": arn,
            "description": group["Description"],
            "family": group["DBParameterGroupFamily"],
            "name": group["DBParameterGroupName"],
            "parameters": [
                {"applyMethod": "immediate", **inward(each, _PARAMETER)}
                for each in found
                if each.get("Source", "user") == "user"
            ],
            "tagsAll": store_tags(ctx, arn),
        }

    def update(self, ctx: Context, resource_id: str, old: Inputs, new: Inputs, changed: set[str]) -> None:
        """ModifyDBParameterGroup with what is set, ResetDBParameterGroup for what no longer is."""
        rds = ctx.client("rds")
        if "parameters" in changed:
            kept = {each["name"] for each in new.get("parameters") or []}
            gone = [each for each in old.get("parameters") or [] if each["name"] not in kept]
            if gone:
                rds.reset_db_parameter_group(
                    DBParameterGroupName=resource_id,
                    Parameters=[
                        {"ParameterName": each["name"], "ApplyMethod": each.get("applyMethod") or "immediate"}
                        for each in gone
                    ],
                )
            if new.get("parameters"):
                rds.modify_db_parameter_group(**_parameters(resource_id, new["parameters"]))
        retag_store(ctx, self.arn(ctx, resource_id), old, new)

    def delete(self, ctx: Context, resource_id: str, state: dict[str, Plain]) -> None:
        """DeleteDBParameterGroup; refused while an instance has it."""
        ctx.client("rds").delete_db_parameter_group(DBParameterGroupName=resource_id)


def _parameters(name: Plain, parameters: Plain) -> dict[str, Any]:
    if has_unknown(parameters):
        return {"DBParameterGroupName": name, "Parameters": parameters}
    wanted = [{"ApplyMethod": "immediate", **outward(each, _PARAMETER)} for each in parameters]
    return {"DBParameterGroupName": name, "Parameters": wanted}
