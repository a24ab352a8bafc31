"""The base of every settings model, and the types that several share.

A type's check states what is allowed, why, and what to do; the loader puts the value and its path in front.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from ipaddress import AddressValueError, IPv4Network, NetmaskValueError
from typing import Annotated, Any, Final

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    PlainSerializer,
    WithJsonSchema,
    model_validator,
)
from pydantic.alias_generators import to_camel

from bastide.settings.errors import choices

UNRESOLVED: Final = "unresolved"
"""Stands for a digest or version that was not looked up yet: nothing is invented. Only a sandbox runs with
it."""


class UnusableError(Exception):
    """A value that has its own mistake was asked for; a check that needs it is left out (see `checks`)."""


class Strict(BaseModel):
    """Frozen, knows every key it takes, camelCase in the stack file and snake_case in Python."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        populate_by_name=True,
        use_attribute_docstrings=True,
    )

    @model_validator(mode="before")
    @classmethod
    def _completed(cls, raw: Any) -> Any:
        return cls.completed(raw) if isinstance(raw, Mapping) else raw

    @classmethod
    def completed(cls, raw: Mapping[str, Any]) -> dict[str, Any]:
        """`raw` with what each of its values that is given in part must have, from the setting's default: an image's
        digest may be written alone. What the part may leave out anyway is not taken over: a default's digest is
        not that of another tag."""
        result = dict(raw)
        for name, field in cls.model_fields.items():
            key = name if name in raw else field.alias or name
            given, default = raw.get(key), field.default
            if (
                isinstance(given, Mapping)
                and isinstance(default, Strict)
                and type(default) is field.annotation
            ):
                required = default.required()
                result[key] = {
                    **{inner: value for inner, value in required.items() if inner not in given},
                    **given,
                }
        return result

    def required(self) -> dict[str, Any]:
        """The values that this model has no default for, by their names in the stack file."""
        return {
            info.alias or name: getattr(self, name)
            for name, info in type(self).model_fields.items()
            if info.is_required()
        }

    def __getattr__(self, name: str) -> Any:
        # Reached only for what is not set: in a model that the loader salvaged from mistaken input, the
        # mistaken fields are absent.
        if name in type(self).model_fields:
            raise UnusableError(name)
        raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")


def matching(pattern: str, rule: str) -> AfterValidator:
    """A check that the whole value matches; `rule` is said when it does not."""
    # ASCII: otherwise \d would take the digits of every script, which AWS does not.
    compiled = re.compile(pattern, re.ASCII)

    def check(value: str) -> str:
        if not compiled.fullmatch(value):
            raise ValueError(rule)
        return value

    return AfterValidator(check)


def label(longest: int) -> AfterValidator:
    """A DNS label of at most `longest` characters (63 is Kubernetes' own limit, RFC 1123)."""
    return matching(
        rf"(?=.{{1,{longest}}}$)[a-z]([a-z0-9-]*[a-z0-9])?",
        f"is not a DNS label of at most {longest} characters; allowed: lower-case letters, digits and inner "
        "hyphens, starting with a letter; it becomes part of Kubernetes and AWS names; rename it",
    )


AccountId = Annotated[
    str,
    matching(
        r"\d{12}",
        "is not an AWS account id; allowed: exactly 12 digits, in quotes so that leading zeros are kept; "
        "`aws sts get-caller-identity` prints it",
    ),
]

Sha256 = Annotated[
    str,
    matching(
        rf"{UNRESOLVED}|[0-9a-f]{{64}}",
        "is not a SHA-256; allowed: 64 lower-case hexadecimal digits, which `bastide model verify DIR` prints, "
        "or 'unresolved' in a sandbox",
    ),
]

Digest = Annotated[
    str,
    matching(
        rf"{UNRESOLVED}|sha256:[0-9a-f]{{64}}",
        "is not an image digest; allowed: 'sha256:' and 64 hexadecimal digits, or 'unresolved' in a sandbox; "
        "a tag alone can be moved to another image; take it from the registry",
    ),
]

Version = Annotated[
    str,
    matching(
        r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)",
        "is not a version; allowed: MAJOR.MINOR.PATCH such as '1.0.0', in quotes; a version is "
        "published once "
        "and never changes",
    ),
]

PrincipalArn = Annotated[
    str,
    matching(
        r"arn:aws:iam::\d{12}:(user|role)/[\w+=,.@/-]+",
        "is not the ARN of an IAM user or role; allowed: arn:aws:iam::<account>:role/<name> or user/<name>; "
        "an access entry names exactly one principal",
    ),
]


def _network(value: object) -> IPv4Network:
    if isinstance(value, IPv4Network):
        return value
    try:
        return IPv4Network(str(value))
    except (AddressValueError, NetmaskValueError, ValueError) as error:
        raise ValueError(
            f"is not an IPv4 block ({error}); allowed: an address and a prefix length such as "
            "10.0.0.0/16, with "
            "no bit set behind the prefix"
        ) from None


Cidr = Annotated[
    IPv4Network,
    BeforeValidator(_network),
    PlainSerializer(str),
    WithJsonSchema({"type": "string", "format": "ipv4-network"}),
]


@lru_cache(maxsize=1)
def eks_regions() -> tuple[str, ...]:
    """Regions of the `aws` partition in which EKS is offered, from botocore's own endpoint data (no
    request)."""
    from botocore.loaders import Loader
    from botocore.regions import EndpointResolver

    # Not by a session: that would read the user's profile, and fail with it.
    own = Loader(extra_search_paths=[Loader.BUILTIN_DATA_PATH], include_default_search_paths=False)
    resolver = EndpointResolver(own.load_data("endpoints"), uses_builtin_data=True)
    return tuple(resolver.get_available_endpoints("eks"))


def _region(value: str) -> str:
    if value not in eks_regions():
        raise ValueError(f"is not a region with EKS{choices(value, eks_regions())}")
    return value


Region = Annotated[str, AfterValidator(_region)]
