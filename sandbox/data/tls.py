"""Certificates of databases and caches."""

from __future__ import annotations

from sandbox.cluster.certificates import Authority, Pair


def server_pair(authority: Authority, name: str) -> Pair:
    """A server's certificate for its name, `localhost` and 127.0.0.1, in the authority's folder."""
    return authority.issue(name, name, hosts=[name, "localhost"], addresses=["127.0.0.1"])
