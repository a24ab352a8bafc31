"""Live pods: a region whose engines are real vLLM, real kubelets around them (`make prove PART=live`).

Every claim about readiness, restarts, drains and load is made here, for on emulated nodes pods are ready by decree.
`make test` leaves out what takes minutes; all of it shares one world, in the order below.
"""

from __future__ import annotations

import json
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest

from sandbox.live import first_answer, gateway
from tests.waits import PATIENCE_S, alive, until

from .conftest import REGION, Sandbox, Stack
from .live_changes import CHANGES
from .live_pods import (
    NAMESPACE,
    ask,
    changed_version,
    container,
    delete,
    deletion,
    embed,
    get,
    pod,
    pod_or_none,
    pods_of,
    processes,
    ready,
    statuses_while_rolling,
)
from .live_stack import CLUSTER, apply_live

pytestmark = [pytest.mark.world, pytest.mark.xdist_group("vllm")]

STREAMS = 80
"""More than the two engines' batches hold, so that there is work for well over the pre-stop's seconds; no more than
one engine runs (16) and lets wait (64), for the Service does not share out evenly and the rest would be refused."""
PRE_STOP = 5
"""Seconds, in the stack file."""
SMOKE = "one byte flipped"
"""The change that stands for all where minutes count."""


@pytest.fixture(scope="module")
def live(sandbox: Sandbox) -> Stack:
    return apply_live(sandbox)


@pytest.fixture
def all_ready(live: Stack, sandbox: Sandbox) -> None:
    """Every engine as the stack has it, whatever the test before did to one."""
    until(lambda: ready(sandbox, "vllm-chat-0") and ready(sandbox, "vllm-chat-1"), "chat ready")


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
    answer = embed("Where does the river end?", "At the sea.")
    assert answer.status == 200, answer.data
    vectors = [each["embedding"] for each in answer.json()["data"]]
    assert [len(vector) for vector in vectors] == [64, 64]
    assert vectors[0] != vectors[1]


def test_paths_that_clients_may_not_call_are_not_there(live: Stack) -> None:
    for path in ("/tokenize", "/invocations", "/metrics", "/version"):
        assert get(path) == 404


def test_status_says_which_nodes_are_live(live: Stack, sandbox: Sandbox) -> None:
    lines = sandbox.run("bastide", "sandbox", "status").text.splitlines()
    assert len([line for line in lines if "g6e.xlarge" in line and line.endswith(", live")]) == 4
    assert len([line for line in lines if "m7i.xlarge" in line and line.endswith(", live")]) == 2
    assert any("nodes marked live: the kubelet" in line for line in lines)


def test_the_gateway_answers_by_a_key_and_says_what_was_decided_and_what_it_cost(
    live: Stack, sandbox: Sandbox
) -> None:
    """The smoke of `make prove PART=gateway`."""
    access = gateway.open_ports(port=18443)
    key, access = gateway.make_key("clinic", access)
    message = {"role": "user", "content": "Where does the river end?"}
    answer = first_answer.ask(access, key, {"model": "chat", "messages": [message], "max_tokens": 8})
    assert answer.status == 200, answer.body
    line = first_answer.decision(answer.request_id, CLUSTER)
    assert line is not None
    assert (line["team"], line["class"], line["deployment"]) == ("clinic", "regulated", "chat")
    row = first_answer.spend(answer.body["id"], REGION)
    assert row is not None
    assert Decimal(str(row["spend"])).quantize(Decimal("1e-16")) == Decimal(line["cost_usd"]).quantize(
        Decimal("1e-16")
    )
    assert row["prompt_tokens"] == answer.body["usage"]["prompt_tokens"]
    said = sandbox.run(
        "bastide", "chat", "--connect", access.connect, "--url", access.url, "--ca-file", access.ca,
        "--key-file", access.key_file, "--max-tokens", "8", "Where does the river end?",
    )  # fmt: skip
    assert said.code == 0, said.text
    refused = first_answer.ask(
        access, key, {"model": "chat", "messages": [message]}, {"x-data-class": "public"}
    )
    assert refused.status == 403


@pytest.mark.parametrize(
    "change", [SMOKE, *(pytest.param(each, marks=pytest.mark.proof) for each in CHANGES if each != SMOKE)]
)
def test_what_was_not_published_keeps_a_pod_from_ever_being_ready_and_its_status_says_why(
    live: Stack, sandbox: Sandbox, change: str
) -> None:
    with changed_version(sandbox, CHANGES[change]) as told:
        delete(sandbox, "vllm-chat-1")

        def refusal() -> str:
            status = container(pod_or_none(sandbox, "vllm-chat-1") or {"status": {}}, "fetch-model")
            ended = status.get("lastState", {}).get("terminated") or status.get("state", {}).get("terminated")
            return str((ended or {}).get("message", ""))

        said = until(refusal, "a reason")
        assert said.startswith("model refused: ")
        for words in told:
            assert words in said
        found = pod(sandbox, "vllm-chat-1")
        assert found["status"]["phase"] == "Pending"
        assert not ready(sandbox, "vllm-chat-1")
        assert container(found, "vllm")["started"] is False
        assert processes("vllm-chat-1") == []
        assert ask().status == 200  # the other one serves


@pytest.mark.proof
@pytest.mark.usefixtures("all_ready")
def test_an_engine_that_is_killed_is_restarted_without_a_download_and_leaves_no_orphan(
    live: Stack, sandbox: Sandbox
) -> None:
    before = pod(sandbox, "vllm-chat-1")
    old = processes("vllm-chat-1")
    assert len(old) >= 3  # server, core, worker
    os.kill(old[0], signal.SIGKILL)
    until(lambda: not ready(sandbox, "vllm-chat-1"), "unready")
    until(lambda: not set(old) & set(processes("vllm-chat-1")), "all of them gone")
    assert ask().status == 200  # the other one answers
    until(lambda: ready(sandbox, "vllm-chat-1"), "ready again")
    after = pod(sandbox, "vllm-chat-1")
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    assert container(after, "vllm")["restartCount"] == container(before, "vllm")["restartCount"] + 1
    assert container(after, "vllm")["lastState"]["terminated"]["exitCode"] == 137
    assert container(after, "fetch-model")["containerID"] == container(before, "fetch-model")["containerID"]


@pytest.mark.proof
@pytest.mark.usefixtures("all_ready")
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

    until(restarted, "restarted")
    # Not the events: kubelet drops those of a pod that had many.
    said = container(pod(sandbox, "vllm-chat-1"), "vllm")["lastState"]["terminated"].get("message", "")
    assert "stalled" in said, said
    assert not set(old) & set(processes("vllm-chat-1"))
    until(lambda: ready(sandbox, "vllm-chat-1"), "ready again")


@pytest.mark.proof
@pytest.mark.usefixtures("all_ready")
def test_streams_end_whole_when_their_pod_is_drained(live: Stack, sandbox: Sandbox) -> None:
    before = pod(sandbox, "vllm-chat-1")["metadata"]["uid"]
    worker = processes("vllm-chat-1")[-1]
    began: list[float] = []

    def stream(_: int) -> tuple[str, float]:
        answer = ask(tokens=480, timeout=PATIENCE_S, stream=True)
        text = answer.read(100)
        began.append(time.monotonic())
        return (text + answer.read()).decode(), time.time()

    with ThreadPoolExecutor(STREAMS) as pool:
        streams = [pool.submit(stream, number) for number in range(STREAMS)]
        until(lambda: len(began) >= STREAMS / 2, "half of them under way")
        # Held until the engine has been told to end, which on a fast machine is later than its streams are long.
        os.kill(worker, signal.SIGSTOP)
        try:
            gone = sandbox.run(
                "kubectl", "delete", "pod", "--namespace", NAMESPACE, "vllm-chat-1", "--wait=false"
            )
            assert gone.code == 0, gone.text
            told = deletion(pod(sandbox, "vllm-chat-1")) + PRE_STOP + 2
            until(lambda: time.time() > told, "it is told", PRE_STOP + 10)
        finally:
            os.kill(worker, signal.SIGCONT)
        ended = [each.result() for each in streams]
    cut = [text for text, _ in ended if not text.rstrip().endswith("data: [DONE]")]
    assert not cut, f"{len(cut)} of {STREAMS} streams were cut off, one at: {cut[0][-800:]}"
    other = [text for text, _ in ended if '"finish_reason":"length"' not in text]
    assert not other, f"{len(other)} of {STREAMS} streams ended for another reason: {other[0][-800:]}"
    # Or they had all ended before the engine was told to: no drain would have been seen.
    assert max(moment for _, moment in ended) > told

    def replaced() -> bool:
        found = pod_or_none(sandbox, "vllm-chat-1")
        return found is not None and found["metadata"]["uid"] != before

    until(replaced, "another pod in its place")


@pytest.mark.proof
@pytest.mark.usefixtures("all_ready")
def test_with_a_spare_node_a_single_replica_is_replaced_and_no_request_is_lost(
    live: Stack, sandbox: Sandbox
) -> None:
    before = pods_of(sandbox, "vllm-embed")
    statuses = statuses_while_rolling(
        sandbox, "deployment/vllm-embed", lambda keep: embed("At the sea.", keep=keep)
    )
    assert set(statuses) == {200}, [each for each in statuses if each != 200][:5]
    after = pods_of(sandbox, "vllm-embed")
    assert len(before) == len(after) == 1
    assert before != after


@pytest.mark.proof
@pytest.mark.usefixtures("all_ready")
def test_without_a_spare_a_rolling_update_ends_all_the_same(live: Stack, sandbox: Sandbox) -> None:
    pods = [*pods_of(sandbox, "vllm-chat"), *pods_of(sandbox, "vllm-embed")]
    before = {name: pod(sandbox, name)["metadata"]["uid"] for name in pods}
    nodes = sandbox.kubectl("get", "nodes", "--selector", "bastide.dev/pool=g6e")["items"]
    used = {pod(sandbox, name)["spec"]["nodeName"] for name in pods}
    spare = [each["metadata"]["name"] for each in nodes if each["metadata"]["name"] not in used]
    assert (len(nodes), len(spare)) == (4, 1)
    assert sandbox.run("kubectl", "cordon", *spare).code == 0
    try:
        statuses = statuses_while_rolling(
            sandbox, "statefulset/vllm-chat", lambda keep: ask(tokens=4, keep=keep)
        )
        assert set(statuses) == {200}, [each for each in statuses if each != 200][:5]
        for name in ("vllm-chat-0", "vllm-chat-1"):
            assert pod(sandbox, name)["metadata"]["uid"] != before[name]
            assert pod(sandbox, name)["spec"]["nodeName"] in used
    finally:
        assert sandbox.run("kubectl", "uncordon", *spare).code == 0


@pytest.mark.proof
@pytest.mark.usefixtures("all_ready")
def test_a_daemon_that_is_killed_takes_every_container_with_it(live: Stack, sandbox: Sandbox) -> None:
    pods = [*pods_of(sandbox, "vllm-chat"), *pods_of(sandbox, "vllm-embed")]
    engines = [pid for name in pods for pid in processes(name)]
    assert len(engines) >= 9
    daemon = int((sandbox.home / "lock").read_text())
    os.kill(daemon, signal.SIGKILL)
    until(lambda: not any(alive(pid) for pid in engines), "no orphan")
    assert (
        json.loads((sandbox.home / "world.json").read_text())["pid"] == daemon
    )  # nothing tidied up after it
