"""Records what a program registers, with parent, provider, protection and dependencies, and creates
nothing."""

from __future__ import annotations

import asyncio
import copy
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pulumi
from pulumi.runtime import mocks
from pulumi.runtime import test as pulumi_program

from bastide.settings import Settings, read_stack_file
from components.region import Region, RegionArgs

STACKS = Path(__file__).parents[2] / "stacks"


@dataclass(frozen=True)
class Registered:
    """One registration as the engine would get it."""

    type: str
    name: str
    urn: str
    parent: str
    provider: str
    protect: bool
    custom: bool
    inputs: dict[str, Any]
    depends_on: frozenset[str]


@dataclass
class Recording(mocks.Mocks):
    """Everything that was registered, in order."""

    found: list[Registered] = field(default_factory=list)
    answers: dict[str, Any] = field(
        default_factory=lambda: {
            "aws:eks/getClusters:getClusters": {"names": []},
            "aws:kms/getPublicKey:getPublicKey": lambda args: {"publicKeyPem": f"PEM of {args['keyId']}"},
        }
    )
    """What the provider's functions answer, by token: a value, or a function of the arguments. By default the
    account has no cluster yet."""

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        """Outputs that AWS would make up."""
        state = {**args.inputs, "arn": f"arn:aws:made:us-east-1:123456789012:{args.name}"}
        if args.typ == "aws:eks/cluster:Cluster":
            state |= {"endpoint": "https://example", "certificateAuthority": {"data": "Q0E="}}
            state["vpcConfig"] = {**args.inputs["vpcConfig"], "clusterSecurityGroupId": "sg-of-the-cluster"}
        if args.typ == "aws:ec2/launchTemplate:LaunchTemplate":
            state["latestVersion"] = 1
        if args.typ == "aws:rds/instance:Instance":
            state |= {"address": "database.example", "resourceId": "db-MADE"}
            secret = "arn:aws:secretsmanager:us-east-1:123456789012:secret:rds!made"
            state["masterUserSecrets"] = [{"secretArn": secret}]
        if args.typ == "aws:elasticache/replicationGroup:ReplicationGroup":
            state["primaryEndpointAddress"] = "cache.example"
        if args.typ == "aws:kms/key:Key":
            state["keyId"] = f"{args.name}-id"
            state["arn"] = f"arn:aws:kms:us-east-1:123456789012:key/{args.name}"
        if args.typ == "aws:acm/certificate:Certificate":
            domain = str(args.inputs["domainName"])
            names = [
                each
                for each in (domain, *args.inputs.get("subjectAlternativeNames", []))
                if "odd" not in each
            ]
            state["domainValidationOptions"] = [
                {
                    "domainName": each,
                    "resourceRecordName": f"_proof.{each.removeprefix('*.')}.",
                    "resourceRecordType": "CNAME",
                    "resourceRecordValue": "_value.acm-validations.aws.",
                }
                for each in names
            ]
        return f"{args.name}-id" if args.custom else None, state

    def call(self, args: pulumi.runtime.MockCallArgs) -> dict[str, Any]:
        if args.token not in self.answers:
            raise AssertionError(f"the recording has no answer for {args.token}")
        answer = self.answers[args.token]
        found: dict[str, Any] = answer(args.args) if callable(answer) else answer
        return found

    def of(self, kind: str) -> list[Registered]:
        """Registrations whose type token ends with `kind`, by name: the order of a run is that of threads."""
        return sorted((each for each in self.found if each.type.endswith(kind)), key=lambda each: each.name)

    def one(self, kind: str) -> Registered:
        """The only registration of this kind."""
        (only,) = self.of(kind)
        return only

    def reaches(self, start: Registered, goal: Registered) -> bool:
        """Whether `start` waits for `goal`: by its own dependencies, by its ancestors' or by theirs."""
        by_urn = {each.urn: each for each in self.found}
        seen: set[str] = set()
        open_urns = {start.urn}
        while open_urns:
            urn = open_urns.pop()
            if urn in seen or urn not in by_urn:
                continue
            seen.add(urn)
            open_urns |= {by_urn[urn].parent, *by_urn[urn].depends_on}
        return goal.urn in seen and goal.urn != start.urn


class _Monitor(mocks.MockMonitor):
    def RegisterResource(self, request: Any) -> Any:  # noqa: N802 - the protocol's name
        response = super().RegisterResource(request)
        if request.type != "pulumi:pulumi:Stack":
            self.mocks.found.append(  # type: ignore[attr-defined]
                Registered(
                    type=request.type,
                    name=request.name,
                    urn=response.urn,
                    parent=request.parent,
                    provider=request.provider,
                    protect=request.protect,
                    custom=request.custom,
                    inputs=json.loads(json.dumps(pulumi.runtime.rpc.deserialize_properties(request.object))),
                    depends_on=frozenset(request.dependencies),
                )
            )
        return response


def record(program: Callable[[], object], answers: Mapping[str, Any] | None = None) -> Recording:
    """Runs a program against the recorder; `answers` are added to those of an empty account."""
    recording = Recording()
    recording.answers |= answers or {}
    # A loop of its own: a test that called `asyncio.run` before leaves its thread without one.
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        mocks.set_mocks(
            recording, project="bastide", stack="test", preview=False, monitor=_Monitor(recording)
        )
        pulumi_program(lambda: program() and None)()
    finally:
        asyncio.set_event_loop(None)
        loop.close()
    return recording


def stack(file: str, /, **changes: Any) -> Settings:
    """Settings of one of the repository's stacks, with some of its keys changed."""
    raw = copy.deepcopy(read_stack_file(STACKS / f"Pulumi.{file}.yaml"))
    return Settings.load({**raw, **changes})


def region_of(settings: Settings, answers: Mapping[str, Any] | None = None) -> Recording:
    """A whole region of these settings."""
    return record(lambda: Region("bastide", RegionArgs(settings)), answers)
