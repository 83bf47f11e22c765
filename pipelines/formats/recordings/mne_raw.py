"""EEG, iEEG and MEG recordings, as their makers store them.

BrainVision, EDF, BDF, GDF 2, EEGLAB, Persyst, Nihon Kohden, Neuroscan, Curry and EGI's simple binary are read here
sample by sample, in the stored type and at their own exact rates. Everything else goes through MNE-Python, which
converts to float64 in SI units; the record then says so. :mod:`.forms` lists them all, and what is refused.

Gramfort et al. 2013, doi:10.3389/fnins.2013.00267.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from connectome.errors import TruncatedError, UsageError

from ..files.pointers import refuse_pointer
from ..seizures.annotations import with_annotated_seizures
from . import brainvision, curry, edf, eeglab, egi, forms, gdf, neuroscan, nihon_kohden, persyst, through_mne
from .bids_sidecars import find, is_sidecar, read_sidecars
from .tree import to_tree
from .units import given_unit

if TYPE_CHECKING:
    import xarray as xr

    from .recording import Recording

COMPANIONS = {".eeg", ".vmrk", ".dat", ".fdt", ".21e", ".log", ".pnt", ".cmt", ".rs3", ".cef", ".ceo", ".dpa", ".dpo"}
"""Suffixes of files that belong to a header."""


def sniff(path: Path) -> bool:
    """Tell whether a file or folder starts as one of the recordings that are read here."""
    if path.is_dir():
        return forms.starts_like(path)
    return edf.is_edf(path) or brainvision.is_header(path) or forms.starts_like(path)


def read(
    paths: list[Path],
    *,
    sidecars: str = "auto",
    group: str = "signal",
    unit: str = "",
    unit_corrects: bool = False,
) -> xr.DataTree:
    """Read one recording.

    Parameters
    ----------
    paths : list of Path
        The recording (for BrainVision the ``.vhdr``, for CTF and EGI the folder), and if they do not lie beside it: the
        files that its header names, and BIDS sidecars (``*_channels.tsv``, ``*_electrodes.tsv``,
        ``*_coordsystem.json``, ``*_events.tsv``, ``*_ieeg.json``).
    sidecars : str
        ``"auto"`` also joins BIDS sidecars that lie beside the recording; ``"given"`` only those among ``paths``.
    group : str
        Path of the signal in the record; with several rates each becomes ``<group>/<rate>hz``.
    unit : str
        Unit of the physical numbers (``"uV"``) where the recording does not state one, or one is only implied; the
        column ``unit_origin`` then says ``given``. Channels of triggers and of other quantities are not meant, and no
        number is changed. Single channels get theirs by ``channels.tsv``.
    unit_corrects : bool
        Whether ``unit`` holds against a recording that states another.

    Returns
    -------
    xarray.DataTree
        One ``series`` per rate, a table ``annotation`` (from the recording's own files), and from sidecars the
        tables ``events`` and ``electrodes``. Times count from the first sample.

    Raises
    ------
    TruncatedError, FormatError
        When a file is missing, short, or not what its name says.
    UsageError
        When the files are not those of one recording, or the recording states another unit than the given one.
    """
    given = given_unit(unit, corrects=unit_corrects)
    main, files, beside = _sorted_out(paths)
    extra = find(main, beside, search=_search(sidecars))
    _refuse_empty(main)
    own = READERS.get(_read_here(main))
    recording = through_mne.read_recording(main) if own is None else own(main, files)
    return with_annotated_seizures(to_tree(recording, read_sidecars(extra), group=group, given=given))


def companions(
    paths: list[Path],
    *,
    sidecars: str = "auto",
    group: str = "signal",  # noqa: ARG001 - as read
    unit: str = "",  # noqa: ARG001 - as read
    unit_corrects: bool = False,  # noqa: ARG001 - as read
) -> list[Path]:
    """Return every file that is read for these: data files, marker files, further parts and sidecars."""
    main, files, beside = _sorted_out(paths)
    _refuse_empty(main)
    sidecar_files = find(main, beside, search=_search(sidecars))
    if main.is_dir():
        return [*sorted(path for path in main.rglob("*") if path.is_file()), *files, *sidecar_files]
    name = "BrainVision" if _is_brainvision(main) else _read_here(main)
    named = NAMED.get(name)
    brought = named(main, files) if named else forms.beside(main) if name else through_mne.data_files(main)
    found = [main, *files, *brought, *sidecar_files]
    return list({path.resolve(): path for path in found}.values())


def _refuse_empty(path: Path) -> None:
    """Refuse a file that holds no recording at all, or only says where one lies."""
    if path.is_dir():
        forms.refuse_mislabelled(path)
        return
    refuse_pointer(path)
    if path.is_file() and path.stat().st_size == 0:
        raise TruncatedError("the file is empty", subject=str(path), expected="a recording", found="0 bytes")


def _search(sidecars: str) -> bool:
    if sidecars not in {"auto", "given"}:
        raise UsageError("unknown value", subject="sidecars", expected="auto or given", found=sidecars)
    return sidecars == "auto"


def _is_brainvision(path: Path) -> bool:
    return path.suffix.lower() == ".vhdr" or (path.is_file() and brainvision.is_header(path))


def _is_edf(path: Path) -> bool:
    return (path.suffix.lower() in {".edf", ".bdf"} and not path.is_dir()) or (path.is_file() and edf.is_edf(path))


def _read_here(path: Path) -> str:
    """Return the name of the form of what is read here; ``""`` for what MNE-Python reads."""
    if _is_brainvision(path):
        return "" if brainvision.is_ascii(path) else "BrainVision"
    if _is_edf(path):
        return "EDF"
    if path.is_file() and gdf.is_gdf2(path):
        return "GDF"
    if path.suffix.lower() == ".set":
        return "EEGLAB"
    form = forms.form_of(path)
    return form.name if form is not None and form.here and not form.reader else ""


READERS: dict[str, Callable[[Path, list[Path]], Recording]] = {
    "BrainVision": brainvision.read_recording,
    "EDF": lambda main, _: edf.read_recording(main),
    "GDF": lambda main, _: gdf.read_recording(main),
    "EEGLAB": eeglab.read_recording,
    "Persyst": persyst.read_recording,
    "Curry 7": curry.read_recording,
    "Curry 8 and 9": curry.read_recording,
    "Nihon Kohden": lambda main, files: nihon_kohden.read_recording(main, [*forms.beside(main), *files]),
    "Neuroscan": lambda main, _: neuroscan.read_recording(main),
    "EGI simple binary": lambda main, _: egi.read_recording(main),
}
NAMED: dict[str, Callable[[Path, list[Path]], list[Path]]] = {
    "BrainVision": brainvision.data_files,
    "EEGLAB": eeglab.data_files,
    "Persyst": persyst.data_files,
    "Curry 7": curry.data_files,
    "Curry 8 and 9": curry.data_files,
}
"""Forms whose header names further files."""


def _sorted_out(paths: list[Path]) -> tuple[Path, list[Path], list[Path]]:
    """Return the recording, the files that belong to it, and the sidecars."""
    beside = [path for path in paths if is_sidecar(path)]
    rest = [path for path in paths if not is_sidecar(path)]
    headers = [path for path in rest if path.suffix.lower() not in COMPANIONS]
    mains = headers or rest[:1]
    if len(mains) != 1:
        raise UsageError(
            "one recording at a time",
            subject=", ".join(str(path) for path in paths),
            expected="one recording with its companions and sidecars",
            found=f"{len(mains)} recordings",
        )
    return mains[0], [path for path in rest if path != mains[0]], beside
