"""Values of secrets, made or given, without a word of them in Pulumi's outputs.

A generated value is made by Secrets Manager and put into the secret by this program while `pulumi up` runs: it is in
this process for a moment and in no state, preview or log. A given value is a secret configuration value; in the state
it stands encrypted, as it does in the stack file.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pulumi
from pulumi.runtime import config as pulumi_config

from bastide.plans import secrets
from bastide.settings import Settings, SettingsError


def given() -> dict[str, bool]:
    """Names of the values that the stack file gives, each with whether it is encrypted there."""
    every: Mapping[str, Any] = {**pulumi_config.get_config_env(), **pulumi_config.CONFIG.get()}
    prefix = f"{secrets.CONFIG}:"
    return {
        key.removeprefix(prefix): pulumi_config.is_config_secret(key)
        for key in every
        if key.startswith(prefix)
    }


def refuse(settings: Settings) -> None:
    """Ends the run where values that are given and what the stack needs do not fit; before anything is registered."""
    if problems := secrets.given_problems(settings, given()):
        # A RunError is shown as its text alone.
        raise pulumi.RunError(str(SettingsError(problems)))


def value_of(name: str) -> pulumi.Output[str]:
    """A given value, marked as secret."""
    return pulumi.Config(secrets.CONFIG).require_secret(name)


def client(region: str) -> Any:
    """Secrets Manager, by the credentials by which the provider works too."""
    import boto3

    return boto3.client("secretsmanager", region_name=region)


def fill(manager: Any, arn: str, secret: secrets.Wanted, now: datetime) -> str:
    """Makes the value of a generated secret where it has none, or where it is due, and returns its version's id.
    The version before stays readable as AWSPREVIOUS."""
    found = manager.describe_secret(SecretId=arn)
    current = next(
        (
            version
            for version, stages in (found.get("VersionIdsToStages") or {}).items()
            if "AWSCURRENT" in stages
        ),
        None,
    )
    if current is not None and not _due(found, secret, now):
        return str(current)
    made = manager.get_random_password(
        PasswordLength=secret.kind.length, ExcludePunctuation=True, RequireEachIncludedType=True
    )["RandomPassword"]
    put = manager.put_secret_value(
        SecretId=arn,
        SecretString=secret.kind.begins + made,
        # Two runs at once make one value: the second is told that the first has been there.
        ClientRequestToken=_token(arn, current or "none"),
    )
    return str(put["VersionId"])


def _there(settings: Settings, secret: secrets.Wanted, arn: str) -> str:
    """The current version, unless an update would make another, or nobody may look."""
    try:
        found = client(settings.region).describe_secret(SecretId=arn)
    except Exception:
        return ""
    versions = (found.get("VersionIdsToStages") or {}).items()
    current = [version for version, stages in versions if "AWSCURRENT" in stages]
    return str(current[0]) if current and not _due(found, secret, datetime.now(UTC)) else ""


def _due(found: Mapping[str, Any], secret: secrets.Wanted, now: datetime) -> bool:
    if secret.rotation_days is None:
        return False
    changed = found.get("LastChangedDate") or found["CreatedDate"]
    return bool(changed + timedelta(days=secret.rotation_days) < now)


def _token(arn: str, before: str) -> str:
    return hashlib.sha256(f"{arn} {before}".encode()).hexdigest()


def ensure(settings: Settings, secret: secrets.Wanted, arn: str) -> str:
    """`fill` during an update. In a preview nothing is made: the version is that which is there, or nothing where an
    update would make one."""
    if pulumi.runtime.is_dry_run():
        return _there(settings, secret, arn)
    try:
        manager = client(settings.region)
        try:
            return fill(manager, arn, secret, datetime.now(UTC))
        except manager.exceptions.ResourceExistsException:
            # Somebody else's run was faster; what it made is the value.
            return fill(manager, arn, secret, datetime.min.replace(tzinfo=UTC))
    except Exception as error:
        # boto3's errors have no value of a secret in them; the traceback would have the program's variables.
        raise pulumi.RunError(
            f"the secret {secret.name} has no value yet, and none could be made: {error}; it needs "
            "secretsmanager:DescribeSecret, GetRandomPassword and PutSecretValue (docs/bootstrap.md); then run again"
        ) from None


def overdue(manager: Any, arn: str, secret: secrets.Wanted, now: datetime) -> str:
    """What to tell of a given secret that is older than it should be; nothing while it is not."""
    found = manager.describe_secret(SecretId=arn)
    if not _due(found, secret, now):
        return ""
    changed = found.get("LastChangedDate") or found["CreatedDate"]
    return (
        f"the secret {secret.name} was given on {changed:%Y-%m-%d} and is to be renewed after {secret.rotation_days} "
        f"days: exchange it where it was made, then `pulumi config set --secret {secret.config_key}` and run again"
    )


def remind(settings: Settings, secret: secrets.Wanted, arn: str) -> None:
    """Says during an update that a given secret is due. That it could not be looked at ends nothing."""
    if pulumi.runtime.is_dry_run() or secret.rotation_days is None:
        return
    try:
        told = overdue(client(settings.region), arn, secret, datetime.now(UTC))
    except Exception as error:
        told = f"how old the secret {secret.name} is could not be read: {error}"
    if told:
        pulumi.log.warn(told)


def version(ids: Mapping[str, str]) -> str:
    """One short text that changes with any of the versions, for annotations by which pods are renewed."""
    digest = hashlib.sha256(json.dumps(dict(ids), sort_keys=True).encode()).digest()
    return base64.b32encode(digest)[:16].decode().lower()
