"""Which secrets a stack needs, and what becomes of each. Pure, and without a value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from bastide.catalogues.secrets import (
    DATABASE_PASSWORD,
    MASTER_KEY,
    REDIS_PASSWORD,
    SALT_KEY,
    SecretKind,
    Source,
    kind_of,
)
from bastide.settings.database import CreatedDatabase
from bastide.settings.errors import Problem, choices
from bastide.settings.root import Settings
from bastide.settings.secrets import AwsSecretsManager, SecretOverride

CONFIG: Final = "secret"
"""Namespace of Pulumi's configuration in which given values stand, so that no setting ever has one."""

ROTATION_TAG: Final = "bastide:rotation-days"
"""Tag of a secret in AWS: after how many days it is renewed, or `never`."""


@dataclass(frozen=True)
class Wanted:
    """A secret that the stack needs."""

    name: str
    kind: SecretKind
    source: Source
    rotation_days: int | None
    why: str
    """Which setting asks for it."""

    @property
    def config_key(self) -> str:
        """Under which key of the stack file a given value stands."""
        return f"{CONFIG}:{self.name}"


def needed(settings: Settings) -> dict[str, str]:
    """Names of the secrets that the stack needs in its store, each with the setting that asks for it."""
    if not settings.gateway.enabled:
        return {}
    found = {MASTER_KEY.name: "gateway.enabled", SALT_KEY.name: "gateway.enabled"}
    if settings.database.auth == "password":
        found[DATABASE_PASSWORD.name] = "database.auth"
    if getattr(settings.cache, "auth", "iam") == "password":
        found[REDIS_PASSWORD.name] = "cache.auth"
    for index, each in enumerate(settings.hosted):
        if each.secret_name is not None:
            found.setdefault(each.secret_name, f"hosted[{index}]")
    return found


def default_source(settings: Settings, name: str, kind: SecretKind) -> Source:
    """Where the value comes from when the stack says nothing."""
    if not isinstance(settings.secrets.store, AwsSecretsManager):
        return Source.STORED
    if name == DATABASE_PASSWORD.name and not isinstance(settings.database, CreatedDatabase):
        # Somebody else made the user, and so the password.
        return Source.GIVEN
    return kind.source


def wanted(settings: Settings) -> tuple[Wanted, ...]:
    """The secrets of the stack's store, by name."""
    found = []
    for name, why in sorted(needed(settings).items()):
        kind = kind_of(name)
        if kind is None:
            raise AssertionError(f"{name} is not in the catalogue of secrets")
        override = settings.secrets.overrides.get(name, SecretOverride())
        source = override.source or default_source(settings, name, kind)
        days = override.rotation_days or kind.rotation_days
        found.append(Wanted(name, kind, source, days, why))
    return tuple(found)


def store_name(settings: Settings, name: str) -> str:
    """A secret's name in the store: below the installation's prefix, so that rights can be fenced by it."""
    if settings.secrets.store.kind == "googleSecretManager":
        # Google takes letters, digits, hyphens and underscores.
        return f"{settings.prefix}-{name}"
    return f"{settings.prefix}/{name}"


def given_problems(settings: Settings, given: Mapping[str, bool]) -> list[Problem]:
    """What is wrong with the values of a stack file's keys `secret:NAME`. `given` says of each name whether its value
    is encrypted; the values themselves are never looked at."""
    secrets = {each.name: each for each in wanted(settings)}
    problems = [
        Problem(
            f"{CONFIG}:{name}",
            "stands in the stack file in plain text; allowed: an encrypted value; a file is copied, committed and "
            f"reviewed; take it out, treat it as known and exchange it, and give the new one by "
            f"`pulumi config set --secret {CONFIG}:{name}`",
        )
        for name, encrypted in sorted(given.items())
        if not encrypted
    ]
    for name in sorted(given):
        secret = secrets.get(name)
        if secret is None:
            asked = [each.name for each in secrets.values() if each.source is Source.GIVEN]
            problems.append(
                Problem(
                    f"{CONFIG}:{name}",
                    f"is a secret that this stack does not need{choices(name, asked)}; a value that nobody uses can "
                    f"only be lost; `pulumi config rm {CONFIG}:{name}`",
                )
            )
        elif secret.source is not Source.GIVEN:
            problems.append(
                Problem(
                    f"{CONFIG}:{name}",
                    f"has a value while the secret's source is {str(secret.source)!r}; it would have no effect; remove "
                    f"it, or set secrets.overrides.{name}.source to 'given'",
                )
            )
    problems += [
        Problem(
            f"{CONFIG}:{each.name}",
            f"is missing; {each.why} needs {each.kind.what.split(';')[0]}; give it by `pulumi config set --secret "
            f"{each.config_key}`, or put it into the store and set secrets.overrides.{each.name}.source to 'stored'",
        )
        for each in secrets.values()
        if each.source is Source.GIVEN and each.name not in given
    ]
    return problems
