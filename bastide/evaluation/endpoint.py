"""An OpenAI-compatible endpoint as the evaluation uses it. Talks to it only when called."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, Final, Literal
from urllib.parse import urlsplit

import requests

from bastide.evaluation.table import QualityError, WrongUseError

TIMEOUT_SECONDS: Final = 600
"""Longest wait for one answer: a long context on a slow machine."""

PAUSES: Final = (1.0, 4.0, 15.0)
"""Seconds before each further try of a request that was shed (429, 502, 503, 504) or cut off."""

_BUSY: Final = frozenset({429, 502, 503, 504})

_ADVICE: Final = {
    401: "set its key in the environment: BASTIDE_EVAL_{role}_KEY",
    403: "set a key that may use the model in the environment: BASTIDE_EVAL_{role}_KEY",
    404: "is the address right? allowed: http(s)://HOST[:PORT], without /v1",
}
"""What to do about a status."""

Api = Literal["chat", "completions"]


def checked_url(option: str, url: str) -> str:
    """The base address, without a slash at its end. Raises `WrongUseError` for what is no address or holds a secret,
    because it becomes part of the table."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise WrongUseError(f"{option} {url!r} is no address; allowed: http(s)://HOST[:PORT], without /v1")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise WrongUseError(
            f"{option} has a user, a query or a fragment; allowed: http(s)://HOST[:PORT]; keys come by the environment"
        )
    return url.rstrip("/").removesuffix("/v1")


@dataclass(frozen=True)
class Greedy:
    """An answer by the likeliest token each time, as token ids."""

    prompt: tuple[int, ...]
    answer: tuple[int, ...]


@dataclass(frozen=True)
class Scored:
    """What a model thinks of one token of a given text: log p in nats, and whether it is its first choice."""

    logprob: float
    first: bool


@dataclass(frozen=True)
class Endpoint:
    """A served model. `role` is what messages call it; `key` is sent and never shown."""

    role: str
    url: str
    model: str
    api: Api = "chat"
    key: str | None = None

    def answer(self, prompt: str, most: int) -> str:
        """The greedy answer of at most that many tokens."""
        body: dict[str, Any] = {"model": self.model, "max_tokens": most, "temperature": 0, "seed": 0}
        if self.api == "chat":
            found = self._post(
                "/v1/chat/completions", {**body, "messages": [{"role": "user", "content": prompt}]}
            )
            return str(_choice(self, found).get("message", {}).get("content") or "")
        return str(_choice(self, self._post("/v1/completions", {**body, "prompt": prompt})).get("text") or "")

    def prompt_tokens(self, text: str) -> int:
        """How many tokens a text is."""
        body = {"model": self.model, "prompt": text, "max_tokens": 1, "temperature": 0}
        count = self._post("/v1/completions", body).get("usage", {}).get("prompt_tokens")
        if not isinstance(count, int) or count < 1:
            raise QualityError(
                f"{self._told()} does not say how many tokens a prompt has: it is not OpenAI's API"
            )
        return count

    def greedy(self, prompt: str, most: int) -> Greedy:
        """The greedy answer with its token ids, which vLLM gives on demand (`return_token_ids`)."""
        body = {"model": self.model, "prompt": prompt, "max_tokens": most, "temperature": 0}
        choice = _choice(self, self._post("/v1/completions", {**body, "return_token_ids": True}))
        given, made = choice.get("prompt_token_ids"), choice.get("token_ids")
        if not isinstance(given, list) or not isinstance(made, list):
            raise QualityError(
                f"{self._told()} gives no token ids, which only vLLM does: divergence cannot be measured; give "
                "--no-divergence"
            )
        return Greedy(tuple(given), tuple(made))

    def scored(self, text: Greedy) -> list[Scored]:
        """What the model thinks of each token of the answer, after the prompt and the answer before it. Only vLLM can
        say it (`prompt_logprobs`)."""
        ids = [*text.prompt, *text.answer]
        body = {
            "model": self.model,
            "prompt": ids,
            "max_tokens": 1,
            "temperature": 0,
            "prompt_logprobs": 1,
        }
        found = _choice(self, self._post("/v1/completions", body)).get("prompt_logprobs")
        if not isinstance(found, list) or len(found) != len(ids):
            raise QualityError(
                f"{self._told()} gives no log probabilities of a prompt, which only vLLM does: divergence cannot be "
                "measured; give --no-divergence"
            )
        scores = []
        for each, own in list(zip(found, ids, strict=True))[len(text.prompt) :]:
            entry = each[str(own)]
            scores.append(Scored(float(entry["logprob"]), int(entry["rank"]) == 1))
        return scores

    def engine_version(self) -> str | None:
        """The version that vLLM gives at /version; None where that is closed."""
        try:
            found = self._send("GET", "/version", None)
            version = found.json().get("version") if found.status_code == 200 else None
        except (requests.RequestException, ValueError, AttributeError):
            return None
        return version if isinstance(version, str) else None

    def models(self) -> dict[str, int | None]:
        """The names of the models that it serves, with the longest sequence where it says one (vLLM does)."""
        data = self._call("GET", "/v1/models", None).get("data", [])
        known = [each for each in data if isinstance(each, dict) and "id" in each]
        lengths = {str(each["id"]): each.get("max_model_len") for each in known}
        return {name: length if isinstance(length, int) else None for name, length in lengths.items()}

    def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        return self._call("POST", path, body)

    def _call(self, method: str, path: str, body: dict[str, Any] | None) -> dict[str, Any]:
        for pause in (*PAUSES, None):
            try:
                answer = self._send(method, path, body)
            except requests.RequestException as error:
                if pause is None:
                    raise QualityError(
                        f"{self._told()} does not answer ({type(error).__name__}); look at its logs, and at the address"
                    ) from None
            else:
                if answer.status_code not in _BUSY or pause is None:
                    return self._read(path, answer)
            time.sleep(pause)
        raise AssertionError("the last try returns or raises")

    def _send(self, method: str, path: str, body: dict[str, Any] | None) -> requests.Response:
        headers = {"Authorization": f"Bearer {self.key}"} if self.key else {}
        # No redirect: it could carry the key elsewhere.
        return requests.request(
            method,
            f"{self.url}{path}",
            json=body,
            headers=headers,
            timeout=(10, TIMEOUT_SECONDS),
            allow_redirects=False,
        )

    def _read(self, path: str, answer: requests.Response) -> dict[str, Any]:
        if answer.status_code != 200:
            said = " ".join(answer.text[:300].split())
            todo = _ADVICE.get(answer.status_code, "look at its logs").format(role=self.role.upper())
            raise QualityError(f"{self._told()} answered {path} with {answer.status_code}: {said}; {todo}")
        try:
            found: Any = answer.json()
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise QualityError(f"{self._told()} answered {path} with no JSON object: it is not OpenAI's API")
        return found

    def _told(self) -> str:
        return f"the {self.role} at {self.url}"


def served_name(endpoint: Endpoint, published: str, longest: int) -> str:
    """The name by which to ask: the only model there, or the one of the published name. Raises `QualityError`, also
    where it serves no sequence of `longest` tokens."""
    models = endpoint.models()
    name = published if published in models else next(iter(models)) if len(models) == 1 else None
    if name is None:
        raise QualityError(
            f"{endpoint._told()} serves {', '.join(models) or 'no model'}, and none is called {published!r}; give the "
            "name under which it is served as the model's name"
        )
    length = models[name]
    if length is not None and length < longest:
        raise QualityError(
            f"{endpoint._told()} serves sequences of {length:,} tokens, and a context of {longest:,} is asked for; "
            "give shorter --contexts, or raise its maxModelLen"
        )
    return name


def _choice(endpoint: Endpoint, found: dict[str, Any]) -> dict[str, Any]:
    choices = found.get("choices")
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        raise QualityError(f"{endpoint._told()} gave an answer without choices: it is not OpenAI's API")
    return choices[0]
