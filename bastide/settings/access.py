"""Settings of who may use the cluster by hand."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from bastide.settings.base import PrincipalArn, Strict, matching

Contact = Annotated[
    str,
    matching(
        r"[^@\s]+@[^@\s]+\.[a-z]{2,}|https://[^\s]+",
        "is no address that an alarm can be sent to; allowed: an e-mail address, or an https:// URL of a paging "
        "service; plain http would carry it in the clear",
    ),
]


class BreakGlassSettings(Strict):
    """A role that is cluster-admin, for emergencies. Taking it and using it raise an alarm."""

    trusted: tuple[PrincipalArn, ...] = Field(min_length=1)
    """ARNs of the IAM users or roles that may take the role."""

    notify: tuple[Contact, ...] = Field(min_length=1)
    """E-mail addresses or https:// URLs that the alarm goes to. Each must confirm the subscription that AWS
    sends it; until then it hears nothing."""

    require_mfa: bool = True
    """Whether only a session with a second factor may take the role. A session of a role, as single sign-on
    gives it, never counts as one: turn it off there and demand the factor at the identity provider."""

    session_hours: int = Field(1, ge=1, le=12)
    """Longest session in hours; 12 is IAM's most (API reference, CreateRole, MaxSessionDuration)."""


class AccessSettings(Strict):
    """Who may use the cluster by hand, by access entries and the kit's own RBAC roles. Administrators are
    `cluster.adminPrincipals`."""

    viewers: tuple[PrincipalArn, ...] = ()
    """IAM principals that may look at everything but secrets and logs, and change nothing."""

    operators: tuple[PrincipalArn, ...] = ()
    """IAM principals that may do what viewers may, and in the kit's namespaces read logs, scale, and restart
    pods. No secrets, no shell in a pod, no RBAC."""

    security: tuple[PrincipalArn, ...] = ()
    """IAM principals that may look at policies, RBAC and admission besides what viewers see, and ask who may do
    what; no secrets, and nothing is changed."""

    break_glass: BreakGlassSettings | None = None
    """The emergency role; left out, there is none."""

    def by_role(self) -> dict[str, tuple[str, ...]]:
        """Principals by the kit's role: viewer, operator, security."""
        return {"viewer": self.viewers, "operator": self.operators, "security": self.security}
