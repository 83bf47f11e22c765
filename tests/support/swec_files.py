"""Generated recordings in the two layouts in which the long-term iEEG of the SWEC in Bern is published."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numcodecs import blosc, lz4

LZ4, BLOSC, BLOSC2 = 32004, 32001, 32026
RATE_HZ = 512.0


def samples(n_channels: int, n_samples: int, seed: int = 0, dtype: str = "<f4") -> np.ndarray[Any, Any]:
    """Return generated samples, shape (channel, sample)."""
    return np.random.default_rng(seed).integers(-2000, 2000, (n_channels, n_samples)).astype(dtype)


def lz4_frame(content: bytes, block: int) -> bytes:
    """Return a chunk as the HDF5 filter LZ4 stores it."""
    parts = [len(content).to_bytes(8, "big"), block.to_bytes(4, "big")]
    for at in range(0, len(content), block):
        plain = content[at : at + block]
        # numcodecs puts the length before the block, HDF5 does not.
        packed = lz4.compress(plain)[4:]
        packed = packed if len(packed) < len(plain) else plain
        parts += [len(packed).to_bytes(4, "big"), packed]
    return b"".join(parts)


def packed(content: bytes, code: int, itemsize: int) -> bytes:
    """Return a chunk as one of the filters stores it."""
    if code == LZ4:
        return lz4_frame(content, 1 << 12)
    if code == BLOSC:
        return bytes(blosc.compress(content, b"lz4hc", 5, blosc.SHUFFLE, 0, itemsize))
    return content


def dataset(
    group: h5py.Group, name: str, values: np.ndarray[Any, Any], chunks: tuple[int, ...], code: int = LZ4,
    *, shuffle: bool = False, leave_out: Sequence[int] = (),
) -> None:  # fmt: skip
    """Write a two-dimensional dataset whose chunks are compressed by a filter that h5py does not have."""
    made = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    made.set_chunk(chunks)
    if shuffle:
        made.set_shuffle()
    made.set_filter(code, h5py.h5z.FLAG_OPTIONAL, (0,))
    space = h5py.h5s.create_simple(values.shape)
    stored = h5py.h5d.create(group.id, name.encode(), h5py.h5t.py_create(values.dtype), space, made)
    corners = [(at, to) for at in range(0, values.shape[0], chunks[0]) for to in range(0, values.shape[1], chunks[1])]
    for number, (at, to) in enumerate(corners):
        if number in leave_out:
            continue
        chunk = np.zeros(chunks, dtype=values.dtype)
        inside = values[at : at + chunks[0], to : to + chunks[1]]
        chunk[: inside.shape[0], : inside.shape[1]] = inside
        content = chunk.tobytes()
        if shuffle:
            content = np.frombuffer(content, dtype=np.uint8).reshape(-1, chunk.itemsize).T.tobytes()
        stored.write_direct_chunk((at, to), packed(content, code, chunk.itemsize))


def part(
    path: Path, values: np.ndarray[Any, Any], *, rate_hz: float = RATE_HZ, chunk: int = 256, code: int = LZ4,
    patient: str = "", shuffle: bool = False, leave_out: Sequence[int] = (),
) -> Path:  # fmt: skip
    """Write one part of a recording."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        chunks = (values.shape[0], min(chunk, values.shape[1]))
        dataset(file.create_group("data"), "ieeg", values, chunks, code, shuffle=shuffle, leave_out=leave_out)
        file.attrs.update(sampling_rate=rate_hz, channels=values.shape[0])
        if patient:
            file.attrs["patient"] = patient
    return path


def index(
    path: Path, lengths: Sequence[int], *, n_channels: int, seizures: Sequence[tuple[float, float]] | None = (),
    rate_hz: float = RATE_HZ, virtual_subject: str = "", listed: Sequence[str] | None = None, dtype: str = "<f4",
    elsewhere: str = "",
) -> Path:  # fmt: skip
    """Write the file of the whole recording: a virtual dataset over the parts, their names, and the seizures."""
    subject = path.name.removesuffix("_total.h5")
    layout = h5py.VirtualLayout((n_channels, sum(lengths)), dtype=dtype)
    at = 0
    for number, length in enumerate(lengths, start=1):
        name = f"{elsewhere}{virtual_subject or subject}_part_{number}.h5"
        layout[:, at : at + length] = h5py.VirtualSource(name, "data/ieeg", shape=(n_channels, length))
        at += length
    names = [f"{subject}_part_{number}.h5" for number in range(1, len(lengths) + 1)] if listed is None else listed
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        data = file.create_group("data")
        data.create_virtual_dataset("ieeg", layout, fillvalue=0)
        if seizures is not None:
            rows = np.array(list(seizures), dtype=[("onsets", "<f8"), ("offsets", "<f8")])
            data.create_dataset("seizures", data=rows)
        if names:
            info = file.create_group("info")
            info.create_dataset("files", data=[name.encode() for name in names])
            info.create_dataset("checksums", data=[b"0" * 128 for _ in names])
        file.attrs.update(sampling_rate=rate_hz, channels=n_channels, patient=subject)
    return path


def recording(
    folder: Path, subject: str, lengths: Sequence[int] = (700, 500), *, n_channels: int = 3,
    seizures: Sequence[tuple[float, float]] | None = ((0.5, 1.6),), code: int = LZ4, **options: Any,
) -> np.ndarray[Any, Any]:  # fmt: skip
    """Write a whole recording below a folder; return its samples."""
    values = samples(n_channels, sum(lengths))
    starts = np.cumsum([0, *lengths])
    for number, (start, stop) in enumerate(pairwise(starts.tolist()), start=1):
        part(folder / subject / f"{subject}_part_{number}.h5", values[:, start:stop], code=code, patient=subject)
    index(folder / subject / f"{subject}_total.h5", lengths, n_channels=n_channels, seizures=seizures, **options)
    return values


def hours(
    folder: Path, subject: str, numbers: Sequence[int] = (1, 2), *, n_channels: int = 3, rate_hz: int = 2,
    seizures: Sequence[tuple[float, float]] = ((3500.0, 3700.5),), last: int | None = None, compressed: bool = True,
    version: str = "5",
) -> np.ndarray[Any, Any]:  # fmt: skip
    """Write hours of a recording at a low rate, and what is said of all of it; return their samples."""
    from scipy.io import savemat

    folder = folder / subject
    folder.mkdir(parents=True, exist_ok=True)
    about = {
        "fs": np.array([[rate_hz]]),
        "seizure_begin": np.array([[onset] for onset, _ in seizures]).reshape(-1, 1),
        "seizure_end": np.array([[offset] for _, offset in seizures]).reshape(-1, 1),
    }
    savemat(folder / f"{subject}_info.mat", about)
    written = []
    for at, number in enumerate(numbers):
        length = 3600 * rate_hz if last is None or at + 1 < len(numbers) else last
        values = samples(n_channels, length, seed=number)
        path = folder / f"{subject}_{number}h.mat"
        if version == "7.3":
            matlab73(path, values)
        else:
            savemat(path, {"EEG": values}, do_compression=compressed)
        written.append(values)
    return np.concatenate(written, axis=1)


def matlab73(path: Path, values: np.ndarray[Any, Any]) -> None:
    """Write ``EEG`` as MATLAB 7.3 does: HDF5 behind a block of text, axes reversed."""
    with h5py.File(path, "w", userblock_size=512) as file:
        stored = file.create_dataset("EEG", data=values.T, chunks=(1024, values.shape[0]), compression="gzip")
        stored.attrs["MATLAB_class"] = np.bytes_(b"single")
    with path.open("r+b") as stream:
        stream.write(b"MATLAB 7.3 MAT-file, generated".ljust(124) + b"\x00\x02IM")
