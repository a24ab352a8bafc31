"""The Hugging Face hub's protocol, as far as reading one revision of a model goes (hub documentation, "Hub API
Endpoints": `GET /api/models/REPO/revision/REV?blobs=true`, and files by `GET /REPO/resolve/REV/PATH`).

A revision is pinned: whatever name was given, everything after the first question is asked of the commit that it
named then.
"""

from __future__ import annotations

import re
from typing import Any, Final
from urllib.parse import quote

from bastide.models.errors import ModelError
from bastide.models.mirror_http import Fetcher, check_url
from bastide.models.mirror_source import RemoteFile, RemoteModel

ENDPOINT: Final = "https://huggingface.co"
TOKEN_VARIABLE: Final = "HF_TOKEN"  # noqa: S105 - the name of the variable
"""Where a token is taken from; it is the hub's own name for it. Never the command line, which others can read."""

_REPO: Final = r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*"
_SPEC: Final = re.compile(rf"(?P<repo>{_REPO})@(?P<revision>[\w][\w./-]*)", re.ASCII)
_COMMIT: Final = re.compile(r"[0-9a-f]{40}")
_SHA256: Final = re.compile(r"[0-9a-f]{64}")


def hub_model(spec: str, endpoint: str, fetcher: Fetcher) -> RemoteModel:
    """One revision of a repository, `ORG/NAME@REVISION`. Raises ModelError."""
    given = _SPEC.fullmatch(spec)
    if given is None or ".." in spec:
        raise ModelError(
            f"hub:{spec} names no revision of a model: give hub:ORG/NAME@REVISION, where the revision is a commit, a "
            "tag or a branch; it is pinned to the commit that it names now"
        )
    repo, revision = given["repo"], given["revision"]
    base = check_url(endpoint).rstrip("/")
    about = f"{repo}@{revision} at {base}"
    answer = fetcher.json(f"{base}/api/models/{repo}/revision/{quote(revision, safe='')}?blobs=true", about)
    try:
        commit = answer["sha"]
        files = tuple(_file(base, repo, commit, each) for each in answer["siblings"])
        card = answer.get("cardData") or {}
        licence = card.get("license") or ""
        licence_name = card.get("license_name") or ""
    except (KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"{about}: the hub's answer is not that of its documented API ({error!r})") from None
    if not isinstance(commit, str) or not _COMMIT.fullmatch(commit):
        raise ModelError(f"{about}: the hub names no commit for it, so it cannot be pinned")
    if _COMMIT.fullmatch(revision) and commit != revision:
        raise ModelError(f"{about}: the hub answered for commit {commit}: nothing is mirrored")
    # Licences that the hub has no short name for are called `other`, and named beside it.
    named = licence_name if licence == "other" and licence_name else licence
    origin = f"hub:{repo}@{commit}" if base == ENDPOINT else f"{base}/{repo}@{commit}"
    return RemoteModel(origin, files, named if isinstance(named, str) else " ".join(map(str, named)))


def _file(base: str, repo: str, commit: str, given: Any) -> RemoteFile:
    name, size = given["rfilename"], given["size"]
    lfs = given.get("lfs") or {}
    sha256, blob = lfs.get("sha256", ""), given.get("blobId", "")
    if not isinstance(name, str) or not isinstance(size, int) or isinstance(size, bool) or size < 0:
        raise TypeError(f"{name!r} of {size!r} bytes")
    if sha256 and not _SHA256.fullmatch(sha256):
        raise TypeError(f"{name}: SHA-256 {sha256!r}")
    if not sha256 and not _COMMIT.fullmatch(blob):
        raise TypeError(f"{name}: neither SHA-256 nor git's SHA-1")
    url = f"{base}/{repo}/resolve/{commit}/{quote(name)}"
    return RemoteFile(name, url, size, sha256, "" if sha256 else blob)
