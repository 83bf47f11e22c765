"""What must be true of a fetched file: a safe path, the promised size and checksum. And what may be said of a URL.

No network and no cache live here.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

from connectome.errors import ChecksumError, UnsafeError, UsageError

if TYPE_CHECKING:
    from ..jobs import RemoteFile

__all__ = [
    "BLOCK_BYTES",
    "Digester",
    "Measured",
    "check_known",
    "check_measured",
    "measure_file",
    "read_blocks",
    "redacted",
    "safe_relative",
]

BLOCK_BYTES = 1 << 20
"""Files are read and hashed in blocks of this size."""

_DRIVE = re.compile(r"^[A-Za-z]:")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_URL = re.compile(r"[a-z][a-z0-9+.-]*://[^\s'\"<>]+", re.IGNORECASE)
_SECRET_VALUE = re.compile(
    r"([^=&?]*(?:token|key|secret|sig|signature|password|passwd|credential|auth|policy|accessid)[^=&]*)=[^&]*",
    re.IGNORECASE,
)
_HEX = {"sha256": re.compile(r"[0-9a-f]{64}"), "md5": re.compile(r"[0-9a-f]{32}")}


@dataclass(frozen=True)
class Measured:
    """What the bytes of a file turned out to be."""

    size_bytes: int
    sha256: str
    md5: str | None = None


class Digester:
    """Size and checksums of bytes as they pass.

    Parameters
    ----------
    md5 : bool
        Whether the MD5 is wanted too, for publishers who state nothing better.
    """

    def __init__(self, *, md5: bool = False) -> None:
        self.size_bytes = 0
        self._sha256 = hashlib.sha256()
        self._md5 = hashlib.md5(usedforsecurity=False) if md5 else None

    def update(self, block: bytes) -> None:
        """Take the next bytes."""
        self.size_bytes += len(block)
        self._sha256.update(block)
        if self._md5 is not None:
            self._md5.update(block)

    def measured(self) -> Measured:
        """Return size and checksums of the bytes so far."""
        return Measured(self.size_bytes, self._sha256.hexdigest(), self._md5.hexdigest() if self._md5 else None)


def read_blocks(path: Path) -> Iterator[bytes]:
    """Yield the bytes of a file in blocks."""
    with path.open("rb") as stream:
        while block := stream.read(BLOCK_BYTES):
            yield block


def measure_file(path: Path, *, md5: bool = False, on_block: Callable[[int], None] | None = None) -> Measured:
    """Read a file once and return its size and checksums; ``on_block`` is told the length of each block."""
    digester = Digester(md5=md5)
    for block in read_blocks(path):
        digester.update(block)
        if on_block is not None:
            on_block(len(block))
    return digester.measured()


def check_measured(measured: Measured, remote: RemoteFile, *, place: str | None = None) -> None:
    """Compare the bytes that arrived with what the publisher promised.

    Raises
    ------
    ChecksumError
        When size, SHA-256 or MD5 differ; the first difference is named.
    """
    pairs = [
        ("size", None if remote.size_bytes is None else f"{remote.size_bytes} bytes", f"{measured.size_bytes} bytes"),
        ("sha256", remote.sha256, measured.sha256),
        ("md5", remote.md5, measured.md5),
    ]
    for name, expected, found in pairs:
        if expected is not None and found is not None and expected != found:
            raise ChecksumError(
                f"the bytes are not those that were promised ({name})",
                subject=remote.path,
                place=place,
                expected=expected if name == "size" else f"{name} {expected}",
                found=found if name == "size" else f"{name} {found}",
                hint="the publisher changed the file, or something on the way did: compare with the publisher's "
                "checksum before you change the expected one",
            )


def check_known(remote: RemoteFile) -> None:
    """Check that a listed file can be fetched at all: its path is safe, its checksums are checksums.

    Raises
    ------
    UnsafeError
        When the path would leave its folder.
    UsageError
        When a checksum is not lower-case hexadecimal of the right length, or the size is negative.
    """
    safe_relative(remote.path)
    for name, pattern in _HEX.items():
        value = getattr(remote, name)
        if value is not None and not pattern.fullmatch(value):
            raise UsageError("not a checksum", subject=remote.path, place=name, expected="lower-case hex", found=value)
    if remote.size_bytes is not None and remote.size_bytes < 0:
        raise UsageError("not a size", subject=remote.path, expected="0 or more bytes", found=str(remote.size_bytes))


def safe_relative(path: str, *, subject: str | None = None) -> PurePosixPath:
    """Return a relative POSIX path that stays below its folder on every system.

    Raises
    ------
    UnsafeError
        For absolute paths, ``..``, ``.`` and empty parts, backslashes, drive letters and control characters.
    """
    reason = None
    parts = path.split("/")
    if not path:
        reason = "the path is empty"
    elif _CONTROL.search(path):
        reason = "the path contains control characters"
    elif path.startswith("/"):
        reason = "the path is absolute"
    elif "\\" in path:
        reason = "the path contains a backslash"
    elif _DRIVE.match(path):
        reason = "the path names a drive"
    elif any(part in {"", ".", ".."} for part in parts):
        reason = "the path does not name one place below its folder"
    if reason is not None:
        raise UnsafeError(
            reason,
            subject=path if subject is None else subject,
            place=None if subject is None else repr(path),
            expected="a relative path without '..'",
        )
    return PurePosixPath(path)


def redacted(text: str) -> str:
    """Return a text with the credentials of every URL in it hidden: user names, passwords, signatures, tokens."""
    return _URL.sub(lambda match: _redacted_url(match.group()), text)


def _redacted_url(url: str) -> str:
    """Hide the user part and the values of secret-looking query fields of one URL."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return f"{url.split('://', maxsplit=1)[0]}://***"
    host = parts.netloc.rpartition("@")[2]
    netloc = f"***@{host}" if "@" in parts.netloc else host
    query = "&".join(_SECRET_VALUE.sub(r"\1=***", field) for field in parts.query.split("&"))
    return urlunsplit((parts.scheme, netloc, parts.path, query, parts.fragment))
