from pathlib import Path
from typing import Any

import pytest

from bastide.cli import main
from bastide.models import publish as publishing
from bastide.models.errors import ModelError
from bastide.models.manifest import Manifest, scan
from bastide.models.publish import Published, publish, verify
from tests.models.conftest import KEYS

PREFIX = "models/tiny-qwen2/1.0.0/"
MANIFEST = f"{PREFIX}manifest.json"


def silent(_: str) -> None:
    pass


def scanned(folder: Path, licence: str = "apache-2.0") -> Manifest:
    return scan(folder, "tiny-qwen2", "1.0.0", licence, "made here")


def send(s3: Any, bucket: str, folder: Path) -> Published:
    return publish(s3, bucket, folder, scanned(folder), silent)


def keys(s3: Any, bucket: str) -> set[str]:
    return {item["Key"] for item in s3.list_objects_v2(Bucket=bucket).get("Contents", ())}


class Dies:
    """A client whose process dies at its n-th write."""

    def __init__(self, client: Any, writes: int) -> None:
        self._client, self._left = client, writes

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def put_object(self, **arguments: Any) -> Any:
        if self._left == 0:
            raise KeyboardInterrupt
        self._left -= 1
        return self._client.put_object(**arguments)


def test_a_version_is_published_with_its_checksums_and_its_manifest(s3: Any, bucket: str, tiny: Path) -> None:
    done = send(s3, bucket, tiny)
    manifest = scanned(tiny)
    assert keys(s3, bucket) == {
        *(PREFIX + each.name for each in manifest.files),
        f"{PREFIX}SHA256SUMS",
        MANIFEST,
    }
    assert done == Published(f"s3://{bucket}/{PREFIX}", manifest.digest, len(manifest.files), False)
    assert verify(s3, bucket, PREFIX, silent) == manifest


def test_publishing_again_does_nothing(s3: Any, bucket: str, tiny: Path) -> None:
    send(s3, bucket, tiny)
    before = s3.head_object(Bucket=bucket, Key=MANIFEST)["LastModified"]
    done = send(s3, bucket, tiny)
    assert done.already
    assert done.sent == 0
    assert s3.head_object(Bucket=bucket, Key=MANIFEST)["LastModified"] == before


@pytest.mark.parametrize("writes", range(8))
def test_a_publish_killed_at_any_write_leaves_no_version_and_the_next_one_goes_on(
    s3: Any, bucket: str, tiny: Path, writes: int
) -> None:
    with pytest.raises(KeyboardInterrupt):
        publish(Dies(s3, writes), bucket, tiny, scanned(tiny), silent)
    assert MANIFEST not in keys(s3, bucket)
    with pytest.raises(ModelError, match="not published to its end"):
        verify(s3, bucket, PREFIX, silent)

    done = send(s3, bucket, tiny)

    assert done.sent == max(0, len(scanned(tiny).files) - writes)
    assert verify(s3, bucket, PREFIX, silent) == scanned(tiny)


def test_other_content_under_a_published_version_is_refused_and_nothing_changes(
    s3: Any, bucket: str, tiny: Path
) -> None:
    send(s3, bucket, tiny)
    first = scanned(tiny)
    (tiny / "LICENSE").write_text("other")
    with pytest.raises(ModelError, match="a version never changes"):
        send(s3, bucket, tiny)
    assert verify(s3, bucket, PREFIX, silent) == first


def test_another_licence_for_a_published_version_is_refused(s3: Any, bucket: str, tiny: Path) -> None:
    send(s3, bucket, tiny)
    with pytest.raises(ModelError, match=r"licence 'apache-2.0'.*never changes"):
        publish(s3, bucket, tiny, scanned(tiny, licence="mit"), silent)


def test_what_an_unfinished_publish_left_is_never_overwritten(s3: Any, bucket: str, tiny: Path) -> None:
    s3.put_object(Bucket=bucket, Key=f"{PREFIX}config.json", Body=b"other", ChecksumAlgorithm="SHA256")
    with pytest.raises(ModelError, match=r"config\.json is there with other content"):
        send(s3, bucket, tiny)
    assert s3.get_object(Bucket=bucket, Key=f"{PREFIX}config.json")["Body"].read() == b"other"


def test_a_foreign_file_at_the_version_is_refused_before_anything_is_sent(
    s3: Any, bucket: str, tiny: Path
) -> None:
    s3.put_object(Bucket=bucket, Key=f"{PREFIX}extra.json", Body=b"{}")
    with pytest.raises(ModelError, match=r"extra\.json"):
        send(s3, bucket, tiny)
    assert keys(s3, bucket) == {f"{PREFIX}extra.json"}


def test_of_two_publishers_of_different_content_the_second_is_refused(
    s3: Any, bucket: str, tiny: Path
) -> None:
    manifest = scanned(tiny)

    class Overtaken(Dies):
        def put_object(self, **arguments: Any) -> Any:
            if arguments["Key"] == MANIFEST:
                other = Manifest("tiny-qwen2", "1.0.0", manifest.files[:-1], "", "")
                s3.put_object(Bucket=bucket, Key=MANIFEST, Body=other.document())
            return self._client.put_object(**arguments)

    with pytest.raises(ModelError, match="a version never changes"):
        publish(Overtaken(s3, 0), bucket, tiny, manifest, silent)


def test_large_files_go_in_parts_and_are_found_again(
    s3: Any, bucket: str, tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # S3's least part is 5 MiB; two and a half of them make three parts.
    monkeypatch.setattr(publishing, "PART", 5 * 1024 * 1024)
    (tiny / "vocabulary.txt").write_bytes(bytes(range(65, 91)) * (13 * 1024 * 1024 // 26))
    with pytest.raises(KeyboardInterrupt):
        publish(Dies(s3, 6), bucket, tiny, scanned(tiny), silent)
    assert f"{PREFIX}vocabulary.txt" in keys(s3, bucket)
    assert send(s3, bucket, tiny).sent == 0
    assert verify(s3, bucket, PREFIX, silent) == scanned(tiny)


def test_a_file_that_changes_while_it_is_sent_is_not_published(s3: Any, bucket: str, tiny: Path) -> None:
    manifest = scanned(tiny)
    (tiny / "generation_config.json").write_text("{}")
    with pytest.raises(ModelError, match=r"generation_config\.json changed while"):
        publish(s3, bucket, tiny, manifest, silent)
    assert MANIFEST not in keys(s3, bucket)


def test_a_changed_byte_in_the_bucket_is_found(s3: Any, bucket: str, tiny: Path) -> None:
    send(s3, bucket, tiny)
    s3.put_object(Bucket=bucket, Key=f"{PREFIX}config.json", Body=b"{}")
    with pytest.raises(ModelError, match=r"config\.json has SHA-256"):
        verify(s3, bucket, PREFIX, silent)


def test_a_missing_bucket_is_said_with_what_to_do(s3: Any, tiny: Path) -> None:
    with pytest.raises(ModelError, match=r"no bucket 'nowhere'.*--bucket"):
        send(s3, "nowhere", tiny)


def test_the_command_publishes_and_prints_the_digest_for_the_stack_file(
    endpoint: str,
    bucket: str,
    tiny: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, value in {**KEYS, "AWS_ENDPOINT_URL": endpoint, "AWS_DEFAULT_REGION": "us-east-1"}.items():
        monkeypatch.setenv(name, value)
    arguments = ["model", "publish", str(tiny), "--name", "tiny-qwen2", "--version", "1.0.0"]
    licence = ["--licence", "apache-2.0", "--source", "made here", "--unsigned"]
    assert main([*arguments, "--bucket", bucket, *licence]) == 0
    assert f'sha256: "{scanned(tiny).digest}"' in capsys.readouterr().out
    assert main([*arguments, "--bucket", bucket, *licence]) == 0
    assert "already published, nothing to do" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("option", "value"), [("--version", "1.0"), ("--version", "latest"), ("--name", "Tiny Model")]
)
def test_a_name_or_version_that_no_stack_file_could_say_is_refused(
    tiny: Path, capsys: pytest.CaptureFixture[str], option: str, value: str
) -> None:
    origin = {"--licence": "MIT", "--source": "made here"}
    given = {"--name": "tiny-qwen2", "--version": "1.0.0", "--bucket": "any", **origin, option: value}
    flat = [part for pair in given.items() for part in pair]
    assert main(["model", "publish", str(tiny), *flat]) == 1
    error = capsys.readouterr().err
    assert value in error
    assert "allowed" in error


def test_missing_credentials_are_said_with_what_to_do(
    endpoint: str, tiny: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for variable in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    options = ["--name", "tiny-qwen2", "--version", "1.0.0", "--bucket", "any", "--region", "us-east-1"]
    options += ["--licence", "MIT", "--source", "made here", "--unsigned"]
    assert main(["model", "publish", str(tiny), *options]) == 1
    assert "no AWS credentials were found" in capsys.readouterr().err
