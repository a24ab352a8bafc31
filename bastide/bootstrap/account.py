"""The way into the account that a stack names, and AWS's refusals in words that say what to do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    NoCredentialsError,
    PartialCredentialsError,
    ProfileNotFound,
)

from bastide import names, unreached
from bastide.bootstrap.errors import BootstrapError
from bastide.settings import Settings


@dataclass
class Account:
    """Clients for a stack's account and region, by AWS's own settings (profile, environment,
    AWS_ENDPOINT_URL)."""

    settings: Settings
    session: Any
    _clients: dict[tuple[str, str], Any] = field(default_factory=dict)

    def client(self, service: str, region: str | None = None) -> Any:
        """A boto3 client, the same one each time; in the stack's region unless another is given. Raises
        BootstrapError when its endpoint is none."""
        where = region or self.settings.region
        if (service, where) not in self._clients:
            try:
                found = self.session.client(service, region_name=where)
                _ = urlsplit(found.meta.endpoint_url).port  # raises too, and only a request would find out
            except ValueError as error:
                raise BootstrapError(
                    f"AWS cannot be addressed: {error}; correct AWS_ENDPOINT_URL (or endpoint_url in AWS's "
                    "configuration), an address such as http://127.0.0.1:4566, or unset it to mean AWS itself"
                ) from None
            self._clients[service, where] = found
        return self._clients[service, where]

    @property
    def state_bucket(self) -> str:
        """Name of the stack's state bucket."""
        return names.state_bucket(self.settings.prefix, self.settings.account_id)

    @property
    def state_alias(self) -> str:
        """Alias of the key that encrypts state and secrets."""
        return names.state_alias(self.settings.prefix)


def connect(settings: Settings) -> Account:
    """The stack's account. Raises BootstrapError without credentials, or with those of another account."""
    import boto3

    with clear("ask who the caller is"):
        account = Account(settings, boto3.session.Session(region_name=settings.region))
        caller = account.client("sts").get_caller_identity()
    if caller["Account"] != settings.account_id:
        raise BootstrapError(
            f"the credentials are of account {caller['Account']} ({caller['Arn']}), and the stack's account is "
            f"{settings.account_id}: nothing was changed; choose other credentials (AWS_PROFILE), or correct "
            "bastide:cloud.accountId"
        )
    return account


def code_of(error: ClientError) -> str:
    """AWS's code of an error."""
    return str(error.response["Error"]["Code"])


def absent(error: ClientError) -> bool:
    """Whether an error says that a thing is not there."""
    return (
        code_of(error) in {"404", "NotFound", "NotFoundException", "ResourceNotFoundException"}
        or code_of(error).startswith("NoSuch")
        or (code_of(error).endswith("NotFoundError"))
    )


@contextmanager
def clear(doing: str) -> Iterator[None]:
    """Turns AWS's refusals into BootstrapError. `doing` completes "could not"."""
    try:
        yield
    except (NoCredentialsError, PartialCredentialsError):
        raise BootstrapError(
            "no AWS credentials were found: set AWS_PROFILE or sign in (`aws sso login`), then run it again"
        ) from None
    except ProfileNotFound as error:
        raise BootstrapError(
            f"{error}: set AWS_PROFILE to one that `aws configure list-profiles` has"
        ) from None
    except ClientError as error:
        code, message = code_of(error), error.response["Error"].get("Message", "")
        if code in {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "403"}:
            raise BootstrapError(
                f"could not {doing}: AWS refuses {error.operation_name} to these credentials ({message}); "
                "bootstrap is run once by an administrator of the account; use such credentials"
            ) from None
        raise BootstrapError(f"could not {doing}: {error.operation_name}: {code}: {message}") from None
    except BotoCoreError as error:
        raise BootstrapError(f"could not {doing}: AWS was not reached: {unreached.why(error)}") from None
