"""Recordings of a version as MNE-Python objects, for checks, plots and everything that MNE-Python does."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from connectome.mne_raw import raw_array

from .specs import as_version

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
) -> mne.io.RawArray:
    """Return a recording as ``mne.io.RawArray``: SI units, annotations, bad channels and a montage.

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

    Returns
    -------
    mne.io.RawArray
        See :func:`connectome.mne_raw.raw_array` for what becomes of gaps, unknown units and unknown kinds.

    Raises
    ------
    UsageError, NotFoundError, MissingExtraError
        See there.
    """
    return raw_array(as_version(version, root=root).open(record), group=group, tables=tables)
