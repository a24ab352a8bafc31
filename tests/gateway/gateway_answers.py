"""What the tests on the real LiteLLM read of an answer."""

from __future__ import annotations

import json

import requests


def code(answer: requests.Response) -> tuple[int, str]:
    """Status and code of a refusal."""
    return answer.status_code, answer.json()["error"]["code"]


def events(answer: requests.Response) -> list[dict[str, object]]:
    """Of a stream, without its end mark."""
    return [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: {")]
