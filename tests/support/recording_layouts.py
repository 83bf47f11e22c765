"""Generated recordings in the layouts of data sets that few may have."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from connectome.pipelines.formats.seizures.chbmit_summary import read_summary
from support.eeg_files import edf
from support.gdf_files import gdf


def tuh_recording(path: Path, *, seizure: bool = False, seed: int = 0) -> Path:
    """Write a recording of four seconds, with its marks beside it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(seed)
    labels = ("EEG FP1-REF", "EEG FP2-REF", "EEG O1-REF")
    signals = [(label, "uV", "-500", "500", "-32768", "32767") for label in labels]
    records = [[random.integers(-3000, 3000, 250) for _ in labels] for _ in range(4)]
    edf(path, signals=signals, records=records)
    rows = ["TERM,0.0000,1.0000,bckg,1.0000", "TERM,1.0000,3.0000,seiz,1.0000", "TERM,3.0000,4.0000,bckg,1.0000"]
    rows = rows if seizure else ["TERM,0.0000,4.0000,bckg,1.0000"]
    head = ["# version = csv_v1.0.0", "# duration = 4.00 secs", "channel,start_time,stop_time,label,confidence"]
    path.with_suffix(".csv_bi").write_text("\n".join([*head, *rows]) + "\n")
    return path


def graz_session(path: Path, *, cues: tuple[int, ...], rejected: tuple[int, ...] = (), seed: int = 0) -> Path:
    """Write a session of 25 channels at 250 Hz with one short trial per cue; some trials, by number, are rejected."""
    path.parent.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(seed)
    labels = [f"EEG-{number}" for number in range(22)] + [f"EOG-{name}" for name in ("left", "central", "right")]
    scale = (-100.0, 100.0, -2048.0, 2047.0)
    n_records = 1 + len(cues) * 20 // 250
    channels = [(label, "i2", 4275, scale, random.integers(-2000, 2000, (n_records, 250))) for label in labels]
    events = []
    for at, cue in enumerate(cues):
        events.append((1 + 20 * at, 768))
        if at in rejected:
            events.append((1 + 20 * at, 1023))
        events.append((1 + 20 * at + 5, cue))
    return gdf(path, channels=channels, events=events, event_hz=250.0)


def chb_mit_case(folder: Path, summary: Path, *, files: Sequence[str], day: str = "06.11.76", seed: int = 0) -> None:
    """Write generated recordings of a case of CHB-MIT beside a copy of its summary.

    Names, labels, lengths and clock times are those of the summary; the signal is noise at 4 Hz, not at 256 Hz.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / summary.name).write_bytes(summary.read_bytes())
    stated = read_summary(summary)
    random = np.random.default_rng(seed)
    for name in files:
        file = stated.file(name)
        assert file is not None
        assert file.duration_s is not None
        assert file.start_clock_s is not None
        signals = [(label, "uV", "-800", "800", "-2048", "2047") for label in file.channels]
        records = random.integers(-500, 500, (file.duration_s // 10, len(signals), 40), dtype=np.int32)
        path = edf(folder / name, signals=signals, records=records, record_s="10")
        hours, seconds = divmod(file.start_clock_s, 3600)
        assert hours < 24, "the day of the recording is the first"
        clock = f"{hours:02}.{seconds // 60:02}.{seconds % 60:02}"
        with path.open("r+b") as stream:
            stream.seek(168)
            stream.write(f"{day}{clock}".encode())
