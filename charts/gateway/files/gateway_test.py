"""Asks a gateway whether it is ready, and whether it is closed to who has no key. Run by `helm test`.

    gateway_test.py URL

Only the standard library. The private CA's root lies in /etc/bastide/ca where the gateway speaks TLS.
"""

from __future__ import annotations

import json
import ssl
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

AUTHORITY = Path("/etc/bastide/ca/ca.crt")
TRIES = 20
WAIT_SECONDS = 3.0

CLOSED = ("/docs", "/redoc", "/openapi.json", "/ui", "/metrics")
"""Paths that must not be there at the port for clients."""


def ask(url: str, body: dict | None = None) -> int:
    """The status of one request; 0 where nobody answers."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    trust = ssl.create_default_context(cafile=str(AUTHORITY)) if AUTHORITY.exists() else None
    try:
        with urllib.request.urlopen(request, timeout=10, context=trust) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError as error:
        print(f"{url}: {error}")
        return 0


def mistakes(url: str) -> list:
    """What is not as it should be."""
    found = []
    status = ask(f"{url}/v1/chat/completions", {"model": "any", "messages": []})
    if status not in (401, 403):
        found.append(f"a chat without a key: {status} and not 401")
    for path in CLOSED:
        status = ask(url + path)
        if status not in (401, 403, 404):
            found.append(f"{path} without a key: {status} and not 404")
    return found


def main(url: str) -> int:
    for _ in range(TRIES):
        ready = ask(f"{url}/bastide/ready")
        if ready == 200:
            break
        time.sleep(WAIT_SECONDS)
    else:
        print(f"{url}/bastide/ready: {ready} and not 200 after {TRIES * WAIT_SECONDS:.0f} s")
        return 1
    found = mistakes(url)
    print("\n".join(found) or f"{url} is ready, and closed to who has no key")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
