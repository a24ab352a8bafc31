"""Settings of hosted deployments: models that others run, told apart by their provider's kind."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import Field, Tag

from bastide.names import MAX_ENGINE
from bastide.settings.base import Strict, label, matching
from bastide.settings.data_classes import DataClass, Place
from bastide.settings.route_prices import Day, TokenPrice
from bastide.settings.variants import by_kind

HostedName = Annotated[str, label(MAX_ENGINE)]

ModelId = Annotated[
    str,
    matching(
        r"[A-Za-z0-9][A-Za-z0-9._:/+-]{0,199}",
        "is not a model's id; allowed: what the provider calls it, such as 'anthropic.claude-haiku-4-5' or "
        "'meta-llama/Llama-3.3-70B-Instruct-Turbo': letters, digits and . _ : / + -",
    ),
]

Url = Annotated[
    str,
    matching(
        r"https://[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?(:\d{1,5})?(/[\w./-]*)?",
        "is not an address of an API; allowed: https://host[:port][/path] without user, password or query: a secret "
        "here would stand in a ConfigMap, and without TLS everybody on the way reads along; rewrite it",
    ),
]

SandboxUrl = Annotated[
    str,
    matching(
        r"https?://[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?(:\d{1,5})?(/[\w./-]*)?",
        "is not an address of an API; allowed: https://host[:port][/path], and in a sandbox http:// too, without "
        "user, password or query; rewrite it",
    ),
]


class AgreementSettings(Strict):
    """What the provider has promised about the text that it gets, and where that is written."""

    zero_retention: bool = False
    """Whether it keeps neither requests nor answers, abuse monitoring included."""

    trains_on_data: bool = True
    """Whether it may train on them."""

    classes: tuple[DataClass, ...] = Field(min_length=1)
    """Data classes that the agreement covers."""

    document: str = Field(min_length=3, max_length=300)
    """Where it is written: the contract's name and number, or the address of the terms."""

    date: Day
    """Day of that document, or on which it was read where it has none."""


class HostedLimits(Strict):
    """What the provider allows, so that it is not asked for more."""

    rpm: int | None = Field(None, ge=1)
    """Most requests a minute."""

    tpm: int | None = Field(None, ge=1)
    """Most tokens a minute."""


class HostedBase(Strict):
    """What every hosted deployment has."""

    name: HostedName
    """Name of the deployment: routes name it, and spend and the log of decisions show it."""

    model: ModelId
    """The model as the provider calls it."""

    region: Place
    """Where text is processed: the provider's region, or 'us', 'eu', 'global' where it has none."""

    agreement: AgreementSettings
    """What the provider has promised."""

    price: TokenPrice
    """What tokens cost."""

    context_tokens: int = Field(ge=1)
    """Longest sequence, prompt and answer together, in tokens."""

    runner: Literal["generate", "embed"] = "generate"
    """What comes back: text, or an embedding vector."""

    limits: HostedLimits = HostedLimits()
    """What the provider allows."""

    @property
    def place(self) -> str:
        """Where text may be processed, by which data classes judge."""
        return self.region


class KeyedHosted(HostedBase):
    """A hosted deployment for which a key is needed."""

    secret: HostedName | None = None
    """Which secret has the key: `provider-NAME` in the store, for this NAME. Without a value the deployment's own
    name; deployments of one account share one."""

    @property
    def secret_name(self) -> str:
        """Name of the secret."""
        return f"provider-{self.secret or self.name}"


_PROFILE = re.compile(r"(us|us-gov|eu|apac|jp|au|ca|global)\.[a-z]")
"""How ids of inference profiles begin (Bedrock user guide, "Supported cross-Region inference profiles")."""


class Bedrock(HostedBase):
    """Amazon Bedrock, by the gateway's own role: there is no key. A model whose id begins with a geography, such as
    `us.` or `global.`, is an inference profile: it is called in `region`, and text may be processed anywhere in that
    geography, which is then what data classes must allow."""

    kind: Literal["bedrock"]
    """Amazon Bedrock."""

    @property
    def place(self) -> str:
        """The geography of an inference profile, or the region."""
        found = _PROFILE.match(self.model)
        return found[1] if found else self.region

    @property
    def secret_name(self) -> str | None:
        """There is none."""
        return None


class Vertex(KeyedHosted):
    """Google Vertex AI. The secret is a credential file: better that of a workload identity federation, which holds
    no key, than a service account's."""

    kind: Literal["vertex"]
    """Google Vertex AI."""

    project: Annotated[
        str,
        matching(
            r"[a-z][a-z0-9-]{4,28}[a-z0-9]",
            "is not a Google project id; allowed: 6 to 30 lower-case letters, digits and hyphens",
        ),
    ]
    """Google Cloud project."""


class AzureOpenAi(KeyedHosted):
    """Azure OpenAI."""

    kind: Literal["azureOpenAi"]
    """Azure OpenAI; `model` is the deployment's name there."""

    endpoint: Url
    """The resource's address, such as https://NAME.openai.azure.com."""

    api_version: Annotated[
        str,
        matching(
            r"\d{4}-\d{2}-\d{2}(-preview)?|v1|preview",
            "is not a version of Azure's API; allowed: a day such as '2024-10-21', with -preview or without",
        ),
    ]
    """Version of the API."""


class OpenAi(KeyedHosted):
    """OpenAI itself."""

    kind: Literal["openAi"]
    """OpenAI."""

    organization: Annotated[str, Field(min_length=1, max_length=100)] | None = None
    """Organization that pays, where the key is of several."""


class Together(KeyedHosted):
    """Together AI."""

    kind: Literal["together"]
    """Together AI."""


class OpenAiCompatible(HostedBase):
    """Any service with OpenAI's API."""

    kind: Literal["openAiCompatible"]
    """Any service with OpenAI's API."""

    url: SandboxUrl
    """Its address, the path before /chat/completions included, such as https://llm.example.com/v1."""

    secret: HostedName | None = None
    """Which secret has the key: `provider-NAME` in the store, for this NAME; without a value the deployment's own
    name."""

    needs_key: bool = True
    """Whether it wants a key."""

    @property
    def secret_name(self) -> str | None:
        """Name of the secret; None where no key is needed."""
        return f"provider-{self.secret or self.name}" if self.needs_key else None


HostedSettings = Annotated[
    Annotated[Bedrock, Tag("bedrock")]
    | Annotated[Vertex, Tag("vertex")]
    | Annotated[AzureOpenAi, Tag("azureOpenAi")]
    | Annotated[OpenAi, Tag("openAi")]
    | Annotated[Together, Tag("together")]
    | Annotated[OpenAiCompatible, Tag("openAiCompatible")],
    by_kind(),
]
"""A hosted deployment."""
