"""The aws provider of the sandbox, under the official one's name: speaks to the world and to no account.

It holds no state. What it does for every resource type alike stands here; what a type is, in the type
modules; what a table means, in `judge`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import version
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from sandbox.plugins import rehearsal
from sandbox.plugins.aws import config, functions, judge
from sandbox.plugins.aws.framework import (
    DEPENDENCY_SECONDS,
    POLL_SECONDS,
    Context,
    Inputs,
    ResourceType,
    code_of,
    explain,
    is_gone,
    is_in_use,
)
from sandbox.plugins.guard import guard_stack
from sandbox.plugins.protocol import (
    UNKNOWN,
    Diff,
    PartialError,
    Plain,
    PluginError,
    Provider,
    Resource,
)
from sandbox.state import ACCOUNT_ID, NoWorldError, World

AUTONAME_DIGITS: Final = 7
"""The official provider's automatic names end in "-" and seven hex digits."""


class AwsProvider(Provider):
    """Serves every type in the registry."""

    name = "aws"
    version = version("pulumi-aws")

    def __init__(self) -> None:
        super().__init__()
        from sandbox.plugins.aws import types  # registers the types

        self.types = dict(types.REGISTRY)
        self.settings: config.Settings | None = None
        self.stop = threading.Event()

    # --- the provider itself -------------------------------------------------------------------------------

    def guard(self, resource: Resource) -> None:
        """Refuses a stack that is not marked as a sandbox."""
        guard_stack(resource.stack)

    def check_config(self, config_values: dict[str, Plain]) -> list[tuple[str, str]]:
        """Settings that the sandbox does not take, and values that no AWS has."""
        return config.problems(config_values)

    def diff_config(self, old: dict[str, Plain], new: dict[str, Plain]) -> Diff:
        """Another region is another set of resources; everything else changes in place."""
        before, after = config.decode(old), config.decode(new)
        changed = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
        return Diff({name: "update-replace" if name == "region" else "update" for name in changed})

    def configure(self, config_values: dict[str, Plain]) -> None:
        """Takes the settings and holds the account against the allowed ones, as STS names it; a rehearsal is of
        a stack of another account."""
        found = config.problems(config_values)
        if found:
            raise PluginError("; ".join(f"{name}: {reason}" for name, reason in found))
        self.settings = config.read(config_values)
        allowed = self.settings.allowed_account_ids
        if allowed and not rehearsal.active():
            account = self._sts_account()
            if account not in allowed:
                raise PluginError(
                    f"the account is {account}, and allowedAccountIds has only {', '.join(allowed)}: "
                    "the program was meant for another account; in the sandbox's stack the account is the "
                    "sandbox's own"
                )

    def invoke(self, token: str, args: dict[str, Plain]) -> dict[str, Plain]:
        """A function of the SDK's, which reads and makes nothing."""
        found = functions.FUNCTIONS.get(token)
        if found is None:
            known = ", ".join(sorted(each.sdk for each in functions.FUNCTIONS.values()))
            raise PluginError(
                f"the sandbox's aws plugin does not have the function {token}; it has: {known}. Add it with "
                "`@function` under sandbox/plugins/aws, or do without it"
            )
        ctx = Context(self._configured().region, ACCOUNT_ID, _endpoint())
        answer: dict[str, Plain] = _translated(lambda: found.answer(ctx, args))
        return answer

    def cancel(self) -> None:
        """Ends what waits."""
        self.stop.set()

    # --- resources -----------------------------------------------------------------------------------------

    def check(
        self, resource: Resource, old: dict[str, Plain], new: dict[str, Plain], random_seed: bytes
    ) -> tuple[dict[str, Plain], list[tuple[str, str]]]:
        """The inputs with defaults, an automatic name and all tags; and all that is wrong with them."""
        kind = self._kind(resource)
        inputs = {name: value for name, value in new.items() if value is not None and name != "tagsAll"}
        for name, prop in kind.inputs.items():
            if prop.autoname and inputs.get(name) is None:
                inputs[name] = old.get(name) or automatic_name(resource.name, random_seed, prop.autoname)
        inputs = judge.with_defaults(kind.inputs, inputs)
        if "tags" in kind.inputs:
            inputs["tagsAll"] = judge.all_tags(inputs.get("tags"), self._configured().default_tags)
        return inputs, judge.check(kind, self._context(resource, offline=True), inputs)

    def diff(
        self,
        resource: Resource,
        resource_id: str,
        old_state: dict[str, Plain],
        old_inputs: dict[str, Plain],
        new_inputs: dict[str, Plain],
    ) -> Diff:
        """Update or replacement, by AWS's create-only lists and the tables."""
        return judge.diff(self._kind(resource), self._configured().region, old_inputs, new_inputs)

    def create(
        self, resource: Resource, inputs: dict[str, Plain], preview: bool, timeout: float
    ) -> tuple[str, dict[str, Plain]]:
        """Makes the resource and waits until it can be used."""
        kind = self._kind(resource)
        ctx = self._context(resource, timeout, offline=preview)
        if preview:
            computed = [name for name, prop in kind.inputs.items() if prop.computed]
            unknown = dict.fromkeys((*kind.outputs, *computed), UNKNOWN)
            known = {**unknown, "region": ctx.region, **kind.known(ctx, inputs)}
            return "", judge.overlay(kind.inputs, known, inputs)
        resource_id = _translated(lambda: kind.create(ctx, inputs))
        return resource_id, self._settle(kind, ctx, resource_id, inputs)

    def read(
        self, resource: Resource, resource_id: str, state: dict[str, Plain], inputs: dict[str, Plain]
    ) -> tuple[str, dict[str, Plain], dict[str, Plain]] | None:
        """The resource as AWS has it now; what was set and differs shows in the inputs."""
        kind = self._kind(resource)
        ctx = self._context(resource)
        found = self._look(kind, ctx, resource_id, inputs)
        if found is None:
            return None
        default_tags = self._configured().default_tags
        seen = judge.seen_inputs(kind, inputs, found, default_tags if isinstance(default_tags, dict) else {})
        return resource_id, judge.overlay(kind.inputs, {"region": ctx.region, **found}, seen), seen

    def update(
        self,
        resource: Resource,
        resource_id: str,
        old_state: dict[str, Plain],
        old_inputs: dict[str, Plain],
        new_inputs: dict[str, Plain],
        preview: bool,
        timeout: float,
    ) -> dict[str, Plain]:
        """Changes in place what differs, and waits until that holds."""
        kind = self._kind(resource)
        ctx = self._context(resource, timeout, offline=preview)
        changed = judge.changed_inputs(kind, old_inputs, new_inputs)
        if preview:
            kept = {
                name: value
                for name, value in old_state.items()
                if name in new_inputs or name not in old_inputs
            }
            kept.update(dict.fromkeys(kind.volatile(changed), UNKNOWN))
            return judge.overlay(kind.inputs, kept, new_inputs)
        if changed:
            try:
                _translated(lambda: kind.update(ctx, resource_id, old_inputs, new_inputs, changed))
            except PluginError as error:
                raise self._partial(kind, ctx, resource_id, old_inputs, str(error)) from None
        return self._settle(kind, ctx, resource_id, new_inputs)

    def delete(
        self,
        resource: Resource,
        resource_id: str,
        state: dict[str, Plain],
        inputs: dict[str, Plain],
        timeout: float,
    ) -> None:
        """Removes the resource; tries again for a while where what still uses it is going away too."""
        kind = self._kind(resource)
        ctx = self._context(resource, timeout)
        give_up = time.monotonic() + DEPENDENCY_SECONDS
        while True:
            try:
                kind.delete(ctx, resource_id, {**state, **inputs})
                return
            except ClientError as error:
                if is_gone(error) and self._look(kind, ctx, resource_id, inputs) is None:
                    return  # and not merely something that it refers to
                if not is_in_use(error):
                    raise PluginError(explain(error)) from None
                if time.monotonic() > give_up or self.stop.is_set():
                    users = kind.dependants(ctx, resource_id)
                    raise PluginError(
                        f"{resource_id} was not deleted: {explain(error)}; "
                        + (f"still used by {', '.join(users)}" if users else "AWS does not say by what")
                        + f"; tried for {DEPENDENCY_SECONDS:.0f} s. Delete those first, then run again"
                    ) from None
                ctx.log(f"waiting for what still uses {resource_id} ({code_of(error)})")
                time.sleep(POLL_SECONDS)
            except BotoCoreError as error:
                raise _no_answer(error) from None

    # --- parts ---------------------------------------------------------------------------------------------

    def _kind(self, resource: Resource) -> ResourceType:
        kind = self.types.get(resource.type)
        if kind is None:
            raise PluginError(
                f"the sandbox's aws plugin does not have {resource.type}: it has the types that the kit uses "
                f"({', '.join(sorted(found.sdk for found in self.types.values()))}). Add the type under "
                "sandbox/plugins/aws, with a table of its inputs, or do without it"
            )
        return kind

    def _configured(self) -> config.Settings:
        if self.settings is None:
            raise PluginError("the aws provider was not configured before it was used")
        return self.settings

    def _context(self, resource: Resource, timeout: float = 0.0, offline: bool = False) -> Context:
        settings = self._configured()
        return Context(
            region=settings.region,
            account_id=ACCOUNT_ID,
            endpoint="" if offline else _endpoint(),
            name=resource.name,
            timeout=timeout,
            log=lambda line: self.log(line, resource, ephemeral=True),
            warn=lambda line: self.log(line, resource, "warning"),
            cancelled=self.stop.is_set,
        )

    def _sts_account(self) -> str:
        settings = self._configured()
        ctx = Context(settings.region, ACCOUNT_ID, _endpoint())
        identity: dict[str, Any] = _translated(lambda: ctx.client("sts").get_caller_identity())
        return str(identity["Account"])

    def _look(
        self, kind: ResourceType, ctx: Context, resource_id: str, inputs: Inputs
    ) -> dict[str, Plain] | None:
        try:
            found: dict[str, Plain] | None = _translated(lambda: kind.read(ctx, resource_id, inputs))
            return found
        except _GoneError:
            return None

    def _settle(self, kind: ResourceType, ctx: Context, resource_id: str, inputs: Inputs) -> dict[str, Plain]:
        """Waits for readiness and returns the state; on failure the resource stays known, with the reason."""
        try:
            _translated(lambda: kind.ready(ctx, resource_id, inputs))
            found = self._look(kind, ctx, resource_id, inputs)
        except PluginError as error:
            raise self._partial(kind, ctx, resource_id, inputs, str(error)) from None
        if found is None:
            raise self._partial(
                kind, ctx, resource_id, inputs, f"{resource_id} was gone right after it was made"
            )
        return judge.overlay(kind.inputs, {"region": ctx.region, **found}, inputs)

    def _partial(
        self, kind: ResourceType, ctx: Context, resource_id: str, inputs: Inputs, reason: str
    ) -> PartialError:
        """What has come about so far, as AWS has it, so that the next `up` finds what is left to do."""
        found: dict[str, Plain] | None = None
        try:
            found = self._look(kind, ctx, resource_id, inputs)
        except PluginError as error:
            reason = f"{reason}; and it could not be read: {error}"
        if found is None:
            return PartialError(resource_id, dict(inputs), dict(inputs), [reason])
        default_tags = self._configured().default_tags
        seen = judge.seen_inputs(kind, inputs, found, default_tags if isinstance(default_tags, dict) else {})
        return PartialError(
            resource_id, judge.overlay(kind.inputs, {"region": ctx.region, **found}, seen), seen, [reason]
        )


class _GoneError(PluginError):
    """AWS says that the resource does not exist."""


def _translated(action: Callable[[], Any]) -> Any:
    """What `action` returns; AWS's errors become ones that the user can read."""
    try:
        return action()
    except ClientError as error:
        raise (_GoneError if is_gone(error) else PluginError)(explain(error)) from None
    except BotoCoreError as error:
        raise _no_answer(error) from None


def _no_answer(error: Exception) -> PluginError:
    return PluginError(
        f"the sandbox's AWS gave no answer: {error}. `bastide sandbox status` says whether it runs"
    )


def _endpoint() -> str:
    try:
        return World.find().aws_endpoint
    except NoWorldError as error:
        raise PluginError(str(error)) from None


def automatic_name(name: str, random_seed: bytes, limit: int) -> str:
    """The resource's name, "-" and hex digits; the engine's seed makes preview and update agree."""
    import hashlib

    suffix = hashlib.sha256(random_seed or name.encode()).hexdigest()[:AUTONAME_DIGITS]
    return f"{name[: limit - AUTONAME_DIGITS - 1]}-{suffix}"


def verdicts(region: str = "us-east-1") -> list[judge.Ruling]:
    """The ruling on every input of every type, with its source."""
    provider = AwsProvider()
    return [replace(ruling) for kind in provider.types.values() for ruling in judge.rulings(kind, region)]
