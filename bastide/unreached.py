"""What to say when AWS was not reached."""

from __future__ import annotations

import os


def why(error: Exception) -> str:
    """botocore's own words; where this shell sends AWS's requests to an address of its own, also what to do."""
    endpoint = os.environ.get("AWS_ENDPOINT_URL")
    if not endpoint or type(error).__name__ not in ("EndpointConnectionError", "ConnectTimeoutError"):
        return str(error)
    return (
        f"{error}. AWS_ENDPOINT_URL of this shell is {endpoint}, and nobody answers there: if that was a sandbox, this "
        'shell\'s environment is of a world that is gone: eval "$(make -s env)" again; to mean AWS itself, unset it'
    )
