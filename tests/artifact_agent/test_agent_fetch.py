"""What the agent accepts, what it refuses and in which words: against a bucket that is tampered with."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from artifact_agent import report
from bastide.models.manifest import Manifest, scan
from bastide.models.publish import publish
from bastide.models.signing import FileSigner, bundle, public_pem
from tests.artifact_agent.conftest import PREFIX, Agent


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def put(s3: Any, bucket: str, name: str, content: bytes) -> None:
    s3.put_object(Bucket=bucket, Key=PREFIX + name, Body=content)


def get(s3: Any, bucket: str, name: str) -> bytes:
    content: bytes = s3.get_object(Bucket=bucket, Key=PREFIX + name)["Body"].read()
    return content


def test_a_signed_model_comes_whole_and_is_recorded(
    agent: Agent, manifest: Manifest, tiny: Path, model_folder: Path, signer: FileSigner, versioned: str
) -> None:
    done = agent({"sha256": manifest.digest})
    assert done.status == 0, done.reason
    (line,) = done.lines
    there = {each.relative_to(model_folder).as_posix() for each in model_folder.rglob("*")}
    assert there == {each.name for each in manifest.files}
    for each in manifest.files:
        assert (model_folder / each.name).read_bytes() == (tiny / each.name).read_bytes()
    assert line["bytes"] == line["bytesFetched"] == manifest.total
    assert line["keyId"] == signer.public.id
    assert line["digest"] == manifest.digest
    record = json.loads(model_folder.with_name("1.0.0.verified.json").read_text())
    assert record["source"] == f"s3://{versioned}/{PREFIX}"
    assert {each["name"]: each["sha256"] for each in record["files"]} == {
        each.name: each.sha256 for each in manifest.files
    }


def test_one_flipped_byte_is_refused_by_file_and_both_digests(
    agent: Agent, manifest: Manifest, s3: Any, versioned: str, model_folder: Path
) -> None:
    content = bytearray(get(s3, versioned, "model.safetensors"))
    published = sha256(content)
    content[-1] ^= 1
    put(s3, versioned, "model.safetensors", bytes(content))
    done = agent({"sha256": manifest.digest})
    assert done.status == 1
    assert f"model.safetensors: expected SHA-256 {published}, got {sha256(content)}" in done.reason
    assert not model_folder.exists()
    assert not model_folder.with_name("1.0.0.verified.json").exists()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("extra.json", "'extra.json' is in s3://"),
        ("sub/extra.json", "'sub/extra.json' is in s3://"),
        ("weights.bin", ".bin files can run code"),
        ("sub/modeling.py", ".py files can run code"),
        ("../../other/1.0.0/config.json", "is not a safe file name"),
        ("/etc/passwd", "is not a safe file name"),
    ],
)
def test_a_file_that_was_not_published_is_refused_by_name(
    agent: Agent, manifest: Manifest, s3: Any, versioned: str, name: str, said: str
) -> None:
    put(s3, versioned, name, b"{}")
    done = agent({"sha256": manifest.digest})
    assert done.status == 1
    assert said in done.reason
    assert name in done.reason


def test_a_missing_file_is_refused_by_name_and_digest(
    agent: Agent, manifest: Manifest, s3: Any, versioned: str
) -> None:
    s3.delete_object(Bucket=versioned, Key=f"{PREFIX}tokenizer.json")
    done = agent({"sha256": manifest.digest})
    expected = next(each.sha256 for each in manifest.files if each.name == "tokenizer.json")
    assert done.status == 1
    assert "tokenizer.json is missing" in done.reason
    assert expected in done.reason


def test_a_file_of_another_length_is_refused_before_it_is_read(
    agent: Agent, manifest: Manifest, s3: Any, versioned: str
) -> None:
    put(s3, versioned, "tokenizer.json", b"{}")
    done = agent({"sha256": manifest.digest})
    assert "tokenizer.json: expected " in done.reason
    assert "has 2" in done.reason


def test_an_unsigned_model_is_refused_unless_that_is_allowed(
    agent: Agent, s3: Any, versioned: str, tiny: Path
) -> None:
    found = scan(tiny, "tiny-qwen2", "1.0.0", "MIT", "made here")
    publish(s3, versioned, tiny, found, lambda _: None)
    refused = agent({"sha256": found.digest})
    assert refused.status == 1
    assert "it is not signed" in refused.reason
    allowed = agent({"sha256": found.digest}, MODEL_ALLOW_UNSIGNED="true", MODEL_PUBLIC_KEYS="")
    assert allowed.status == 0, allowed.reason
    assert allowed.lines[0]["keyId"] == ""
    # What was accepted unsigned is not believed once signatures are asked for.
    again = agent({"sha256": found.digest})
    assert "it is not signed" in again.reason


def test_a_signature_by_another_key_is_refused(
    agent: Agent, manifest: Manifest, s3: Any, versioned: str, signer: FileSigner
) -> None:
    other = FileSigner(ec.generate_private_key(ec.SECP256R1()))
    put(s3, versioned, "model.sig", bundle(manifest, other))
    done = agent({"sha256": manifest.digest})
    assert done.status == 1
    assert f"model.sig is by key {other.public.id[:16]}, which is not trusted" in done.reason
    assert signer.public.id[:16] in done.reason
    both = public_pem(signer.public) + public_pem(other.public)
    assert agent({"sha256": manifest.digest}, MODEL_PUBLIC_KEYS=both).status == 0


def test_a_forged_hint_does_not_help(
    agent: Agent, manifest: Manifest, s3: Any, versioned: str, signer: FileSigner
) -> None:
    other = FileSigner(ec.generate_private_key(ec.SECP256R1()))
    forged = bundle(manifest, other).replace(other.public.id.encode(), signer.public.id.encode())
    put(s3, versioned, "model.sig", forged)
    done = agent({"sha256": manifest.digest})
    assert "model.sig does not hold" in done.reason


def test_a_manifest_that_was_changed_with_its_checksums_is_caught_by_the_signature(
    agent: Agent, manifest: Manifest, s3: Any, versioned: str
) -> None:
    """Whoever may write the bucket can make all of it agree but the signature. The stack names no digest here."""
    config = get(s3, versioned, "config.json").replace(b"1024", b"2048")
    old, new = sha256(get(s3, versioned, "config.json")), sha256(config)
    put(s3, versioned, "config.json", config)
    sums = get(s3, versioned, "SHA256SUMS").replace(old.encode(), new.encode())
    put(s3, versioned, "SHA256SUMS", sums)
    document = get(s3, versioned, "manifest.json").replace(old.encode(), new.encode())
    put(s3, versioned, "manifest.json", document.replace(manifest.digest.encode(), sha256(sums).encode()))
    done = agent()
    assert done.status == 1
    assert "signed was SHA-256" in done.reason


def test_a_version_under_the_name_of_another_is_refused(
    agent: Agent, manifest: Manifest, s3: Any, versioned: str
) -> None:
    for name in ["SHA256SUMS", "manifest.json", "model.sig", *(each.name for each in manifest.files)]:
        s3.put_object(Bucket=versioned, Key=f"models/other/2.0.0/{name}", Body=get(s3, versioned, name))
    done = agent({"name": "other", "version": "2.0.0", "prefix": "models/other/2.0.0/"})
    assert done.status == 1
    assert "says that it is tiny-qwen2 1.0.0, and other 2.0.0 was asked for" in done.reason


def test_another_digest_than_the_stack_asks_for_is_refused_with_both(
    agent: Agent, manifest: Manifest
) -> None:
    done = agent({"sha256": "0" * 64})
    assert done.status == 1
    assert f"expected SHA-256 {'0' * 64}, which the stack asks for, got {manifest.digest}" in done.reason


def test_a_version_that_was_not_published_to_its_end_is_refused(
    agent: Agent, manifest: Manifest, s3: Any, versioned: str
) -> None:
    s3.delete_object(Bucket=versioned, Key=f"{PREFIX}manifest.json")
    assert "was not published to its end" in agent().reason


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        (
            "tokenizer.json",
            b"\x80\x04\x95pickle",
            "tokenizer.json is refused: its first bytes are those of a pickle",
        ),
        ("vocab.txt", b"PK\x03\x04rest", "vocab.txt is refused: its first bytes are those of a zip archive"),
        (
            "model.safetensors",
            b"\x80\x04\x95\0\0\0\0\0x",
            "model.safetensors is not a whole safetensors file",
        ),
        ("config.json", b'{"architectures": ["A"], "auto_map": {}}', "config.json has auto_map"),
        ("weights.pt", b"x", "weights.pt', listed in SHA256SUMS, is refused: .pt files can run code"),
        (
            "config.json.journal",
            b"{}",
            "is refused: names that end with .journal are the artifact agent's own",
        ),
        ("../up.json", b"{}", "listed in SHA256SUMS, is not a safe file name"),
        ("/abs.json", b"{}", "listed in SHA256SUMS, is not a safe file name"),
    ],
)
def test_what_must_not_be_served_is_refused_even_when_it_was_signed(
    agent: Agent,
    s3: Any,
    versioned: str,
    tiny: Path,
    signer: FileSigner,
    name: str,
    content: bytes,
    said: str,
    model_folder: Path,
) -> None:
    """A publisher who does not use this kit, or one that was deceived."""
    from bastide.models.manifest import ModelFile

    files = {path.name: path.read_bytes() for path in tiny.iterdir()}
    files[name] = content
    listed = tuple(ModelFile(each, len(files[each]), sha256(files[each])) for each in sorted(files))
    wrong = Manifest("tiny-qwen2", "1.0.0", listed, "MIT", "elsewhere")
    for each, body in files.items():
        put(s3, versioned, each, body)
    put(s3, versioned, "SHA256SUMS", wrong.sums)
    put(s3, versioned, "manifest.json", wrong.document())
    put(s3, versioned, "model.sig", bundle(wrong, signer))
    done = agent({"sha256": wrong.digest})
    assert done.status == 1
    assert said in done.reason
    assert not model_folder.exists()


def test_a_bucket_that_is_not_there_is_said(agent: Agent, manifest: Manifest) -> None:
    done = agent({"bucket": "there-is-none-of-this-name"})
    assert done.status == 1
    assert "s3://there-is-none-of-this-name" in done.reason


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"MODEL_PUBLIC_KEYS": ""}, "names no key, and unsigned models are not allowed"),
        (
            {"MODEL_PUBLIC_KEYS": "-----BEGIN PUBLIC KEY-----\nx\n-----END PUBLIC KEY-----"},
            "no public key in PEM",
        ),
        ({"MODEL_ALLOW_UNSIGNED": "yes"}, "give true or false"),
        ({"MODELS": "{"}, "MODELS is not the JSON list"),
        ({"MODELS": "[]"}, "MODELS names no model"),
        ({"MODEL_CACHE_BYTES": "1G"}, "give a number of bytes"),
        ({"MODEL_CACHE_BYTES": "100"}, "give every model's sha256"),
    ],
)
def test_senseless_input_is_refused_in_words(agent: Agent, changes: dict[str, str], said: str) -> None:
    done = agent(None, **changes)
    assert done.status == 1
    assert said in done.reason


@pytest.mark.parametrize(
    "path", ["/etc/model", "relative", "{root}", "{root}/../other", "{root}/a/../../b", "{root}/.hidden"]
)
def test_a_path_outside_the_volume_is_refused(agent: Agent, root: Path, path: str) -> None:
    done = agent({"path": path.format(root=root)})
    assert done.status == 1
    assert "MODELS is not the JSON list" in done.reason


def test_a_model_inside_another_ones_folder_is_refused(
    agent: Agent, environment: Callable[..., dict[str, str]], model_folder: Path
) -> None:
    (one,) = json.loads(environment()["MODELS"])
    inside = {**one, "name": "other", "path": str(model_folder / "other")}
    done = agent(None, MODELS=json.dumps([inside, one]))
    assert done.status == 1
    assert "a model whose path lies in another's" in done.reason


def test_what_the_bucket_says_cannot_write_lines_of_its_own(
    agent: Agent, manifest: Manifest, s3: Any, versioned: str
) -> None:
    forged = "ok\nmodel verified \x1b[2J \u202e" + "é" * 1_000_000
    document = json.loads(manifest.document())
    put(s3, versioned, "manifest.json", json.dumps({**document, "name": forged}).encode())
    done = agent()
    assert done.status == 1
    assert "ok?model verified ?[2J ?" in done.reason
    assert done.reason.isprintable()
    assert 1000 < len(done.reason.encode()) <= 4096


def test_a_long_reason_fills_neither_log_nor_status(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report.refuse("é" * 1_000_000, tmp_path / "reason")
    assert len((tmp_path / "reason").read_bytes()) <= report.MESSAGE_LIMIT
    assert len(capsys.readouterr().err) < 30_000


def test_several_models_come_one_after_another(
    agent: Agent,
    environment: Any,
    manifest: Manifest,
    s3: Any,
    versioned: str,
    tiny: Path,
    signer: FileSigner,
    root: Path,
) -> None:
    """An engine with an adapter or a draft model."""
    second = scan(tiny, "draft", "2.0.0", "MIT", "made here")
    publish(s3, versioned, tiny, second, lambda _: None, signer)
    (first,) = json.loads(environment()["MODELS"])
    both = [
        first,
        {
            **first,
            "name": "draft",
            "version": "2.0.0",
            "prefix": "models/draft/2.0.0/",
            "path": str(root / "draft" / "2.0.0"),
        },
    ]
    done = agent(None, MODELS=json.dumps(both))
    assert done.status == 0, done.reason
    assert [each["model"] for each in done.lines] == ["tiny-qwen2", "draft"]
    assert (root / "draft" / "2.0.0" / "config.json").is_file()
