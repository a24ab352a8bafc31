"""Under which licence a model may be used: a name that everybody reads the same way."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Final

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

from bastide.models.errors import ModelError

MODEL_LICENCES: Final = frozenset(
    {
        *("apple-amlr", "apple-ascl", "bigcode-openrail-m", "bigscience-bloom-rail-1.0"),
        *("bigscience-openrail-m", "creativeml-openrail-m", "deepfloyd-if-license", "gemma", "h-research"),
        *("intel-research", "llama2", "llama3", "llama3.1", "llama3.2", "llama3.3", "llama4", "openrail"),
        *("openrail++", "open-mdw"),
    }
)
"""Licences of models that SPDX does not list, as the Hugging Face hub names them (hub documentation,
"Licenses")."""

OTHER: Final = "other:"
"""Leads a licence that has no such name: the rest says which, or where it can be read."""


def canonical(licence: str) -> str:
    """The licence as SPDX or the hub spells it. Raises ModelError where it is neither, nor `other:` and a
    text."""
    given = licence.strip()
    if given.lower().startswith(OTHER):
        text = given[len(OTHER) :].strip()
        if not text:
            raise _refused(licence, "says nothing after 'other:'")
        return f"{OTHER}{text}"
    if given.lower() in MODEL_LICENCES:
        return given.lower()
    if not given:
        raise _refused(licence, "is empty")
    try:
        found = str(canonicalize_license_expression(given))
    except InvalidLicenseExpression:
        near = get_close_matches(given.lower(), sorted(MODEL_LICENCES), 1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise _refused(licence, f"is no licence that SPDX or the hub names{hint}") from None
    if "LicenseRef-" in found:
        # Allowed by SPDX for any name at all, which is what `other:` is for.
        raise _refused(licence, "names a licence of its own by LicenseRef-")
    return found


def same(one: str, other: str) -> bool:
    """Whether two licences are one, however they are spelt; one that is none equals itself alone."""
    try:
        return canonical(one) == canonical(other)
    except ModelError:
        return one == other


def check_source(source: str) -> None:
    """Raises ModelError where a manifest would not say where its model came from."""
    if not source.strip():
        raise ModelError(
            "the model's source is empty: say where it came from, such as "
            "https://huggingface.co/ORG/MODEL@REVISION; whoever audits the bucket has nothing else to go by"
        )


def _refused(licence: str, why: str) -> ModelError:
    return ModelError(
        f"the licence {licence!r} {why}: give an SPDX expression such as Apache-2.0, a model licence such as llama3.3 "
        "or gemma, or 'other:' and its name or address; it decides who may use the model"
    )
