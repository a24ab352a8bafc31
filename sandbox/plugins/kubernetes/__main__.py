"""`python -m sandbox.plugins.kubernetes ENGINE_ADDRESS`: started by the Pulumi engine."""

import sys

from sandbox.plugins.kubernetes.provider import KubernetesProvider
from sandbox.plugins.server import serve

if __name__ == "__main__":
    serve(KubernetesProvider(), sys.argv[1:])
