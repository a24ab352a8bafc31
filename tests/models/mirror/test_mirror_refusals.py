"""What is not mirrored: files, sources and addresses that are refused, before anything is stored."""

from __future__ import annotations

import json
from typing import Any

import pytest
import requests

from bastide.models.errors import ModelError
from bastide.models.hub import hub_model
from bastide.models.mirror_http import Fetcher, _Session
from tests.models.hub_server import REPO, Hub
from tests.models.mirror.mirroring import keys, run


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("pytorch_model.bin", b"\x80\x02", r"pytorch_model\.bin: such files can run code"),
        ("original/weights.pth", b"\x80\x02", r"original/weights\.pth: such files can run code"),
        ("modeling_tiny.py", b"import os", r"modeling_tiny\.py: such files can run code"),
        ("picture.png", b"\x89PNG", r"picture\.png: of no kind that an engine needs"),
        ("notes.txt", b"PK\x03\x04zip", r"notes\.txt is refused: its first bytes are those of a zip"),
        ("extra.safetensors", b"\x80\x04\x95pickled", r"extra\.safetensors is not a whole safetensors file"),
        ("manifest.json", b"{}", r"manifest\.json: a name that publishing writes itself"),
        ("my model.json", b"{}", "not a safe file name"),
    ],
)
def test_what_may_not_be_published_is_refused_before_anything_is_stored(
    s3: Any, bucket: str, hub: Hub, name: str, content: bytes, message: str
) -> None:
    path = hub.folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    with pytest.raises(ModelError, match=message):
        run(s3, bucket, hub)
    assert keys(s3, bucket) == set()


def test_a_name_that_leads_out_of_the_folder_is_refused(s3: Any, bucket: str, hub: Hub) -> None:
    document = hub.document()
    document["siblings"][0]["rfilename"] = "../../etc/cron.d/x.json"
    hub.document = lambda: document  # type: ignore[method-assign]
    with pytest.raises(ModelError, match="not a safe file name"):
        run(s3, bucket, hub)


def test_refused_files_can_be_left_out_by_a_pattern_and_a_pattern_without_a_file_is_a_mistake(
    s3: Any, bucket: str, hub: Hub
) -> None:
    (hub.folder / "original").mkdir()
    (hub.folder / "original" / "weights.pth").write_bytes(b"\x80\x02")
    done = run(s3, bucket, hub, leave_out=("original/*",))
    assert not any("original" in each.name for each in done.manifest.files)
    with pytest.raises(ModelError, match=r"'orginal/\*' matches none"):
        run(s3, bucket, hub, leave_out=("orginal/*",))


def test_a_model_that_brings_code_is_refused(s3: Any, bucket: str, hub: Hub) -> None:
    path = hub.folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "auto_map": {"AutoModel": "m.M"}}))
    with pytest.raises(ModelError, match="auto_map"):
        run(s3, bucket, hub)
    assert keys(s3, bucket) == set()


def test_a_model_that_shows_the_judge_something_else_is_refused(s3: Any, bucket: str, hub: Hub) -> None:
    path = hub.folder / "config.json"
    harmless = path.read_bytes()
    path.write_text(json.dumps({**json.loads(harmless), "auto_map": {"AutoModel": "m.M"}}))
    hub.first["config.json"] = harmless.rstrip().ljust(path.stat().st_size)
    with pytest.raises(ModelError, match=r"config\.json has .* the source says .*nothing is published"):
        run(s3, bucket, hub)
    assert keys(s3, bucket) == set()


def test_another_commit_under_a_published_version_is_refused(s3: Any, bucket: str, hub: Hub) -> None:
    run(s3, bucket, hub)
    with pytest.raises(ModelError, match="a version never changes"):
        run(s3, bucket, hub, licence="mit")
    hub.lies["tokenizer.json"] = 64 * "c"
    with pytest.raises(ModelError, match=r"other files \(tokenizer\.json differs\)"):
        run(s3, bucket, hub)


def test_the_token_goes_to_the_hub_and_nowhere_else(s3: Any, bucket: str, hub: Hub) -> None:
    hub.token = "hf_secret"
    run(s3, bucket, hub)
    assert hub.cdn_tokens == []


def test_a_redirect_to_plain_http_is_not_followed(s3: Any, bucket: str, hub: Hub) -> None:
    hub.elsewhere = "http://cdn.example.com"
    with pytest.raises(
        ModelError, match=r"127\.0\.0\.1 sends us on to http://cdn\.example\.com: only https://"
    ):
        run(s3, bucket, hub)
    assert keys(s3, bucket) == set()


@pytest.mark.parametrize(
    ("location", "followed"),
    [
        ("https://cdn.example.com/x", True),
        ("/elsewhere", True),
        ("http://hub.example.com/x", False),
        ("http://169.254.169.254/latest/meta-data", False),
        ("http://127.0.0.1:8080/x", False),
        ("https://localhost/x", False),
        ("file:///etc/passwd", False),
    ],
)
def test_from_the_web_only_the_web_is_reached_by_https(location: str, followed: bool) -> None:
    answer = requests.Response()
    answer.status_code, answer.url = 302, "https://hub.example.com/acme/tiny/resolve/x"
    answer.headers["Location"] = location
    if followed:
        assert _Session().get_redirect_target(answer) == location
    else:
        with pytest.raises(ModelError, match=r"only https:// elsewhere is followed"):
            _Session().get_redirect_target(answer)


def test_without_a_token_a_gated_model_says_what_to_do(hub: Hub) -> None:
    hub.token = "hf_secret"
    with pytest.raises(ModelError, match=r"refuses \(401\); a token is needed.*HF_TOKEN"):
        hub_model(f"{REPO}@main", hub.url, Fetcher())


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("acme/tiny", "names no revision"),
        ("tiny@main", "names no revision"),
        ("acme/tiny@../../x", "names no revision"),
        ("acme/other@main", "no such thing"),
    ],
)
def test_what_names_no_revision_is_refused(hub: Hub, spec: str, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        hub_model(spec, hub.url, Fetcher())


@pytest.mark.parametrize(
    "url", ["http://example.com", "ftp://example.com", "https://me:pw@example.com", "hub"]
)
def test_only_https_is_asked(url: str) -> None:
    with pytest.raises(ModelError, match=r"https://|user or a password"):
        hub_model(f"{REPO}@main", url, Fetcher())
