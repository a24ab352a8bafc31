"""The boundary that `bastide bootstrap role` makes takes nothing from a role of the stack that it has by its own
policies: those that components write, and AWS's that they attach (as moto keeps them)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Any

import pytest
from component_recording import STACKS, Recording, region_of, stack
from moto.iam.aws_managed_policies import aws_managed_policies_data

from bastide.bootstrap.rights import bound
from bastide.plans.endpoints import BEDROCK, DEFAULT_SERVICES
from bastide.settings import Settings, read_stack_file
from components import secret_values


def _settings() -> Settings:
    elastic = {
        "name": "g6e",
        "instanceType": "g6e.12xlarge",
        "size": {"min": 0, "max": 2},
        "provisioner": "karpenter",
        "fallbackInstanceTypes": ["g6e.24xlarge"],
    }
    pools = [{"name": "p5", "instanceType": "p5.48xlarge", "size": 2}, elastic]
    access = {
        "breakGlass": {
            "trusted": ["arn:aws:iam::123456789012:role/oncall"],
            "notify": ["oncall@example.com"],
        }
    }
    certificates = {"internal": True, "domain": "gw.example.com", "zoneId": "Z1"}
    return stack(
        "sandbox",
        pools=pools,
        access=access,
        certificates=certificates,
        gateway={"enabled": True},
        edge={"scheme": "public"},
        network={
            **read_stack_file(STACKS / "Pulumi.sandbox.yaml")["network"],
            "interfaceEndpoints": [*DEFAULT_SERVICES, BEDROCK],
        },
        hosted=[_bedrock("model", "amazon.nova-lite-v1:0"), _bedrock("profile", "us.amazon.nova-lite-v1:0")],
        dataClasses={"public": {"regions": ["us-east-1", "us"]}},
        routes=[{"name": "ask", "deployments": [{"name": "model"}, {"name": "profile"}]}],
    )


def _bedrock(name: str, model: str) -> dict[str, Any]:
    return {
        "kind": "bedrock",
        "name": name,
        "model": model,
        "region": "us-east-1",
        "contextTokens": 300000,
        "agreement": {
            "zeroRetention": True,
            "trainsOnData": False,
            "classes": ["public"],
            "document": "docs.aws.amazon.com/bedrock/latest/userguide/data-protection.html",
            "date": "2026-11-21",
        },
        "price": {
            "inputPerMillion": 0.06,
            "outputPerMillion": 0.24,
            "source": "a test",
            "read": "2026-11-21",
        },
    }


@pytest.fixture(scope="module")
def everything() -> Recording:
    with pytest.MonkeyPatch.context() as patch:
        # The values of secrets are made in AWS itself.
        patch.setattr(secret_values, "ensure", lambda *_: "a-version")
        return region_of(_settings())


def test_no_role_loses_a_right_by_the_bound(everything: Recording) -> None:
    given = [
        action for statement in json.loads(bound(_settings()))["Statement"] for action in statement["Action"]
    ]
    asked = set(_of_components(everything)) | set(_of_aws(everything))
    assert len(asked) > 50
    lost = sorted(
        each for each in asked if not any(fnmatchcase(each.lower(), pattern.lower()) for pattern in given)
    )
    assert lost == []


def test_every_resource_of_a_right_is_in_the_bound(everything: Recording) -> None:
    """Bedrock's models have no name of the stack's, so that the bound names each."""
    asked = {
        (action, arn)
        for each in everything.of("iam/rolePolicy:RolePolicy")
        for statement in json.loads(each.inputs["policy"])["Statement"]
        for action in _listed(statement["Action"])
        for arn in _listed(statement["Resource"])
        if action.startswith("bedrock:")
    }
    bounds = json.loads(bound(_settings()))["Statement"]
    given = {
        (action, arn) for each in bounds for action in each["Action"] for arn in _listed(each["Resource"])
    }
    assert len(asked) == 6
    assert asked <= given


def _of_components(everything: Recording) -> Iterator[str]:
    for each in everything.of("iam/rolePolicy:RolePolicy"):
        yield from _actions(json.loads(each.inputs["policy"]))


def _of_aws(everything: Recording) -> Iterator[str]:
    known = json.loads(aws_managed_policies_data)
    for each in everything.of("iam/rolePolicyAttachment:RolePolicyAttachment"):
        yield from _actions(known[each.inputs["policyArn"].rpartition("/")[2]]["Document"])


def _actions(document: Any) -> Iterator[str]:
    for statement in document["Statement"]:
        if statement["Effect"] == "Allow":
            yield from _listed(statement["Action"])


def _listed(given: Any) -> list[str]:
    return [given] if isinstance(given, str) else given
