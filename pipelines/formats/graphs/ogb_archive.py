"""Where the parts of an OGB archive lie: in a folder, beside a ``data.npz``, or in a ZIP; nothing is unpacked.

Layout (``ogb/io/save_dataset.py``, binary form): ``raw/data.npz``, ``raw/node-label.npz``,
``split/<name>/split_dict.pt`` or ``train.pt``, ``valid.pt``, ``test.pt``. Beside those, ``split_dict.npz`` is read:
arrays named ``<part>_<key>``, or ``<part>`` for splits of nodes.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from connectome.errors import FormatError, TruncatedError

from ..files.pointers import refuse_pointer

__all__ = ["DATA", "LABEL", "OgbArchive", "open_archive"]

DATA, LABEL = "raw/data.npz", "raw/node-label.npz"
_USED = re.compile(r"raw/(data|node-label)\.npz|split/[^/]+/(split_dict\.(pt|npz)|(train|valid|test)\.pt)")


class OgbArchive:
    """The parts by their paths in the archive.

    Parameters
    ----------
    path : Path
        What the user named, for errors.
    files : dict of str to Path
        Parts that are files.
    members : dict of str to str
        Parts that are members of the ZIP at ``path``.
    """

    def __init__(self, path: Path, files: dict[str, Path], members: dict[str, str]) -> None:
        self.path, self.files, self.members = path, files, members

    def __contains__(self, part: str) -> bool:
        return part in self.files or part in self.members

    @property
    def parts(self) -> list[str]:
        """Paths of all parts, sorted."""
        return sorted([*self.files, *self.members])

    @property
    def splits(self) -> list[str]:
        """Names of the splits, sorted."""
        return sorted({part.split("/")[1] for part in self.parts if part.startswith("split/")})

    def subject(self, part: str) -> str:
        """Name a part for errors."""
        return str(self.files[part]) if part in self.files else f"{self.path}#{self.members[part]}"

    @contextmanager
    def open(self, part: str) -> Iterator[IO[bytes]]:
        """Open a part."""
        if part in self.files:
            refuse_pointer(self.files[part])
            with self.files[part].open("rb") as stream:
                yield stream
            return
        with zipfile.ZipFile(self.path) as archive, archive.open(self.members[part]) as member:
            # Members that are archives themselves are read from both ends.
            yield member if member.seekable() else io.BytesIO(member.read())


def open_archive(path: Path) -> OgbArchive:
    """Find the parts.

    Raises
    ------
    FormatError
        When there is no ``raw/data.npz``, or more than one.
    TruncatedError
        When the file is empty, or only points to the data.
    """
    if path.is_dir():
        listed = sorted([*path.glob("raw/*"), *path.glob("split/*/*")])
        found = {item.relative_to(path).as_posix(): item for item in listed if item.is_file()}
        archive = OgbArchive(path, {part: item for part, item in found.items() if _USED.fullmatch(part)}, {})
    elif path.name.lower().endswith(".npz"):
        refuse_pointer(path)
        beside = open_archive(path.parent.parent).files if (path.parent.name, path.name) == ("raw", "data.npz") else {}
        archive = OgbArchive(path, {**beside, DATA: path}, {})
    else:
        archive = _zipped(path)
    if DATA not in archive:
        raise FormatError(
            "no graph in the archive", subject=str(path), expected=DATA, found=f"{len(archive.parts)} parts"
        )
    return archive


def _zipped(path: Path) -> OgbArchive:
    refuse_pointer(path)
    if path.stat().st_size == 0:
        raise TruncatedError("the file is empty", subject=str(path), expected="an archive", found="0 bytes")
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError, NotImplementedError) as error:
        raise FormatError("not a readable archive", subject=str(path), found=str(error)[:200]) from error
    tops = [name.removesuffix(DATA) for name in names if name == DATA or name.endswith(f"/{DATA}")]
    if len(tops) != 1:
        raise FormatError(
            "not one graph in the archive", subject=str(path), expected=f"one {DATA}", found=str(len(tops))
        )
    top = tops[0]
    inside = {name.removeprefix(top): name for name in names if name.startswith(top)}
    return OgbArchive(path, {}, {part: name for part, name in inside.items() if _USED.fullmatch(part)})
