"""Recordings that MNE-Python reads for us: float64 in SI units, which the record then says.

What was not recorded (``BAD_ACQ_SKIP`` in FIF, where MNE-Python puts zeros) is left out and becomes a gap between
segments. Files that lie beside a header are named, so that they count as inputs.

Gramfort et al. 2013, doi:10.3389/fnins.2013.00267.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from connectome.errors import FormatError, MissingExtraError, TruncatedError

from .recording import Annotation, Block, Channel, Recording, exact_rate, warning

FIF_START = b"\x00\x00\x00\x64\x00\x00\x00\x1f\x00\x00\x00\x14"
"""First tag of a FIF file: kind 100 (file id), type 31, 20 bytes."""
STARTS: dict[str, tuple[bytes, ...]] = {
    ".cnt": (b"Version 3", b"RIFF", b"RF64"),
    ".eeg": (b"EEG-1100", b"EEG-1200", b"EEG-2100", b"QI-403A", b"DAE-2100D"),
    ".fif": (FIF_START,),
    ".gdf": (b"GDF ",),
    ".lay": (b"[FileInfo]", b"[fileinfo]", b"[Fileinfo]", b"[FILEINFO]"),
}
"""First bytes by suffix: Neuroscan and ANT; Nihon Kohden; Elekta; GDF; Persyst."""
WITHOUT_MARK = {".sqd", ".con"}
"""KIT, whose files start with a table of addresses."""
INSIDE: dict[str, tuple[str, ...]] = {".ds": (".res4", ".meg4"), ".mff": ("info.xml", "signal1.bin")}
"""Folders, and the ends of names of files that must be in them: CTF, EGI."""
BESIDE: dict[str, tuple[str, ...]] = {
    ".eeg": (".21e", ".log"),
    ".cdt": (".cdt.dpa", ".cdt.dpo", ".cdt.cef", ".cdt.ceo"),
    ".dap": (".dat", ".rs3", ".cef"),
    ".dat": (".dap", ".rs3", ".cef"),
}
"""Files of the same stem that are read along with one of that suffix: Nihon Kohden and Curry."""
SKIPPED = "BAD_ACQ_SKIP"
STATES_UNITS = {"FIF", "KIT", "CTF", "EGI", "BTi"}
"""Forms whose files say the unit of a channel; for others MNE-Python assumes one unless it kept the original."""
FAILURES = (ValueError, RuntimeError, OSError, KeyError, IndexError, TypeError, AttributeError, EOFError,
            NotImplementedError, AssertionError, OverflowError, MemoryError)  # fmt: skip
"""Readers of damaged files fail in as many ways as there are vendors."""


def starts_like(path: Path) -> bool:
    """Tell whether a file or folder starts as its suffix demands; False for suffixes that are not read."""
    suffix = path.suffix.lower()
    if path.is_dir():
        names = [item.name.lower() for item in path.iterdir()] if suffix in INSIDE else []
        return bool(names) and all(any(name.endswith(end) for name in names) for end in INSIDE[suffix])
    if suffix in {".cdt", ".dap"}:
        return any(found.suffix.lower() in {".dpa", ".dpo", ".dat"} for found in beside(path))
    with path.open("rb") as file:
        return suffix in WITHOUT_MARK or (suffix in STARTS and file.read(16).startswith(STARTS[suffix]))


def refuse_mislabelled(path: Path) -> None:
    """Raise where a file or folder does not start as its suffix demands, before MNE-Python guesses at it."""
    suffix = path.suffix.lower()
    if path.is_dir() and not starts_like(path):
        raise FormatError(
            "not a folder of a recording",
            subject=str(path),
            expected="; ".join(f"NAME{end} with {' and '.join(names)}" for end, names in INSIDE.items()),
            found=path.name,
        )
    if path.is_file() and suffix in STARTS and not starts_like(path):
        with path.open("rb") as file:
            found = file.read(16)
        raise FormatError(
            "the file does not start as its suffix demands",
            subject=str(path),
            place="byte 0",
            expected=" or ".join(map(repr, STARTS[suffix])),
            found=repr(found),
        )


def beside(path: Path) -> list[Path]:
    """Return the files of the same stem that belong to this one."""
    stem = path.name[: -len(path.suffix)].lower()
    wanted = {f"{stem}{end}" for end in BESIDE.get(path.suffix.lower(), ())}
    return sorted(item for item in path.parent.iterdir() if item.name.lower() in wanted and item.is_file())


def data_files(path: Path) -> list[Path]:
    """Return the other files that are read for one: parts of a long recording, samples beside a header."""
    raw, _ = _opened(path)
    named = [Path(name) for name in raw.filenames if name is not None and Path(name).is_file()]
    return [*named, *beside(path)]


def read_recording(path: Path) -> Recording:
    """Read a recording.

    Raises
    ------
    MissingExtraError
        When MNE-Python is not installed.
    TruncatedError
        When there are no samples.
    FormatError
        When MNE-Python cannot read it.
    """
    raw, remarks = _opened(path)
    import mne

    signal, more = _attempt(path, raw.get_data)
    if signal.shape[1] == 0:
        raise TruncatedError("the recording has no samples", subject=str(path), found="0 samples")
    form = type(raw).__name__.removeprefix("Raw") or "FIF"
    rate = exact_rate(float(raw.info["sfreq"]))
    signal, segments, starts = _without_skips(raw, signal, rate)
    attrs: dict[str, Any] = {
        "file_format": form,
        "conversion": f"MNE-Python {mne.__version__}: float64 in SI units; stored numbers and their scale are not kept",
    }
    if raw.info["meas_date"] is not None:
        attrs["recorded_at"] = raw.info["meas_date"].isoformat()
    if raw.first_samp:
        attrs["first_sample_number"] = int(raw.first_samp)
    notes = [warning("mne", path.name, remark) for remark in dict.fromkeys([*remarks, *more])]
    if len(segments) > 1:
        notes.append(warning("gaps", path.name, f"{len(segments) - 1} stretches were not recorded ({SKIPPED})"))
    block = Block(
        signal,
        tuple(_channels(raw, form)),
        rate,
        segments=tuple(segments) if starts else (),
        segment_start_s=tuple(starts),
    )
    return Recording((block,), tuple(_annotations(raw)), attrs, tuple(notes))


def _opened(path: Path) -> tuple[Any, list[str]]:
    """Open a recording; return MNE-Python's warnings too."""
    try:
        import mne
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            "the format needs mne for this kind of file", subject=path.name, hint='pip install "connectome[eeg]"'
        ) from error
    refuse_mislabelled(path)
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


def _without_skips(
    raw: Any, signal: np.ndarray[Any, Any], rate: Fraction
) -> tuple[np.ndarray[Any, Any], list[tuple[int, int]], list[Fraction]]:
    """Leave out what was not recorded; return segments and their starts, none where nothing is missing."""
    n_samples = signal.shape[1]
    kept = np.ones(n_samples, dtype=bool)
    for mark in _annotations(raw):
        if mark.description != SKIPPED or mark.duration_s is None:
            continue
        start, stop = (round(time * rate) for time in (mark.onset_s, mark.onset_s + mark.duration_s))
        start, stop = max(0, start), min(n_samples, stop)
        # Somebody may have marked samples that exist; only MNE-Python's filling of zeros stands for nothing.
        if start < stop and not signal[:, start:stop].any():
            kept[start:stop] = False
    if kept.all() or not kept.any():
        return signal, [(0, n_samples)], []
    edges = np.flatnonzero(np.diff(np.concatenate([[False], kept, [False]]).astype(np.int8))).reshape(-1, 2)
    stops = np.cumsum(edges[:, 1] - edges[:, 0]).tolist()
    segments = list(zip([0, *stops[:-1]], stops, strict=True))
    return signal[:, kept], segments, [int(start) / rate for start, _ in edges]


def _channels(raw: Any, form: str) -> list[Channel]:
    bad, original = set(raw.info["bads"]), getattr(raw, "_orig_units", None) or {}
    channels = []
    for info, kind in zip(raw.info["chs"], raw.get_channel_types(), strict=True):
        label = str(info["ch_name"])
        stated = str(original.get(label, ""))
        stated = "" if stated == "n/a" else stated
        channels.append(
            Channel(
                label=label,
                source_unit=stated,
                unit=_unit(info),
                unit_origin="file" if stated or form in STATES_UNITS else "assumed",
                kind=kind,
                position=_position(info),
                status="bad" if label in bad else "",
            )
        )
    return channels


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
    # With or without a date, onsets count from the start of the acquisition; the first sample may come later.
    first = Fraction(float(raw.first_time))
    return [
        Annotation(
            onset_s=Fraction(float(onset)) - first,
            duration_s=Fraction(float(duration)),
            description=str(text),
            channel=", ".join(names),
        )
        for onset, duration, text, names in zip(
            marks.onset, marks.duration, marks.description, marks.ch_names, strict=True
        )
    ]
