"""Settings of an engine's requests: how many wait, how large they may be, what they may fetch, what is promised."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from bastide.settings.base import Strict, matching

MediaDomain = Annotated[
    str,
    matching(
        r"(?=.{4,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])?",
        "is not a domain; allowed: a lower-case host name with a dot such as 'media.example.com', without "
        "scheme, port, path or wildcard; the engine fetches media from exactly these hosts; rewrite it",
    ),
]


class QueueSettings(Strict):
    """What an engine may have waiting. A request beyond it is refused with 503 at once, so that a client can go
    elsewhere instead of waiting for nothing. Without a bound the queue grows until clients give up."""

    max_requests: int | None = Field(None, ge=1)
    """Most requests waiting in one replica; the default is four times maxNumSeqs."""

    max_tokens: int | None = Field(None, ge=1)
    """Most prompt tokens waiting in one replica; the default is no bound besides maxRequests."""


class LimitsSettings(Strict):
    """What one request may ask for."""

    max_answers: int = Field(64, ge=1, le=16384)
    """Most answers to one request (`n`). 64 to 128 are advised for public use; vLLM's own bound is 16,384."""

    max_answer_tokens: int | None = Field(None, ge=1)
    """Longest answer, in tokens, also where a request asks for more; the default is what the prompt leaves of
    maxModelLen."""

    max_logprobs: int = Field(20, ge=0, le=1024)
    """Most log probabilities a token that a request may ask for. 20 is vLLM's default and OpenAI's bound."""

    max_request_kib: int | None = Field(None, ge=1, le=1048576)
    """Largest body of a request in KiB; a larger one gets 413 before the engine sees it. The default follows from
    maxModelLen, and allows for media inside the request where `media.domains` lets any in."""


class MediaSettings(Strict):
    """Images, sound and video in requests. Without domains the engine takes text only: otherwise a request could make
    it fetch any address that it reaches."""

    domains: tuple[MediaDomain, ...] = ()
    """Hosts from which media may be fetched. Redirects are not followed. Data inside a request is then taken too."""


class SloSettings(Strict):
    """What the engine promises, for the planner's replicas, alerts and dashboards."""

    ttft_seconds: float = Field(1.0, gt=0, le=600)
    """Time to the first token, in seconds, for 95 of 100 requests. A choice; one of vLLM's histogram bounds."""

    itl_seconds: float = Field(0.1, gt=0, le=60)
    """Time between tokens, in seconds, for 95 of 100. A choice: ten tokens a second are faster than people read."""


class LoadSettings(Strict):
    """The load that is expected of all replicas together, for the planner."""

    requests_per_second: float = Field(gt=0)
    """Requests a second at the busiest hour."""

    prompt_tokens: int = Field(ge=1)
    """Tokens of an average prompt."""

    answer_tokens: int = Field(ge=1)
    """Tokens of an average answer."""
