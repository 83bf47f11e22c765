"""EGI simple binary (Net Station ``.raw``): big-endian samples of all channels, then one track per kind of event.

Samples keep their type: int16, float32 or float64. Microvolts are ``range / 2**bits`` times a sample, or the sample
itself where range and bits are 0 (Electrical Geodesics, "Net Station File Formats", simple binary); MNE-Python's
``read_raw_egi`` leaves out the factor from microvolts to volts in the first case, and the milliseconds of the start. An
event is marked by a track that is not zero; one annotation stands for each run of such samples.
"""

from __future__ import annotations

import struct
from datetime import datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from connectome.errors import FormatError, TruncatedError
from connectome.schema import warning

from ..files.pointers import refuse_pointer
from ..files.text_mode import refuse_text_damage
from .headers import require_length
from .recording import Annotation, Block, Channel, Recording

HEAD = struct.Struct(">i6hI5hIh")
"""Version, date and time, milliseconds, rate, channels, gain, bits, range, samples, kinds of events."""
DTYPES = {2: ">i2", 4: ">f4", 6: ">f8"}
"""By version; the odd ones are of recordings that were cut into segments."""
CODE_BYTES = 4
CALIBRATED = "uV"


def read_recording(path: Path) -> Recording:
    """Read a continuous recording.

    Raises
    ------
    TruncatedError
        When there are fewer samples than stated.
    FormatError
        When the header is none of a continuous recording, or there are more samples than stated.
    """
    refuse_pointer(path)
    raw = np.fromfile(path, dtype=np.uint8)
    if raw.size < HEAD.size:
        raise TruncatedError(
            "the file ends inside its header",
            subject=str(path),
            expected=f"{HEAD.size} bytes",
            found=f"{raw.size} bytes",
        )
    version, *date, milliseconds, rate, n_channels, gain, bits, extent, n_samples, n_codes = HEAD.unpack(
        raw[: HEAD.size].tobytes()
    )
    if version not in DTYPES:
        raise FormatError(
            "not a continuous recording in simple binary",
            subject=str(path),
            place="version",
            expected="2, 4 or 6 (whole recording); 3, 5 and 7 were cut into segments and are not read",
            found=str(version),
            hint="export the whole recording",
        )
    if rate < 1 or n_channels < 1 or n_codes < 0 or n_samples < 1 or bits < 0 or extent < 0:
        raise FormatError(
            "the header states what cannot be",
            subject=str(path),
            place="header",
            expected="a rate, channels and samples",
            found=f"{rate} Hz, {n_channels} channels, {n_samples} samples, {n_codes} kinds of events",
        )
    dtype, width = np.dtype(DTYPES[version]), n_channels + n_codes
    at = HEAD.size + CODE_BYTES * n_codes
    require_length(
        path,
        raw.size,
        at + width * dtype.itemsize * n_samples,
        place=f"{n_samples} samples of {n_channels} channels and {n_codes} tracks of events",
    )
    refuse_text_damage(path, raw[at:])
    codes = [raw[HEAD.size + 4 * k : HEAD.size + 4 * k + 4].tobytes().decode("latin-1") for k in range(n_codes)]
    samples = np.ascontiguousarray(raw[at:].view(dtype).reshape(n_samples, width).T, dtype=dtype.newbyteorder("="))
    scale = Fraction(extent, 2**bits) if extent and bits else Fraction(1)
    channels = [
        Channel(f"E{number}", source_unit="", unit=CALIBRATED, unit_origin="file", kind="eeg", gain=float(scale))
        for number in range(1, n_channels + 1)
    ]
    channels += [Channel(code.strip("\0 "), "", "1", unit_origin="file", kind="trig") for code in codes]
    warnings = [warning("no-channel-names", path.name, "the form has none: E1, E2, ... in the order of the file")]
    attrs: dict[str, Any] = {"file_format": "EGI simple binary", "amplifier_gain": gain}
    try:
        year, month, day, hour, minute, second = date
        start = datetime(year, month, day, hour, minute, second, milliseconds * 1000)
        attrs["recorded_at"] = start.isoformat()
    except (ValueError, OverflowError):
        warnings.append(warning("date", path.name, f"the date {date} is none; the start is not known"))
    marks = _events(samples[n_channels:], [channel.label for channel in channels[n_channels:]], Fraction(rate))
    return Recording((Block(samples, tuple(channels), Fraction(rate)),), tuple(marks), attrs, tuple(warnings))


def _events(tracks: np.ndarray[Any, Any], codes: list[str], rate: Fraction) -> list[Annotation]:
    """Return one annotation for each run of samples in which a track is not zero, in the order of time."""
    found = []
    for number, (track, code) in enumerate(zip(tracks, codes, strict=True)):
        on = np.concatenate([[False], track != 0])
        starts = np.flatnonzero(on[1:] & ~on[:-1]).tolist()
        found += [(start, number, Annotation(start / rate, None, code)) for start in starts]
    return [annotation for _, _, annotation in sorted(found, key=lambda item: item[:2])]
