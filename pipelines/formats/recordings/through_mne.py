"""Recordings that MNE-Python reads for us: float64 in SI units, which the record then says.

What was not recorded (``BAD_ACQ_SKIP`` in FIF, where MNE-Python puts zeros) is left out and becomes a gap between
segments. Files that lie beside a header are named, so that they count as inputs.

Gramfort et al. 2013, doi:10.3389/fnins.2013.00267.
"""

from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Callable
from datetime import datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from connectome.errors import FormatError, MissingExtraError, TruncatedError
from connectome.schema import warning

from .forms import Form, beside, refuse_mislabelled
from .recording import Annotation, Block, Channel, Recording, exact_rate

SKIPPED = "BAD_ACQ_SKIP"
BOUNDARIES = {"BAD boundary", "EDGE boundary"}
"""What MNE-Python writes where recordings were put together."""
STATES_UNITS = {"FIF", "KIT", "CTF", "EGI MFF", "BTi", "UCL FIL OPM"}
"""Forms whose files say the unit of a channel; for others MNE-Python assumes one unless it kept the original."""
FAILURES = (ValueError, RuntimeError, OSError, KeyError, IndexError, TypeError, AttributeError, EOFError,
            NotImplementedError, AssertionError, OverflowError, MemoryError)  # fmt: skip
"""Readers of damaged files fail in as many ways as there are vendors."""


def data_files(path: Path) -> list[Path]:
    """Return the other files that are read for one: parts of a long recording, samples beside a header."""
    raw, _, _ = _opened(path)
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
    raw, remarks, form = _opened(path)
    import mne

    signal, more = _attempt(path, raw.get_data)
    if signal.shape[1] == 0:
        raise TruncatedError("the recording has no samples", subject=str(path), found="0 samples")
    if form.name == "UCL FIL OPM":
        signal = _fil_scaled(path, raw, signal)
    rate = exact_rate(float(raw.info["sfreq"]))
    signal, segments, starts, told = in_segments(raw, signal, rate)
    attrs: dict[str, Any] = {
        "file_format": form.name,
        "conversion": f"MNE-Python {mne.__version__}: float64 in SI units; stored numbers and their scale are not kept",
    }
    recorded_at = _nicolet_start(path) if form.name == "Nicolet" else raw.info["meas_date"]
    if recorded_at is not None:
        attrs["recorded_at"] = (recorded_at if form.states_zone else recorded_at.replace(tzinfo=None)).isoformat()
    if raw.first_samp:
        attrs["first_sample_number"] = int(raw.first_samp)
    notes = [warning("mne", path.name, remark) for remark in dict.fromkeys([*remarks, *more])]
    notes += told
    if form.name == "CTF":
        notes += _trials(path, raw)
    if form.unscaled:
        message = "MNE-Python hands out stored numbers and calls them volts; their unit is not known"
        notes.append(warning("units-unknown", path.name, message))
    block = Block(
        signal,
        tuple(_channels(raw, form)),
        rate,
        segments=tuple(segments) if starts or len(segments) > 1 else (),
        segment_start_s=tuple(starts),
    )
    return Recording((block,), tuple(_annotations(raw)), attrs, tuple(notes))


def _opened(path: Path) -> tuple[Any, list[str], Form]:
    """Open a recording; return MNE-Python's warnings and the form too."""
    form = refuse_mislabelled(path)
    try:
        import mne
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            "the format needs mne for this kind of file", subject=path.name, hint='pip install "connectome[eeg]"'
        ) from error
    if not form.reader:
        raise FormatError("not a recording of its form", subject=str(path), expected=form.name, found=path.name)
    options = {"preload": False, **form.options}
    target = _samples_in(path, form) if path.is_dir() and form.needed else path
    raw, remarks = _attempt(path, lambda: getattr(mne.io, form.reader)(target, **options, verbose="error"))
    return raw, remarks, form


def _fil_scaled(path: Path, raw: Any, signal: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Undo that MNE-Python multiplies millivolts by 1e3 and microvolts by 1e6; refuse samples that are cut."""
    size, frame = path.stat().st_size, 4 * signal.shape[0]
    if size % frame:
        raise TruncatedError(
            "the samples end early", subject=str(path), expected=f"a multiple of {frame} bytes", found=f"{size} bytes"
        )
    factors = np.array([1 / item["cal"] ** 2 if item["cal"] > 1 else 1.0 for item in raw.info["chs"]])
    scaled: np.ndarray[Any, Any] = signal * factors[:, None]
    return scaled


def _nicolet_start(path: Path) -> datetime | None:
    """Return the start with its part of the second, which MNE-Python leaves out."""
    for header in beside(path):
        for line in header.read_text(encoding="latin-1").splitlines():
            key, _, value = line.partition("=")
            if key.strip() == "start_ts":
                try:
                    return datetime.fromisoformat(value.strip())
                except ValueError:
                    return None
    return None


def _trials(path: Path, raw: Any) -> list[dict[str, str]]:
    """Say what of a CTF folder's trials MNE-Python does not tell."""
    parts = raw._raw_extras  # noqa: SLF001 - nothing public says how many samples there are
    left_out, length = sum(part["n_samp_tot"] - part["n_samp"] for part in parts), parts[0]["res4_nsamp"]
    notes = []
    if left_out:
        message = f"{left_out} samples at the end, for which the system clock stands still, are left out"
        notes.append(warning("samples-left-out", path.name, message))
    if raw.n_times > length:
        message = f"trials of {length} samples follow each other; the folder does not say if time passed between them"
        notes.append(warning("trials", path.name, message))
    return notes


def _samples_in(path: Path, form: Form) -> Path:
    """Return the one file of samples in a folder that may hold others, processed, as well."""
    found = sorted(item for item in path.iterdir() if item.name.lower().startswith(form.needed))
    if len(found) != 1:
        raise FormatError(
            "several files of samples in the folder",
            subject=str(path),
            expected="one",
            found=", ".join(item.name for item in found),
            hint="lay each into a folder of its own, with its config",
        )
    return found[0]


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


def in_segments(
    raw: Any, signal: np.ndarray[Any, Any], rate: Fraction
) -> tuple[np.ndarray[Any, Any], list[tuple[int, int]], list[Fraction], list[dict[str, str]]]:
    """Leave out what was not recorded; return segments, their starts where gaps are known, and what to tell."""
    n_samples = signal.shape[1]
    kept = np.ones(n_samples, dtype=bool)
    cuts = set()
    for mark in _annotations(raw):
        # Some readers put a mark between two samples; what MNE-Python keeps of a time is a microsecond.
        begin = math.ceil(mark.onset_s * rate - Fraction(1, 100))
        if mark.description in BOUNDARIES:
            cuts.add(begin)
        if mark.description != SKIPPED or mark.duration_s is None:
            continue
        start, stop = max(0, begin), min(n_samples, begin + round(mark.duration_s * rate))
        # Somebody may have marked samples that exist; only MNE-Python's filling of zeros stands for nothing.
        if start < stop and not signal[:, start:stop].any():
            kept[start:stop] = False
    if not kept.any():
        return signal, [(0, n_samples)], [], []
    edges = np.flatnonzero(np.diff(np.concatenate([[False], kept, [False]]).astype(np.int8))).reshape(-1, 2).tolist()
    pieces = []
    for start, stop in edges:
        inner = sorted({start, *(cut for cut in cuts if start < cut < stop)})
        pieces += list(zip(inner, [*inner[1:], stop], strict=True))
    stops = list(itertools.accumulate(stop - start for start, stop in pieces))
    segments = list(zip([0, *stops[:-1]], stops, strict=True))
    notes = []
    n_gaps = len(edges) - 1 + (edges[0][0] > 0) + (edges[-1][1] < n_samples)
    n_cuts = len(pieces) - len(edges)
    if n_gaps:
        notes.append(("gaps", f"{n_gaps} stretches were not recorded ({SKIPPED})"))
    if n_cuts:
        notes.append(("segments", f"{n_cuts} boundaries; the time that may have passed there is not part of the clock"))
    starts = [start / rate for start, _ in pieces] if len(edges) > 1 or edges[0][0] > 0 else []
    return signal[:, kept], segments, starts, [warning(code, "annotation", message) for code, message in notes]


def _channels(raw: Any, form: Form) -> list[Channel]:
    bad, original = set(raw.info["bads"]), getattr(raw, "_orig_units", None) or {}
    channels = []
    for info, kind in zip(raw.info["chs"], raw.get_channel_types(), strict=True):
        label = str(info["ch_name"])
        stated = str(original.get(label, ""))
        stated = "" if stated == "n/a" else stated
        unit, origin = _unit(info), "file" if stated or form.name in STATES_UNITS else "assumed"
        if form.name == "UCL FIL OPM" and info["cal"] > 1:
            unit = "V"
        if form.unscaled and unit == "V":
            unit = origin = ""
        channels.append(
            Channel(
                label=label,
                source_unit=stated,
                unit=unit,
                unit_origin=origin,
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
