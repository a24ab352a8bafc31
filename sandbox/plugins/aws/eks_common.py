"""What EKS's resource types share: updates that take a while, and the reasons of a failure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from botocore.exceptions import ClientError

from sandbox.plugins.aws.framework import Context, is_gone
from sandbox.plugins.protocol import Plain, PluginError


def issues(described: Mapping[str, Any]) -> str:
    """The health issues of something described, each with its code and the resources it names."""
    found = (described.get("health") or {}).get("issues") or []
    return "; ".join(_issue(one.get("code"), one.get("message"), one.get("resourceIds")) for one in found)


def _issue(code: object, message: object, resources: Iterable[str] | None) -> str:
    about = ", ".join(resources or ())
    return f"{code}: {message}" + (f" ({about})" if about else "")


def await_update(ctx: Context, started: Mapping[str, Any], **about: str) -> None:
    """Waits until an update has ended; raises EKS's errors where it failed. `about` is DescribeUpdate's."""
    update_id, kind = started["update"]["id"], started["update"]["type"]
    latest: dict[str, Any] = {}

    def ended() -> bool:
        latest.update(ctx.client("eks").describe_update(updateId=update_id, **about)["update"])
        return bool(latest["status"] != "InProgress")

    ctx.wait(f"{kind} of {' '.join(about.values())}", ended)
    if latest["status"] != "Successful":
        reasons = "; ".join(
            _issue(error.get("errorCode"), error.get("errorMessage"), error.get("resourceIds"))
            for error in latest.get("errors", [])
        )
        raise PluginError(f"EKS ended the {kind} as {latest['status']}: {reasons or 'it gives no reason'}")


def await_gone(ctx: Context, what: str, look: Callable[[], Mapping[str, Any]]) -> None:
    """Waits until `look` finds nothing more; raises with the issues where the deletion failed."""

    def gone() -> bool:
        try:
            described = look()
        except ClientError as error:
            if is_gone(error):
                return True
            raise
        if described.get("status") == "DELETE_FAILED":
            raise PluginError(f"{what} could not be deleted: {issues(described) or 'EKS gives no reason'}")
        return False

    ctx.wait(f"{what} deleted", gone)


def kept(wanted: Plain, names: Iterable[str]) -> Plain:
    """The named fields of an object that are set; `UNKNOWN` and what is not set stay as they are."""
    if not isinstance(wanted, Mapping):
        return wanted
    return {name: wanted[name] for name in names if wanted.get(name) is not None}
