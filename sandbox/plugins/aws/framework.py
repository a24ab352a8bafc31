"""What a resource type of the AWS plugin is, and what it is given.

A type is a class with a table and five short methods; everything that types share (defaults, names, tags,
validation, update against replacement, waiting, drift, import, deletion with retries) is the plugin's.

    @register
    class Volume(ResourceType):
        token = "aws:ebs/volume:Volume"        # the SDK's type token
        sdk = "ebs.Volume"                     # the SDK's class; a test walks the inputs of its Args
        cfn = "AWS::EC2::Volume"               # AWS's schema that judges
        inputs = {                             # every input of the SDK's class, in the words of `table`
            "availabilityZone": judged("AvailabilityZone", required=True),
            "size": judged("Size"),
            "kmsKeyId": judged("KmsKeyId", computed=True),
            "type": judged("VolumeType", default="gp2"),
            "finalSnapshot": refused("nothing in the kit needs it"),
            **tags(),
            **REGION,
        }
        outputs = ("arn", "createTime")        # what the class has beyond its inputs, tagsAll and region
        identity = ()                          # inputs with one holder at a time: delete before replace

        def request(self, ctx, inputs):        # the create call, without sending it; values may be UNKNOWN
            return [("ec2", "CreateVolume", compact(
                AvailabilityZone=inputs.get("availabilityZone"), Size=inputs.get("size"),
                VolumeType=inputs.get("type"), TagSpecifications=ctx.ec2_tags("volume", inputs)))]

        def create(self, ctx, inputs):         # returns the id at once; waiting is ready()'s
            return ctx.send(self.request(ctx, inputs))["VolumeId"]

        def ready(self, ctx, resource_id, inputs):   # optional, after create and after update
            ctx.wait("volume available", lambda: self.raw(ctx, resource_id)["State"] == "available")

        def read(self, ctx, resource_id, inputs):    # inputs and outputs under their Pulumi names, or None
            volume = ...                             # AWS's error that it does not exist is None too
            return {"size": volume["Size"], "arn": ..., "tagsAll": tag_map(volume["Tags"])}

        def update(self, ctx, resource_id, old, new, changed):  # changed: the top-level inputs that differ
            if "size" in changed: ctx.client("ec2").modify_volume(...)
            ctx.retag_ec2(resource_id, old, new)

        def delete(self, ctx, resource_id, state):   # a NotFound is fine, a DependencyViolation is retried
            ctx.client("ec2").delete_volume(VolumeId=resource_id)

`inputs["tagsAll"]` is the map to put on the resource (the provider's default tags under the resource's own);
`read` returns it whole as `tagsAll` and leaves `tags` to the plugin. `known(ctx, inputs)` may return outputs
that a preview can compute (an ARN from a name). A type whose id is the name that the caller gives is a `Named`,
which has `known` and `create`. Tags of services other than EC2 change by `tagging`. botocore's errors are
translated; raise `PluginError` for your own.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, ClassVar, Final

from botocore.exceptions import ClientError

from sandbox.plugins.aws import model
from sandbox.plugins.aws.table import Prop
from sandbox.plugins.protocol import Plain, PluginError, has_unknown
from sandbox.state import aws_client

Inputs = dict[str, Plain]
Call = tuple[str, str, dict[str, Any]]
"""A request: service, operation (as in CreateVpc), parameters."""

POLL_SECONDS: Final = 0.25
"""Between two looks while waiting. The world is on this machine: no one is throttled."""

SAY_SECONDS: Final = 5.0
"""Between two lines that say what is awaited: often enough to be seen to live, seldom enough to be read."""

DEPENDENCY_SECONDS: Final = 60.0
"""How long a deletion is tried again while others still use the resource. Measured: a NAT gateway's and an
endpoint's interfaces are gone from the sandbox within a second, a node group's instances within a few."""

_DEPENDENCY_CODES: Final = {
    "DependencyViolation",
    "DeleteConflict",
    "ResourceInUseException",
    "ResourceInUse",
    "InvalidPlacementGroup.InUse",
}


class Context:
    """What an operation on one resource may use."""

    def __init__(
        self,
        region: str,
        account_id: str,
        endpoint: str,
        name: str = "",
        timeout: float = 0.0,
        log: Callable[[str], None] = lambda line: None,
        warn: Callable[[str], None] = lambda line: None,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> None:
        self.region, self.account_id, self.endpoint, self.name = region, account_id, endpoint, name
        self.partition = (
            "aws-cn" if region.startswith("cn-") else "aws-us-gov" if "-gov-" in region else "aws"
        )
        self.deadline = time.monotonic() + (timeout or 1200.0)  # 20 min: the official provider's usual limit
        self._log, self._warn, self._cancelled = log, warn, cancelled

    def log(self, line: str) -> None:
        """Shows a line beside the resource while the operation lasts."""
        self._log(line)

    def warn(self, line: str) -> None:
        """Shows a warning beside the resource that stays in the run's report."""
        self._warn(line)

    def client(self, service: str) -> Any:
        """A boto3 client on the world; what is sent through it is held against the strict model first."""
        return _strict_client(service, self.region, self.endpoint)

    def send(self, calls: Sequence[Call]) -> Any:
        """Sends the calls in turn and returns the first one's answer."""
        answers = [
            getattr(self.client(service), _method(self.client(service), operation))(**params)
            for service, operation, params in calls
        ]
        return answers[0]

    def arn(self, service: str, resource: str, *, regional: bool = True, account: bool = True) -> str:
        """An ARN in this account and region; IAM's have no region, S3's neither region nor account."""
        return (
            f"arn:{self.partition}:{service}:{self.region if regional else ''}:"
            f"{self.account_id if account else ''}:{resource}"
        )

    def wait(self, what: str, probe: Callable[[], bool], reasons: Callable[[], str] = lambda: "") -> None:
        """Looks until `probe` is true; at the deadline raises, saying what was awaited and `reasons()`."""
        started = said = time.monotonic()
        while not probe():
            if self._cancelled():
                raise PluginError(f"interrupted while waiting for: {what}")
            if time.monotonic() > self.deadline:
                why = reasons()
                raise PluginError(
                    f"waited {time.monotonic() - started:.0f} s in vain for: {what}"
                    + (f"; {why}" if why else "")
                )
            if time.monotonic() - said > SAY_SECONDS:
                said = time.monotonic()
                why = reasons()
                self.log(f"waiting {said - started:.0f} s for: {what}" + (f"; {why}" if why else ""))
            time.sleep(POLL_SECONDS)

    def ec2_tags(self, kind: str, inputs: Mapping[str, Plain]) -> list[dict[str, Any]] | None:
        """The TagSpecifications of an EC2 create call, or None when there are no tags."""
        tags = inputs.get("tagsAll")
        if not tags:
            return None
        return [{"ResourceType": kind, "Tags": tag_pairs(tags)}]

    def retag_ec2(self, resource_id: str, old: Mapping[str, Plain], new: Mapping[str, Plain]) -> None:
        """Brings an EC2 resource's tags from the old inputs' to the new ones'."""
        gone, added = tag_changes(old.get("tagsAll"), new.get("tagsAll"))
        if gone:
            self.client("ec2").delete_tags(Resources=[resource_id], Tags=[{"Key": key} for key in gone])
        if added:
            self.client("ec2").create_tags(Resources=[resource_id], Tags=tag_pairs(added))


class ResourceType:
    """One resource type; the module's docstring shows a whole one."""

    token: ClassVar[str]
    sdk: ClassVar[str]
    cfn: ClassVar[str]
    inputs: ClassVar[Mapping[str, Prop]]
    outputs: ClassVar[tuple[str, ...]] = ()
    identity: ClassVar[tuple[str, ...]] = ()
    """Inputs that AWS gives to one holder at a time: if a replacement keeps them, the old one goes first."""

    def request(self, ctx: Context, inputs: Inputs) -> list[Call]:
        """The calls that create it, for validation; `UNKNOWN` may stand in the inputs."""
        return []

    def problems(self, ctx: Context, inputs: Inputs) -> list[tuple[str, str]]:
        """What no schema says: (property, reason) pairs; `UNKNOWN` may stand in the inputs."""
        return []

    def known(self, ctx: Context, inputs: Inputs) -> dict[str, Plain]:
        """Outputs that follow from the inputs alone; `UNKNOWN` may stand in the inputs."""
        return {}

    def volatile(self, changed: set[str]) -> tuple[str, ...]:
        """Outputs that an update of these inputs changes: unknown in its preview."""
        return ()

    def create(self, ctx: Context, inputs: Inputs) -> str:
        """Makes the resource and returns its id, without waiting."""
        raise NotImplementedError

    def ready(self, ctx: Context, resource_id: str, inputs: Inputs) -> None:
        """Waits until it can be used, and does what can only be done once it exists."""

    def read(self, ctx: Context, resource_id: str, inputs: Inputs) -> dict[str, Plain] | None:
        """Inputs and outputs as AWS has them now, or None when it is gone. `inputs` is empty at an import."""
        raise NotImplementedError

    def update(self, ctx: Context, resource_id: str, old: Inputs, new: Inputs, changed: set[str]) -> None:
        """Changes the resource in place; `changed` names the top-level inputs that differ."""
        raise PluginError(f"{self.token} has nothing that changes in place")

    def delete(self, ctx: Context, resource_id: str, state: dict[str, Plain]) -> None:
        """Removes it and waits until it is gone."""
        raise NotImplementedError

    def dependants(self, ctx: Context, resource_id: str) -> list[str]:
        """Who still uses it, for the error of a deletion that AWS refuses."""
        return []


class Named(ResourceType):
    """A type whose id is the name that the caller gives, and whose ARN follows from the name."""

    named_by: ClassVar[str] = "name"
    """The input that is the name."""
    arn_form: ClassVar[tuple[str, str]]
    """The ARN's service and its resource with {} for the name, as in ("rds", "subgrp:{}")."""

    def arn(self, ctx: Context, name: Plain) -> str:
        """The ARN of the one with this name."""
        service, form = self.arn_form
        return ctx.arn(service, form.format(name))

    def known(self, ctx: Context, inputs: Inputs) -> dict[str, Plain]:
        """The ARN, unless the name is unknown."""
        name = inputs.get(self.named_by)
        return {} if has_unknown(name) else {"arn": self.arn(ctx, name)}

    def create(self, ctx: Context, inputs: Inputs) -> str:
        """Sends the request; the id is the name."""
        ctx.send(self.request(ctx, inputs))
        return str(inputs[self.named_by])


REGISTRY: Final[dict[str, ResourceType]] = {}
"""Every type the plugin has, by token."""


def register(cls: type[ResourceType]) -> type[ResourceType]:
    """Makes a type known to the plugin."""
    if cls.token in REGISTRY:
        raise ValueError(f"{cls.token} is registered twice")
    REGISTRY[cls.token] = cls()
    return cls


def compact(**params: Plain) -> dict[str, Any]:
    """The parameters that are set: None and empty lists are left out."""
    return {key: value for key, value in params.items() if value is not None and value != []}


def tag_pairs(tags: Mapping[str, Plain], key: str = "Key", value: str = "Value") -> list[dict[str, Plain]]:
    """A map of tags as the list of pairs that most services take."""
    if not isinstance(tags, Mapping):
        return tags  # UNKNOWN at a preview
    return [{key: name, value: item} for name, item in tags.items()]


def tag_map(
    pairs: Iterable[Mapping[str, str]] | None, key: str = "Key", value: str = "Value"
) -> dict[str, str]:
    """A service's list of tags as a map, without AWS's own (`aws:` is reserved for it)."""
    return {pair[key]: pair[value] for pair in pairs or [] if not pair[key].startswith("aws:")}


def tag_changes(old: Plain, new: Plain) -> tuple[list[str], dict[str, str]]:
    """Which tags to take away and which to put on, to come from the old map to the new."""
    before, after = dict(old or {}), dict(new or {})
    return [key for key in before if key not in after], {
        key: value for key, value in after.items() if before.get(key) != value
    }


def code_of(error: ClientError) -> str:
    """AWS's code of an error, such as DependencyViolation."""
    return str(error.response.get("Error", {}).get("Code", ""))


def is_gone(error: Exception) -> bool:
    """Whether AWS says that the thing asked about does not exist."""
    return isinstance(error, ClientError) and (
        "NotFound" in code_of(error) or code_of(error).startswith("NoSuch") or code_of(error) == "404"
    )


def is_absent(look: Callable[[], object]) -> bool:
    """Whether AWS says, when `look` asks about a thing, that it does not exist."""
    try:
        look()
    except ClientError as error:
        if is_gone(error):
            return True
        raise
    return False


def is_in_use(error: Exception) -> bool:
    """Whether AWS refuses because something else still uses the thing."""
    return isinstance(error, ClientError) and code_of(error) in _DEPENDENCY_CODES


def explain(error: ClientError) -> str:
    """AWS's refusal as a sentence."""
    details = error.response.get("Error", {})
    return f"AWS refused {error.operation_name}: {details.get('Message', '')} ({details.get('Code', '')})"


@lru_cache(maxsize=128)
def _strict_client(service: str, region: str, endpoint: str) -> Any:
    client = aws_client(service, region, endpoint)

    def judge(params: Any, model: Any, **_: Any) -> None:
        found = _model_problems(model.input_shape, params)
        if found:
            raise PluginError(f"{model.name} would be refused: " + "; ".join(found))

    client.meta.events.register("provide-client-params", judge)
    return client


def _model_problems(shape: Any, params: Any) -> list[str]:
    return model.problems(shape, params) if shape is not None else []


def _method(client: Any, operation: str) -> str:
    return str(next(name for name, wire in client.meta.method_to_api_mapping.items() if wire == operation))
