"""Postgres refuses to run as root. Where the sandbox does, Postgres gets a user namespace in which it is not."""

from __future__ import annotations

import os
import pwd
import shutil
from collections.abc import Sequence

from sandbox.toolchain.build import BuildError


def command(arguments: Sequence[str]) -> list[str]:
    """The command as it has to be started. Its process keeps its id, and its files belong to root outside."""
    if os.geteuid() != 0:
        return list(arguments)
    unshare = shutil.which("unshare")
    if unshare is None:
        raise BuildError("Postgres refuses to run as root, and there is no unshare (util-linux) to help it")
    nobody = pwd.getpwnam("nobody")  # it asks for its user's name
    return [
        unshare,
        "--user",
        f"--map-user={nobody.pw_uid}",
        f"--map-group={nobody.pw_gid}",
        "--",
        *arguments,
    ]
