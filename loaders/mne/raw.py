"""Recordings of a version as MNE-Python objects, for checks, plots and everything that MNE-Python does."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from connectome.mne_raw import describe, raw_array

from ..reading.specs import as_version, record_file

if TYPE_CHECKING:
    import mne

    from connectome.store import Version

__all__ = ["to_mne"]


def to_mne(
    version: str | Version,
    record: str,
    *,
    group: str | None = None,
    tables: Sequence[str] = ("annotation",),
    root: str | Path | None = None,
    preload: bool = False,
) -> mne.io.BaseRaw:
    """Return a recording as MNE-Python's raw object: SI units, annotations, bad channels and a montage.

    Parameters
    ----------
    version : str or Version
        ``NAME@VERSION`` or an open version.
    record : str
        The recording.
    group : str, optional
        Path of the series, such as ``"signal/100hz"``; needed where rates differ.
    tables : sequence of str
        Tables that become annotations, such as ``("annotation", "events", "seizure")``.
    root : str or Path, optional
        Where the versions lie.
    preload : bool
        Whether all samples are read at once, into ``mne.io.RawArray``. Otherwise they are read from the record's file
        when they are asked for; ``raw.load_data()`` reads the rest, for what MNE-Python does in memory only.

    Returns
    -------
    mne.io.BaseRaw
        See :func:`connectome.mne_raw.raw_array` for what becomes of gaps, unknown units and unknown kinds.

    Raises
    ------
    UsageError, NotFoundError, MissingExtraError
        See there.
    """
    opened = as_version(version, root=root)
    tree = opened.open(record)
    if preload:
        return raw_array(tree, group=group, tables=tables)
    described = describe(tree, group=group, tables=tables)
    from .stored import RawRecord

    return RawRecord(record_file(opened, record), described)
