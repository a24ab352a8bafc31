"""The preflight says each thing that would stop a run, and what to do; nothing is changed by it."""

from __future__ import annotations

import base64
import copy
import json
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from bastide.bootstrap.rights import policies
from bastide.cli import main, preflight_endpoint
from bastide.cli.preflight_aws import principal
from bastide.settings import Settings, load_stack_file
from sandbox.cluster.certificates import Authority
from sandbox.state import ACCESS_KEY_ID, SECRET_ACCESS_KEY, aws_client
from tests.plugin_aws.conftest import REGION

ROOT = Path(__file__).parents[2]


@pytest.fixture
def account(aws_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The shell of somebody who is signed in to the sandbox's account."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", aws_endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY_ID)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_ACCESS_KEY)
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    monkeypatch.chdir(ROOT)
    return aws_endpoint


def lines(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, str]]:
    """The exit status, and the printed lines by what they are about, each with its result."""
    status = main(["preflight", *arguments])
    printed = [line.split(maxsplit=2) for line in capsys.readouterr().out.splitlines() if line]
    return status, {parts[1]: f"{parts[0]} {parts[2]}" for parts in printed if len(parts) == 3}


def stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, **changes: Any) -> str:
    """A copy of the sandbox's stack file with some keys changed, found by its name."""
    content = copy.deepcopy(yaml.safe_load((ROOT / "stacks/Pulumi.sandbox.yaml").read_text()))
    for key, value in changes.items():
        content["config"].setdefault(f"bastide:{key}", {}).update(value)
    folder = tmp_path / "stacks"
    folder.mkdir()
    for shared in (ROOT / "stacks").glob("_*"):
        (folder / shared.name).write_text(shared.read_text())
    (folder / "Pulumi.changed.yaml").write_text(yaml.safe_dump(content))
    monkeypatch.chdir(tmp_path)
    return "changed"


def test_a_first_run_is_told_that_it_will_need_a_way_in(
    account: str, capsys: pytest.CaptureFixture[str]
) -> None:
    status, found = lines(capsys, "--stack", "sandbox")
    assert found["account"].startswith("ok 123456789012, as ")
    assert found["access"].startswith("ok ")
    assert found["cluster"].startswith("note ")
    assert "From outside the VPC" in found["cluster"]
    assert status == (1 if any(each.startswith("FAIL") for each in found.values()) else 0)


def test_a_real_stack_with_unresolved_digests_in_another_account_fails_on_both(
    account: str, capsys: pytest.CaptureFixture[str]
) -> None:
    status, found = lines(capsys, "--stack", "prod-us-east-1")
    assert status == 1
    assert found["digests"].startswith("FAIL images.vllm.digest: 'unresolved' is refused outside a sandbox")
    assert "is in account 123456789012, and the stack is for 111122223333" in found["account"]
    assert "cluster" not in found


def test_without_credentials_that_count_nothing_more_is_looked_at(
    account: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIANOBODY")
    status, found = lines(capsys, "--stack", "sandbox")
    assert status == 1
    assert found["credentials"].startswith("FAIL ")
    assert "sign in as the deploy role" in found["credentials"]
    assert "account" not in found


def test_who_is_no_administrator_is_told_before_the_api_server_says_so(
    account: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    others = {"adminPrincipals": ["arn:aws:iam::123456789012:role/others"]}
    _, found = lines(capsys, "--stack", stack(tmp_path, monkeypatch, cluster=others))
    assert found["access"].startswith("FAIL ")
    assert "add it, or sign in as one of them" in found["access"]


def test_a_missing_command_is_named(
    account: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    status, found = lines(capsys, "--stack", "sandbox")
    assert status == 1
    assert found["aws"].startswith("FAIL there is no `aws` on the PATH")


def test_a_stack_file_with_a_mistake_is_all_that_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    named = stack(tmp_path, monkeypatch, cluster={"kubernetesVersion": "1.20"})
    assert main(["preflight", "--stack", named]) == 1
    printed = capsys.readouterr().out
    assert "cluster.kubernetesVersion" in printed
    assert printed.endswith("\n1 of these would stop a run.\n")


def settings() -> Settings:
    return load_stack_file(ROOT / "stacks/Pulumi.sandbox.yaml")


def test_the_deploy_role_passes_and_one_right_less_is_named(
    account: str, capsys: pytest.CaptureFixture[str]
) -> None:
    iam = aws_client("iam", REGION, account)
    trust = {
        "Effect": "Allow",
        "Principal": {"AWS": "arn:aws:iam::123456789012:root"},
        "Action": "sts:AssumeRole",
    }
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    arn = iam.create_role(RoleName="deploying", AssumeRolePolicyDocument=document)["Role"]["Arn"]
    for topic, text in policies(settings()).items():
        iam.put_role_policy(RoleName="deploying", PolicyName=topic, PolicyDocument=text)
    main(["preflight", "--stack", "sandbox", "--rights", arn])
    said = [line for line in capsys.readouterr().out.splitlines() if " rights " in line]
    assert said
    assert all(line.startswith("ok ") for line in said), said
    less = policies(settings())["cluster"].replace('"eks:CreateCluster",', "")
    iam.put_role_policy(RoleName="deploying", PolicyName="cluster", PolicyDocument=less)
    assert main(["preflight", "--stack", "sandbox", "--rights", arn]) == 1
    [failed] = [line for line in capsys.readouterr().out.splitlines() if line.startswith("FAIL  rights")]
    assert f"cluster: {arn} may not eks:CreateCluster;" in failed
    assert "`bastide bootstrap role --stack sandbox` gives" in failed


def test_nothing_stops_who_has_no_policies_in_a_sandbox_that_judges_by_none(
    account: str, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["preflight", "--stack", "sandbox", "--rights"])
    said = capsys.readouterr().out
    [line] = [each for each in said.splitlines() if " rights " in each]
    assert line.startswith("note ")
    assert "user/sandbox-operator has policies for 0 of " in line
    assert "a real account would refuse" in line
    assert "FAIL  rights" not in said


def test_a_role_that_is_not_there_is_told_with_where_its_arn_is_had(
    account: str, capsys: pytest.CaptureFixture[str]
) -> None:
    arn = "arn:aws:iam::123456789012:role/nobody"
    assert main(["preflight", "--stack", "sandbox", "--rights", arn]) == 1
    assert f"IAM knows no {arn}; give the ARN with the role's path" in capsys.readouterr().out


@pytest.mark.parametrize("given", ["notanarn", "arn:aws:iam::123456789012:root", "arn:aws:s3:::bucket"])
def test_what_is_no_role_is_refused_before_anything_is_asked(
    given: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["preflight", "--stack", "sandbox", "--rights", given])
    assert ended.value.code == 2
    assert f"{given!r} is no IAM role or user; give arn:aws:iam::" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("caller", "who"),
    [
        ("arn:aws:sts::1:assumed-role/deploy/job", "arn:aws:sts::1:assumed-role/deploy/job"),
        ("arn:aws:sts::123456789012:assumed-role/deploy/job", "arn:aws:iam::123456789012:role/deploy"),
        ("arn:aws:iam::123456789012:user/a", "arn:aws:iam::123456789012:user/a"),
    ],
)
def test_a_session_belongs_to_its_role(caller: str, who: str) -> None:
    assert principal(caller) == who


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[str, str]]:
    """An API server that shows a certificate and refuses every token; its address and its authority in base64."""
    authority = Authority(tmp_path, "test")
    served = authority.issue("apiserver", "apiserver", hosts=["localhost"], addresses=["127.0.0.1"])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(served.certificate, served.key)
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                plain, _ = listener.accept()
                with context.wrap_socket(plain, server_side=True) as one:
                    said = b""
                    # All of it: a server that closes with something unread resets the connection.
                    while not said.endswith(b"}") and (more := one.recv(65536)):
                        said += more
                    if said:
                        one.sendall(
                            b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"
                        )
            except ssl.SSLError:
                continue
            except OSError:
                return

    threading.Thread(target=serve, daemon=True).start()
    yield f"https://127.0.0.1:{listener.getsockname()[1]}", base64.b64encode(authority.pem).decode()
    listener.close()


def looked(endpoint: str, authority: str) -> dict[str, str]:
    return {
        each.what: f"{each.result} {each.text}"
        for each in preflight_endpoint.look(settings(), endpoint, authority)
    }


def test_a_name_that_only_the_vpc_knows_does_not_resolve() -> None:
    found = looked("https://cluster.invalid", "")
    assert list(found) == ["name"]
    assert "run inside the VPC, or through a tunnel" in found["name"]


def test_an_endpoint_that_does_not_answer_is_told_apart_from_one_with_another_certificate(
    server: tuple[str, str], tmp_path: Path
) -> None:
    endpoint, authority = server
    with socket.create_server(("127.0.0.1", 0)) as closed:
        silent = f"https://127.0.0.1:{closed.getsockname()[1]}"
    assert "does not answer" in looked(silent, authority)["tls"]
    other = base64.b64encode(Authority(tmp_path, "other").pem).decode()
    assert "is not the cluster's" in looked(endpoint, other)["tls"]


def test_a_token_that_the_api_server_refuses_has_no_access_entry(
    server: tuple[str, str], account: str
) -> None:
    found = looked(*server)
    assert found["tls"].startswith("ok ")
    assert "they have no access entry" in found["token"]
