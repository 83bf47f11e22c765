"""What readers of several forms need of a header and the samples after it: its text, and whether their length fits."""

from __future__ import annotations

from pathlib import Path

from connectome.errors import FormatError, TruncatedError

from ..files.pointers import refuse_pointer

__all__ = ["header_text", "require_length"]


def header_text(path: Path) -> str:
    """Return a header in UTF-8 or, where it is none, in Latin-1, which older programs write.

    Raises
    ------
    TruncatedError
        When the file only points to its data.
    """
    refuse_pointer(path)
    raw = path.read_bytes()
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def require_length(path: Path, found: int, expected: int, *, unit: str = "bytes", place: str | None = None) -> None:
    """Raise where there is less or more than a header states.

    Raises
    ------
    TruncatedError
        When there is less.
    FormatError
        When there is more.
    """
    if found != expected:
        short = found < expected
        kind = TruncatedError if short else FormatError
        raise kind(
            "the samples end early" if short else "more samples than stated",
            subject=str(path),
            place=place,
            expected=f"{expected} {unit}",
            found=f"{found} {unit}",
        )
