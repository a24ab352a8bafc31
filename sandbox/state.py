"""Where the sandbox keeps its things, and how its parts find one another.

`home()` holds what belongs to one world (its processes' logs, keys, kubeconfigs, the Pulumi state of stacks that
were applied to it); `cache()` holds what any world may use again (built tools, charts). A world that runs has a
`world.json`, written by the daemon and removed by it.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

ACCOUNT_ID: Final = "123456789012"
"""The sandbox's AWS account: moto's default, and AWS's own example account, so never a customer's."""

ACCESS_KEY_ID: Final = "AKIAIOSFODNN7EXAMPLE"
SECRET_ACCESS_KEY: Final = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"  # noqa: S105 - AWS's documented example
"""AWS's documented example credentials: they open nothing but the sandbox."""

OPERATOR_ARN: Final = f"arn:aws:iam::{ACCOUNT_ID}:user/sandbox-operator"
"""The identity behind those credentials in the sandbox's IAM."""

PASSPHRASE: Final = "sandbox"  # noqa: S105
"""Passphrase of the sandbox's Pulumi state. Public on purpose: a sandbox holds no secret worth keeping."""


OLD_SHELL: Final = 'this shell\'s environment is of a world that is gone: eval "$(make -s env)" again'
"""Said where the variables of an earlier `env` lead to nobody."""


class NoWorldError(Exception):
    """No sandbox runs; the text says how to start one."""


def home() -> Path:
    """The folder of this world: `BASTIDE_SANDBOX_HOME`, else under the user's state folder."""
    configured = os.environ.get("BASTIDE_SANDBOX_HOME")
    if configured:
        return Path(configured).absolute()  # it goes into variables of programs that run elsewhere
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state") / "bastide" / "sandbox"


def cache() -> Path:
    """The folder of reusable builds: `BASTIDE_CACHE`, else under the user's cache folder."""
    configured = os.environ.get("BASTIDE_CACHE")
    if configured:
        return Path(configured)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "bastide"


@dataclass(frozen=True)
class World:
    """A running world: the AWS endpoint, the daemon's own HTTP address, and the daemon's pid."""

    aws_endpoint: str
    daemon_url: str
    pid: int

    @staticmethod
    def path() -> Path:
        """The file by which parts find the world."""
        return home() / "world.json"

    @staticmethod
    def find() -> World:
        """The world that runs; raises `NoWorldError` with what to do when none does."""
        try:
            found = World(**json.loads(World.path().read_text()))
            os.kill(found.pid, 0)
        except (FileNotFoundError, ProcessLookupError, PermissionError, ValueError, TypeError):
            # Gone, its number given to another user's process, or not a file of this release.
            hint = f"; {OLD_SHELL}, once it runs" if "AWS_ENDPOINT_URL" in os.environ else ""
            raise NoWorldError(
                f"no sandbox is running: start one with `make up` or `bastide sandbox up`{hint}"
            ) from None
        return found

    @property
    def in_this_shell(self) -> bool:
        """Whether this environment leads here. One without the sandbox's variables is not of another world."""
        ours = "BASTIDE_SANDBOX_HOME" in os.environ and "AWS_ENDPOINT_URL" in os.environ
        return not ours or os.environ["AWS_ENDPOINT_URL"] == self.aws_endpoint

    def save(self) -> None:
        """Writes the file at once and whole."""
        temporary = World.path().with_suffix(".tmp")
        temporary.write_text(json.dumps(asdict(self)))
        temporary.replace(World.path())


def aws_env(world: World) -> dict[str, str]:
    """Environment that points the AWS CLI and SDKs at this world and at nothing else."""
    return {
        "AWS_ENDPOINT_URL": world.aws_endpoint,
        "AWS_ACCESS_KEY_ID": ACCESS_KEY_ID,
        "AWS_SECRET_ACCESS_KEY": SECRET_ACCESS_KEY,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }


@lru_cache(maxsize=256)
def aws_client(service: str, region: str, endpoint: str) -> Any:
    """A boto3 client for this world. Clients are thread-safe and slow to make (tens of ms), so they are kept."""
    import boto3
    from botocore.config import Config

    return boto3.session.Session().client(
        service,
        region_name=region,
        endpoint_url=endpoint,
        aws_access_key_id=ACCESS_KEY_ID,
        aws_secret_access_key=SECRET_ACCESS_KEY,
        config=Config(
            retries={"max_attempts": 1},
            max_pool_connections=64,
            s3={"addressing_style": "path"},
            proxies={},
        ),
    )
