"""The format ``hdf5-celegans``: calcium imaging of worms in HDF5, in the layouts of two laboratories.

Which layout a file has is told by what it holds: :mod:`.flavell_hdf5` (``gcamp`` and ``timing``), :mod:`.zephir`
(columns of annotations or worldlines) or the label file of :mod:`.neuropal_labels` (JLD2).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from connectome.errors import FormatError, UsageError
from connectome.schema import record

from ..files.hdf5_file import is_hdf5, open_hdf5
from .celegans_record import SPECIES
from .flavell_hdf5 import read_recording
from .flavell_layout import is_flavell
from .neuropal_labels import is_label_file, label_groups, read_labels
from .zephir import is_zephir, read_zephir

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["read", "sniff"]

_NOT_HDF5 = (".npy", ".json")


def sniff(path: Path) -> bool:
    """Tell whether a file is one of these layouts."""
    if not is_hdf5(path):
        return False
    with open_hdf5(path) as file:
        return is_flavell(file) or is_zephir(file) or is_label_file(file)


def read(paths: list[Path], *, uid: str | None = None) -> xr.DataTree:
    """Read one recording.

    Parameters
    ----------
    paths : list of pathlib.Path
        ``RECORDING.h5 [LABELS.jld2]``; or ``annotations*.h5 [worldlines.h5 traces.npy metadata.json
        parameters.json]``; or ``LABELS.jld2`` alone, which gives a record of tables.
    uid : str, optional
        Id of the animal in the label file and the record; by default the file's name without ``-data.h5``.

    Returns
    -------
    xarray.DataTree
        See :func:`.flavell_hdf5.read_recording` and :func:`.zephir.read_zephir`.

    Raises
    ------
    FormatError
        When a file is of none of these layouts or contradicts itself.
    NotFoundError
        When the label file does not know the animal.
    """
    first = paths[0]
    if first.suffix.lower() == ".jld2":
        return _read_label_file(paths, uid)
    layout = "zephir" if first.suffix.lower() in _NOT_HDF5 else _layout(first)
    if layout == "zephir":
        if uid is not None:
            raise UsageError("the layout has no ids of animals", subject="uid", found=uid, hint="leave uid out")
        return read_zephir(paths)
    if len(paths) > 2 or (len(paths) == 2 and paths[1].suffix.lower() != ".jld2"):
        raise UsageError(
            "too many files for one recording",
            subject=str(paths[1]),
            expected="RECORDING.h5 [LABELS.jld2]",
            found=" ".join(path.name for path in paths),
        )
    animal = uid or first.name.removesuffix(first.suffix).removesuffix("-data")
    if len(paths) == 1:
        return read_recording(first, uid=animal)
    return read_recording(first, uid=animal, labels=read_labels(paths[1], uid=animal), label_source=paths[1].name)


def _layout(path: Path) -> str:
    with open_hdf5(path) as file:
        if is_flavell(file):
            return "flavell"
        if is_zephir(file):
            return "zephir"
        raise FormatError(
            "none of the layouts of worm recordings in HDF5",
            subject=str(path),
            place="/",
            expected="the groups gcamp and timing, or columns t_idx, x, y, z, worldline_id, provenance",
            found=", ".join(sorted(file)) or "an empty file",
        )


def _read_label_file(paths: list[Path], uid: str | None) -> xr.DataTree:
    if len(paths) > 1 or uid is not None:
        raise UsageError(
            "a label file alone makes a record of tables",
            subject=str(paths[0]),
            expected="LABELS.jld2 and nothing else, or RECORDING.h5 LABELS.jld2",
        )
    groups, warnings = label_groups(paths[0])
    return record(groups, warnings=warnings, title="Identities given to the ROIs of labelled worms", species=SPECIES)
