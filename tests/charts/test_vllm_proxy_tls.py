"""TLS of the proxy before an engine: the real Envoy as the chart configures it."""

from __future__ import annotations

import http.client
import socket
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.charts.conftest import changed
from tests.charts.vllm_proxy import running, values_of_sandbox
from tests.waits import until


def certificate(folder: Path, name: str) -> str:
    """A self-signed certificate as kubelet lays out a Secret: files behind a link that is exchanged. Returns its
    serial number as ssl prints it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName("vllm-chat.a-namespace.svc")]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    version = folder / f"..{name}"
    version.mkdir(parents=True)
    (version / "tls.crt").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (version / "tls.key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    (folder / "..data_tmp").symlink_to(version.name)
    (folder / "..data_tmp").rename(folder / "..data")
    for each in ("tls.crt", "tls.key"):
        if not (folder / each).is_symlink():
            (folder / each).symlink_to(f"..data/{each}")
    return f"{made.serial_number:x}"


def shown(port: int) -> tuple[str, str | None]:
    """Serial number of the certificate that a server shows, and the protocol."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with (
        socket.create_connection(("127.0.0.1", port), 10) as plain,
        context.wrap_socket(plain, server_hostname="vllm-chat.a-namespace.svc") as secured,
    ):
        der = secured.getpeercert(True)
        assert der is not None
        return f"{x509.load_der_x509_certificate(der).serial_number:x}", secured.version()


def test_tls_shows_a_renewed_certificate_without_a_restart(tmp_path: Path) -> None:
    tls = tmp_path / "tls"
    first = certificate(tls, "first")
    with running(tmp_path, changed(values_of_sandbox(), "tls.secretName", "vllm-chat-tls"), tls) as pod:
        assert shown(pod.port) == (first, "TLSv1.3")
        second = certificate(tls, "second")
        until(lambda: shown(pod.port)[0] != first, "another certificate")
        assert shown(pod.port)[0] == second
        # Who speaks plain HTTP gets no answer.
        with pytest.raises((http.client.HTTPException, OSError)):
            pod.ask("GET", "/health")
