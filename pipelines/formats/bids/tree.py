"""A BIDS tree in one walk: names and sizes, no file opened but those so short that they can only be pointers.

What a clone leaves where data should be is named as such, with the size and checksum that git-annex's key states: a
link that leads nowhere, or a line of text (git-annex internals, "key format":
https://git-annex.branchable.com/internals/key_format/).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from connectome.errors import FormatError, NotFoundError

from ..files.pointers import LONGEST_POINTER_BYTES
from .entities import BidsName, parse_name

__all__ = ["RECORDED", "BidsFile", "BidsTree", "Pointer", "annex_pointer", "is_bids", "scan"]

DESCRIPTION = "dataset_description.json"
TEXT = (
    ".json",
    ".tsv",
    ".md",
    ".txt",
    ".bval",
    ".bvec",
    ".csv",
    ".py",
    ".sh",
    ".yml",
    ".yaml",
    ".html",
)
"""Extensions of files that are short in earnest."""

RECORDED = ("eeg", "ieeg", "meg")
"""Datatypes of recordings."""

_KEY = re.compile(r"(?P<backend>[A-Z0-9_]+)(?:-s(?P<size>\d+))?(?:-[mSC]\d+)*--(?P<name>[^/\s]+)")
_LFS = re.compile(r"^version https://git-lfs")
_LFS_OID = re.compile(r"^oid sha256:(?P<sha256>[0-9a-f]{64})$", re.MULTILINE)
_LFS_SIZE = re.compile(r"^size (?P<size>\d+)$", re.MULTILINE)


@dataclass(frozen=True)
class Pointer:
    """What stands for data that were not fetched."""

    system: str
    """``git-annex`` or ``git-lfs``; ``link`` for a symbolic link of neither that leads nowhere, ``folder`` for one to a
    folder."""
    size_bytes: int | None
    """What the data would have; None where the pointer does not say."""
    sha256: str | None
    md5: str | None = None
    key: str | None = None
    """The key of git-annex as it stands there."""

    @property
    def checksum(self) -> str:
        """``sha256:...`` or ``md5:...`` of the data; ``""`` where the pointer does not say."""
        return f"sha256:{self.sha256}" if self.sha256 else f"md5:{self.md5}" if self.md5 else ""

    def __str__(self) -> str:
        if self.system == "folder":
            return "a link to a folder; links of this kind are not followed"
        size = "an unknown number of bytes" if self.size_bytes is None else f"{self.size_bytes} bytes"
        what = "a link that leads nowhere" if self.system == "link" else f"a pointer of {self.system}"
        return f"{what}; the data ({size}) were not fetched"


@dataclass(frozen=True)
class BidsFile:
    """A file of a tree."""

    path: str
    """Relative to the root, POSIX."""
    size_bytes: int
    """As it lies there: of a pointer, not of the data."""
    name: BidsName | None
    """None where the name is not of the form of BIDS."""
    pointer: Pointer | None = None
    is_listed: bool = False
    """Whether only a list speaks of it: not even a pointer lies there."""

    @cached_property
    def folder(self) -> tuple[str, ...]:
        """Names of the folders from the root on."""
        return tuple(self.path.split("/")[:-1])

    @property
    def file_name(self) -> str:
        """Name without folders."""
        return self.path.rpartition("/")[2]

    @property
    def subject(self) -> str | None:
        """Label of the subject in whose folder it lies, raw or derived; None where there is none."""
        for part in self.folder:
            if part.startswith("sub-"):
                return part[4:]
        return None

    @property
    def pipeline(self) -> str | None:
        """Name of the folder of ``derivatives`` that it lies in; None for raw files."""
        return self.folder[1] if len(self.folder) > 1 and self.folder[0] == "derivatives" else None

    @property
    def datatype(self) -> str | None:
        """Name of its own folder below a subject or session: ``anat``, ``func``, ``eeg``."""
        inside = [part for part in self.folder if not part.startswith(("sub-", "ses-"))]
        return inside[-1] if self.subject is not None and inside and self.folder[-1] == inside[-1] else None


@dataclass(frozen=True)
class BidsTree:
    """Everything that lies below a root, sorted by path; folders whose names start with a dot are left out."""

    root: Path
    files: tuple[BidsFile, ...]

    @cached_property
    def subjects(self) -> tuple[str, ...]:
        """Labels of subjects that have a folder, raw or derived: numbers by size, then texts."""
        found = {file.subject for file in self.files} - {None}
        return tuple(sorted((str(label) for label in found), key=subject_key))

    @cached_property
    def _by_subject(self) -> dict[str | None, list[BidsFile]]:
        found: dict[str | None, list[BidsFile]] = {}
        for file in self.files:
            found.setdefault(file.subject, []).append(file)
        return found

    def of(self, subject: str | None) -> list[BidsFile]:
        """Return the files of a subject, or (None) those that belong to none."""
        return self._by_subject.get(subject, [])

    def find(self, path: str) -> BidsFile | None:
        """Return the file of that path; None where there is none."""
        return self._by_path.get(path)

    @cached_property
    def _by_path(self) -> dict[str, BidsFile]:
        return {file.path: file for file in self.files}


def subject_key(label: str) -> tuple[int, int, str]:
    """Return by what labels are sorted: 2 comes before 10, whole numbers before texts."""
    return (0, int(label), label) if label.isascii() and label.isdigit() else (1, 0, label)


def is_bids(root: Path) -> bool:
    """Tell whether a folder is the root of a BIDS dataset: it has a description, or folders of subjects with data."""
    if not root.is_dir():
        return False
    if (root / DESCRIPTION).is_file():
        return True
    with os.scandir(root) as entries:
        subjects = [entry.path for entry in entries if entry.name.startswith("sub-") and entry.is_dir()]
    return any(_has_data(Path(path)) for path in sorted(subjects)[:3])


def _has_data(folder: Path) -> bool:
    return any(
        (place / datatype).is_dir() for place in (folder, *folder.glob("ses-*")) for datatype in ("anat", *RECORDED)
    )


def scan(root: str | Path) -> BidsTree:
    """List a tree.

    Parameters
    ----------
    root : path
        The folder with ``dataset_description.json``.

    Returns
    -------
    BidsTree

    Raises
    ------
    NotFoundError
        When there is no such folder.
    FormatError
        When a name is no UTF-8 text.
    """
    root = Path(root)
    if not root.is_dir():
        raise NotFoundError("no such folder", subject=str(root), expected="the root of a BIDS dataset")
    files = sorted(_walk(str(root), ""), key=lambda file: file.path)
    for file in files:
        if not file.path.isprintable():
            raise FormatError("a name that is no plain text", subject=str(root), place=repr(file.path))
    return BidsTree(root, tuple(files))


def _walk(folder: str, below: str) -> Iterator[BidsFile]:
    with os.scandir(folder) as entries:
        for entry in entries:
            path = below + entry.name
            if entry.is_symlink() and not Path(entry.path).exists():
                target = str(Path(entry.path).readlink())
                absent = _annex(target) or Pointer("link", None, None)
                yield BidsFile(path, entry.stat(follow_symlinks=False).st_size, parse_name(entry.name), absent)
            elif entry.is_dir():
                # A linked folder could lead back up.
                if entry.is_symlink():
                    yield BidsFile(path, 0, None, Pointer("folder", None, None))
                elif not entry.name.startswith("."):
                    yield from _walk(entry.path, path + "/")
            else:
                size = entry.stat().st_size
                short = 0 < size <= LONGEST_POINTER_BYTES and not entry.name.endswith(TEXT) and "." in entry.name[1:]
                pointer = _pointer(entry.path) if short else None
                yield BidsFile(path, size, parse_name(entry.name), pointer)


def _pointer(path: str) -> Pointer | None:
    with Path(path).open("rb") as stream:
        text = stream.read(LONGEST_POINTER_BYTES).decode("utf-8", errors="replace")
    if _LFS.match(text):
        size, oid = _LFS_SIZE.search(text), _LFS_OID.search(text)
        return Pointer("git-lfs", int(size["size"]) if size else None, oid["sha256"] if oid else None)
    return _annex(text)


def _annex(text: str) -> Pointer | None:
    """Read the key at the end of a link or in a line that git-annex left in place of a file."""
    line = text.strip().split("\n")[0]
    if "annex/objects/" not in line:
        return None
    key = _KEY.fullmatch(line.rpartition("/")[2])
    if key is None:
        return Pointer("git-annex", None, None)
    return _from_key(key)


def annex_pointer(key: str) -> Pointer | None:
    """Return what a key of git-annex states; None where the text is no key."""
    found = _KEY.fullmatch(key)
    return None if found is None else _from_key(found)


def _from_key(key: re.Match[str]) -> Pointer:
    sha256 = re.match(r"[0-9a-f]{64}(?![0-9a-f])", key["name"]) if key["backend"] in {"SHA256", "SHA256E"} else None
    md5 = re.match(r"[0-9a-f]{32}(?![0-9a-f])", key["name"]) if key["backend"] in {"MD5", "MD5E"} else None
    return Pointer(
        "git-annex",
        int(key["size"]) if key["size"] else None,
        sha256[0] if sha256 else None,
        md5[0] if md5 else None,
        key[0],
    )
