"""Who may take the deploy role: named principals of IAM, or jobs of a CI that sign in by OIDC."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from bastide.bootstrap.errors import BootstrapError

DEFAULT_AUDIENCE: Final = "sts.amazonaws.com"
"""What AWS's own action for CI asks its token for."""

_PRINCIPAL: Final = re.compile(r"arn:aws:iam::\d{12}:(role|user)/[\w+=,.@/-]+", re.ASCII)
_PROVIDER: Final = re.compile(r"arn:aws:iam::\d{12}:oidc-provider/(?P<host>[\w.-]+(/[\w./-]+)?)", re.ASCII)


def too_wide(document: Any) -> str:
    """Whom a trust policy lets in beyond named principals and whole subjects of a CI's tokens; '' for nobody."""
    given = document["Statement"]
    for statement in given if isinstance(given, list) else [given]:
        if statement["Effect"] != "Allow":
            continue
        principals = statement.get("Principal", "*")
        if not isinstance(principals, dict):
            return "a whole account or anybody"
        for kind, values in principals.items():
            for value in values if isinstance(values, list) else [values]:
                if kind == "AWS" and not _PRINCIPAL.fullmatch(value):
                    return "a whole account or anybody"
                if kind == "Service":
                    return f"the service {value}"
                saml = ":saml-provider/" in value
                if kind == "Federated" and not saml and not _whole_subjects(statement):
                    return f"every job of every customer of {value}, or a pattern of them"
    return ""


def _whole_subjects(statement: Any) -> bool:
    """Whether subjects are named by equality; StringLike takes patterns, and *IfExists takes none at all."""
    equal = statement.get("Condition", {}).get("StringEquals", {})
    return any(key.lower().endswith(":sub") for key in equal)


@dataclass(frozen=True)
class Trust:
    """Principals by ARN, and subjects of an OIDC provider's tokens."""

    principals: Sequence[str] = ()
    oidc_provider: str = ""
    oidc_subjects: Sequence[str] = ()
    oidc_audience: str = DEFAULT_AUDIENCE

    def __post_init__(self) -> None:
        for each in self.principals:
            if not _PRINCIPAL.fullmatch(each):
                raise BootstrapError(
                    f"--principal {each!r} is no role or user: give arn:aws:iam::<account>:role/<name>; a whole "
                    "account or a wildcard would let in whoever is there"
                )
        if bool(self.oidc_provider) != bool(self.oidc_subjects):
            raise BootstrapError(
                "--oidc-provider and --oidc-subject go together: without a subject every job of every customer of "
                "that CI could take the role"
            )
        if self.oidc_provider and not _PROVIDER.fullmatch(self.oidc_provider):
            raise BootstrapError(
                f"--oidc-provider {self.oidc_provider!r} is no OIDC provider of IAM: give "
                "arn:aws:iam::<account>:oidc-provider/<host>; `aws iam list-open-id-connect-providers` lists them"
            )
        for subject in self.oidc_subjects:
            if "*" in subject or "?" in subject or ":" not in subject:
                raise BootstrapError(
                    f"--oidc-subject {subject!r} is refused: give one whole subject, such as "
                    "'repo:acme/infra:environment:prod'; a wildcard would let in branches that nobody reviewed"
                )

    @property
    def given(self) -> bool:
        """Whether anybody is named."""
        return bool(self.principals or self.oidc_provider)

    def document(self) -> str:
        """The role's trust policy."""
        statements: list[dict[str, Any]] = []
        if self.principals:
            statements.append(
                {
                    "Sid": "Principals",
                    "Effect": "Allow",
                    "Principal": {"AWS": sorted(self.principals)},
                    "Action": ["sts:AssumeRole", "sts:TagSession"],
                }
            )
        if self.oidc_provider:
            found = _PROVIDER.fullmatch(self.oidc_provider)
            host = found["host"] if found else ""
            statements.append(
                {
                    "Sid": "Oidc",
                    "Effect": "Allow",
                    "Principal": {"Federated": self.oidc_provider},
                    "Action": "sts:AssumeRoleWithWebIdentity",
                    "Condition": {
                        "StringEquals": {
                            f"{host}:aud": self.oidc_audience,
                            f"{host}:sub": sorted(self.oidc_subjects),
                        }
                    },
                }
            )
        return json.dumps({"Version": "2012-10-17", "Statement": statements}, sort_keys=True)
