"""What nobody foresaw is logged and gone on from: no thread dies of it, no cluster ends of it."""

import logging
from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sandbox.aws.eks import lifecycle
from sandbox.aws.eks.store import Store
from sandbox.aws.settings import Settings
from sandbox.cluster.emulator import Emulator
from sandbox.daemon.view import View
from tests.sandbox_cluster import samples
from tests.waits import until


class _OddApiServer:
    """Answers what no API server does."""

    def __init__(self) -> None:
        self.asked = 0

    def request(self, *_: Any, **__: Any) -> dict[str, Any]:
        self.asked += 1
        return {}

    apply = merge = request


def test_the_threads_of_a_cluster_outlive_an_answer_that_nobody_foresaw(
    caplog: pytest.LogCaptureFixture,
) -> None:
    api = _OddApiServer()
    emulator = Emulator(api, samples.cluster(), lambda _: None)  # type: ignore[arg-type]
    try:
        assert until(lambda: api.asked >= 3)
        assert all(thread.is_alive() for thread in emulator._threads)
    finally:
        emulator.stop()
    assert "KeyError" in caplog.text


class _Refusing(View):
    """A view whose AWS throttles on demand."""

    throttled = False

    def _cluster(self, document: dict[str, Any]) -> Any:
        if self.throttled:
            raise ClientError({"Error": {"Code": "ThrottlingException"}}, "DescribeNodegroup")
        return replace(samples.cluster(), issuer=document["oidcIssuer"], status=document["status"])


class _Aws:
    def __init__(self) -> None:
        self.documents = [
            {"region": "us-east-1", "name": "one", "oidcIssuer": "https://a", "status": "ACTIVE"}
        ]

    def clusters(self) -> list[dict[str, Any]]:
        return self.documents


def test_a_cluster_whose_details_cannot_be_read_now_is_not_taken_for_deleted() -> None:
    aws = _Aws()
    view = _Refusing(aws)  # type: ignore[arg-type]
    view.throttled = True
    assert view.clusters() == []
    view.throttled = False
    (before,) = view.clusters()
    view.throttled = True
    assert view.clusters() == [before]
    aws.documents[0]["status"] = "DELETING"
    assert [cluster.status for cluster in view.clusters()] == ["DELETING"]
    aws.documents[0]["oidcIssuer"] = "https://b"  # another cluster of the same name
    assert view.clusters() == []
    aws.documents.clear()
    assert view.clusters() == []


def test_a_cluster_that_cannot_advance_is_said_once_and_holds_up_no_other(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Named:
        def __init__(self, arn: str) -> None:
            self.arn = arn

    advanced = []

    def advance(store: Store, cluster: Any, settings: Settings) -> None:
        if cluster.arn == "arn:bad":
            raise KeyError("instance")
        advanced.append(cluster.arn)

    monkeypatch.setattr(lifecycle, "_advance_cluster", advance)
    store = Store()
    store.clusters[("r", "bad")], store.clusters[("r", "good")] = Named("arn:bad"), Named("arn:good")  # type: ignore[assignment]
    with caplog.at_level(logging.ERROR):
        for _ in range(3):
            lifecycle.advance(store, Settings())
    assert advanced == ["arn:good"] * 3
    assert [record.message for record in caplog.records] == ["arn:bad did not advance; each step tries again"]
