"""Runs a command that the kernel ends as soon as its parent has gone, however the parent went.

`python leash.py PARENT_PID COMMAND...` asks for SIGKILL at the parent's death (prctl(2), PR_SET_PDEATHSIG,
which survives execve) and becomes the command. Without it a daemon killed with -9 would leave control planes
behind. The kernel means the parent *thread*: whoever starts this must live as long as the command should (see
`child`).
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
"""From linux/prctl.h."""


def main() -> None:
    """Ties this process to its parent and becomes the command."""
    parent, command = int(sys.argv[1]), sys.argv[2:]
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        sys.exit(f"prctl(PR_SET_PDEATHSIG) failed with errno {ctypes.get_errno()}: the sandbox needs Linux")
    if os.getppid() != parent:  # it died before the request took effect
        sys.exit(1)
    os.execv(command[0], command)  # noqa: S606 - the command comes from the daemon, which is our parent


if __name__ == "__main__":
    main()
