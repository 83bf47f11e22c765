"""Files that are not there: git-annex and git-lfs leave a line of text where the data should be.

A clone without the data carries pointer files, or links that lead nowhere, under the names of recordings and images.
What they hold is the size and the checksum of the missing file, so the refusal can say what to fetch.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from connectome.errors import TruncatedError

ANNEX_KEY = re.compile(rb"/annex/objects/(?P<key>[A-Z0-9]+(?:-s(?P<size>\d+))?--\S+)")
ANNEX_LINK = re.compile(rb"annex/objects/(.*/)?[A-Z0-9]+(?:-s(?P<size>\d+))?--[^/]+$")
LFS_SIZE = re.compile(rb"^size (?P<size>\d+)", re.MULTILINE)
LONGEST_POINTER_BYTES = 1024


def refuse_pointer(path: Path) -> None:
    """Raise when a file only points to the data it is named after.

    Raises
    ------
    TruncatedError
        For git-annex pointers (git-annex "backends" manual page) and git-lfs pointers (git-lfs specification, v1).
    """
    found = path.stat().st_size
    if not 0 < found <= LONGEST_POINTER_BYTES:
        return
    text = path.read_bytes()
    annex = ANNEX_KEY.search(text)
    if annex is not None:
        size = annex["size"].decode() if annex["size"] else "an unknown number of"
        _refuse(path, "git-annex", size, found, f"git annex get {path.name}")
    if text.startswith(b"version https://git-lfs"):
        lfs = LFS_SIZE.search(text)
        _refuse(path, "git-lfs", lfs["size"].decode() if lfs else "an unknown number of", found, "git lfs pull")


def refuse_annexed_link(path: Path) -> None:
    """Raise when a path is a link into a git-annex whose content is not there.

    Raises
    ------
    TruncatedError
        With the size that the annex's key states.
    """
    if not path.is_symlink() or path.exists():
        return
    annex = ANNEX_LINK.search(os.fsencode(path.readlink()))
    if annex is not None:
        expected = annex["size"].decode() if annex["size"] else "an unknown number of"
        raise TruncatedError(
            "the file is a git-annex link; the data were not fetched",
            subject=str(path),
            expected=f"{expected} bytes",
            found="a link that leads nowhere",
            hint=f"git annex get {path.name}",
        )


def _refuse(path: Path, system: str, size: str, found: int, command: str) -> None:
    raise TruncatedError(
        f"the file is a {system} pointer; the data were not fetched",
        subject=str(path),
        expected=f"{size} bytes",
        found=f"{found} bytes of text",
        hint=command,
    )
