"""AMI release versions: what a node group gets when it names none, what EKS takes, and which is the newer.

EKS knows every release that was ever published. Here any version of the right form is taken, and the table
only says which is the latest; a newer one is added with where it was seen.
"""

from __future__ import annotations

import re
from typing import Final

from sandbox.aws.errors import ApiError

LATEST_AL2023: Final = {
    "1.32": "1.32.13-20260818",  # published node group configurations of 2026
    "1.33": "1.33.11-20260529",  # published node group configurations of 2026
    "1.34": "1.34.6-20260415",  # published node group configurations of 2026
    "1.35": "1.35.3-20260415",  # published node group configurations of 2026
    "1.36": "1.36.3-20260903",  # github.com/awslabs/amazon-eks-ami, release v20260903
}
LATEST_BOTTLEROCKET: Final = "1.49.0-713f44ce"
"""For every Kubernetes version alike (examples of github.com/terraform-aws-modules/terraform-aws-eks, 2025)."""

_BY_KUBERNETES: Final = re.compile(r"(1\.\d+)\.(\d+)-(\d{8})")
_BOTTLEROCKET: Final = re.compile(r"(\d+)\.(\d+)\.(\d+)-(?!20[2-9]\d[01]\d[0-3]\d)([0-9a-f]{8})")
"""Ends in a commit; what reads as a date there is another image's release."""


def latest(ami_type: str, kubernetes: str) -> str:
    """The release that a node group gets when it names none."""
    return LATEST_BOTTLEROCKET if _is_bottlerocket(ami_type) else LATEST_AL2023[kubernetes]


def check(ami_type: str, kubernetes: str, release: str) -> None:
    """Refuses a release that is not of this AMI type's form, or of another Kubernetes version."""
    if _is_bottlerocket(ami_type):
        if _BOTTLEROCKET.fullmatch(release):
            return
        form = f"as {LATEST_BOTTLEROCKET}"
    else:
        found = _BY_KUBERNETES.fullmatch(release)
        if found and found.group(1) == kubernetes:
            return
        form = f"as {LATEST_AL2023.get(kubernetes, kubernetes + '.x-YYYYMMDD')}"
    raise ApiError(
        "InvalidParameterException",
        f"Requested release version {release} is not valid for kubernetes version {kubernetes} and AMI type "
        f"{ami_type}: give one {form}.",
    )


def older(release: str, than: str) -> bool:
    """Whether a release comes before another of the same kind; false where they cannot be compared."""
    for form in (_BY_KUBERNETES, _BOTTLEROCKET):
        one, other = form.fullmatch(release), form.fullmatch(than)
        if one and other:
            return _order(one.groups()) < _order(other.groups())
    return False


def _order(parts: tuple[str, ...]) -> tuple[int, ...]:
    # The commit at the end of a Bottlerocket release orders nothing.
    numbers = parts[:3]
    return tuple(int(piece) for part in numbers for piece in part.split("."))


def kubelet(release: str, kubernetes: str) -> str:
    """The kubelet's version in a release, as `kubectl get nodes` shows it; EKS appends a commit where this says
    that it is emulated."""
    found = _BY_KUBERNETES.fullmatch(release)
    patch = found.group(2) if found and found.group(1) == kubernetes else "0"
    return f"v{kubernetes}.{patch}-eks-emulated"


def _is_bottlerocket(ami_type: str) -> bool:
    return ami_type.startswith("BOTTLEROCKET")
