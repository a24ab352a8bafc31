"""Settings of the sign-in of callers by tokens of an identity provider, beside virtual keys."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from bastide.settings.base import Strict, matching
from bastide.settings.teams import TeamName

HttpsUrl = Annotated[
    str,
    matching(
        r"https://[A-Za-z0-9.-]+(:\d{1,5})?(/[\w.~%/-]*)?",
        "is not an https URL without a query; allowed: https://HOST/PATH as the provider's "
        ".well-known/openid-configuration says it; on plain http anybody on the way could put in keys of his own",
    ),
]

Name = Annotated[
    str,
    matching(
        r"[\x21-\x7e]{1,200}",
        "is not a name; allowed: 1 to 200 printable characters without spaces, as tokens have it",
    ),
]


class SignInRule(Strict):
    """A claim that holds a value puts whoever brings it into a team."""

    claim: Name
    """Name of the claim, or a path with dots into objects such as `realm_access.roles`. A string, or a list of them."""

    value: Name
    """What it must hold, letter by letter."""

    team: TeamName
    """The team, one of `teams`: its class, routes, budget and limits hold."""


class SignInSettings(Strict):
    """Whose tokens are taken (OpenID Connect). Virtual keys are taken as well."""

    issuer: HttpsUrl
    """The provider, exactly as its tokens say it in `iss`."""

    audience: Name
    """The gateway's own name at the provider. A token that names another audience too is refused: a service that
    received it could use it here."""

    jwks_url: HttpsUrl
    """Where the provider's public keys are: `jwks_uri` of its .well-known/openid-configuration. No other is asked,
    whatever a token says."""

    algorithms: tuple[Literal["RS256", "ES256", "EdDSA"], ...] = Field(("RS256",), min_length=1)
    """Signatures that are taken."""

    leeway_seconds: int = Field(30, ge=0, le=120)
    """By how many seconds clocks may differ. A choice: hosts with NTP differ by far less than one."""

    max_token_seconds: int = Field(86_400, ge=60, le=604_800)
    """Longest life of a token in seconds, from its issue to its expiry: for so long somebody who lost his rights
    at the provider still gets in. A choice; providers give access tokens 5 minutes to a day."""

    keys_seconds: int = Field(300, ge=30, le=86_400)
    """Seconds for which fetched keys are good. A key that the provider takes back is taken here for that long."""

    keys_stale_seconds: int = Field(3600, ge=0, le=86_400)
    """Seconds for which they are still good while the provider cannot be reached; then nobody with a token gets in.
    Virtual keys go on."""

    rules: tuple[SignInRule, ...] = Field(min_length=1)
    """Which team somebody belongs to; the first rule that fits decides, and without one nobody gets in."""
