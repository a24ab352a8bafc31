"""`python -m pii`: serves. PII_HOST and PII_PORT say where; with PII_TLS (a folder with tls.crt, tls.key and, to admit
only callers with a certificate of it, ca.crt) it speaks TLS only."""

from __future__ import annotations

import os
import ssl
import sys
from pathlib import Path
from typing import Any

from pii.limits import LimitError, Limits


def main() -> int:
    """Serves until it is told to stop; 2 where the environment is wrong."""
    try:
        limits = Limits.of()
        port = int(os.environ.get("PII_PORT", "8080"))
        tls = _tls(os.environ.get("PII_TLS", ""))
    except (LimitError, ValueError) as error:
        sys.stderr.write(f"pii: {error}\n")
        return 2
    # After the environment is judged: Presidio takes seconds to import.
    import uvicorn

    from pii.app import application

    uvicorn.run(
        application(limits),
        host=os.environ.get("PII_HOST", "127.0.0.1"),
        port=port,
        # Its access log would be harmless, its error log would hold tracebacks: only what is critical is written.
        log_level="critical",
        access_log=False,
        server_header=False,
        # Above the line of those who wait, so that /ready answers also then.
        limit_concurrency=limits.waiting + 64,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=limits.milliseconds // 1000 + 1,
        **tls,
    )
    return 0


def _tls(folder: str) -> dict[str, Any]:
    if not folder:
        return {}
    place = Path(folder)
    for name in ("tls.crt", "tls.key"):
        if not (place / name).is_file():
            raise ValueError(f"PII_TLS: there is no {name} in it; a folder with tls.crt and tls.key is meant")
    found: dict[str, Any] = {"ssl_certfile": str(place / "tls.crt"), "ssl_keyfile": str(place / "tls.key")}
    if (place / "ca.crt").is_file():
        found |= {"ssl_ca_certs": str(place / "ca.crt"), "ssl_cert_reqs": ssl.CERT_REQUIRED}
    return found


if __name__ == "__main__":
    sys.exit(main())
