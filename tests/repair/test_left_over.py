"""What `make up` finds of an earlier one: a live run is named, a killed one is repaired, nothing is left as it is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bastide.repair.stack import Stack
from sandbox.left_over import LeftOverError, alone, settle
from tests.repair.test_repair import in_state, kill_when, locks, write_lock
from tests.toolchain.project import Project, create
from tests.waits import PATIENCE_S, until

pytestmark = pytest.mark.world


@pytest.fixture
def killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project; the tests run it and kill it."""
    monkeypatch.setenv("BASTIDE_SANDBOX_HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    return create(tmp_path)


def settled(project: Project) -> list[str]:
    said: list[str] = []
    settle(Stack("test", project.folder, project.environment()), said.append)
    return said


def test_a_run_that_lives_is_named_and_nothing_is_touched(killed: Project) -> None:
    killed.configure(a={"name": "one", "size": 1, "linger": 4})
    run = killed.start("up", "--yes", "--skip-preview")
    until(lambda: "one" in killed.things())
    with pytest.raises(LeftOverError, match=rf"is going on \(pid {run.pid} of .*\): wait for it") as refused:
        settled(killed)
    assert "\n" not in str(refused.value)
    run.communicate(timeout=PATIENCE_S)
    assert run.returncode == 0


def test_a_killed_run_is_repaired_and_the_next_one_goes_on(killed: Project) -> None:
    killed.configure(a={"name": "one", "size": 1})
    killed.pulumi("up", "--yes", "--skip-preview")
    file = killed.backend / ".pulumi/stacks/small/test.json"
    content = json.loads(file.read_text())
    latest = content["checkpoint"]["latest"]
    thing = next(each for each in latest["resources"] if each["type"] == "tiny:index:Thing")
    latest["pending_operations"] = [{"resource": thing, "type": "updating"}]
    file.write_text(json.dumps(content))
    write_lock(killed)  # of a pid that a newer process has
    said = settled(killed)
    assert said[0].startswith("a run of stack test was killed; repairing")
    assert said[-1] == "  repaired: `pulumi up` can go on"
    assert not locks(killed)
    killed.configure(a={"name": "one", "size": 3})
    killed.pulumi("up", "--yes", "--skip-preview")


def test_what_needs_a_person_stops_with_the_command_to_use(killed: Project) -> None:
    killed.configure(a={"name": "one", "size": 1, "linger": 30})
    kill_when(killed, lambda: in_state(killed, "creating"))
    with pytest.raises(LeftOverError, match="with `bastide stack repair test`"):
        settled(killed)
    assert not locks(killed)
    with pytest.raises(LeftOverError, match="needs you"):  # the lock is gone, what was under way is not
        settled(killed)


def test_a_stack_in_order_and_one_that_is_not_there_yet_are_left_alone(killed: Project) -> None:
    assert settled(killed) == []
    killed.configure(a={"name": "one", "size": 1})
    killed.pulumi("up", "--yes", "--skip-preview")
    assert settled(killed) == []


def test_a_second_make_up_is_told_to_wait_and_a_killed_one_holds_nothing(tmp_path: Path) -> None:
    path = tmp_path / "home" / "make-up.lock"
    program = (
        "import sys, time, pathlib\nfrom sandbox.left_over import alone\n"
        "with alone(pathlib.Path(sys.argv[1])):\n    print('held', flush=True)\n    time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program, str(path)], stdout=subprocess.PIPE) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == b"held\n"
        with pytest.raises(LeftOverError, match=rf"running \(pid {first.pid}\): wait for it"), alone(path):
            pass
        first.kill()
    with alone(path):
        assert path.read_text() == f"{os.getpid()}\n"
