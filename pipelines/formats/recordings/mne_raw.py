"""EEG, iEEG and MEG recordings, as their makers store them.

BrainVision, EDF, BDF, GDF 2 and EEGLAB are read here sample by sample, in the stored type and at their own exact
rates. Everything else goes through MNE-Python, which converts to float64 in SI units; the record then says so.

Gramfort et al. 2013, doi:10.3389/fnins.2013.00267.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from connectome.errors import FormatError, MissingExtraError, TruncatedError, UsageError

from ..files.pointers import refuse_pointer
from . import brainvision, edf, eeglab, gdf
from .bids_sidecars import find, is_sidecar, read_sidecars
from .recording import Annotation, Block, Channel, Recording, exact_rate, to_tree, warning

if TYPE_CHECKING:
    import xarray as xr

COMPANIONS = {".eeg", ".vmrk", ".dat", ".fdt"}
"""Suffixes of files that belong to a header."""
FIF_START = b"\x00\x00\x00\x64\x00\x00\x00\x1f\x00\x00\x00\x14"
"""First tag of a FIF file: kind 100 (file id), type 31, 20 bytes."""
MATLAB_START = (b"MATLAB 5.0", b"\x89HDF\r\n\x1a\n", b"MATLAB 7.3")
FAILURES = (ValueError, RuntimeError, OSError, KeyError, IndexError, TypeError, AttributeError, EOFError)
"""Readers of damaged files fail in as many ways as there are vendors."""


def sniff(path: Path) -> bool:
    """Tell whether a file starts as one of the recordings that are common here."""
    with path.open("rb") as file:
        head = file.read(16)
    if path.suffix.lower() == ".set":
        return head.startswith(MATLAB_START)
    return edf.is_edf(path) or brainvision.is_header(path) or head.startswith((b"GDF ", FIF_START))


def read(paths: list[Path], *, sidecars: str = "auto", group: str = "signal") -> xr.DataTree:
    """Read one recording.

    Parameters
    ----------
    paths : list of Path
        The recording (for BrainVision the ``.vhdr``), and if they do not lie beside it: the files that its header
        names, and BIDS sidecars (``*_channels.tsv``, ``*_electrodes.tsv``, ``*_coordsystem.json``, ``*_events.tsv``,
        ``*_ieeg.json``).
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
    else:
        recording = _through_mne(main)
    return to_tree(recording, read_sidecars(extra), group=group)


def companions(paths: list[Path], *, sidecars: str = "auto", group: str = "signal") -> list[Path]:  # noqa: ARG001 - as read
    """Return every file that is read for these: data files, marker files, further parts and sidecars."""
    main, files, beside = _sorted_out(paths)
    _refuse_empty(main)
    if _is_brainvision(main):
        brought = brainvision.data_files(main, files)
    elif main.suffix.lower() == ".set" and main.is_file():
        brought = eeglab.data_files(main, files)
    elif main.is_dir():
        return [*sorted(path for path in main.rglob("*") if path.is_file()), *files, *beside]
    else:
        brought = [] if _is_edf(main) or gdf.is_gdf2(main) else _parts(main)
    found = [main, *files, *brought, *find(main, beside, search=_search(sidecars))]
    return list({path.resolve(): path for path in found}.values())


def _refuse_empty(path: Path) -> None:
    """Refuse a file that holds no recording at all, or only says where one lies."""
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
    return path.suffix.lower() in {".edf", ".bdf"} or (path.is_file() and edf.is_edf(path))


def _parts(path: Path) -> list[Path]:
    """Return the other files that MNE-Python reads for one: parts of a long recording, samples beside a header."""
    raw, _ = _opened(path)
    return [Path(name) for name in raw.filenames if name is not None and Path(name).is_file()]


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


def _opened(path: Path) -> tuple[Any, list[str]]:
    """Open a recording with MNE-Python; return its warnings too."""
    try:
        import mne
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            "the format needs mne for this kind of file", subject=path.name, hint='pip install "connectome[eeg]"'
        ) from error
    return _attempt(path, lambda: mne.io.read_raw(path, preload=False, verbose="error"))


def _attempt(path: Path, action: Callable[[], Any]) -> tuple[Any, list[str]]:
    """Let MNE-Python do something; return the result and its warnings."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            result = action()
        except FAILURES as error:
            raise FormatError(
                "MNE-Python cannot read the file",
                subject=str(path),
                found=f"{type(error).__name__}: {str(error).strip() or 'no message'}"[:300],
            ) from error
    return result, [" ".join(str(item.message).split())[:300] for item in caught]


def _through_mne(path: Path) -> Recording:
    """Read with MNE-Python: float64 in SI units, one rate."""
    raw, remarks = _opened(path)
    import mne

    signal, more = _attempt(path, raw.get_data)
    if signal.shape[1] == 0:
        raise TruncatedError("the recording has no samples", subject=str(path), found="0 samples")
    kinds = raw.get_channel_types()
    channels = [
        Channel(
            label=str(info["ch_name"]),
            source_unit="",
            unit=_unit(info),
            kind=kind,
            position=_position(info),
        )
        for info, kind in zip(raw.info["chs"], kinds, strict=True)
    ]
    rate = exact_rate(float(raw.info["sfreq"]))
    attrs = {
        "file_format": type(raw).__name__.removeprefix("Raw"),
        "conversion": f"MNE-Python {mne.__version__}: float64 in SI units; stored numbers and their scale are not kept",
    }
    if raw.info["meas_date"] is not None:
        attrs["recorded_at"] = raw.info["meas_date"].isoformat()
    return Recording(
        blocks=(Block(signal, tuple(channels), rate, attrs={"bad_channels": list(raw.info["bads"])}),),
        annotations=tuple(_annotations(raw)),
        attrs=attrs,
        warnings=tuple(warning("mne", path.name, remark) for remark in dict.fromkeys([*remarks, *more])),
    )


def _unit(info: Any) -> str:
    """Return MNE's SI unit of a channel."""
    text = str(info["unit"])
    code = text.rsplit("FIFF_UNIT_", 1)[-1].rstrip(")") if "FIFF_UNIT_" in text else ""
    return {"V": "V", "T": "T", "T_M": "T/m", "NONE": "1", "CEL": "degC", "S": "S", "AM": "A m"}.get(code, code)


def _position(info: Any) -> tuple[float, float, float] | None:
    """Return a sensor's position; MNE writes zeros or NaN where none is known."""
    place = [float(value) for value in info["loc"][:3]]
    if not all(map(math.isfinite, place)) or not any(place):
        return None
    return place[0], place[1], place[2]


def _annotations(raw: Any) -> list[Annotation]:
    marks = raw.annotations
    # With a date of their own, onsets count from that date; the first sample may come later.
    shift = raw.first_time if marks.orig_time is not None else 0.0
    return [
        Annotation(
            onset_s=Fraction(float(onset)) - Fraction(float(shift)),
            duration_s=Fraction(float(duration)),
            description=str(text),
            channel=", ".join(names),
        )
        for onset, duration, text, names in zip(
            marks.onset, marks.duration, marks.description, marks.ch_names, strict=True
        )
    ]
