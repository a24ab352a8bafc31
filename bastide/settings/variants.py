"""Settings of which there are several kinds: one mapping, told apart by its `kind`.

    Capacity = Annotated[
        Annotated[OnDemand, Tag("onDemand")] | Annotated[Spot, Tag("spot")], by_kind("onDemand")
    ]

Each model has a field `kind: Literal["..."]`, which the default variant may leave out.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, Discriminator, Tag


def by_kind(default: str | None = None) -> Discriminator:
    """Chooses the variant by `kind`; `default` is the one meant when the mapping has none."""

    def chosen(value: Any) -> str | None:
        given = value.get("kind", default) if isinstance(value, Mapping) else getattr(value, "kind", default)
        return None if given is None else str(given)

    return Discriminator(chosen)


def variants(annotation: Any) -> dict[str, type[BaseModel]]:
    """The models of an annotation by their kind; empty when it has no variants."""
    if get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    if get_origin(annotation) not in (Union, UnionType):
        return {}
    found: dict[str, type[BaseModel]] = {}
    for member in get_args(annotation):
        if get_origin(member) is Annotated:
            model, *metadata = get_args(member)
            found |= {each.tag: model for each in metadata if isinstance(each, Tag)} or variants(model)
    return found


def variant_of(annotation: Any, raw: Any) -> type[BaseModel] | None:
    """The model that a raw mapping is meant for; None when it says no known kind."""
    models = variants(annotation)
    given = raw.get("kind") if isinstance(raw, Mapping) else None
    if given is not None:
        return models.get(str(given))
    for model in models.values():
        if "kind" in model.model_fields and not model.model_fields["kind"].is_required():
            return model
    return None
