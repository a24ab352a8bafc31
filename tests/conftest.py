"""The shell that a test runs from must not decide its result: it may point at a sandbox, or at an account. And a run
that is told to end takes its servers with it."""

import os
import signal

from hypothesis import HealthCheck, settings

for name in [
    name
    for name in os.environ
    if name.startswith(("AWS_", "PULUMI_", "HELM_"))
    or name in ("KUBECONFIG", "BASTIDE_SANDBOX_HOME", "STACK")
]:
    del os.environ[name]

# Its time limits are for one machine that does nothing else.
settings.register_profile("bastide", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("bastide")

# By default SIGTERM ends Python at once: no fixture would stop what it started.
signal.signal(signal.SIGTERM, signal.default_int_handler)
