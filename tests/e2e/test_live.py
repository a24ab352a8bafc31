"""Live pods: a region whose engines are real vLLM, real kubelets around them (`make prove PART=live`).

Every claim about readiness, restarts, drains and load is made here, for on emulated nodes pods are ready by decree.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import urllib3

from sandbox.toolchain import environments

from .conftest import BIN, ROOT, Sandbox, Stack

pytestmark = [pytest.mark.world, pytest.mark.xdist_group("vllm")]

NAME = "sandbox-live"
NAMESPACE = "bastide-serving"
BUCKET = "live-sandbox-us-east-1-models-123456789012"
PREFIX = "models/tiny-qwen2/1.0.0/"
PORT = 18431
EMBED_PORT = 18432
STREAMS = 120
"""More than the two engines' batches hold, so that there is work for well over the pre-stop's seconds."""
PRE_STOP = 5
"""Seconds, in the stack file."""
LOADS_WITHIN = 420.0
"""Seconds until an engine must be ready: 40 on two idle cores, minutes where other tests run."""


@pytest.fixture(scope="module")
def live(sandbox: Sandbox) -> Stack:
    """The committed stack, applied to a world with live nodes, as `make live` does it."""
    environments.ensure(environments.VLLM)
    assert sandbox.run("bastide", "sandbox", "live", "on").code == 0
    sandbox.env["STACK"] = NAME
    done = sandbox.run(str(BIN / "python"), "-m", "sandbox.make_up", timeout=1200)
    assert done.code == 0, done.text[-6000:]
    stack = Stack(sandbox, ROOT / "stacks" / f"Pulumi.{NAME}.yaml", NAME)
    for release, port in (("vllm-chat", PORT), ("vllm-embed", EMBED_PORT)):
        opened = sandbox.run("bastide", "sandbox", "forward", f"{NAMESPACE}/{release}", "--port", str(port))
        assert opened.code == 0, opened.text
    return stack


def until(what: str, holds: Callable[[], Any], seconds: float = LOADS_WITHIN) -> Any:
    """Waits until `holds` gives something, and returns it."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = holds()
        if found:
            return found
        time.sleep(0.5)
    raise AssertionError(f"{what}: not within {seconds:.0f} s")


def pod(sandbox: Sandbox, name: str) -> dict[str, Any]:
    found: dict[str, Any] = sandbox.kubectl("get", "pod", "--namespace", NAMESPACE, name)
    return found


def container(found: dict[str, Any], name: str) -> dict[str, Any]:
    status = found["status"]
    every = status.get("containerStatuses", []) + status.get("initContainerStatuses", [])
    wanted: dict[str, Any] = next((each for each in every if each["name"] == name), {})
    return wanted


def ready(sandbox: Sandbox, name: str) -> bool:
    conditions = pod(sandbox, name)["status"].get("conditions", [])
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


def processes(name: str) -> list[int]:
    """The engine's processes in a live pod, as this machine numbers them, the first one first.

    Those that vLLM gives another title have lost their environment, but share the first one's process namespace."""
    spaces: dict[int, int] = {}
    first = 0
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            spaces[int(entry.name)] = (entry / "ns" / "pid").stat().st_ino
            environment = (entry / "environ").read_bytes()
        except OSError:  # it has ended, or is another user's
            continue
        if f"HOSTNAME={name}\0".encode() in environment and b"VLLM_HOST_IP=" in environment:
            first = min(first or int(entry.name), int(entry.name))
    return sorted(pid for pid, space in spaces.items() if first and space == spaces[first])


def ask(port: int = PORT, tokens: int = 8, timeout: float = 120, **more: Any) -> urllib3.BaseHTTPResponse:
    """A chat request through the Service."""
    body = {
        "model": "tiny-qwen2",
        "messages": [{"role": "user", "content": "Where does the river end?"}],
        "max_tokens": tokens,
        "ignore_eos": True,
        **more,
    }
    return urllib3.request(
        "POST", f"http://127.0.0.1:{port}/v1/chat/completions", json=body, timeout=timeout, retries=False,
        preload_content=not more.get("stream"),
    )  # fmt: skip


def test_a_chat_is_answered_by_the_vllm_whose_arguments_the_api_server_has(
    live: Stack, sandbox: Sandbox
) -> None:
    answer = ask()
    assert answer.status == 200, answer.data
    assert answer.json()["usage"]["completion_tokens"] == 8
    spec = next(each for each in pod(sandbox, "vllm-chat-0")["spec"]["containers"] if each["name"] == "vllm")
    runs = sandbox.run(
        "kubectl", "exec", "--namespace", NAMESPACE, "vllm-chat-0", "--container", "vllm",
        "--", "cat", "/proc/1/cmdline",
    )  # fmt: skip
    assert runs.text.rstrip("\0").split("\0") == spec["command"] + spec["args"]
    logs = sandbox.run("bastide", "sandbox", "logs", f"{NAMESPACE}/vllm-chat").text
    assert "vLLM server version 0.32.0" in logs
    assert "model verified" in logs


def test_an_embedding_pool_gives_vectors(live: Stack) -> None:
    body = {"model": "tiny-qwen2", "input": ["Where does the river end?", "At the sea."]}
    answer = urllib3.request("POST", f"http://127.0.0.1:{EMBED_PORT}/v1/embeddings", json=body, timeout=60)
    assert answer.status == 200, answer.data
    vectors = [each["embedding"] for each in answer.json()["data"]]
    assert [len(vector) for vector in vectors] == [64, 64]
    assert vectors[0] != vectors[1]


def test_paths_that_clients_may_not_call_are_not_there(live: Stack) -> None:
    for path in ("/tokenize", "/invocations", "/metrics", "/version"):
        assert urllib3.request("GET", f"http://127.0.0.1:{PORT}{path}", timeout=10).status == 404


def test_an_engine_that_is_killed_is_restarted_without_a_download_and_leaves_no_orphan(
    live: Stack, sandbox: Sandbox
) -> None:
    before = pod(sandbox, "vllm-chat-1")
    old = processes("vllm-chat-1")
    assert len(old) >= 3  # server, core, worker
    os.kill(old[0], signal.SIGKILL)
    until("unready", lambda: not ready(sandbox, "vllm-chat-1"), 30)
    until("all of them gone", lambda: not set(old) & set(processes("vllm-chat-1")), 30)
    assert ask().status == 200  # the other one answers
    until("ready again", lambda: ready(sandbox, "vllm-chat-1"))
    after = pod(sandbox, "vllm-chat-1")
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    assert container(after, "vllm")["restartCount"] == container(before, "vllm")["restartCount"] + 1
    assert container(after, "vllm")["lastState"]["terminated"]["exitCode"] == 137
    assert container(after, "fetch-model")["containerID"] == container(before, "fetch-model")["containerID"]


def test_an_engine_whose_worker_stands_still_is_found_by_its_tokens_and_restarted(
    live: Stack, sandbox: Sandbox
) -> None:
    before = pod(sandbox, "vllm-chat-1")
    old = processes("vllm-chat-1")
    worker = old[-1]  # server, its helper, core, worker: each starts the next
    os.kill(worker, signal.SIGSTOP)
    url = f"/api/v1/namespaces/{NAMESPACE}/pods/vllm-chat-1:8002/proxy/metrics"
    assert "vllm:" in sandbox.run("kubectl", "get", "--raw", url).text  # its server answers all the while

    def restarted() -> bool:
        count: int = container(pod(sandbox, "vllm-chat-1"), "vllm")["restartCount"]
        return bool(count > container(before, "vllm")["restartCount"])

    until("restarted", restarted, 300)
    said = sandbox.run("kubectl", "describe", "pod", "--namespace", NAMESPACE, "vllm-chat-1").text
    assert "Liveness probe failed: stalled" in said, said[-3000:]
    assert not set(old) & set(processes("vllm-chat-1"))
    until("ready again", lambda: ready(sandbox, "vllm-chat-1"))


def test_streams_end_whole_when_their_pod_is_drained(live: Stack, sandbox: Sandbox) -> None:
    before = pod(sandbox, "vllm-chat-1")["metadata"]["uid"]
    began: list[float] = []

    def stream(_: int) -> tuple[str, float]:
        answer = ask(tokens=480, timeout=300, stream=True)
        text = answer.read(100)
        began.append(time.monotonic())
        return (text + answer.read()).decode(), time.monotonic()

    with ThreadPoolExecutor(STREAMS) as pool:
        streams = [pool.submit(stream, number) for number in range(STREAMS)]
        until("half of them under way", lambda: len(began) >= STREAMS / 2, 60)
        gone = sandbox.run(
            "kubectl", "delete", "pod", "--namespace", NAMESPACE, "vllm-chat-1", "--wait=false"
        )
        assert gone.code == 0, gone.text
        told = time.monotonic()
        ended = [each.result() for each in streams]
    for text, _ in ended:
        assert text.rstrip().endswith("data: [DONE]"), text[-500:]
        assert '"finish_reason":"length"' in text, text[-500:]
    # Or they had all ended before the engine was told to: no drain would have been seen.
    assert max(moment for _, moment in ended) - told > PRE_STOP + 1
    until("another pod in its place", lambda: pod_or_none(sandbox, "vllm-chat-1") not in (None, before))
    until("both ready", lambda: ready(sandbox, "vllm-chat-0") and ready(sandbox, "vllm-chat-1"))


def pod_or_none(sandbox: Sandbox, name: str) -> str | None:
    """The uid of the pod of this name, if there is one."""
    found = sandbox.run(
        "kubectl", "get", "pod", "-n", NAMESPACE, name, "--ignore-not-found", "-o", "json"
    ).text
    return json.loads(found)["metadata"]["uid"] if found.strip() else None


def test_no_request_is_lost_in_a_rolling_update_at_concurrency_16(live: Stack, sandbox: Sandbox) -> None:
    restarted = sandbox.run(
        "kubectl", "rollout", "restart", "statefulset/vllm-chat", "--namespace", NAMESPACE
    )
    assert restarted.code == 0, restarted.text
    statuses: list[int | str] = []

    def work() -> None:
        while len(statuses) < 200 or not rolled.done():
            try:
                statuses.append(ask(tokens=4).status)
            except urllib3.exceptions.HTTPError as error:
                statuses.append(f"{type(error).__name__}: {error}")
            if len(statuses) >= 200:
                time.sleep(1)  # the new engines load on the same cores

    def roll() -> int:
        watch = ["rollout", "status", "statefulset/vllm-chat", "--namespace", NAMESPACE, "--timeout=900s"]
        return sandbox.run("kubectl", *watch, timeout=1000).code

    with ThreadPoolExecutor(17) as pool:
        rolled = pool.submit(roll)
        for future in [pool.submit(work) for _ in range(16)]:
            future.result()
    assert rolled.result() == 0
    assert len(statuses) >= 200
    assert set(statuses) == {200}, [each for each in statuses if each != 200][:5]


def test_one_flipped_byte_keeps_a_pod_from_ever_being_ready_and_says_which_file(
    live: Stack, sandbox: Sandbox
) -> None:
    s3 = sandbox.aws("s3")
    key = f"{PREFIX}model.safetensors"
    good = s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()
    bad = bytearray(good)
    bad[len(bad) // 2] ^= 1
    s3.put_object(Bucket=BUCKET, Key=key, Body=bytes(bad))
    try:
        sandbox.run("kubectl", "delete", "pod", "--namespace", NAMESPACE, "vllm-chat-1")

        def refusal() -> str:
            status = container(pod(sandbox, "vllm-chat-1"), "fetch-model")
            ended = (
                status.get("lastState", {}).get("terminated")
                or status.get("state", {}).get("terminated")
                or {}
            )
            return str(ended.get("message", ""))

        said = until("a reason", refusal, 120)
        assert "model.safetensors" in said
        assert hashlib.sha256(good).hexdigest() in said
        assert hashlib.sha256(bad).hexdigest() in said
        assert not ready(sandbox, "vllm-chat-1")
        assert ask().status == 200
    finally:
        s3.put_object(Bucket=BUCKET, Key=key, Body=good)
    until("ready with what was published", lambda: ready(sandbox, "vllm-chat-1"))


def test_a_daemon_that_is_killed_takes_every_container_with_it(live: Stack, sandbox: Sandbox) -> None:
    engines = [*processes("vllm-chat-0"), *processes("vllm-chat-1"), *processes("vllm-embed-0")]
    assert len(engines) >= 9
    daemon = int((sandbox.home / "lock").read_text())
    os.kill(daemon, signal.SIGKILL)

    def alive() -> list[int]:
        found = []
        for pid in engines:
            stat = subprocess.run(
                ["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False
            )
            if stat.stdout.strip() and not stat.stdout.startswith("Z"):
                found.append(pid)
        return found

    until("no orphan", lambda: not alive(), 20)
    assert (
        json.loads((sandbox.home / "world.json").read_text())["pid"] == daemon
    )  # nothing tidied up after it
