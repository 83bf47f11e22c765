"""Generated recordings in layouts of which no file is at hand: Neuroscan, EGI, CTF, BCI2000, Nicolet."""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np


def neuroscan(
    path: Path,
    samples: np.ndarray,
    *,
    labels: Sequence[str],
    scales: Sequence[tuple[int, float, float]],
    events: Sequence[tuple[int, int, int, int]] = (),
    kind: int = 2,
    rate_hz: int = 250,
    in_a_row: int = 1,
    start: tuple[str, str] = ("12/24/19", "23:59:58"),
    bad: Sequence[int] = (),
) -> Path:
    """Write a ``.cnt``; a scale is baseline, sensitivity and calibration, an event stimulus, key, keypad and sample."""
    n_channels, n_samples = samples.shape
    width = samples.dtype.itemsize
    first = 900 + 75 * n_channels
    head = bytearray(first)
    head[:11] = b"Version 3.0"
    for text, at in zip(start, (225, 235), strict=True):
        head[at : at + len(text)] = text.encode()
    struct.pack_into("<H", head, 370, n_channels)
    struct.pack_into("<H", head, 376, rate_hz)
    struct.pack_into("<i", head, 864, n_samples)
    struct.pack_into("<i", head, 886, first + samples.nbytes)
    struct.pack_into("<i", head, 894, in_a_row * width if in_a_row > 1 else 0)
    for number, (label, (baseline, sensitivity, calibration)) in enumerate(zip(labels, scales, strict=True)):
        at = 900 + 75 * number
        head[at : at + len(label)] = label.encode()
        head[at + 14] = number in bad
        struct.pack_into("<ff", head, at + 19, 10.0 * number, 5.0)
        struct.pack_into("<h", head, at + 47, baseline)
        struct.pack_into("<f", head, at + 59, sensitivity)
        struct.pack_into("<f", head, at + 71, calibration)
    blocks = samples.reshape(n_channels, -1, in_a_row).transpose(1, 0, 2)
    rows = b""
    for stimulus, key, keypad, sample in events:
        place = sample if kind == 3 else first + sample * n_channels * width
        rows += struct.pack("<HBBi", stimulus, key, keypad, place) + bytes(0 if kind == 1 else 11)
    path.write_bytes(
        bytes(head) + blocks.astype(f"<i{width}").tobytes() + struct.pack("<Bii", kind, len(rows), 0) + rows
    )
    return path


def egi(
    path: Path,
    samples: np.ndarray,
    tracks: dict[str, np.ndarray],
    *,
    rate_hz: int = 250,
    extent: tuple[int, int] = (0, 0),
    date: tuple[int, ...] = (2012, 6, 30, 23, 59, 1, 250),
    version: int | None = None,
) -> Path:
    """Write a ``.raw`` in simple binary; ``extent`` is bits and range."""
    version = {"i2": 2, "f4": 4, "f8": 6}[samples.dtype.str[1:]] if version is None else version
    head = struct.pack(">i6hI", version, *date)
    head += struct.pack(">5hIh", rate_hz, len(samples), 20, *extent, samples.shape[1], len(tracks))
    head += b"".join(code.encode().ljust(4) for code in tracks)
    rows = np.stack([*samples, *tracks.values()], axis=1)
    path.write_bytes(head + rows.astype(samples.dtype.newbyteorder(">")).tobytes())
    return path


def ctf(
    folder: Path,
    trials: Sequence[np.ndarray],
    *,
    channels: Sequence[tuple[str, int, float, float]],
    rate_hz: float = 600.0,
    clock: tuple[str, str] = ("11:12", "24-Dec-2019"),
    markers: dict[str, Sequence[tuple[int, float]]] | None = None,
    bad: Sequence[str] = (),
) -> Path:
    """Write a ``.ds``; a channel is name, type of sensor, proper gain and q gain, a trial int32 of (channel, time)."""
    folder.mkdir()
    stem, n_samples = folder.stem, trials[0].shape[1]
    head = bytearray(1844)
    head[:7] = b"MEG42RS"
    struct.pack_into(">h", head, 776, 0)
    head[778 : 778 + len(clock[0])] = clock[0].encode()
    head[1033 : 1033 + len(clock[1])] = clock[1].encode()
    struct.pack_into(">ih", head, 1288, n_samples, len(channels))
    struct.pack_into(">ddh", head, 1296, rate_hz, n_samples * len(trials) / rate_hz, len(trials))
    body = struct.pack(">h", 0) + b"".join(name.encode().ljust(32, b"\0") for name, *_ in channels)
    for _, sensor, proper, gain in channels:
        body += struct.pack(">hhidddd", sensor, 0, 0, proper, gain, 1.0, 0.0) + struct.pack(">hhi", 1, 0, 0)
        coil = struct.pack(">3dd3dd", 1.0, 2.0, 15.0, 0.0, 0.0, 0.0, 1.0, 0.0) + struct.pack(">hihd", 1, 0, 0, 1.0)
        body += (coil + bytes(7 * len(coil))) * 2
    body += struct.pack(">h", 0)
    (folder / f"{stem}.res4").write_bytes(bytes(head) + body)
    points = {"nasion": (9.0, 0.0, 0.0), "left ear": (0.0, 7.0, 0.0), "right ear": (0.0, -7.0, 0.0)}
    lines = []
    for frame in ("dewar", "head"):
        for name, place in points.items():
            lines.append(f"measured {name} coil position relative to {frame} (cm):")
            lines += [f"\t{axis} = {value}" for axis, value in zip("xyz", place, strict=True)]
    (folder / f"{stem}.hc").write_text("\n".join(lines) + "\n")
    samples = b"".join(trial.astype(">i4").tobytes() for trial in trials)
    (folder / f"{stem}.meg4").write_bytes(b"MEG41CP\0" + samples)
    if bad:
        (folder / "BadChannels").write_text("\n".join(bad) + "\n")
    if markers is not None:
        text = f"PATH OF DATASET:\n{folder.name}\n\n\nNUMBER OF MARKERS:\n{len(markers)}\n\n\n"
        for name, places in markers.items():
            text += f"CLASSGROUPID:\n3\nNAME:\n{name}\nCOMMENT:\n\nCOLOR:\nred\nEDITABLE:\nYes\nCLASSID:\n1\n"
            text += f"NUMBER OF SAMPLES:\n{len(places)}\nLIST OF SAMPLES:\n"
            text += "TRIAL NUMBER\t\tTIME FROM SYNC POINT (in seconds)\n"
            text += "".join(f"{trial:+}\t\t\t\t{time:+f}\n" for trial, time in places) + "\n\n"
        (folder / "MarkerFile.mrk").write_text(text)
    return folder


def bci2000(path: Path, samples: np.ndarray, states: np.ndarray, *, rate_hz: int = 160) -> Path:
    """Write a ``.dat`` of int16 samples with one byte of state, ``StimulusCode``, after each frame."""
    text = "[ State Vector Definition ]\r\nStimulusCode 8 0 0 0\r\n[ Parameter Definition ]\r\n"
    text += f"Source int SamplingRate= {rate_hz} 160 1 % // the rate\r\n\r\n"
    first = "HeaderLen= {:5d} SourceCh= {} StatevectorLen= 1\r\n"
    length = len(first.format(0, len(samples))) + len(text)
    frames = b"".join(
        frame.astype("<i2").tobytes() + bytes([state]) for frame, state in zip(samples.T, states.tolist(), strict=True)
    )
    path.write_bytes((first.format(length, len(samples)) + text).encode() + frames)
    return path


def nicolet(
    path: Path, samples: np.ndarray, *, labels: Sequence[str], factor: float = 0.179, rate_hz: int = 256
) -> Path:
    """Write a ``.data`` of int16 samples and its ``.head``."""
    path.write_bytes(samples.T.astype("<i2").tobytes())
    lines = [
        "start_ts=2008-11-11 06:18:40.250", f"num_samples={samples.shape[1]}", f"sample_freq={rate_hz}",
        f"conversion_factor={factor}", f"num_channels={len(samples)}", f"elec_names=[{','.join(labels)}]", "pat_id=1",
        "adm_id=2", "rec_id=3", f"duration_in_sec={samples.shape[1] / rate_hz}", "sample_bytes=2",
    ]  # fmt: skip
    path.with_suffix(".head").write_text("\n".join(lines) + "\n")
    return path


def fil(path: Path, samples: np.ndarray, *, units: Sequence[str], rate_hz: float = 600.0) -> Path:
    """Write ``NAME_meg.bin`` of big-endian float32 with ``NAME_meg.json`` and ``NAME_channels.tsv``."""
    path.write_bytes(samples.T.astype(">f4").tobytes())
    stem = path.name.removesuffix("_meg.bin")
    about = {"SamplingFrequency": rate_hz, "PowerLineFrequency": 50}
    (path.parent / f"{stem}_meg.json").write_text(json.dumps(about))
    kinds = {"fT": "MEGMAG", "V": "TRIG"}
    rows = [
        f"C{at}\t{kinds.get(unit, 'MISC')}\t{unit}\t{'bad' if at == 1 else 'good'}" for at, unit in enumerate(units)
    ]
    (path.parent / f"{stem}_channels.tsv").write_text("\n".join(["name\ttype\tunits\tstatus", *rows]) + "\n")
    return path
