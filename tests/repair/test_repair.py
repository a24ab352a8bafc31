"""`bastide stack repair` on the real engine: killed in the middle, repaired, converged, nothing twice."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bastide.repair.stack import LEFT_TO_YOU, REFUSED, REPAIRED, Stack, repair
from tests.toolchain.project import Project, create
from tests.waits import PATIENCE_S, until

pytestmark = pytest.mark.world

URN = "urn:pulumi:test::small::tiny:index:Thing::a"
FINDERS = {"tiny:index:Thing": lambda inputs, cloud: [inputs["name"]]}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.setenv("BASTIDE_SANDBOX_HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    return create(tmp_path)


def locks(project: Project) -> list[Path]:
    return list((project.backend / ".pulumi" / "locks").glob("**/*.json"))


def kill_when(project: Project, condition: Callable[[], object]) -> None:
    """Starts `up` and kills its engine with -9 once the condition holds and the operation is written down."""
    run = project.start("up", "--yes", "--skip-preview")
    until(condition)
    run.kill()
    run.communicate(timeout=PATIENCE_S)


def in_state(project: Project, operation: str) -> bool:
    """Whether the state holds such an operation of a Thing: the stack and the provider are made before, in the same
    way, and a run that is killed then leaves nothing that may exist."""
    try:
        kept = json.loads((project.backend / ".pulumi/stacks/small/test.json").read_text())
    except FileNotFoundError:
        return False  # not there yet, or under its next name for a moment
    pending = (kept["checkpoint"]["latest"] or {}).get("pending_operations") or []
    return any(
        each["type"] == operation and each["resource"]["type"] == "tiny:index:Thing" for each in pending
    )


def mend(project: Project, **options) -> tuple[int, str]:
    said: list[str] = []
    stack = Stack("test", project.folder, project.environment())
    status = repair(stack, say=said.append, **{"finders": FINDERS, **options})
    return status, "\n".join(said)


def test_a_thing_that_was_made_but_not_reported_is_adopted_and_not_made_twice(project: Project) -> None:
    project.configure(a={"name": "one", "size": 1, "linger": 20}, b={"name": "two", "size": 1})
    kill_when(project, lambda: {"one", "two"} <= set(project.things()))
    assert "currently locked" in project.pulumi("up", "--yes", "--skip-preview", status=1)

    status, said = mend(project)
    assert status == REPAIRED
    assert "lifting the lock" in said
    assert "may exist as one" in said
    assert "in the stack, as the cloud has it" in said

    project.configure(a={"name": "one", "size": 2}, b={"name": "two", "size": 1})
    project.pulumi("up", "--yes", "--skip-preview")
    assert set(project.things()) == {"one", "two"}
    assert project.things()["one"]["size"] == 2
    project.pulumi("destroy", "--yes", "--skip-preview")
    assert project.things() == {}


def test_a_thing_that_was_not_made_is_made_by_the_next_run(project: Project) -> None:
    project.configure(a={"name": "one", "size": 1, "delay": 20})
    kill_when(project, lambda: in_state(project, "creating"))
    status, said = mend(project)
    assert status == REPAIRED
    assert "does not exist" in said
    project.configure(a={"name": "one", "size": 1})
    assert "pending" not in project.pulumi("up", "--yes", "--skip-preview")
    assert set(project.things()) == {"one"}


def test_a_replacement_that_was_killed_leaves_one_thing(project: Project) -> None:
    project.configure(a={"name": "one", "size": 1})
    project.pulumi("up", "--yes", "--skip-preview")
    project.configure(a={"name": "two", "size": 1, "linger": 20})
    kill_when(project, lambda: "two" in project.things())
    assert mend(project)[0] == REPAIRED
    project.configure(a={"name": "two", "size": 1})
    project.pulumi("up", "--yes", "--skip-preview")
    assert set(project.things()) == {"two"}


def test_what_cannot_be_found_is_left_to_the_operator_until_its_id_is_given(project: Project) -> None:
    project.configure(a={"name": "one", "size": 1, "random": True, "linger": 20})
    kill_when(project, lambda: project.things())
    status, said = mend(project, finders={})
    assert status == LEFT_TO_YOU
    assert f"not settled: {URN}" in said
    (made,) = project.things()
    assert mend(project, finders={}, ids={URN: made})[0] == REPAIRED
    project.configure(a={"name": "one", "size": 1, "random": True})
    project.pulumi("up", "--yes", "--skip-preview")
    assert set(project.things()) == {made}


def test_what_the_operator_says_was_not_made_is_forgotten(project: Project) -> None:
    project.configure(a={"name": "one", "size": 1, "random": True, "delay": 20})
    kill_when(project, lambda: in_state(project, "creating"))
    status, said = mend(project, finders={}, absent=frozenset({URN}))
    assert status == REPAIRED, said


def test_attributes_that_were_cut_off_are_removed_and_the_state_stays(project: Project) -> None:
    project.configure(a={"name": "one", "size": 1, "linger": 20})
    kill_when(project, lambda: project.things())
    folder = project.backend / ".pulumi/stacks/small"
    state = (folder / "test.json").read_text()
    (folder / "test.json.attrs").write_text("")
    (folder / "test.json.0123.tmp").write_text(state[:20])
    assert "EOF" in project.pulumi("stack", "export", status=1)
    status, said = mend(project)
    assert status == REPAIRED, said
    assert "removing test.json.attrs" in said
    assert not (folder / "test.json.0123.tmp").exists()
    project.configure(a={"name": "one", "size": 1})
    project.pulumi("up", "--yes", "--skip-preview")
    assert set(project.things()) == {"one"}


def test_a_run_killed_before_its_first_resource_is_repaired(project: Project) -> None:
    project.configure(a={"name": "one", "size": 1})
    project.pulumi("up", "--yes", "--skip-preview")
    file = project.backend / ".pulumi/stacks/small/test.json"
    content = json.loads(file.read_text())
    latest = content["checkpoint"]["latest"]
    root = next(r for r in latest.pop("resources") if r["type"] == "pulumi:pulumi:Stack")
    latest["pending_operations"] = [{"resource": root, "type": "creating"}]
    file.write_text(json.dumps(content))
    assert mend(project, finders={}) == (REPAIRED, "repaired: `pulumi up` can go on")


def test_a_stack_in_order_is_left_as_it_is(project: Project) -> None:
    project.configure(a={"name": "one", "size": 1})
    project.pulumi("up", "--yes", "--skip-preview")
    before = project.pulumi("stack", "export")
    status, said = mend(project)
    assert status == REPAIRED
    assert "no operation was under way" in said
    assert project.pulumi("stack", "export") == before


def test_a_urn_that_nothing_under_way_has_is_refused(project: Project) -> None:
    project.configure(a={"name": "one", "size": 1})
    project.pulumi("up", "--yes", "--skip-preview")
    before = project.pulumi("stack", "export")
    status, said = mend(project, absent=frozenset({URN}))
    assert status == REFUSED
    assert f"{URN}: no creation of it is under way" in said
    assert project.pulumi("stack", "export") == before


def test_a_run_that_lives_is_not_touched(project: Project) -> None:
    project.configure(a={"name": "one", "size": 1, "linger": 6})
    run = project.start("up", "--yes", "--skip-preview")
    until(lambda: "one" in project.things())
    status, said = mend(project)
    assert status == REFUSED
    assert f"pid {run.pid}" in said
    assert "is running" in said
    run.communicate(timeout=PATIENCE_S)
    assert run.returncode == 0
    assert not locks(project)


def write_lock(project: Project, **changes: object) -> Path:
    folder = project.backend / ".pulumi/locks/organization/small/test"
    folder.mkdir(parents=True, exist_ok=True)
    content = {
        "pid": 1,
        "username": "somebody",
        "hostname": os.uname().nodename,
        "timestamp": "2020-01-01T00:00:00.123456789+01:00",
    }
    path = folder / "lock.json"
    path.write_text(json.dumps(content | changes))
    return path


def test_a_lock_of_another_host_needs_the_operators_word(project: Project) -> None:
    lock = write_lock(project, hostname="another-host")
    status, said = mend(project)
    assert status == REFUSED
    assert "--lock-of-dead-host" in said
    assert lock.exists()
    assert mend(project, lock_of_dead_host=True)[0] == REPAIRED
    assert not lock.exists()


def test_a_pid_that_was_given_to_a_newer_process_does_not_hold_the_lock(project: Project) -> None:
    lock = write_lock(project, pid=os.getpid())
    assert mend(project)[0] == REPAIRED
    assert not lock.exists()


def stand_in(project: Project, stack: str, engine: str) -> subprocess.Popen[bytes]:
    """A process with the arguments of a program that an engine runs."""
    options = ["--project", "small", "--stack", stack, "--engine", engine, "--monitor", engine]
    options += ["--root_directory", str(project.folder)]
    return subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)", *options])


def test_orphans_of_this_stack_are_ended_and_no_other_process(project: Project) -> None:
    orphan = stand_in(project, "test", "127.0.0.1:1")
    others = [stand_in(project, "other", "127.0.0.1:1")]
    with socket.create_server(("127.0.0.1", 0)) as engine:
        others.append(stand_in(project, "test", f"127.0.0.1:{engine.getsockname()[1]}"))
        status, said = mend(project)
        assert status == REPAIRED
        assert f"ending pid {orphan.pid}" in said
        assert orphan.wait(PATIENCE_S) != 0
        assert [other.poll() for other in others] == [None, None]
    for other in others:
        other.kill()
        other.wait()
