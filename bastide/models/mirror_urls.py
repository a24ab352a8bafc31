"""A list of files anywhere on the web, each with its SHA-256: for weights that no hub has.

One file a line: `SHA256  URL  [NAME]`; without a name it is the URL's last part. `#` begins a comment. The digests
pin the content, so they are asked for, never fetched from where the files are."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from bastide.models.errors import ModelError
from bastide.models.mirror_http import Fetcher, check_url
from bastide.models.mirror_source import RemoteFile, RemoteModel

_SHA256: Final = re.compile(r"[0-9a-f]{64}")


def url_list(path: Path, fetcher: Fetcher) -> RemoteModel:
    """The files of a list. Raises ModelError."""
    try:
        text = path.read_bytes().decode()
    except UnicodeDecodeError as error:
        raise ModelError(
            f"{path}: byte {error.start + 1} is not UTF-8; a list is plain text: save it as UTF-8"
        ) from None
    files, names = [], set()
    for number, line in enumerate(text.splitlines(), 1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        where = f"{path}:{number}"
        if len(words) not in (2, 3) or not _SHA256.fullmatch(words[0]):
            raise ModelError(
                f"{where}: a line is 'SHA256  URL  [NAME]', with 64 lower-case hexadecimal digits first"
            )
        url = check_url(words[1])
        name = words[2] if len(words) == 3 else unquote(urlsplit(url).path.rpartition("/")[2])
        if name in names:
            raise ModelError(f"{where}: {name!r} is there twice: give each file a name of its own")
        names.add(name)
        files.append(RemoteFile(name, url, fetcher.size(url, f"{where}, {name}"), words[0]))
    if not files:
        raise ModelError(f"{path} lists no file")
    origin = f"urls:sha256:{hashlib.sha256(text.encode()).hexdigest()}"
    return RemoteModel(origin, tuple(files))
