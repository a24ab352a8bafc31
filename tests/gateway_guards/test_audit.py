"""The audit trail: locked objects, chains that show every gap, and a spool that loses nothing."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from bastide_gateway.audit_chain import main, problems
from bastide_gateway.audit_objects import Objects
from bastide_gateway.audit_settings import AuditSettings, read
from bastide_gateway.audit_spool import Spool
from bastide_gateway.call import Attempt, Call, Caller
from bastide_gateway.document import GuardEntry
from bastide_gateway.errors import Refused, StartError
from bastide_gateway.frame import Frame, Hung
from bastide_gateway.guards.audit import Audit, line, make
from botocore.exceptions import ClientError, EndpointConnectionError
from moto import mock_aws

from tests.gateway.gateway_samples import table

BUCKET = "bastide-audit"
DAYS = ["public=30", "internal=90", "confidential=365", "regulated=2555"]


def settings(tmp_path: Path, **changes: Any) -> AuditSettings:
    return read(
        {"bucket": BUCKET, "region": "us-east-1", "days": DAYS, "spool": str(tmp_path / "spool"), **changes}
    )


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    with mock_aws():
        client = boto3.client("s3", region_name="us-east-1")
        client.create_bucket(Bucket=BUCKET, ObjectLockEnabledForBucket=True)
        yield client


def call(number: int = 1, data_class: str | None = "public") -> Call:
    made = Call(f"r-{number}", path="/v1/chat/completions")
    made.data_class, made.route, made.outcome, made.status = data_class, "chat", "ok", 200
    made.caller = Caller("a" * 64, "research")
    made.attempts.append(Attempt("chat-engine", "chat@public"))
    made.facts["pii.PHONE"] = 2
    made.notes["pii"] = {"<PHONE_1>": "0912345678"}
    return made


def written(client: Any) -> list[tuple[str, bytes]]:
    found = client.list_objects_v2(Bucket=BUCKET).get("Contents", ())
    return [(one["Key"], client.get_object(Bucket=BUCKET, Key=one["Key"])["Body"].read()) for one in found]


def run(guard: Audit, *calls: Call) -> None:
    async def all_of_it() -> None:
        await guard.start()
        for one in calls:
            await guard.check_request(one, {})
            await guard.finished(one)
        await guard.stop()

    asyncio.run(all_of_it())


def test_each_class_has_its_objects_each_locked_for_its_days(s3: Any, tmp_path: Path) -> None:
    run(Audit(settings(tmp_path)), call(1), call(2), call(3, "regulated"), call(4, None))
    objects = written(s3)
    assert [key.split("/")[1] for key, _ in objects] == ["public", "regulated"]
    for key, data in objects:
        head, *lines = [json.loads(one) for one in data.splitlines()]
        name = head["class"]
        held = s3.head_object(Bucket=BUCKET, Key=key)
        days = {"public": 30, "regulated": 2555}[name]
        assert held["ObjectLockMode"] == "COMPLIANCE"
        assert abs(held["ObjectLockRetainUntilDate"] - datetime.now(UTC) - timedelta(days=days)) < timedelta(
            minutes=5
        )
        version = held["VersionId"]
        with pytest.raises(ClientError, match="AccessDenied"):
            s3.delete_object(Bucket=BUCKET, Key=key, VersionId=version)
        # Who was refused before anything was known of him counts as the strictest.
        assert [one["request"] for one in lines] == {"public": ["r-1", "r-2"], "regulated": ["r-3", "r-4"]}[
            name
        ]
        assert head["end"] == "stopped"
    assert list(problems(objects)) == []
    assert main([BUCKET]) == 0
    assert list((tmp_path / "spool").iterdir()) == []


def test_a_line_says_what_was_decided_and_no_text() -> None:
    said = line(call())
    assert said["facts"] == {"pii.PHONE": 2}
    assert said["attempts"] == [["chat-engine", "chat@public", None]]
    assert said["key"] == "a" * 64
    assert "0912345678" not in json.dumps(said)


def test_the_administration_is_told_in_the_strictest_class_and_stops_where_it_cannot_be(
    s3: Any, tmp_path: Path
) -> None:
    held = settings(tmp_path)
    guard = Audit(held)
    guard.name = "audit"
    document = table()
    hung = Frame(document, (Hung(GuardEntry("audit", "a.module", 2000, "refuse", {}), guard),))
    record = {"log": "bastide.administration", "request_id": "r-1", "asked": {"key": "a" * 64}}

    async def all_of_it() -> None:
        await hung.start()
        await hung.administrable()
        await hung.administered(call(), record)
        guard._spool._bytes = held.spool_bytes
        with pytest.raises(Refused, match=r"503 administration_untold.*the audit spool is full"):
            await hung.administrable()
        # A line that does not fit is counted, and keeps the next change out when there is room again.
        await hung.administered(call(), record)
        guard._spool._bytes = 0
        with pytest.raises(Refused, match="the audit spool cannot be written"):
            await hung.administrable()
        await hung.stop()

    asyncio.run(all_of_it())
    ((key, data),) = written(s3)
    assert key.split("/")[1] == "regulated"
    _, told, summary = [json.loads(one) for one in data.splitlines()]
    assert told == record
    assert summary["linesLost"] == 1


def chain(s3: Any, tmp_path: Path) -> list[tuple[str, bytes]]:
    held = settings(tmp_path)
    spool, objects = Spool(held.spool, held.days, held.spool_bytes), Objects(held, s3)
    spool.open()
    for number in range(4):
        spool.append("public", line(call(number)))
        spool.seal(number == 3)
    for sealed in spool.sealed():
        objects.put(sealed)
        spool.written(sealed)
    return written(s3)


def test_a_gap_a_change_and_a_lost_end_show(s3: Any, tmp_path: Path) -> None:
    objects = chain(s3, tmp_path)
    assert len(objects) == 4
    assert list(problems(objects)) == []
    assert "number 2 is missing" in "\n".join(problems([objects[0], *objects[2:]]))
    assert "number 1 is missing" in "\n".join(problems(objects[1:]))
    assert "no end after number 3" in "\n".join(problems(objects[:3]))
    key, data = objects[1]
    changed = data.replace(b"research", b"someteam")
    (found,) = problems([objects[0], (key, changed), *objects[2:]])
    assert "does not follow the object before it" in found
    shorter = b"\n".join(data.splitlines()[:-1]) + b"\n"
    assert "0 lines and says 1" in "\n".join(problems([objects[0], (key, shorter), *objects[2:]]))
    assert "stands twice" in "\n".join(problems([*objects, objects[1]]))
    assert "no object of the audit trail" in "\n".join(problems([("x", b"hello\n")]))


def test_what_a_killed_process_left_is_written_by_the_next_one(s3: Any, tmp_path: Path) -> None:
    held = settings(tmp_path)
    killed = Spool(held.spool, held.days, held.spool_bytes)
    killed.open()
    killed.append("public", line(call(1)))
    killed.seal(False)
    killed.append("public", line(call(2)))
    with (held.spool / f"{killed.writer}.public.open").open("ab") as file:
        file.write(b'{"request": "r-')  # killed in the middle of a line
    run(Audit(held), call(3))
    objects = written(s3)
    assert list(problems(objects)) == []
    heads = [json.loads(data.splitlines()[0]) for _, data in objects if killed.writer.encode() in data]
    assert [(one["number"], one.get("end")) for one in heads] == [(1, None), (2, "killed")]
    lines = [json.loads(one) for _, data in objects for one in data.splitlines()[1:]]
    assert sorted(one["request"] for one in lines) == ["r-1", "r-2", "r-3"]


def test_an_object_whose_answer_was_lost_is_not_written_twice(s3: Any, tmp_path: Path) -> None:
    held = settings(tmp_path)
    spool, objects = Spool(held.spool, held.days, held.spool_bytes), Objects(held, s3)
    spool.open()
    spool.append("public", line(call()))
    spool.seal(True)
    (sealed,) = spool.sealed()
    objects.put(sealed)
    objects.put(sealed)
    versions = s3.list_object_versions(Bucket=BUCKET)["Versions"]
    assert len(versions) == 1


class Dead:
    """S3 that is not there."""

    def put_object(self, **_: Any) -> None:
        raise EndpointConnectionError(endpoint_url="https://s3.example.com")


def test_while_s3_is_away_lines_wait_and_a_full_spool_refuses(tmp_path: Path) -> None:
    held = settings(tmp_path, spoolMib=1, batchSeconds=1)
    guard = Audit(held, Objects(held, Dead()))

    async def until_full() -> int:
        await guard.start()
        count = 0

        async def go_on() -> None:
            nonlocal count
            for count in range(5000):
                await guard.check_request(call(count), {})
                await guard.finished(call(count))

        with pytest.raises(OSError, match="full"):
            await go_on()
        guard._spool._bytes = held.spool_bytes
        assert "the audit spool is full" in (await guard.ready() or "")
        with pytest.raises(OSError, match="audit spool is full"):
            await guard.check_request(call(), {})
        with pytest.raises(EndpointConnectionError):
            await guard.stop()
        return count

    assert asyncio.run(until_full()) > 1000
    # Nothing was lost: it all is on the disk.
    again = Spool(held.spool, held.days, held.spool_bytes)
    lines = sum(len(one.file.read_bytes().splitlines()) - 1 for one in again.sealed())
    assert lines > 1000


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"bucket": "UPPER"}, "no name of a bucket"),
        ({"prefix": "../x"}, "prefix"),
        ({"mode": "OFF"}, "COMPLIANCE, GOVERNANCE"),
        ({"days": DAYS[:3]}, "nothing is said of regulated"),
        ({"days": [*DAYS[:3], "regulated=0"]}, "'regulated=0'"),
        ({"days": [*DAYS, "secret=9"]}, "'secret=9'"),
        ({"spoolMib": 0}, "1 to 4096"),
        ({"batchSeconds": "10"}, "1 to 300"),
        ({"buckett": "x"}, "not known: ['buckett']"),
    ],
)
def test_settings_that_cannot_work_keep_the_gateway_from_starting(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(StartError) as refused:
        make({"bucket": BUCKET, "region": "us-east-1", "days": DAYS, **changes})
    assert says in str(refused.value)
