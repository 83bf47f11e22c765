"""EEG, iEEG and MEG recordings, as their makers store them.

BrainVision, EDF, BDF, GDF 2, EEGLAB, Persyst and Nihon Kohden are read here sample by sample, in the stored type and
at their own exact rates. Everything else goes through MNE-Python, which converts to float64 in SI units; the record
then says so.

Gramfort et al. 2013, doi:10.3389/fnins.2013.00267.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from connectome.errors import TruncatedError, UsageError

from ..files.pointers import refuse_pointer
from ..seizures.annotations import with_annotated_seizures
from . import brainvision, edf, eeglab, gdf, nihon_kohden, persyst, through_mne
from .bids_sidecars import find, is_sidecar, read_sidecars
from .recording import to_tree

if TYPE_CHECKING:
    import xarray as xr

COMPANIONS = {".eeg", ".vmrk", ".dat", ".fdt", ".21e", ".log", ".pnt", ".cmt", ".rs3", ".cef", ".dpa", ".dpo"}
"""Suffixes of files that belong to a header."""
MATLAB_START = (b"MATLAB 5.0", b"\x89HDF\r\n\x1a\n", b"MATLAB 7.3")


def sniff(path: Path) -> bool:
    """Tell whether a file or folder starts as one of the recordings that are read here."""
    if path.is_dir():
        return through_mne.starts_like(path)
    if path.suffix.lower() == ".set":
        with path.open("rb") as file:
            return file.read(16).startswith(MATLAB_START)
    return edf.is_edf(path) or brainvision.is_header(path) or through_mne.starts_like(path)


def read(paths: list[Path], *, sidecars: str = "auto", group: str = "signal") -> xr.DataTree:
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
        When the files are not those of one recording.
    """
    main, files, beside = _sorted_out(paths)
    extra = find(main, beside, search=_search(sidecars))
    _refuse_empty(main)
    if _is_brainvision(main) and not brainvision.is_ascii(main):
        recording = brainvision.read_recording(main, files)
    elif _is_edf(main):
        recording = edf.read_recording(main)
    elif main.is_file() and gdf.is_gdf2(main):
        recording = gdf.read_recording(main)
    elif main.suffix.lower() == ".set":
        recording = eeglab.read_recording(main, files)
    elif _is_persyst(main):
        recording = persyst.read_recording(main, files)
    elif _is_nihon_kohden(main):
        recording = nihon_kohden.read_recording(main, [*through_mne.beside(main), *files])
    else:
        recording = through_mne.read_recording(main)
    return with_annotated_seizures(to_tree(recording, read_sidecars(extra), group=group))


def companions(paths: list[Path], *, sidecars: str = "auto", group: str = "signal") -> list[Path]:  # noqa: ARG001 - as read
    """Return every file that is read for these: data files, marker files, further parts and sidecars."""
    main, files, beside = _sorted_out(paths)
    _refuse_empty(main)
    brought: list[Path]
    if _is_brainvision(main):
        brought = brainvision.data_files(main, files)
    elif main.suffix.lower() == ".set" and main.is_file():
        brought = eeglab.data_files(main, files)
    elif _is_persyst(main):
        brought = persyst.data_files(main, files)
    elif _is_nihon_kohden(main):
        brought = through_mne.beside(main)
    elif main.is_dir():
        inside = sorted(path for path in main.rglob("*") if path.is_file())
        return [*inside, *files, *find(main, beside, search=_search(sidecars))]
    else:
        brought = [] if _is_edf(main) or gdf.is_gdf2(main) else through_mne.data_files(main)
    found = [main, *files, *brought, *find(main, beside, search=_search(sidecars))]
    return list({path.resolve(): path for path in found}.values())


def _refuse_empty(path: Path) -> None:
    """Refuse a file that holds no recording at all, or only says where one lies."""
    if path.is_dir():
        through_mne.refuse_mislabelled(path)
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


def _is_persyst(path: Path) -> bool:
    return path.suffix.lower() == ".lay" and path.is_file()


def _is_nihon_kohden(path: Path) -> bool:
    return path.suffix.lower() == ".eeg" and path.is_file() and nihon_kohden.is_nihon_kohden(path)


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
