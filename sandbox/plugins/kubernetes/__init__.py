"""The Kubernetes provider plugin of the sandbox, under the official provider's name and version.

The judges are the cluster's own API server (server-side apply, strict field validation) and the real helm
binary; nothing here knows a schema of its own.
"""
