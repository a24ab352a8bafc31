"""What the gateway's pods may do in AWS. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

from bastide import names
from bastide.plans import audit, cache, database, gateway_surroundings
from bastide.settings import CreatedCache, CreatedDatabase, Settings
from bastide.settings.route_hosted import Bedrock

Statement = dict[str, Any]

INVOKE: Final = ("bedrock:InvokeModel", "bedrock:InvokeModelWithResponseStream")
"""What Converse and InvokeModel need (Bedrock user guide, "Prerequisites for running model inference")."""

_PROFILE: Final = re.compile(r"(us|us-gov|eu|apac|jp|au|ca|global)\.(.+)")
"""Ids of inference profiles that AWS made, which spread requests over regions: a prefix for where, and the model."""


def serving(settings: Settings, database_id: str | None) -> list[Statement]:
    """What LiteLLM's pods may do: ask the models at Bedrock that routes name, write the
    audit trail, and sign in to their stores.

    `database_id` is the database's DbiResourceId."""
    found = [*bedrock_statements(settings), *audit.statements(settings)]
    if settings.database.auth == "iam" and database_id:
        found.append(database.connect_statement(settings, database_id, settings.database.user))
    if isinstance(settings.cache, CreatedCache):
        found.append(cache.connect_statement(settings))
    return found


def migrating(
    settings: Settings, database_id: str | None, secret_arn: str | None, key_arn: str | None
) -> list[Statement]:
    """What the migration may do: sign in as the gateway's user, whom in a created database the administrator makes
    first, by the password that RDS keeps."""
    found: list[Statement] = []
    if isinstance(settings.database, CreatedDatabase):
        found += database.administrator_statements(settings, str(secret_arn), str(key_arn))
    if settings.database.auth == "iam" and database_id:
        found.append(database.connect_statement(settings, database_id, settings.database.user))
    return found


def serves_with_rights(settings: Settings) -> bool:
    """Whether `serving` gives anything; known before anything exists."""
    return bool(serving(settings, "any"))


def migrates_with_rights(settings: Settings) -> bool:
    """Whether `migrating` gives anything; known before anything exists."""
    return bool(migrating(settings, "any", "any", "any"))


def document(statements: Sequence[Statement]) -> str:
    """The policy of these statements."""
    return names.policy_document(*statements)


def bedrock_statements(settings: Settings) -> list[Statement]:
    """The right to ask exactly the models that routes name."""
    found: list[Statement] = []
    for index, hosted in enumerate(gateway_surroundings.bedrock_in_use(settings)):
        found += _of(settings, hosted, index)
    return found


def _of(settings: Settings, hosted: Bedrock, index: int) -> list[Statement]:
    where = hosted.region
    spread = _PROFILE.fullmatch(hosted.model)
    if spread is None:
        model = names.arn("bedrock", where, "", f"foundation-model/{hosted.model}")
        return [{"Sid": f"Ask{index}", "Effect": "Allow", "Action": list(INVOKE), "Resource": [model]}]
    profile = names.arn("bedrock", where, settings.account_id, f"inference-profile/{hosted.model}")
    return [
        {"Sid": f"Ask{index}", "Effect": "Allow", "Action": list(INVOKE), "Resource": [profile]},
        {
            # The model in whichever region the profile chooses, and only by way of it.
            "Sid": f"Ask{index}Anywhere",
            "Effect": "Allow",
            "Action": list(INVOKE),
            "Resource": [names.arn("bedrock", "*", "", f"foundation-model/{spread.group(2)}")],
            "Condition": {"StringEquals": {"bedrock:InferenceProfileArn": profile}},
        },
    ]
