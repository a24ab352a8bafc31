"""The environment in which `pulumi`, `kubectl`, `helm` and `aws` act on the sandbox and on nothing else."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import Final

from sandbox import state
from sandbox.live import gateway as gateway_access
from sandbox.state import World
from sandbox.toolchain import paths, pulumi_home

REMOVED: Final = (
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_REGION",
    "AWS_SESSION_TOKEN",
    "AWS_ROLE_ARN",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "PULUMI_ACCESS_TOKEN",
    "PULUMI_CONFIG_PASSPHRASE_FILE",
)
"""Variables of the caller's that would lead away from the sandbox or contradict what is set here."""

DEFAULT_REGION: Final = "us-east-1"
"""The sandbox stack's region."""

_LOOPBACK: Final = ("127.0.0.1", "localhost")


def environment(world: World | None) -> dict[str, str]:
    """The variables to set. Without a world those that point at its AWS endpoint are absent.

    Raises `ToolsMissingError` while the tools are not built.
    """
    tools = paths()
    home = state.home()
    backend = home / "pulumi-state"
    backend.mkdir(parents=True, exist_ok=True)
    before = [entry for entry in os.environ.get("PATH", "").split(os.pathsep) if entry]
    first = list(dict.fromkeys([str(tools.bin_dir), str(Path(sys.executable).parent)]))
    direct = [entry for entry in os.environ.get("NO_PROXY", "").split(",") if entry]
    result = {
        "PATH": os.pathsep.join(first + [entry for entry in before if entry not in first]),
        "PULUMI_HOME": str(pulumi_home.ensure()),
        "PULUMI_BACKEND_URL": f"file://{backend}",
        "PULUMI_CONFIG_PASSPHRASE": state.PASSPHRASE,
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        # A plugin that is not here must be an error and not a download of the real one.
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
        "KUBECONFIG": str(home / "kubeconfig"),
        "NO_PROXY": ",".join(dict.fromkeys([*direct, *_LOOPBACK])),
        "BASTIDE_SANDBOX_HOME": str(home),
    }
    result["no_proxy"] = result["NO_PROXY"]  # curl and Go read one, some Python the other
    if world:
        # Clients without a region of their own refuse to start; the kit's providers name theirs.
        result |= {"AWS_DEFAULT_REGION": DEFAULT_REGION} | state.aws_env(world)
        access = gateway_access.known()
        result |= access.environment if access else {}
    return result


def full_environment(world: World | None) -> dict[str, str]:
    """This process's environment with the sandbox's over it and `REMOVED` taken out, for a child process."""
    kept = {name: value for name, value in os.environ.items() if name not in REMOVED}
    return kept | environment(world)


def exports(world: World | None = None) -> str:
    """Shell lines for `eval`: what `environment()` sets, and what it must not inherit."""
    lines = [f"unset {name}" for name in REMOVED if name in os.environ]
    lines += [f"export {name}={shlex.quote(value)}" for name, value in sorted(environment(world).items())]
    return "\n".join(lines)
