"""What a reader would read of a file, as its ``survey(paths, **options)`` tells from headers: for plans."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Held"]


@dataclass(frozen=True)
class Held:
    """One array of a file that a record would be made of."""

    place: str
    """Path inside the file."""
    stored_bytes: int
    """Bytes that it takes up in the file."""
    value_bytes: int
    """Bytes of its values, uncompressed."""
    referable: bool
    """Whether a store can refer to the bytes where they are."""
