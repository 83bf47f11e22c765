"""The check that a reader of one file, or of one folder, was given just that."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from connectome.errors import FormatError, UsageError

__all__ = ["one_file", "only_path"]

Given = TypeVar("Given")


def one_file(paths: Sequence[Path]) -> Path:
    """Return the only path; raise :class:`~connectome.errors.FormatError` when there are more."""
    if len(paths) != 1:
        raise FormatError(
            "one file makes a record", subject=str(paths[0]), expected="1 file", found=f"{len(paths)} files"
        )
    return paths[0]


def only_path(paths: Sequence[Given], *, expected: str, one: str = "file") -> Given:
    """Return the only path; raise :class:`~connectome.errors.UsageError` that names the second when there are more.

    Parameters
    ----------
    paths : sequence of pathlib.Path
        What the reader was given.
    expected : str
        What it takes, for the error (``"RECORDING.nwb"``).
    one : str
        What one of it is called.
    """
    if len(paths) != 1:
        raise UsageError(f"one {one} makes one record", subject=str(paths[1]), expected=expected)
    return paths[0]
