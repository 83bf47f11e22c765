"""Generated recordings in BrainVision and EDF, and sidecars beside them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

TINY = "mne_bids_tiny/sub-01/ses-eeg/eeg/sub-01_ses-eeg_task-rest_eeg.vhdr"
HFO = "openneuro_ds003498_hfo/sub-01/ses-interictalsleep/ieeg/sub-01_ses-interictalsleep_run-01_ieeg.vhdr"


def codes(tree) -> list[str]:
    return [warning["code"] for warning in tree.attrs.get("warnings", [])]


def vhdr(folder: Path, *, samples=None, markers="", name="rec", **changes) -> Path:
    """Write a generated BrainVision recording of two channels."""
    samples = np.arange(20, dtype="<i2").reshape(10, 2) if samples is None else samples
    common = {
        "Codepage": "UTF-8",
        "DataFile": f"{name}.eeg",
        "MarkerFile": f"{name}.vmrk",
        "DataFormat": "BINARY",
        "DataOrientation": "MULTIPLEXED",
        "NumberOfChannels": "2",
        "SamplingInterval": "1000",
        **{key: value for key, value in changes.items() if key not in {"BinaryFormat", "Ch1", "Ch2", "extra"}},
    }
    lines = ["Brain Vision Data Exchange Header File Version 1.0", "; generated", "[Common Infos]"]
    lines += [f"{key}={value}" for key, value in common.items() if value is not None]
    lines += ["[Binary Infos]", f"BinaryFormat={changes.get('BinaryFormat', 'INT_16')}"]
    lines += ["[Channel Infos]", f"Ch1={changes.get('Ch1', 'Fz,,0.5,µV')}", f"Ch2={changes.get('Ch2', 'Cz,ref,2,mV')}"]
    lines += changes.get("extra", [])
    path = folder / f"{name}.vhdr"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / f"{name}.eeg").write_bytes(samples.tobytes())
    marker = "Brain Vision Data Exchange Marker File, Version 1.0\n[Common Infos]\n[Marker Infos]\n" + markers
    (folder / f"{name}.vmrk").write_text(marker, encoding="utf-8")
    return path


def edf(
    path: Path, *, signals, records, record_s="1", variant="", n_records=None, times=None, texts=None, bdf=False
) -> Path:
    """Write a generated EDF file; a signal is (label, unit, phys min, phys max, dig min, dig max)."""
    width = 3 if bdf else 2
    count = len(records[0][0]) if signals else 0
    lists = times is not None
    rows = [(*signal, len(records[0][k])) for k, signal in enumerate(signals)]
    if lists:
        rows.append(("BDF Annotations" if bdf else "EDF Annotations", "", "-1", "1", "-32768", "32767", 60 // width))
    head = b"\xffBIOSEMI" if bdf else b"0       "
    fields = [("X", 80), ("Startdate X", 80), ("01.01.01", 8), ("00.00.00", 8), (str(256 * (1 + len(rows))), 8)]
    stated = len(records) if n_records is None else n_records
    fields += [(variant, 44), (str(stated), 8), (record_s, 8), (str(len(rows)), 4)]
    content = head + b"".join(text.encode().ljust(size) for text, size in fields)
    columns = [[row[0] for row in rows], ["" for _ in rows], *[[row[k] for row in rows] for k in range(1, 6)]]
    columns += [["" for _ in rows], [str(row[6]) for row in rows], ["" for _ in rows]]
    for values, size in zip(columns, (16, 80, 8, 8, 8, 8, 8, 80, 8, 32), strict=True):
        content += b"".join(str(value).encode().ljust(size) for value in values)
    for number, record in enumerate(records):
        for samples in record:
            little = np.asarray(samples, dtype="<i4").view(np.uint8).reshape(-1, 4)
            content += little[:, :width].tobytes()
        if lists:
            text = f"{times[number]}\x14\x14\0".encode() + (texts or {}).get(number, b"")
            content += text.ljust(60 // width * width, b"\0")
    assert count or lists
    path.write_bytes(content)
    return path


ONE = ("EEG Fz", "uV", "-100", "100", "-2048", "2047")


def sidecar(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path
