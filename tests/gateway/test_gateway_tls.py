"""The listeners with a certificate: TLS 1.2 or later and nothing else, and a renewed certificate without a restart."""

from __future__ import annotations

import shutil
import socket
import ssl
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.cluster.certificates import Authority
from sandbox.daemon.child import Child, free_port
from sandbox.toolchain import environments
from tests.waits import PATIENCE_S, listens, until

HERE = Path(__file__).parent


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "gateway-ca")


def put(authority: Authority, folder: Path, name: str) -> str:
    """Puts a certificate where the launcher looks; its name."""
    pair = authority.issue(name, name, hosts=("gateway.test",))
    shutil.copy(pair.key, folder / "tls.key")
    shutil.copy(pair.certificate, folder / "tls.crt")
    return name


@pytest.fixture
def listener(authority: Authority, tmp_path: Path) -> Iterator[int]:
    (tmp_path / "tls").mkdir()
    put(authority, tmp_path / "tls", "first")
    port = free_port()
    command = [str(environments.ensure(environments.LITELLM)), str(HERE / "tls_listener.py"), str(port)]
    env = {"PYTHONPATH": str(HERE.parents[1] / "gateway"), "PYTHONDONTWRITEBYTECODE": "1"}
    child = Child("listener", [*command, str(tmp_path / "tls")], tmp_path / "listener.log", env)
    try:
        until(lambda: listens(port) or child.require_running())
        yield port
    finally:
        child.stop()


def asked(port: int, authority: Authority, most: ssl.TLSVersion | None = None) -> tuple[str, str, bytes]:
    """Name in the certificate, version, and the answer."""
    context = ssl.create_default_context(cadata=authority.pem.decode())
    if most is not None:
        context.set_ciphers("ALL:@SECLEVEL=0")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            context.minimum_version = ssl.TLSVersion.TLSv1
            context.maximum_version = most
    with (
        socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as plain,
        context.wrap_socket(plain, server_hostname="gateway.test") as secure,
    ):
        secure.sendall(b"GET / HTTP/1.1\r\nhost: gateway.test\r\nconnection: close\r\n\r\n")
        subject = dict(pair for parts in secure.getpeercert()["subject"] for pair in parts)  # type: ignore[index,union-attr,misc]
        return str(subject["commonName"]), str(secure.version()), secure.makefile("rb").read()


def test_tls_alone_from_1_2_on_and_renewed_while_it_runs(
    listener: int, authority: Authority, tmp_path: Path
) -> None:
    name, version, answer = asked(listener, authority)
    assert (name, version, answer.endswith(b"hello")) == ("first", "TLSv1.3", True)
    assert asked(listener, authority, ssl.TLSVersion.TLSv1_2)[1] == "TLSv1.2"
    with pytest.raises((ssl.SSLError, ConnectionError)):
        asked(listener, authority, ssl.TLSVersion.TLSv1_1)
    # At once: asyncio would end a handshake that does not come after a minute.
    with socket.create_connection(("127.0.0.1", listener), timeout=10) as plain:
        plain.sendall(b"GET / HTTP/1.1\r\nhost: gateway.test\r\n\r\n")
        assert b"hello" not in plain.recv(4096)
    put(authority, tmp_path / "tls", "second")
    until(lambda: asked(listener, authority)[0] == "second")


def test_another_authority_is_not_taken(listener: int, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    with pytest.raises(ssl.SSLCertVerificationError):
        asked(listener, Authority(tmp_path / "other", "other-ca"))
