"""Generated recordings in the layouts of data sets that few may have."""

from __future__ import annotations

from pathlib import Path

import numpy as np

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
