"""`python -m sandbox.toolchain [all]`: makes sure of every tool; says what was chosen, why, and the minutes.

With `all` the serving parts too, which only `make live` and the tests need."""

from __future__ import annotations

import sys
import time

from sandbox.live import parts
from sandbox.toolchain import paths
from sandbox.toolchain.build import BuildError


def main() -> int:
    """Returns the exit status: 0 when everything is there, 1 when a build failed."""
    started = time.monotonic()
    try:
        tools = paths(build=True)
        if "all" in sys.argv[1:]:
            parts.ensure()
    except BuildError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; what was compiled so far is kept", file=sys.stderr)
        return 130
    print(f"tools are ready in {tools.bin_dir} ({(time.monotonic() - started) / 60:.1f} minutes)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
