import json
import pickle
import struct
import subprocess
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bastide.models.errors import ModelError
from bastide.models.manifest import Manifest, ModelFile, parse, scan


def scanned(folder: Path) -> Manifest:
    return scan(folder, "tiny-qwen2", "1.0.0", "apache-2.0", "made here")


def test_coreutils_accept_the_checksums(tiny: Path) -> None:
    (tiny / "SHA256SUMS").write_bytes(scanned(tiny).sums)
    done = subprocess.run(["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=tiny, capture_output=True)
    assert done.returncode == 0, done.stdout


def test_the_digest_changes_with_any_byte_and_with_any_name(tiny: Path) -> None:
    before = scanned(tiny).digest
    (tiny / "LICENSE").write_text("x")
    added = scanned(tiny).digest
    (tiny / "LICENSE").rename(tiny / "NOTICE")
    assert len({before, added, scanned(tiny).digest}) == 3


@pytest.mark.parametrize("suffix", ["bin", "pt", "pth", "ckpt", "pkl", "pickle", "py", "PT"])
def test_a_format_that_runs_code_is_refused_by_name(tiny: Path, suffix: str) -> None:
    (tiny / f"extra.{suffix}").write_bytes(b"harmless")
    with pytest.raises(ModelError, match=f"extra.{suffix} is refused"):
        scanned(tiny)


def test_a_pickle_under_another_name_is_refused_by_its_bytes(tiny: Path) -> None:
    (tiny / "weights.data").write_bytes(pickle.dumps({"a": 1}))
    with pytest.raises(ModelError, match=r"weights\.data is refused.*pickle"):
        scanned(tiny)


def test_a_zip_under_another_name_is_refused_by_its_bytes(tiny: Path) -> None:
    with zipfile.ZipFile(tiny / "weights.data", "w") as archive:
        archive.writestr("data.pkl", "x")
    with pytest.raises(ModelError, match=r"weights\.data is refused.*zip"):
        scanned(tiny)


def test_a_link_is_refused(tiny: Path) -> None:
    (tiny / "link.json").symlink_to("/etc/passwd")
    with pytest.raises(ModelError, match=r"link\.json is a link"):
        scanned(tiny)


@pytest.mark.parametrize("name", ["a b.json", "-rf", ".hidden", "a\nb", "ä.json"])
def test_an_unsafe_name_is_refused(tiny: Path, name: str) -> None:
    (tiny / name).write_text("{}")
    with pytest.raises(ModelError, match="not a safe file name"):
        scanned(tiny)


@pytest.mark.parametrize("name", ["SHA256SUMS", "manifest.json"])
def test_a_name_that_publishing_writes_is_refused(tiny: Path, name: str) -> None:
    (tiny / name).write_text("{}")
    with pytest.raises(ModelError, match=f"{name} is a name that publishing writes"):
        scanned(tiny)


def test_a_folder_without_configuration_is_refused(tiny: Path) -> None:
    (tiny / "config.json").unlink()
    with pytest.raises(ModelError, match=r"no config\.json"):
        scanned(tiny)


def test_a_configuration_that_brings_code_is_refused(tiny: Path) -> None:
    config = json.loads((tiny / "config.json").read_text()) | {"auto_map": {"AutoModel": "x.Y"}}
    (tiny / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match="auto_map"):
        scanned(tiny)


def test_a_folder_without_safetensors_is_refused(tiny: Path) -> None:
    (tiny / "model.safetensors").unlink()
    with pytest.raises(ModelError, match=r"no \.safetensors"):
        scanned(tiny)


def test_weights_cut_short_are_refused(tiny: Path) -> None:
    weights = tiny / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    with pytest.raises(ModelError, match="not a whole safetensors file"):
        scanned(tiny)


@given(content=st.binary(max_size=64), length=st.integers(0, 2**64 - 1))
def test_no_bytes_crash_the_reading_of_a_header(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, length: int
) -> None:
    folder = tmp_path_factory.mktemp("model")
    (folder / "config.json").write_text('{"architectures": ["Qwen2ForCausalLM"]}')
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", length) + content)
    with pytest.raises(ModelError, match="not a whole safetensors file"):
        scanned(folder)


HEX = st.text("0123456789abcdef", min_size=64, max_size=64)
FILES = st.lists(st.builds(ModelFile, st.text(), st.integers(0), HEX), max_size=4)


@given(files=FILES, licence=st.text(), source=st.text())
def test_a_manifest_survives_being_written_and_read(
    files: list[ModelFile], licence: str, source: str
) -> None:
    manifest = Manifest("tiny", "1.0.0", tuple(files), licence, source)
    assert parse(manifest.document(), "here") == manifest


def test_a_manifest_whose_digest_is_not_its_files_is_refused(tiny: Path) -> None:
    document = scanned(tiny).document()
    changed = document.replace(scanned(tiny).files[0].sha256.encode(), b"0" * 64)
    with pytest.raises(ModelError, match="it was changed"):
        parse(changed, "s3://bucket/manifest.json")


def test_an_adapter_is_published_like_a_model(tiny: Path, tmp_path: Path) -> None:
    folder = tmp_path / "adapter"
    folder.mkdir()
    (folder / "adapter_config.json").write_text('{"peft_type": "LORA", "r": 8}')
    (folder / "adapter_model.safetensors").write_bytes((tiny / "model.safetensors").read_bytes())
    names = [each.name for each in scan(folder, "legal", "1.0.0", "MIT", "made here").files]
    assert names == ["adapter_config.json", "adapter_model.safetensors"]
    (folder / "adapter_config.json").unlink()
    with pytest.raises(ModelError, match=r"no config\.json \(nor adapter_config\.json"):
        scan(folder, "legal", "1.0.0", "MIT", "made here")
