"""What a folder of many records divides into: the files of each record, how to read it, and what is left over.

A format whose input is a whole dataset (BIDS) has ``divide(paths, **options) -> Division`` beside ``read``; an import
then makes every record that it names, and one that is broken does not stop the others.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Division", "Portion", "Unused"]


@dataclass(frozen=True)
class Portion:
    """One record of a folder."""

    record: str
    files: tuple[str, ...]
    """Every file that it is read from, relative to the root, sorted."""
    read: Callable[[], xr.DataTree] = field(compare=False, repr=False)
    own: tuple[str, ...] = ()
    """Those that no other record has: they are rejected with it."""
    stated: Mapping[str, Any] = field(default_factory=dict)
    """What else the record depends on (JSON values): sizes and checksums of files that are not here."""


@dataclass(frozen=True)
class Unused:
    """A file that belongs to no record."""

    file: str
    """Relative to the root."""
    reason: str
    kind: str
    """As for :class:`connectome.pipelines.jobs.Rejected`."""


@dataclass(frozen=True)
class Division:
    """A folder, divided; every file is in a portion, unused, or both."""

    root: Path
    portions: tuple[Portion, ...]
    unused: tuple[Unused, ...] = ()
    about: Mapping[str, Any] = field(default_factory=dict)
    """What the folder says of the whole: title, licence, species."""
