"""Signatures: judged by OpenSSF's own verifier, made by keys in files and in KMS, and by the commands."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import model_signing
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from artifact_agent.errors import RefusedError
from artifact_agent.signature import pae, read_public_key, verify
from bastide.cli import main
from bastide.models.errors import ModelError
from bastide.models.manifest import Manifest, scan
from bastide.models.publish import publish
from bastide.models.signing import (
    FileSigner,
    bundle,
    digests,
    file_signer,
    kms_public_key,
    kms_signer,
    public_pem,
)
from sandbox.state import aws_client
from tests.models.conftest import KEYS
from tests.sandbox_aws.conftest import _serve

SIGNATURE = "models/tiny-qwen2/1.0.0/model.sig"


@pytest.fixture(scope="module")
def signer() -> FileSigner:
    return FileSigner(ec.generate_private_key(ec.SECP256R1()))


@pytest.fixture
def manifest(tiny: Path) -> Manifest:
    return scan(tiny, "tiny-qwen2", "1.0.0", "MIT", "made here")


def published(folder: Path, manifest: Manifest, signature: bytes) -> Path:
    """The folder as it lies in the bucket."""
    (folder / "SHA256SUMS").write_bytes(manifest.sums)
    (folder / "manifest.json").write_bytes(manifest.document())
    (folder / "model.sig").write_bytes(signature)
    return folder


def theirs(folder: Path, pem: str, tmp_path: Path) -> None:
    """OpenSSF's verifier. Raises where it refuses."""
    key = tmp_path / "key.pub"
    key.write_text(pem)
    model_signing.verifying.Config().use_elliptic_key_verifier(public_key=key).verify(
        folder, folder / "model.sig"
    )


def test_openssfs_verifier_accepts_what_is_signed(
    tiny: Path, manifest: Manifest, signer: FileSigner, tmp_path: Path
) -> None:
    theirs(published(tiny, manifest, bundle(manifest, signer)), public_pem(signer.public), tmp_path)


@pytest.mark.parametrize(
    "name", ["config.json", "model.safetensors", "manifest.json", "SHA256SUMS", "new.json"]
)
def test_openssfs_verifier_refuses_what_was_changed_after(
    tiny: Path, manifest: Manifest, signer: FileSigner, tmp_path: Path, name: str
) -> None:
    folder = published(tiny, manifest, bundle(manifest, signer))
    (folder / name).write_bytes(b"changed")
    with pytest.raises(ValueError, match=name):
        theirs(folder, public_pem(signer.public), tmp_path)


def test_openssfs_signer_is_accepted_here(tiny: Path, manifest: Manifest, tmp_path: Path) -> None:
    folder = published(tiny, manifest, b"")
    (folder / "model.sig").unlink()
    key = ec.generate_private_key(ec.SECP256R1())
    pem = tmp_path / "key.pem"
    pem.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    model_signing.signing.Config().use_elliptic_key_signer(private_key=pem).sign(
        folder, tmp_path / "model.sig"
    )
    found = verify((tmp_path / "model.sig").read_bytes(), (FileSigner(key).public,))
    assert found.digests == digests(manifest)


def changed(document: bytes, change: Callable[[dict[str, Any]], None]) -> bytes:
    content = json.loads(document)
    change(content)
    return json.dumps(content).encode()


def resigned(document: bytes, signer: FileSigner, change: Callable[[dict[str, Any]], None]) -> bytes:
    """Another statement, with a signature that holds."""

    def exchange(content: dict[str, Any]) -> None:
        envelope = content["dsseEnvelope"]
        statement = json.loads(base64.b64decode(envelope["payload"]))
        change(statement)
        payload = json.dumps(statement).encode()
        envelope["payload"] = base64.b64encode(payload).decode()
        envelope["signatures"][0]["sig"] = base64.b64encode(signer.sign(pae(payload))).decode()

    return changed(document, exchange)


def set_(*path: Any, to: Any) -> Callable[[Any], None]:
    def change(content: Any) -> None:
        for each in path[:-1]:
            content = content[each]
        content[path[-1]] = to

    return change


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (set_("mediaType", to="application/json"), "is not a bundle of type"),
        (set_("dsseEnvelope", "payloadType", to="text/plain"), "signs something other"),
        (set_("dsseEnvelope", "signatures", to=[]), "is not a signature of a model"),
        (set_("dsseEnvelope", "payload", to="%%%"), "is not a signature of a model"),
        (set_("dsseEnvelope", "payload", to="e30="), "does not hold"),
        (set_("dsseEnvelope", "signatures", 0, "sig", to="AAAA"), "does not hold"),
        (set_("verificationMaterial", to={}), "is not a signature of a model"),
    ],
)
def test_a_bundle_that_was_changed_is_refused(
    manifest: Manifest, signer: FileSigner, change: Callable[[dict[str, Any]], None], said: str
) -> None:
    with pytest.raises(RefusedError, match=said):
        verify(changed(bundle(manifest, signer), change), (signer.public,))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (set_("_type", to="https://in-toto.io/Statement/v0.1"), "is not one about a model's files"),
        (set_("predicateType", to="https://model_signing/Digests/v0.1"), "is not one about a model's files"),
        (set_("predicate", "serialization", "method", to="shards"), "not over whole files"),
        (set_("predicate", "serialization", "hash_type", to="blake3"), "not over whole files"),
        (set_("predicate", "resources", 0, "algorithm", to="md5"), "has no SHA-256"),
        (set_("predicate", "resources", 0, "digest", to="00" * 32), "is not that of its files"),
        (set_("predicate", "resources", 1, "name", to="SHA256SUMS"), "twice"),
        (set_("subject", to=[]), "signs no list of a model's files"),
    ],
)
def test_a_statement_of_another_kind_is_refused_though_its_signature_holds(
    manifest: Manifest, signer: FileSigner, change: Callable[[dict[str, Any]], None], said: str
) -> None:
    with pytest.raises(RefusedError, match=said):
        verify(resigned(bundle(manifest, signer), signer, change), (signer.public,))


def test_a_name_that_stands_twice_in_the_bundle_is_refused(manifest: Manifest, signer: FileSigner) -> None:
    document = bundle(manifest, signer).replace(b'{"mediaType"', b'{"mediaType": "x", "mediaType"', 1)
    with pytest.raises(RefusedError, match="a name stands twice"):
        verify(document, (signer.public,))


@pytest.fixture(scope="module")
def aws() -> Iterator[str]:
    yield from _serve("--self-sufficient")


@pytest.fixture
def kms(aws: str) -> Any:
    """The sandbox's: moto alone hashes a hash again."""
    return aws_client("kms", "us-east-1", aws)


def test_a_key_in_kms_signs_what_openssfs_verifier_accepts(
    kms: Any, tiny: Path, manifest: Manifest, tmp_path: Path
) -> None:
    key = kms.create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")["KeyMetadata"]["KeyId"]
    kms.create_alias(AliasName="alias/models", TargetKeyId=key)
    found = kms_signer(kms, "alias/models")
    assert found.public.id == kms_public_key(kms, key).id
    theirs(published(tiny, manifest, bundle(manifest, found)), public_pem(found.public), tmp_path)


@pytest.mark.parametrize(
    ("spec", "usage"),
    [("ECC_NIST_P384", "SIGN_VERIFY"), ("RSA_2048", "SIGN_VERIFY"), ("RSA_2048", "ENCRYPT_DECRYPT")],
)
def test_a_key_in_kms_of_another_kind_is_refused(kms: Any, spec: str, usage: str) -> None:
    key = kms.create_key(KeySpec=spec, KeyUsage=usage)["KeyMetadata"]["KeyId"]
    with pytest.raises(ModelError, match=f"is of another kind, {spec} for {usage}"):
        kms_signer(kms, key)


def test_a_key_that_is_not_in_kms_is_said(kms: Any) -> None:
    with pytest.raises(ModelError, match="there is no KMS key alias/none here"):
        kms_signer(kms, "alias/none")


def test_what_aws_needs_and_lacks_is_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in (
        *("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"),
        *("AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION"),
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    assert main(["model", "key", "--key", "kms:alias/none"]) == 1
    assert "in which region? give --region" in capsys.readouterr().err
    assert main(["model", "key", "--key", "kms:alias/none", "--region", "us-east-1"]) == 1
    assert "no AWS credentials were found for KMS key alias/none" in capsys.readouterr().err


def test_a_folder_has_no_signature_to_verify(tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["model", "verify", str(tiny), "--public-key", "key.pem"]) == 1
    assert "only a published version is signed" in capsys.readouterr().err


def pem_of(key: Any, path: Path, mode: int = 0o600) -> Path:
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    path.chmod(mode)
    return path


def test_key_files_that_do_not_sign_models_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"cannot be read: No such file.*bastide model key --new FILE"):
        file_signer(tmp_path / "none")
    with pytest.raises(ModelError, match=r"can be read by others \(mode 640\)"):
        file_signer(pem_of(ec.generate_private_key(ec.SECP256R1()), tmp_path / "open", 0o640))
    with pytest.raises(ModelError, match="is not an elliptic-curve key on P-256"):
        file_signer(pem_of(rsa.generate_private_key(65537, 2048), tmp_path / "rsa"))
    with pytest.raises(ModelError, match="is not an elliptic-curve key on P-256"):
        file_signer(pem_of(ec.generate_private_key(ec.SECP384R1()), tmp_path / "p384"))
    (tmp_path / "text").write_text("no key")
    (tmp_path / "text").chmod(0o600)
    with pytest.raises(ModelError, match="openssl genpkey"):
        file_signer(tmp_path / "text")


def test_the_password_of_a_key_file_comes_from_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    path = tmp_path / "key"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"secret"),
        )
    )
    path.chmod(0o600)
    with pytest.raises(ModelError, match="BASTIDE_SIGNING_KEY_PASSWORD"):
        file_signer(path)
    monkeypatch.setenv("BASTIDE_SIGNING_KEY_PASSWORD", "secret")
    assert file_signer(path).public.id == FileSigner(key).public.id


def test_a_private_key_is_no_trusted_key() -> None:
    with pytest.raises(RefusedError, match="no public key"):
        read_public_key("-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----\n")


def test_publishing_again_keeps_the_signature_and_another_key_is_refused(
    s3: Any, bucket: str, tiny: Path, manifest: Manifest, signer: FileSigner
) -> None:
    first = publish(s3, bucket, tiny, manifest, lambda _: None, signer)
    assert first.signed
    before = s3.get_object(Bucket=bucket, Key=SIGNATURE)["Body"].read()
    again = publish(s3, bucket, tiny, manifest, lambda _: None, signer)
    assert (again.already, again.signed) == (True, False)
    assert s3.get_object(Bucket=bucket, Key=SIGNATURE)["Body"].read() == before
    other = FileSigner(ec.generate_private_key(ec.SECP256R1()))
    with pytest.raises(ModelError, match="is not this key's"):
        publish(s3, bucket, tiny, manifest, lambda _: None, other)


def test_an_unsigned_version_that_is_published_again_with_a_key_is_signed(
    s3: Any, bucket: str, tiny: Path, manifest: Manifest, signer: FileSigner
) -> None:
    assert not publish(s3, bucket, tiny, manifest, lambda _: None).signed
    assert publish(s3, bucket, tiny, manifest, lambda _: None, signer).signed
    found = verify(s3.get_object(Bucket=bucket, Key=SIGNATURE)["Body"].read(), (signer.public,))
    assert found.digests == digests(manifest)


@pytest.fixture
def here(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {**KEYS, "AWS_ENDPOINT_URL": endpoint, "AWS_DEFAULT_REGION": "us-east-1"}.items():
        monkeypatch.setenv(name, value)


def arguments(bucket: str, tiny: Path, *more: str) -> list[str]:
    named = ["--name", "tiny-qwen2", "--version", "1.0.0", "--licence", "mit", "--source", "made here"]
    return ["model", "publish", str(tiny), *named, "--bucket", bucket, *more]


@pytest.mark.usefixtures("here")
def test_the_commands_make_a_key_sign_by_it_and_verify(
    bucket: str, tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key, public = tmp_path / "key.pem", tmp_path / "key.pub"
    assert main(["model", "key", "--new", str(key)]) == 0
    public.write_text(capsys.readouterr().out)
    assert key.stat().st_mode & 0o777 == 0o600
    assert main(["model", "key", "--new", str(key)]) == 1
    assert "File exists" in capsys.readouterr().err
    assert main(arguments(bucket, tiny, "--unsigned")) == 0
    assert "unsigned: engines refuse it" in capsys.readouterr().out
    url = f"s3://{bucket}/models/tiny-qwen2/1.0.0"
    assert main(["model", "verify", url, "--public-key", str(public)]) == 1
    assert "the version is not signed" in capsys.readouterr().err
    assert main(["model", "sign", url, "--key", str(key)]) == 0
    assert "is signed now" in capsys.readouterr().out
    assert main(["model", "sign", url, "--key", str(key)]) == 0
    assert "was signed already" in capsys.readouterr().out
    assert main(["model", "verify", url, "--public-key", str(public)]) == 0
    assert "its signature is by the key of" in capsys.readouterr().out


@pytest.mark.usefixtures("here")
def test_a_signature_changes_hands_only_by_replace(
    s3: Any, bucket: str, tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keys = [pem_of(ec.generate_private_key(ec.SECP256R1()), tmp_path / name) for name in ("one", "two")]
    assert main(arguments(bucket, tiny, "--key", str(keys[0]))) == 0
    sign = ["model", "sign", f"s3://{bucket}/models/tiny-qwen2/1.0.0", "--key", str(keys[1])]
    assert main(sign) == 1
    assert "bastide model sign --replace" in capsys.readouterr().err
    assert main([*sign, "--replace"]) == 0
    document = s3.get_object(Bucket=bucket, Key=SIGNATURE)["Body"].read()
    assert verify(document, (file_signer(keys[1]).public,))


@pytest.mark.usefixtures("here")
def test_a_version_that_says_it_is_another_is_neither_signed_nor_verified(
    s3: Any, bucket: str, tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its signature would be the other one's."""
    key = pem_of(ec.generate_private_key(ec.SECP256R1()), tmp_path / "key")
    assert main(arguments(bucket, tiny, "--unsigned")) == 0
    at = "models/tiny-qwen2/1.0.0/"
    for item in s3.list_objects_v2(Bucket=bucket, Prefix=at)["Contents"]:
        name = item["Key"].removeprefix(at)
        body = s3.get_object(Bucket=bucket, Key=item["Key"])["Body"].read()
        s3.put_object(Bucket=bucket, Key=f"models/harmless/1.0.0/{name}", Body=body)
    target = f"s3://{bucket}/models/harmless/1.0.0"
    for command in (["sign", target, "--key", str(key)], ["verify", target]):
        assert main(["model", *command]) == 1
        assert "says that it is 'tiny-qwen2' '1.0.0': it does not belong here" in capsys.readouterr().err
    left = [each["Key"] for each in s3.list_objects_v2(Bucket=bucket)["Contents"]]
    assert not [each for each in left if each.endswith("model.sig")]


@pytest.mark.usefixtures("here")
def test_what_is_not_what_was_published_is_not_signed(
    s3: Any, bucket: str, tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key = pem_of(ec.generate_private_key(ec.SECP256R1()), tmp_path / "key")
    assert main(arguments(bucket, tiny, "--unsigned")) == 0
    s3.put_object(Bucket=bucket, Key="models/tiny-qwen2/1.0.0/config.json", Body=b"{}")
    assert main(["model", "sign", f"s3://{bucket}/models/tiny-qwen2/1.0.0", "--key", str(key)]) == 1
    assert "config.json has SHA-256" in capsys.readouterr().err


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("more", "said"),
    [
        ([], "by which key?"),
        (["--key", "kms:"], "names no key"),
        (["--key", "kms:alias/none"], "there is no KMS key alias/none here"),
        (["--stack", "sandbox"], "there is no KMS key alias/bastide-sandbox-us-east-1-model-signing here"),
    ],
)
def test_a_key_that_cannot_sign_stops_before_anything_is_sent(
    s3: Any, bucket: str, tiny: Path, more: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments(bucket, tiny, *more)) == 1
    assert said in capsys.readouterr().err
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)


@pytest.mark.usefixtures("here")
def test_a_key_that_the_stacks_engines_do_not_trust_is_refused(
    bucket: str, tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key = pem_of(ec.generate_private_key(ec.SECP256R1()), tmp_path / "key")
    assert main(arguments(bucket, tiny, "--stack", "sandbox", "--key", str(key))) == 1
    assert "the engines of stack 'sandbox' would refuse a signature by" in capsys.readouterr().err
