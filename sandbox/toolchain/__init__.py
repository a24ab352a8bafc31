"""The programs that the sandbox is made of: the Pulumi engine, a Kubernetes control plane, kubectl and Helm.

What is already on the machine in a good version is used; the rest is built from the Go modules beside this
file, whose go.sum fixes every byte, and kept in `sandbox.state.cache()` by what it was built from.

    python -m sandbox.toolchain        make sure of everything, say what was chosen and why

Other code asks `paths()`.
"""

from sandbox.toolchain.choice import Tools, ToolsMissingError, paths

__all__ = ["Tools", "ToolsMissingError", "paths"]
