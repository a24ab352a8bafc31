"""Settings of several kinds: chosen by `kind`, and mistakes in them are told by the path in the file."""

from __future__ import annotations

from typing import Annotated, Literal

import pytest
from pydantic import Field, Tag, ValidationError

from bastide.settings.base import Strict
from bastide.settings.errors import from_pydantic
from bastide.settings.variants import by_kind, variant_of, variants


class Fixed(Strict):
    kind: Literal["fixed"] = "fixed"
    """The kind."""
    node_count: int = Field(ge=1)
    """Nodes wanted."""


class Lent(Strict):
    kind: Literal["lent"]
    """The kind."""
    until: str
    """When they go back."""


Size = Annotated[Annotated[Fixed, Tag("fixed")] | Annotated[Lent, Tag("lent")], by_kind("fixed")]
Owner = Annotated[Annotated[Fixed, Tag("fixed")] | Annotated[Lent, Tag("lent")], by_kind()]


class Whole(Strict):
    sizes: tuple[Size, ...] = ()
    """Sizes."""
    one: Size = Fixed(node_count=1)
    """One size."""
    owner: Owner | None = None
    """Has no default kind."""


def told(raw: dict[str, object]) -> list[str]:
    with pytest.raises(ValidationError) as caught:
        Whole.model_validate(raw, by_alias=True, by_name=False)
    return [str(from_pydantic(Whole, each, ())) for each in caught.value.errors()]


def test_the_kind_chooses_and_the_default_may_be_left_out() -> None:
    whole = Whole.model_validate({"sizes": [{"nodeCount": 2}, {"kind": "lent", "until": "May"}]})
    assert [type(each) for each in whole.sizes] == [Fixed, Lent]


@pytest.mark.parametrize(
    ("raw", "path", "said"),
    [
        (
            {"one": {"nodeCount": 0}},
            "one.nodeCount",
            "greater than or equal to 1 (this setting: Nodes wanted)",
        ),
        ({"sizes": [{}, {"kind": "lent"}]}, "sizes[1].until", "is required and was not given"),
        (
            {"one": {"kind": "lnet"}},
            "one.kind",
            "'lnet' is no kind of it (did you mean 'lent'?); allowed: fixed, lent",
        ),
        ({"one": {"nodeCont": 1}}, "one.nodeCont", "did you mean 'nodeCount'?); allowed: kind, nodeCount"),
        ({"owner": {"until": "May"}}, "owner.kind", "is required and was not given; allowed: fixed, lent"),
        ({"one": 3}, "one", "3 is not a mapping of settings"),
    ],
)
def test_a_mistake_has_the_path_in_the_file(raw: dict[str, object], path: str, said: str) -> None:
    lines = told(raw)
    assert any(line.startswith(f"bastide:{path}: ") and said in line for line in lines), lines


def test_the_variant_meant_by_a_mistaken_mapping() -> None:
    assert set(variants(Size)) == {"fixed", "lent"}
    assert variant_of(Size, {"nodeCount": "x"}) is Fixed
    assert variant_of(Size, {"kind": "lent"}) is Lent
    assert variant_of(Size, {"kind": "other"}) is None
    assert variant_of(int, {}) is None
