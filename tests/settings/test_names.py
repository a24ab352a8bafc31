"""Names stay within their services' limits for whatever settings allow."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from bastide import names
from bastide.settings import Environment
from bastide.settings.base import eks_regions


def dns_labels(longest: int) -> st.SearchStrategy[str]:
    return st.from_regex(rf"[a-z]([a-z0-9-]{{0,{longest - 2}}}[a-z0-9])?", fullmatch=True)


installations = st.tuples(
    dns_labels(names.MAX_NAME), st.sampled_from(list(Environment)), st.sampled_from(eks_regions())
)


@given(installations, dns_labels(names.MAX_ENGINE), dns_labels(names.MAX_POOL))
def test_role_names_fit_in_iams_64_characters(
    installation: tuple[str, Environment, str], engine: str, pool: str
) -> None:
    prefix = names.prefix(*installation)
    for suffix in (f"engine-{engine}", f"pool-{pool}", f"pool-{pool}-od", "flow-logs", "vpc-cni", "cluster"):
        assert len(f"{prefix}-{suffix}") <= 64


@given(installations, st.from_regex(r"[0-9]{12}", fullmatch=True))
def test_the_bucket_name_is_one_that_s3_takes(
    installation: tuple[str, Environment, str], account: str
) -> None:
    assert re.fullmatch(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]", names.model_bucket(*installation, account))


@given(dns_labels(names.MAX_ENGINE))
def test_a_release_name_leaves_room_in_helms_53_characters(engine: str) -> None:
    assert len(names.engine_release(engine)) <= 53
    assert names.service_account(engine) == names.engine_release(engine)


def test_one_models_prefix_never_contains_another_versions() -> None:
    assert not names.model_prefix("m", "1.0.10").startswith(names.model_prefix("m", "1.0.1"))


def test_the_environment_appears_by_its_value_and_not_as_an_enum() -> None:
    assert names.prefix("bastide", Environment.SANDBOX, "us-east-1") == "bastide-sandbox-us-east-1"


def test_equal_policies_are_equal_text() -> None:
    assert names.policy_document({"b": 1, "a": 2}) == names.policy_document({"a": 2, "b": 1})
