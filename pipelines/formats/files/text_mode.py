"""Binary files that went through a program which took them for text.

A transfer in text mode, or a repository that converts line ends, writes CR LF for every LF; an editor that decodes
bytes as UTF-8 writes U+FFFD for what is not text. Both leave a header of plain ASCII whole, and the length may be right
all the same when the file was cut afterwards. What they cannot avoid is a pattern that binary data do not have.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from connectome.errors import FormatError

__all__ = ["refuse_text_damage", "text_damage"]

CR, LF = 13, 10
FEWEST_LINE_FEEDS = 16
"""In data of chance every one of 16 line feeds follows a carriage return once in 256**16 files."""
FEWEST_NEIGHBOURS = 4
"""A constant signal of the value 2573 is CR LF throughout; then the bytes before the pairs are all the same."""
REPLACEMENT = "\N{REPLACEMENT CHARACTER}".encode()
BLOCK_BYTES = 1 << 24

Bytes = np.ndarray[Any, np.dtype[np.uint8]]


def text_damage(data: Bytes) -> tuple[str, str] | None:
    """Say what a text program has done to binary data, and by what it shows; None where nothing is to be seen.

    Parameters
    ----------
    data : numpy.ndarray
        uint8, shape (bytes,): the part of a file that is not text.
    """
    n_feeds = n_pairs = 0
    before: set[int] = set()
    for start in range(0, data.size, BLOCK_BYTES):
        # Two bytes of the block before, so that no pair and no neighbour is lost at a border.
        lead = min(2, start)
        block = np.asarray(data[start - lead : start + BLOCK_BYTES])
        feeds = np.flatnonzero(block[lead:] == LF) + lead
        pairs = feeds[(feeds > 0) & (block[feeds - 1] == CR)]
        n_feeds, n_pairs = n_feeds + feeds.size, n_pairs + pairs.size
        if n_pairs < n_feeds:
            break
        before.update(np.unique(block[pairs[pairs > 1] - 2]).tolist())
    if n_feeds == n_pairs >= FEWEST_LINE_FEEDS and len(before) >= FEWEST_NEIGHBOURS:
        return "line ends were changed by a program for text", f"each of {n_feeds} LF bytes follows a CR"
    sample = np.asarray(data[:BLOCK_BYTES]).tobytes()
    if sample.count(REPLACEMENT) >= FEWEST_LINE_FEEDS:
        try:
            sample[: sample.rindex(REPLACEMENT)].decode("utf-8")
        except UnicodeDecodeError:
            return None
        return "the bytes were decoded as text", f"{sample.count(REPLACEMENT)} replacement characters"
    return None


def refuse_text_damage(path: Path, data: Bytes, *, expected: str | None = None) -> None:
    """Raise where binary data carry the marks of a text program.

    Parameters
    ----------
    path : Path
        The file.
    data : numpy.ndarray
        uint8, shape (bytes,).
    expected : str, optional
        The size that the file's header states.

    Raises
    ------
    FormatError
    """
    damage = text_damage(data)
    if damage is not None:
        message, sign = damage
        raise FormatError(
            message,
            subject=str(path),
            place="samples",
            expected=expected,
            found=sign,
            hint="a transfer in text mode turns LF into CR LF; fetch the file again, in binary mode",
        )
