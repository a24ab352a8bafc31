"""Who asks and which limits they have, from what LiteLLM knows of the key and routes.json of the team.
Pure."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from bastide_gateway.allowance import Holder
from bastide_gateway.call import Caller
from bastide_gateway.document import CLASSES, STRICTEST, Document, Team
from bastide_gateway.errors import Refused

_HASH: Final = re.compile(r"[0-9a-f]{64}")

LISTENERS: Final = ("logging", "callback_settings")
"""Metadata by which LiteLLM sends texts to further places."""

MASTER: Final = "litellm_proxy_master_key"
"""What LiteLLM puts in the place of the master key (LITELLM_PROXY_MASTER_KEY_ALIAS)."""


def caller_of(document: Document, auth: Any) -> Caller:
    """The caller, from LiteLLM's `UserAPIKeyAuth`. Raises `Refused` for the master key, which is for administration:
    it has neither team nor class nor budget."""
    key = str(getattr(auth, "api_key", None) or getattr(auth, "token", None) or "")
    if not key or key == MASTER:
        raise Refused(
            403,
            "administration_key",
            "this key is for administration and calls no model; make a key for a team with it (POST "
            "/key/generate)",
        )
    team = document.teams.get(getattr(auth, "team_alias", None) or "")
    return Caller(
        key_hash=key_hash(key),
        team=getattr(auth, "team_alias", None),
        team_id=getattr(auth, "team_id", None),
        data_class=_class(team, auth),
    )


def key_hash(key: str) -> str:
    """A virtual key as LiteLLM's tables have it: SHA-256 in hexadecimal; what is a hash already stays."""
    # JSON may hold half a character of Unicode.
    return key if _HASH.fullmatch(key) else hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def check_listeners(auth: Any) -> None:
    """Raises `Refused` where the key or its team names listeners of its own, which would get the text of requests."""
    for metadata in (getattr(auth, "metadata", None), getattr(auth, "team_metadata", None)):
        if isinstance(metadata, Mapping) and any(metadata.get(name) for name in LISTENERS):
            raise Refused(
                403,
                "key_has_listeners",
                "the metadata of this key or its team names logging of its own, which would get the text of its "
                f"requests; take {' and '.join(LISTENERS)} out of it",
            )


def _class(team: Team | None, auth: Any) -> str:
    """The team's class by routes.json, else by its metadata; a key's own may only be stricter. Without a team's the
    strictest holds, whatever the key says of itself."""
    of_team = team.data_class if team is not None else _named(getattr(auth, "team_metadata", None))
    of_key = _named(getattr(auth, "metadata", None))
    return max(of_team or STRICTEST, of_key or CLASSES[0], key=CLASSES.index)


def _named(metadata: object) -> str | None:
    if not isinstance(metadata, Mapping) or "data_class" not in metadata:
        return None
    name = metadata["data_class"]
    return name if name in CLASSES else STRICTEST


def holders(document: Document, auth: Any, team: Any, caller: Caller) -> list[Holder]:
    """The key's limits, and the team's: the smaller of what routes.json and LiteLLM's table say.

    `team` is LiteLLM's row of the team, for its spend and its budget's period; none where it is not known."""
    found = [
        Holder(
            "key",
            caller.key_hash[:32],
            rpm=getattr(auth, "rpm_limit", None),
            tpm=getattr(auth, "tpm_limit", None),
            parallel=getattr(auth, "max_parallel_requests", None),
            max_budget_usd=_usd(getattr(auth, "max_budget", None)),
            spent_usd=_usd(getattr(auth, "spend", None)) or Decimal(0),
            period=_period(getattr(auth, "budget_reset_at", None)),
        )
    ]
    if caller.team is None and caller.team_id is None:
        return found
    ours = document.teams.get(caller.team or "")
    row = team if team is not None else auth
    known = "" if team is not None else "team_"
    found.append(
        Holder(
            "team",
            # By its name, where it is ours: keys have LiteLLM's id of it and tokens the name, and its limits are one.
            ours.name if ours else caller.team_id or caller.team or "",
            rpm=_least(ours.rpm if ours else None, getattr(auth, "team_rpm_limit", None)),
            tpm=_least(ours.tpm if ours else None, getattr(auth, "team_tpm_limit", None)),
            max_budget_usd=_least(
                ours.max_budget_usd if ours else None, _usd(getattr(auth, "team_max_budget", None))
            ),
            spent_usd=_usd(getattr(row, f"{known}spend", None)) or Decimal(0),
            period=_period(getattr(team, "budget_reset_at", None)),
        )
    )
    return found


def _least(*values: Any) -> Any:
    return min((value for value in values if value is not None), default=None)


def _usd(value: Any) -> Decimal | None:
    return None if value is None else Decimal(str(value))


def _period(until: Any) -> str:
    return "" if until is None else re.sub(r"[^0-9TZ]", "", str(until).split(".")[0].split("+")[0])
