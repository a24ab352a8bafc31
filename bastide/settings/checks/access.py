"""Checks of human access."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from bastide import names
from bastide.settings.checks.common import Check
from bastide.settings.cluster import AdoptedCluster
from bastide.settings.errors import Problem

if TYPE_CHECKING:
    from bastide.settings.root import Settings

_NAMES: Final = {"viewer": "viewers", "operator": "operators", "security": "security"}


def _one_entry_each(settings: Settings) -> Iterator[Problem]:
    """A principal has one access entry, so it can have one of these roles."""
    seen: dict[str, str] = {}
    if not isinstance(settings.cluster, AdoptedCluster):
        for index, principal in enumerate(settings.cluster.admin_principals):
            seen.setdefault(principal, f"cluster.adminPrincipals[{index}]")
    for role, principals in settings.access.by_role().items():
        for index, principal in enumerate(principals):
            path = f"access.{_NAMES[role]}[{index}]"
            if principal in seen:
                yield Problem(
                    path,
                    f"{principal!r} is in {seen[principal]} too; a principal has one access entry; an operator "
                    "and security see what a viewer sees; keep one, or use another IAM role",
                )
            seen.setdefault(principal, path)


def _break_glass(settings: Settings) -> Iterator[Problem]:
    wanted = settings.access.break_glass
    if wanted is None:
        return
    if isinstance(settings.cluster, AdoptedCluster):
        yield Problem(
            "access.breakGlass",
            "is refused with cluster.kind 'adopt'; its alarm reads the control plane's audit log, which is the "
            "owner's; the owner has a way in already; leave it out",
        )
    own = names.role_arn(settings.account_id, names.break_glass_role(settings.prefix))
    for index, principal in enumerate(wanted.trusted):
        if principal == own:
            yield Problem(
                f"access.breakGlass.trusted[{index}]",
                f"{principal!r} is the emergency role itself; name the users or roles that may take it",
            )
        # The sandbox asks nobody for a second factor.
        if wanted.require_mfa and ":role/" in principal and not settings.sandbox:
            yield Problem(
                f"access.breakGlass.trusted[{index}]",
                f"{principal!r} is a role, and access.breakGlass.requireMfa is true; AWS never counts a role's "
                "session as one with a second factor, so nobody could take the emergency role by it; name IAM users, "
                "or set requireMfa to false and demand the factor at the identity provider",
            )
        if principal in wanted.trusted[:index]:
            yield Problem(f"access.breakGlass.trusted[{index}]", f"{principal!r} is there twice; remove one")


CHECKS: Final[tuple[Check, ...]] = (_one_entry_each, _break_glass)
