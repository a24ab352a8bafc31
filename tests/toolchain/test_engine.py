"""The built engine and the project's own language host, on a program and a provider made for this test."""

import os
import signal
import time
from pathlib import Path

import pytest

from tests.toolchain.project import Project, create
from tests.waits import PATIENCE_S, until

pytestmark = pytest.mark.world

# A policy pack in the protocol that packs speak, so that the test needs no more than the SDK.
POLICY = """
from concurrent import futures
import grpc
from google.protobuf import empty_pb2
from pulumi.runtime.proto import analyzer_pb2 as messages, analyzer_pb2_grpc, plugin_pb2

class Sizes(analyzer_pb2_grpc.AnalyzerServicer):
    def Handshake(self, request, context):
        return messages.AnalyzerHandshakeResponse()
    def ConfigureStack(self, request, context):
        return messages.AnalyzerStackConfigureResponse()
    def GetPluginInfo(self, request, context):
        return plugin_pb2.PluginInfo(version="1.0.0")
    def GetAnalyzerInfo(self, request, context):
        return messages.AnalyzerInfo(name="sizes", version="1.0.0")
    def Configure(self, request, context):
        return empty_pb2.Empty()
    def AnalyzeStack(self, request, context):
        return messages.AnalyzeResponse()
    def Analyze(self, request, context):
        if request.type != "tiny:index:Thing" or request.properties["size"] <= 10:
            return messages.AnalyzeResponse()
        return messages.AnalyzeResponse(diagnostics=[messages.AnalyzeDiagnostic(
            policyName="small", policyPackName="sizes", policyPackVersion="1.0.0",
            message="a Thing larger than 10", enforcementLevel=messages.MANDATORY, urn=request.urn)])

server = grpc.server(futures.ThreadPoolExecutor(4))
analyzer_pb2_grpc.add_AnalyzerServicer_to_server(Sizes(), server)
port = server.add_insecure_port("127.0.0.1:0")
server.start()
print(port, flush=True)
server.wait_for_termination()
"""


def running(mark: str) -> list[int]:
    """Pids of the processes whose command line has the mark."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and mark in (entry / "cmdline").read_text():
                found.append(int(entry.name))
        except OSError:
            continue
    return found


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.setenv("BASTIDE_SANDBOX_HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    return create(tmp_path)


def test_a_stack_is_created_left_alone_updated_replaced_and_destroyed(project: Project) -> None:
    project.configure(a={"name": "one", "size": 1})
    assert "+ 2 created" in project.pulumi("up", "--yes", "--skip-preview")
    assert "2 unchanged" in project.pulumi("preview", "--expect-no-changes")
    assert project.pulumi("stack", "output", "count").strip() == "1"

    project.configure(a={"name": "one", "size": 2})
    assert "~ 1 updated" in project.pulumi("up", "--yes", "--skip-preview")
    assert project.things()["one"]["size"] == 2

    project.configure(a={"name": "two", "size": 2})
    assert "1 replaced" in project.pulumi("up", "--yes", "--skip-preview")
    assert list(project.things()) == ["two"]

    project.pulumi("destroy", "--yes", "--skip-preview")
    assert project.things() == {}


def test_a_run_writes_nothing_into_the_project(project: Project) -> None:
    project.configure(a={"name": "one", "size": 1})
    before = (project.folder / "Pulumi.test.yaml").read_text()
    project.pulumi("up", "--yes", "--skip-preview")
    assert (project.folder / "Pulumi.test.yaml").read_text() == before
    # Python keeps what it compiled wherever it may.
    assert {path.name for path in project.folder.iterdir()} - {"__pycache__"} == {
        *("Pulumi.yaml", "Pulumi.test.yaml", "__main__.py", "home", "world")
    }


def test_a_run_error_prints_its_message_and_nothing_else(project: Project) -> None:
    project.program("import pulumi\nraise pulumi.RunError('two things are wrong')\n")
    printed = project.pulumi("preview", status=1)
    assert "two things are wrong" in printed
    assert "Traceback" not in printed
    assert "status 32" not in printed


def test_a_defect_of_the_program_is_shown_from_the_users_own_frames(project: Project) -> None:
    project.program("import pulumi\n\ndef broken():\n    return 1 / 0\n\nbroken()\n")
    printed = project.pulumi("preview", status=1)
    assert "ZeroDivisionError" in printed
    assert "in broken" in printed
    assert "language_program" not in printed


def test_what_the_program_prints_reaches_the_user(project: Project) -> None:
    project.program("import sys\nprint('to the user')\nprint('a warning', file=sys.stderr)\n")
    printed = project.pulumi("preview")
    assert "to the user" in printed
    assert "a warning" in printed


def test_a_python_policy_pack_judges_a_preview(project: Project) -> None:
    pack = project.folder / "pack"
    pack.mkdir()
    (pack / "PulumiPolicy.yaml").write_text("runtime: python\nversion: 1.0.0\n")
    (pack / "__main__.py").write_text(POLICY)
    project.configure(a={"name": "one", "size": 11})
    printed = project.pulumi("preview", "--policy-pack", str(pack), status=1)
    assert "a Thing larger than 10" in printed
    project.configure(a={"name": "one", "size": 9})
    project.pulumi("preview", "--policy-pack", str(pack))


def test_an_interrupted_run_ends_in_order_and_leaves_no_process_and_no_lock(project: Project) -> None:
    project.configure(a={"name": "one", "size": 1, "linger": 2})
    run = project.start("up", "--yes", "--skip-preview")
    until(lambda: "one" in project.things())
    os.kill(run.pid, signal.SIGINT)
    printed, _ = run.communicate(timeout=PATIENCE_S)
    assert run.returncode != 0
    assert "Traceback" not in printed
    assert not running(str(project.folder))
    assert not list(project.backend.glob(".pulumi/locks/**/*.json"))


def test_nothing_lives_on_when_the_engine_is_killed(project: Project) -> None:
    project.program("import time\nprint('started', flush=True)\ntime.sleep(600)\n")
    run = project.start("up", "--yes", "--skip-preview")
    until(lambda: running(f"--root_directory\0{project.folder}"))
    time.sleep(1)  # so that the program is inside its own code and not still importing
    run.kill()
    until(lambda: not running(str(project.folder)))
    run.communicate(timeout=PATIENCE_S)
