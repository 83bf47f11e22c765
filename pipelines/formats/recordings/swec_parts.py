"""The SWEC iEEG dataset in HDF5: numbered parts of one long recording, and an index of them with the seizures.

``ID04_part_1.h5``, ``ID04_part_2.h5``, ... each hold ``data/ieeg`` (channel, time) with the attribute
``sampling_rate``. ``ID04_total.h5`` has ``data/ieeg`` as a virtual dataset over the parts, ``data/seizures``
(``onsets``, ``offsets``, in seconds from the start of the first part), ``info/files`` with the names of the parts and
``info/checksums``. Carzaniga et al. 2025, doi:10.48550/arXiv.2506.20354; the layout is that of the card of
https://huggingface.co/datasets/NeuroTec/SWEC_iEEG_Dataset and of the code that reads it,
https://github.com/IBM/multi-variate-parallel-transformer.

The virtual dataset is never read. In the published files it names the parts of another folder (``ID19_total.h5`` those
of ``ID01``; doi:10.82901/nemar.nm000276), and HDF5 gives zeros, without a word, for a part that it does not find. The
parts that ``info/files`` names are read one after another, by their numbers; how many samples the virtual dataset
expects of each has to be true of them. ``info/checksums`` belong to files before they were compressed anew
(https://github.com/bentang18/spatialconv_neural_speech_decoding, ``scripts/swec``), and are not compared.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import h5py
import numpy as np

from connectome.errors import FormatError, TruncatedError, UnsafeError
from connectome.seizures import Seizure

from ..files.hdf5_chunks import check_chunks, read_range, steps_along, unwritten_ranges
from ..files.hdf5_file import check_inside, open_hdf5
from .streamed import BLOCK_BYTES

__all__ = ["PART", "SIGNAL", "TOTAL", "Index", "Part", "check_parts", "checked_seizures", "read_index", "read_part"]

Array: TypeAlias = np.ndarray[Any, Any]

PART = re.compile(r"(?P<subject>[A-Za-z0-9]+)_part_(?P<number>[1-9]\d{0,3})\.h5")
TOTAL = re.compile(r"(?P<subject>[A-Za-z0-9]+)_total\.h5")
SIGNAL, SEIZURES, FILES = "data/ieeg", "data/seizures", "info/files"
RATE = "sampling_rate"
MOST_ROWS = 100_000
"""Seizures or parts; the longest recording has 70 seizures."""
MOST_CHANNELS = 4096
FASTEST_HZ = 100_000.0
KNOWN = {"patient", "channels", RATE}
"""Attributes of the files that are read."""


@dataclass(frozen=True)
class Part:
    """One part of a recording; reads its own samples."""

    path: Path
    n_channels: int
    n_samples: int
    rate_hz: float
    dtype: np.dtype[Any]
    step: int
    unwritten: tuple[tuple[int, int], ...] = ()
    """Ranges of samples that the file does not hold."""
    patient: str = ""
    """As the file calls them."""
    unread: tuple[str, ...] = ()
    """What else the file says and is not read."""

    def read(self, low: int, high: int) -> Array:
        """Return samples ``low`` to ``high``, shape (channel, high - low)."""
        with open_hdf5(self.path) as file:
            stored = _dataset(file, SIGNAL, str(self.path))
            check_inside(stored, place=f"/{SIGNAL}", subject=str(self.path))
            if tuple(stored.shape) != (self.n_channels, self.n_samples):
                raise FormatError(
                    "a recording has changed while it was read", subject=str(self.path), place=f"/{SIGNAL}",
                    expected=f"{self.n_channels} x {self.n_samples}", found=str(stored.shape),
                )  # fmt: skip
            return read_range(stored, low, high, axis=1, subject=str(self.path))


@dataclass(frozen=True)
class Index:
    """What the file of the whole recording says."""

    subject: str
    names: tuple[str, ...]
    """Names of the parts by their numbers."""
    samples: tuple[int, ...]
    """How many samples it expects of each."""
    n_channels: int
    rate_hz: float
    seizures: tuple[Seizure, ...] | None
    """None where it does not say."""
    foreign: tuple[str, ...] = ()
    """Names by which the virtual dataset calls the parts, where these are not theirs."""
    patient: str = ""
    unread: tuple[str, ...] = ()


def read_part(path: Path) -> Part:
    """Read what a part says of itself, without its samples.

    Raises
    ------
    FormatError, TruncatedError
        When it is not of the layout, or not all there.
    UnsafeError
        When it takes its samples from other files.
    """
    subject = str(path)
    with open_hdf5(path) as file:
        stored = _dataset(file, SIGNAL, subject)
        check_inside(stored, place=f"/{SIGNAL}", subject=subject)
        n_channels, n_samples = _shape(stored, subject)
        check_chunks(stored, subject=subject)
        if "channels" in file.attrs and _number(file, "channels", subject) != n_channels:
            raise FormatError(
                "the signal is not laid out as channels by samples", subject=subject, place=f"/{SIGNAL}",
                expected=f"{_number(file, 'channels', subject):g} channels", found=f"shape {stored.shape}",
            )  # fmt: skip
        return Part(
            path, n_channels, n_samples, _rate(file, subject), stored.dtype.newbyteorder("="),
            steps_along(stored, axis=1, aim_bytes=BLOCK_BYTES), tuple(unwritten_ranges(stored, axis=1)),
            str(_plain(file.attrs.get("patient", ""))), _unread(file, stored),
        )  # fmt: skip


def read_index(path: Path, name: str = "") -> Index:
    """Read the file of the whole recording, without following what it refers to.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    name : str
        What it is called, where that is not the name of the path.

    Raises
    ------
    FormatError
        When it is not of the layout, names parts that are not its own, or a seizure lies outside the recording.
    UnsafeError
        When it refers to files of another folder.
    """
    subject, named = str(path), TOTAL.fullmatch(name or path.name)
    if named is None:
        raise FormatError("not named as the whole of a recording is", subject=subject, expected="<subject>_total.h5")
    with open_hdf5(path) as file:
        stored = _dataset(file, SIGNAL, subject)
        if not stored.is_virtual or stored.external:
            raise FormatError(
                "not a virtual dataset over parts", subject=subject, place=f"/{SIGNAL}", expected="a virtual dataset"
            )
        lengths = _virtual_parts(stored, subject)
        n_channels, n_samples = _shape(stored, subject)
        rate_hz = _rate(file, subject)
        foreign = tuple(sorted(name for name, _ in lengths.values() if not name.startswith(f"{named['subject']}_")))
        listed = _listed(file, named["subject"], subject)
        if listed is None:
            if foreign:
                raise FormatError(
                    "a virtual dataset names parts of another recording, and nothing else says which are its own",
                    subject=subject, place=f"/{SIGNAL}", expected=f"{named['subject']}_part_<n>.h5",
                    found=", ".join(foreign[:3]),
                )  # fmt: skip
            listed = {number: name for number, (name, _) in lengths.items()}
        if sorted(listed) != sorted(lengths):
            raise FormatError(
                "a list of parts and a virtual dataset over them differ", subject=subject, place=f"/{FILES}",
                expected=f"parts 1 to {len(lengths)}", found=", ".join(listed[at] for at in sorted(listed))[:200],
            )  # fmt: skip
        return Index(
            named["subject"],
            tuple(listed[number] for number in sorted(listed)),
            tuple(length for _, (_, length) in sorted(lengths.items())),
            n_channels,
            rate_hz,
            _seizures(file, n_samples / rate_hz, subject),
            foreign,
            str(_plain(file.attrs.get("patient", ""))),
            _unread(file, stored),
        )


def check_parts(parts: Sequence[Part], index: Index | None) -> None:
    """Refuse parts that are not of one recording, or not what their index expects.

    Raises
    ------
    FormatError
        When channels, rate, type or numbers of samples differ.
    """
    for part in parts:
        first = parts[0]
        if (part.n_channels, part.rate_hz, part.dtype) != (first.n_channels, first.rate_hz, first.dtype):
            raise FormatError(
                "parts of one recording differ", subject=str(part.path), place=f"/{SIGNAL}",
                expected=f"{first.n_channels} channels of {first.dtype} at {first.rate_hz:g} Hz",
                found=f"{part.n_channels} of {part.dtype} at {part.rate_hz:g} Hz",
            )  # fmt: skip
    if index is None:
        return
    for part, expected in zip(parts, index.samples, strict=True):
        if (part.n_channels, part.rate_hz, part.n_samples) != (index.n_channels, index.rate_hz, expected):
            raise FormatError(
                "a part is not what the index of the recording expects", subject=str(part.path), place=f"/{SIGNAL}",
                expected=f"{index.n_channels} channels, {expected} samples at {index.rate_hz:g} Hz",
                found=f"{part.n_channels} channels, {part.n_samples} samples at {part.rate_hz:g} Hz",
            )  # fmt: skip


def _dataset(file: h5py.File, place: str, subject: str) -> h5py.Dataset:
    """Return a dataset that lies in this file, every group on the way to it too."""
    found: Any = file
    for name in place.split("/"):
        kind = _link(found, name)
        if kind == h5py.h5l.TYPE_EXTERNAL:
            raise UnsafeError("a link leads to another file", subject=subject, place=f"/{place}", found=name)
        found = found[name] if kind == h5py.h5l.TYPE_HARD else None
    if not isinstance(found, h5py.Dataset):
        raise FormatError("a dataset is missing", subject=subject, place=f"/{place}", expected="a dataset")
    return found


def _link(group: Any, name: str) -> int | None:
    """Return the kind of a link; None where there is none. What it leads to is not opened, as ``in`` would do."""
    if not isinstance(group, h5py.Group) or not group.id.links.exists(name.encode()):
        return None
    return int(group.id.links.get_info(name.encode()).type)


def _shape(stored: h5py.Dataset, subject: str) -> tuple[int, int]:
    shape = stored.shape
    if shape is None or len(shape) != 2 or not 0 < shape[0] <= MOST_CHANNELS or shape[1] <= 0:
        empty = shape is not None and 0 in shape
        raise (TruncatedError if empty else FormatError)(
            "there is no signal" if empty else "the signal is not laid out as channels by samples", subject=subject,
            place=f"/{SIGNAL}", expected=f"1 to {MOST_CHANNELS} channels by samples", found=f"shape {shape}",
        )  # fmt: skip
    return int(shape[0]), int(shape[1])


def _rate(file: h5py.File, subject: str) -> float:
    rate_hz = _number(file, RATE, subject)
    if not 0 < rate_hz <= FASTEST_HZ:
        raise FormatError(
            "not a sampling rate", subject=subject, place=f"attribute {RATE}", expected=f"up to {FASTEST_HZ:g} Hz",
            found=f"{rate_hz:g}",
        )  # fmt: skip
    return rate_hz


def _number(file: h5py.File, name: str, subject: str) -> float:
    """Return an attribute that holds one number."""
    value = np.asarray(file.attrs[name]) if name in file.attrs else np.empty(0, dtype=str)
    if value.dtype.kind not in "iuf" or value.size != 1 or not math.isfinite(float(value.ravel()[0])):
        raise FormatError(
            "an attribute is missing, or no number", subject=subject, place=f"attribute {name}",
            found=repr(_plain(value))[:80] if value.size else "nothing",
        )  # fmt: skip
    return float(value.ravel()[0])


def _virtual_parts(stored: h5py.Dataset, subject: str) -> dict[int, tuple[str, int]]:
    """Return name and number of samples of every part of a virtual dataset, by number; the files are not opened."""
    made = stored.id.get_create_plist()
    count, place = int(made.get_virtual_count()), f"/{SIGNAL}"
    if not 0 < count <= MOST_ROWS:
        raise FormatError(
            "a virtual dataset over no parts, or more than there can be", subject=subject, place=place,
            expected=f"1 to {MOST_ROWS}", found=str(count),
        )  # fmt: skip
    spans: dict[int, tuple[str, int, int]] = {}
    for at in range(count):
        name = _plain(made.get_virtual_filename(at))
        if "/" in name or "\\" in name or name in {"", ".", ".."}:
            raise UnsafeError(
                "a virtual dataset takes samples from another folder, or from itself", subject=subject, place=place,
                expected="names of parts beside it", found=name,
            )  # fmt: skip
        named = PART.fullmatch(name)
        inside = _plain(made.get_virtual_dsetname(at)).strip("/")
        if named is None or inside != SIGNAL or int(named["number"]) in spans:
            raise FormatError(
                "a virtual dataset is not made of numbered parts", subject=subject, place=place,
                expected=f"<subject>_part_<n>.h5, /{SIGNAL}", found=f"{name}, /{inside}",
            )  # fmt: skip
        lower, upper = made.get_virtual_vspace(at).get_select_bounds()
        whole = (len(lower), lower[0], upper[0] + 1) == (2, 0, stored.shape[0])
        n_points = made.get_virtual_vspace(at).get_select_npoints()
        if not whole or n_points != stored.shape[0] * (upper[1] - lower[1] + 1):
            raise FormatError(
                "a part fills more or less than all channels of a stretch of time", subject=subject, place=place,
                expected=f"channels 0 to {stored.shape[0]}", found=f"{name}: {lower} to {upper}",
            )  # fmt: skip
        spans[int(named["number"])] = (name, int(lower[1]), int(upper[1]) + 1)
    end = 0
    for number in range(1, count + 1):
        if number not in spans or spans[number][1] != end:
            raise FormatError(
                "parts do not follow each other", subject=subject, place=f"{place}, part {number}",
                expected=f"from sample {end} on",
                found=f"from sample {spans[number][1]} on" if number in spans else "none",
            )  # fmt: skip
        end = spans[number][2]
    if end != stored.shape[1]:
        raise FormatError(
            "parts do not fill the recording", subject=subject, place=place, expected=f"{stored.shape[1]} samples",
            found=f"{end} samples",
        )  # fmt: skip
    return {number: (name, stop - start) for number, (name, start, stop) in spans.items()}


def _listed(file: h5py.File, own: str, subject: str) -> dict[int, str] | None:
    """Return the names of the parts by number, as the file lists them; None where it does not."""
    if _link(file, "info") != h5py.h5l.TYPE_HARD or _link(file["info"], "files") is None:
        return None
    stored = check_inside(_dataset(file, FILES, subject), place=f"/{FILES}", subject=subject)
    if stored.dtype.kind not in "OSU" or not stored.shape or stored.size > MOST_ROWS:
        raise FormatError(
            "not a list of names", subject=subject, place=f"/{FILES}", found=f"{stored.dtype} {stored.shape}"
        )
    names = [_plain(name) for name in np.asarray(stored[()]).ravel().tolist()]
    found: dict[int, str] = {}
    for name in names:
        named = PART.fullmatch(name)
        if named is None or named["subject"] != own or int(named["number"]) in found:
            raise FormatError(
                "not the name of a part of this recording", subject=subject, place=f"/{FILES}",
                expected=f"{own}_part_<n>.h5, each once", found=repr(name)[:80],
            )  # fmt: skip
        found[int(named["number"])] = name
    return found


def _seizures(file: h5py.File, duration_s: float, subject: str) -> tuple[Seizure, ...] | None:
    """Return the seizures in seconds after the first sample; None where the file has no such table."""
    if _link(file["data"], "seizures") is None:
        return None
    place = f"/{SEIZURES}"
    stored = check_inside(_dataset(file, SEIZURES, subject), place=place, subject=subject)
    fields = stored.dtype.fields or {}
    numbers = {"onsets", "offsets"} <= set(fields) and all(
        fields[name][0].base.kind in "iuf" for name in ("onsets", "offsets")
    )
    if not numbers or stored.shape is None or stored.size > MOST_ROWS:
        raise FormatError(
            "not a table of seizures", subject=subject, place=place, expected="onsets and offsets in seconds",
            found=f"{stored.dtype} of shape {stored.shape}",
        )  # fmt: skip
    rows = np.asarray(stored[()])
    onsets, offsets = (np.asarray(rows[name], dtype=np.float64).ravel() for name in ("onsets", "offsets"))
    if onsets.shape != offsets.shape:
        raise FormatError(
            "onsets and offsets differ in number", subject=subject, place=place, found=f"{len(onsets)}, {len(offsets)}"
        )
    return checked_seizures(onsets, offsets, subject=subject, place=place, duration_s=duration_s)


def checked_seizures(
    onsets: Array, offsets: Array, *, subject: str, place: str, duration_s: float = math.inf
) -> tuple[Seizure, ...]:
    """Return seizures of which each begins inside the recording and ends after that."""
    for onset, offset in zip(onsets.tolist(), offsets.tolist(), strict=True):
        if not 0 <= onset < duration_s or not onset < offset < math.inf:
            raise FormatError(
                "a seizure lies outside the recording, or does not end after it begins", subject=subject, place=place,
                expected=f"0 <= onset < {duration_s:g} s, onset < offset", found=f"{onset} to {offset} s",
            )  # fmt: skip
    pairs = zip(onsets.tolist(), offsets.tolist(), strict=True)
    return tuple(Seizure(onset, offset, source="annotation") for onset, offset in pairs)


def _unread(file: h5py.File, stored: h5py.Dataset) -> tuple[str, ...]:
    """Return what a file holds that is not of the layout: it may matter, and nobody here knows what it means."""
    found = [f"attribute {name}" for name in file.attrs if name not in KNOWN]
    found += [f"/{SIGNAL}, attribute {name}" for name in stored.attrs]
    found += [f"/data/{name}" for name in file["data"] if name not in {"ieeg", "seizures"}]
    return tuple(sorted(found))


def _plain(value: Any) -> Any:
    """Return text of bytes, and a number or text of an array of one."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, (np.ndarray, np.generic)) and value.size == 1:
        return _plain(value.ravel()[0].item())
    return value
