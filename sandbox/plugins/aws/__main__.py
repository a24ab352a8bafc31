"""`python -m sandbox.plugins.aws ENGINE`: how the engine starts the plugin."""

from __future__ import annotations

import sys

from sandbox.plugins.aws.provider import AwsProvider
from sandbox.plugins.server import serve

serve(AwsProvider(), sys.argv[1:])
