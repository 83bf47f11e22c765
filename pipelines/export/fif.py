"""A series as FIF through MNE-Python, in double precision: physical values in SI units, bit for bit those computed.

FIF has no place for stored integers with a scale; :func:`remarks` says what else it has no place for.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from connectome.errors import UsageError
from connectome.mne_raw import raw_array
from connectome.mne_raw import remarks as remarks_of_raw

if TYPE_CHECKING:
    import xarray as xr


def write(tree: xr.DataTree, destination: Path, *, group: str | None, to: str) -> list[Path]:
    """Write ``DEST.fif``; recordings above 2 GB are split as MNE-Python splits them."""
    if not destination.name.lower().endswith((".fif", ".fif.gz")):
        raise UsageError("the name does not fit the file's form", subject=destination.name, expected=".fif", place=to)
    raw = raw_array(tree, group=group)
    with warnings.catch_warnings():
        # The name is the caller's to choose.
        warnings.filterwarnings("ignore", message="This filename .* does not conform to MNE naming conventions")
        raw.save(destination, fmt="double", verbose="error")
    return sorted(destination.parent.iterdir())


def remarks(tree: xr.DataTree, *, group: str | None) -> list[str]:
    """Say what of the series is not in the file."""
    return remarks_of_raw(tree, group=group)
