"""`helm test`: the engine names its model, gives one answer, and keeps closed what is not for clients.

    engine_test.py URL MODEL generate|embed

Only the standard library. Ends with 1 and a sentence at the first thing that is not as it should be."""

from __future__ import annotations

import json
import ssl
import sys
import urllib.error
import urllib.request

AUTHORITY = "/etc/authority/ca.crt"
SECONDS = 60.0
"""One token of an engine with a full queue may wait that long."""


def ask(url: str, body: dict | None = None) -> tuple[int, dict]:
    context = ssl.create_default_context(cafile=AUTHORITY) if url.startswith("https:") else None
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=SECONDS, context=context) as answer:
            status, text = answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, {}
    try:
        found = json.loads(text)
    except ValueError:  # metrics are not JSON
        return status, {}
    return status, found if isinstance(found, dict) else {}


def main(url: str, model: str, runner: str) -> str | None:
    """What is wrong, or None."""
    status, found = ask(f"{url}/v1/models")
    served = [each["id"] for each in found.get("data", [])]
    if status != 200 or model not in served:
        return f"/v1/models answers {status} and serves {served}, not {model}"
    if runner == "embed":
        status, found = ask(f"{url}/v1/embeddings", {"model": model, "input": "one"})
        good = bool(found.get("data") and found["data"][0]["embedding"])
    else:
        status, found = ask(f"{url}/v1/completions", {"model": model, "prompt": "one", "max_tokens": 1})
        good = found.get("usage", {}).get("completion_tokens") == 1
    if status != 200 or not good:
        return f"asked for one answer, the engine gave {status} and not what was asked for"
    for path in ("/metrics", "/invocations", "/tokenize", "/load", "/version"):
        status, _ = ask(f"{url}{path}")
        if status != 404:
            return f"{path} answers {status}; it is not for clients, and the proxy should say 404"
    print(f"{model} answers, and what is not for clients is closed")
    return None


if __name__ == "__main__":
    try:
        sys.exit(main(*sys.argv[1:4]))
    except OSError as problem:
        sys.exit(f"{sys.argv[1]} does not answer: {problem}")
