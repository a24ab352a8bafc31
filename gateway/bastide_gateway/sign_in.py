"""Sign-in of callers by tokens of an identity provider (OpenID Connect), beside LiteLLM's virtual keys.

LiteLLM's own is behind a licence; its open `custom_auth` takes the place of virtual keys instead of standing beside
them (in 1.106.2 only a package that is not open falls through). So this stands where FastAPI has a place for it: it
overrides the dependency by which every path of LiteLLM asks who is there. A key goes on to LiteLLM unchanged; a token
is judged here, and then LiteLLM's own common checks run for its bearer: the team's models, budget, block."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from bastide_gateway.call import current
from bastide_gateway.document import Document
from bastide_gateway.errors import Refused, StartError
from bastide_gateway.sign_in_keys import Keys
from bastide_gateway.sign_in_settings import SignIn, read
from bastide_gateway.sign_in_token import Person, looks_like_token, verify

_PATHS: Final = ("/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/models")
"""What somebody who signed in may call: models, and never LiteLLM's administration."""


def settings_of(raw: Mapping[str, Any]) -> SignIn | None:
    """`signIn` of routes.json, or nothing where only keys are taken. Raises `StartError`."""
    given = raw.get("signIn")
    if given is None:
        return None
    if not isinstance(given, Mapping):
        raise StartError("routes.json: signIn is not an object; render it again")
    try:
        return read(given, raw.get("teams") or {})
    except (TypeError, AttributeError) as error:
        raise StartError(
            f"routes.json: signIn has another shape ({type(error).__name__}); render it again"
        ) from error


def install(app: Any, routes: Path, document: Document) -> Keys | None:
    """Puts the sign-in in front of LiteLLM's application where routes.json has one; its keys can be asked whether they
    are ready. Raises `StartError`, also where this LiteLLM has not what it stands on."""
    settings = settings_of(json.loads(routes.read_text()))
    if settings is None:
        return None
    try:
        from litellm.proxy.auth.user_api_key_auth import user_api_key_auth
    except ImportError as error:
        raise StartError(
            f"this LiteLLM has no user_api_key_auth ({error}); signIn is made for 1.106.2"
        ) from error
    keys = Keys(settings)
    app.dependency_overrides[user_api_key_auth] = _dependency(settings, keys, document)
    return keys


def _dependency(settings: SignIn, keys: Keys, document: Document) -> Any:
    from fastapi import HTTPException, Request
    from litellm.proxy.auth.user_api_key_auth import user_api_key_auth

    async def who(request: Request) -> Any:
        header = request.headers.get("authorization", "")
        scheme, _, given = header.partition(" ")
        given = given.strip()
        if scheme.lower() != "bearer" or not looks_like_token(given):
            # None and not FastAPI's markers, which would be taken for headers.
            return await user_api_key_auth(request, header or None, *([None] * 5))
        try:
            person = await verify(given, settings, keys)
            return await _checked(request, person, document)
        except Refused as refused:
            call = current.get()
            if call is not None:
                call.notes["refused"] = refused
                call.outcome, call.reason = refused.code, refused.reason
            raise HTTPException(refused.status, refused.message, dict(refused.headers)) from None

    # FastAPI reads the annotation, which is a name of this function's only.
    who.__annotations__["request"] = Request
    return who


async def _checked(request: Any, person: Person, document: Document) -> Any:
    """LiteLLM's own object of a caller, after its own checks of the team."""
    from litellm.proxy._types import LitellmUserRoles, UserAPIKeyAuth
    from litellm.proxy.auth.auth_utils import get_request_route
    from litellm.proxy.auth.user_api_key_auth import run_centralized_common_checks
    from litellm.proxy.common_utils.http_parsing_utils import _read_request_body

    route = get_request_route(request=request)
    if route not in _PATHS:
        raise Refused(403, "not_served", "a token calls models and nothing else; administration takes a key")
    team = document.teams[person.team]
    given = await _read_request_body(request=request)
    model = given.get("model") if isinstance(given, dict) else None
    # LiteLLM's common checks know the team's models by its row alone, and a row may not be there yet.
    if model is not None and model not in team.routes:
        raise Refused(
            404, "model_not_found", f"there is no such model for this team; allowed: {', '.join(team.routes)}"
        )
    auth = UserAPIKeyAuth(
        api_key=person.hash,
        token=person.hash,
        key_alias="signed-in",
        team_id=team.name,
        team_alias=team.name,
        models=list(team.routes),
        team_models=list(team.routes),
        user_role=LitellmUserRoles.INTERNAL_USER,
        expires=datetime.fromtimestamp(person.expires, UTC).isoformat(),
        allowed_routes=list(_PATHS),
        request_route=route,
    )
    await run_centralized_common_checks(
        user_api_key_auth_obj=auth,
        request=request,
        request_data=given,
        route=route,
    )
    return auth
