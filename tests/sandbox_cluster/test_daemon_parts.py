import fcntl
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import yaml

from bastide import cli
from sandbox import environment
from sandbox.daemon import kubeconfig, lifecycle, processes
from sandbox.daemon.__main__ import _locked
from sandbox.daemon.child import Child, ChildError
from sandbox.state import NoWorldError, World, home
from sandbox.toolchain import ToolsMissingError
from tests.waits import until

WORLD = World("http://127.0.0.1:1", "http://127.0.0.1:2", 3)
ONE = kubeconfig.Access("us-east-1", "one", "https://127.0.0.1:6443", b"PEM")


def test_a_child_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    parent = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys, time; from pathlib import Path; from sandbox.daemon.child import Child\n"
            f"print(Child('c', ['/bin/sleep', '600'], Path({str(tmp_path / 'c.log')!r})).pid, flush=True)\n"
            "time.sleep(600)",
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    # The leash has become the command before its parent dies.
    assert until(lambda: Path(f"/proc/{child}/comm").read_text().strip() == "sleep")
    parent.kill()
    parent.wait()
    parent.stdout.close()
    assert until(lambda: processes.started_at(child) == 0)


def test_a_child_that_ends_is_reported_with_the_end_of_its_log(tmp_path: Path) -> None:
    child = Child("etcd", ["/bin/sh", "-c", "echo address already in use; exit 7"], tmp_path / "etcd.log")
    assert until(lambda: not child.running())
    with pytest.raises(ChildError, match=r"etcd ended with status 7(.|\n)*address already in use"):
        child.require_running()


def test_a_child_that_does_not_listen_is_killed(tmp_path: Path) -> None:
    child = Child(
        "deaf", ["/bin/sh", "-c", "trap '' TERM; echo up; while :; do sleep 1; done"], tmp_path / "d.log"
    )
    assert until(lambda: "up" in child.tail())
    child.stop(patience=0.2)
    assert not child.running()


def test_a_recorded_process_is_not_taken_for_another_with_its_pid() -> None:
    own = processes.Process("me", os.getpid(), processes.started_at(os.getpid()))
    assert own.alive()
    assert not processes.Process("before", os.getpid(), own.started - 1).alive()


def test_a_zombie_counts_as_ended() -> None:
    child = subprocess.Popen(["/bin/sleep", "600"])
    try:
        child.send_signal(signal.SIGKILL)
        assert until(lambda: processes.started_at(child.pid) == 0)
    finally:
        child.wait()


def test_the_kubeconfig_carries_its_own_aws_environment_and_keeps_the_chosen_context(tmp_path: Path) -> None:
    path = tmp_path / "kubeconfig"
    two = kubeconfig.Access("us-east-1", "two", "https://127.0.0.1:6444", b"PEM")
    kubeconfig.write(path, [ONE, two], WORLD)
    chosen = yaml.safe_load(path.read_text())
    assert chosen["current-context"] == "one"
    plugin = chosen["users"][0]["user"]["exec"]
    assert {"name": "AWS_ENDPOINT_URL", "value": WORLD.aws_endpoint} in plugin["env"]
    assert plugin["args"][:4] == ["eks", "get-token", "--cluster-name", "one"]
    assert path.stat().st_mode & 0o077 == 0

    path.write_text(path.read_text().replace("current-context: one", "current-context: two"))
    kubeconfig.write(path, [ONE, two], WORLD)
    assert yaml.safe_load(path.read_text())["current-context"] == "two"
    kubeconfig.write(path, [ONE], WORLD)
    assert yaml.safe_load(path.read_text())["current-context"] == "one"


def test_clusters_of_one_name_in_two_regions_have_two_contexts() -> None:
    other = kubeconfig.Access("eu-west-1", "one", "https://127.0.0.1:6445", b"PEM")
    found = kubeconfig.document([ONE, other], WORLD, "")
    assert [context["name"] for context in found["contexts"]] == ["one@us-east-1", "one@eu-west-1"]


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["nonsense"],
        ["sandbox"],
        ["sandbox", "fault"],
        ["sandbox", "fault", "capacity"],
        ["sandbox", "fault", "api", "eks.CreateCluster"],
        ["sandbox", "exec"],
        ["sandbox", "up", "--fast"],
    ],
)
def test_a_wrongly_used_command_ends_with_status_2(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BASTIDE_SANDBOX_HOME", "/nonexistent")
    try:
        status = cli.main(words)
    except SystemExit as ended:  # argparse's own way out
        status = int(ended.code or 0)
    assert status == 2


def test_commands_that_need_a_world_say_how_to_start_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BASTIDE_SANDBOX_HOME", str(tmp_path))
    assert cli.main(["sandbox", "status"]) == 1
    assert "bastide sandbox up" in capsys.readouterr().err


def test_without_the_sandbox_package_the_command_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(cli._COMMANDS, "sandbox", ("sandboxless.cli", ""))
    assert cli.main(["sandbox", "up"]) == 2
    assert "not part of this installation" in capsys.readouterr().err


def test_importing_the_command_does_not_import_the_sandbox() -> None:
    script = "import sys, bastide.cli; sys.exit(any(name.startswith('sandbox') for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_down_ends_a_daemon_that_is_still_starting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BASTIDE_SANDBOX_HOME", str(tmp_path))
    script = (
        "import time; from sandbox.daemon import __main__ as d\n"
        "d.Supervisor = lambda *_: time.sleep(600)\n"
        "d.paths = lambda: type('T', (), {'kube': None})\n"
        "d.main()"
    )
    daemon = subprocess.Popen([sys.executable, "-c", script])
    try:
        assert until(lambda: lifecycle._daemon() == daemon.pid)
        assert lifecycle.running() is None
        assert cli.main(["sandbox", "down"]) == 0
        assert daemon.poll() not in (None, 0), "down waits for its end"
    finally:
        daemon.kill()
        daemon.wait()
    assert "1 process, none left" in capsys.readouterr().out


def test_whoever_looks_whether_a_daemon_runs_does_not_keep_one_from_starting(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    path.touch()
    with path.open() as looking, path.open("a") as lock:
        fcntl.flock(looking, fcntl.LOCK_SH)
        threading.Timer(0.1, lambda: fcntl.flock(looking, fcntl.LOCK_UN)).start()
        assert _locked(lock)
        fcntl.flock(lock, fcntl.LOCK_UN)
        fcntl.flock(looking, fcntl.LOCK_SH)
        assert not _locked(lock, seconds=0.05)


@pytest.mark.parametrize(
    "content", ["", "{}", '{"aws_endpoint": "a", "daemon_url": "b", "pid": 1, "new": 2}', "no json"]
)
def test_a_world_file_that_is_none_counts_as_no_world(
    content: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BASTIDE_SANDBOX_HOME", str(tmp_path))
    World.path().write_text(content)
    with pytest.raises(NoWorldError):
        World.find()


def test_a_folder_that_cannot_be_used_and_missing_tools_are_said_and_not_thrown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("BASTIDE_SANDBOX_HOME", str(tmp_path / "file" / "home"))
    assert cli.main(["sandbox", "up"]) == 1
    assert f"error: {tmp_path}/file" in capsys.readouterr().err

    def none_built(world: World) -> dict[str, str]:
        raise ToolsMissingError("make them with `make up`")

    monkeypatch.setattr(environment, "full_environment", none_built)
    monkeypatch.setattr(World, "find", staticmethod(lambda: WORLD))
    assert cli.main(["sandbox", "exec", "--", "true"]) == 1
    assert capsys.readouterr().err == "error: make them with `make up`\n"


def test_a_relative_home_is_the_same_folder_for_programs_that_run_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BASTIDE_SANDBOX_HOME", "box")
    assert home() == tmp_path / "box"
