"""Single files out of a compressed tar archive, read in memory: nothing is unpacked, so no path can leave a folder."""

from __future__ import annotations

import lzma
import tarfile
import zlib
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from connectome.errors import FormatError, TruncatedError

from .pointers import refuse_pointer

__all__ = ["is_tar", "read_members"]

MOST_BYTES = 4 << 30
"""Most that one member may hold, whatever it is compressed to."""


def is_tar(path: Path) -> bool:
    """Tell whether a file begins as a tar archive does, plain or compressed."""
    try:
        return tarfile.is_tarfile(path)
    except (OSError, EOFError, zlib.error, lzma.LZMAError):
        return False


def read_members(path: Path, names: Sequence[str], *, most_bytes: int = MOST_BYTES) -> dict[str, bytes]:
    """Read files of a tar archive by their own names, in whatever folder of it they lie.

    Parameters
    ----------
    path : Path
        A tar file, plain or compressed with gzip, bzip2 or xz.
    names : sequence of str
        Names without folders.
    most_bytes : int
        Most that one member may hold.

    Returns
    -------
    dict of str to bytes
        Name to content.

    Raises
    ------
    FormatError
        When it is no such archive, a file is not in it or there twice, or one is too large.
    TruncatedError
        When it ends too early, or only points to the data.
    """
    refuse_pointer(path)
    found: dict[str, bytes] = {}
    try:
        with tarfile.open(path, "r:*") as archive:
            for member in archive:
                name = PurePosixPath(member.name).name
                if name not in names or not member.isreg():
                    continue
                if name in found:
                    raise FormatError("a file is in the archive twice", subject=str(path), place=member.name)
                if member.size > most_bytes:
                    raise FormatError(
                        "a file of the archive is too large", subject=str(path), place=member.name,
                        expected=f"at most {most_bytes} bytes", found=f"{member.size} bytes",
                    )  # fmt: skip
                stream = archive.extractfile(member)
                found[name] = b"" if stream is None else stream.read()
                if len(found[name]) != member.size:
                    raise EOFError(f"{len(found[name])} of {member.size} bytes of {member.name}")
    except (EOFError, tarfile.ReadError, zlib.error, lzma.LZMAError, OSError) as error:
        kind = FormatError if isinstance(error, tarfile.ReadError) and not found else TruncatedError
        raise kind(
            "the archive cannot be read to its end", subject=str(path), expected="a tar archive",
            found=" ".join(str(error).split())[:200],
        ) from error  # fmt: skip
    missing = [name for name in names if name not in found]
    if missing:
        raise FormatError(
            "files are not in the archive", subject=str(path), expected=", ".join(names),
            found=", ".join(sorted(found)) or "none of them",
        )  # fmt: skip
    return found
