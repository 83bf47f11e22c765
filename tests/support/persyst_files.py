"""Generated recordings in Persyst's layout: a ``.lay`` header and interleaved integers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


def persyst(
    folder: Path,
    samples: np.ndarray,
    *,
    keys: Mapping[str, str] | None = None,
    labels: Sequence[str] | None = None,
    times: Sequence[tuple[int, float]] = (),
    comments: Sequence[str] = (),
    patient: Mapping[str, str] | None = None,
    lead: bytes = b"",
) -> Path:
    """Write ``rec.lay`` and ``rec.dat`` for samples of shape (channel, time), int16 or int32."""
    wide = samples.dtype.itemsize == 4
    (folder / "rec.dat").write_bytes(lead + samples.T.astype("<i4" if wide else "<i2").tobytes())
    stated = {
        "File": "rec.dat",
        "FileType": "Interleaved",
        "SamplingRate": "200",
        "HeaderLength": str(len(lead)),
        "Calibration": "0.5",
        "WaveformCount": str(len(samples)),
        "DataType": "7" if wide else "0",
        **(keys or {}),
    }
    labels = labels or [f"E{number}-Ref={number + 1}" for number in range(len(samples))]
    about = {"BirthDate": "01/02/80", "Sex": "F", "Hand": "R", "TestDate": "01/02/2020", "TestTime": "10:11:12"}
    about = about if patient is None else dict(patient)
    lines = ["[FileInfo]", *(f"{key}={value}" for key, value in stated.items())]
    lines += ["[ChannelMap]", *labels]
    lines += ["[SampleTimes]", *(f"{sample}={time}" for sample, time in times)]
    lines += ["[Patient]", *(f"{key}={value}" for key, value in about.items())]
    lines += ["[Comments]", *comments]
    path = folder / "rec.lay"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path
