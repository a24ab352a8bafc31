"""Checks of what concerns a stack as a whole."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from bastide import names
from bastide.settings.checks.common import Check
from bastide.settings.errors import Problem

if TYPE_CHECKING:
    from bastide.settings.root import Settings


UNPROTECTED: Final = ("sandbox", "dev")
"""Environments that may be deleted, and that nobody else depends on."""


def _protection(settings: Settings) -> Iterator[Problem]:
    if not settings.protection and settings.environment not in UNPROTECTED:
        yield Problem(
            "protection",
            f"False is not allowed in environment {str(settings.environment)!r}; allowed off only in: "
            f"{', '.join(UNPROTECTED)}; one `pulumi destroy` would delete keys, models and cluster; remove "
            "the line",
        )


def _tags(settings: Settings) -> Iterator[Problem]:
    for key in settings.tags:
        if key.lower().startswith(("aws:", "bastide:")):
            yield Problem(
                f"tags.{key}",
                f"{key!r} has a reserved prefix; 'aws:' is AWS's and 'bastide:' this kit's; rename it",
            )


def _boundary(settings: Settings) -> Iterator[Problem]:
    cloud, path = settings.cloud, "cloud.permissionsBoundary"
    if cloud.permissions_boundary is None:
        if settings.environment in UNPROTECTED or cloud.allow_unbounded_roles:
            return
        yield Problem(
            path,
            f"is missing; in environment {str(settings.environment)!r} roles must have a bound: whoever has the deploy "
            "role may write a role's policy, so by a role without one they become the account's administrator; "
            f"write {_own_boundary(settings)} here, which `bastide bootstrap role` then makes; or set "
            "cloud.allowUnboundedRoles where something else bounds them, such as a service control policy",
        )
    elif f"::{cloud.account_id}:" not in cloud.permissions_boundary:
        yield Problem(
            path,
            f"{cloud.permissions_boundary!r} is of another account than cloud.accountId, '{cloud.account_id}'; IAM "
            f"takes the account's own only; `bastide bootstrap role` makes {_own_boundary(settings)}",
        )


def _own_boundary(settings: Settings) -> str:
    return names.policy_arn(settings.account_id, names.boundary_policy(settings.prefix))


CHECKS: Final[tuple[Check, ...]] = (_protection, _tags, _boundary)
