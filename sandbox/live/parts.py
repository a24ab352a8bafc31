"""What `make live` and the tests need beyond the tools of `make up`."""

from __future__ import annotations

from sandbox.live import programs
from sandbox.toolchain import databases, environments, operator, prisma_client


def ensure() -> None:
    """Builds, installs or fetches what is missing, before anything waits for it. Raises BuildError."""
    programs.ensure()
    operator.ensure()
    for each in environments.ALL:
        environments.ensure(each)
    prisma_client.ensure()
    databases.ensure_all()
