"""Recordings of worms in the columns of the dataset of Simeon et al. 2024, for code that was written for it.

The layout is that of ``qsimeon/celegans_neural_data`` on the Hugging Face Hub (arXiv:2411.12091): one row per worm and
neuron, with the traces as lists. What the columns mean is the same, except where that release says something that was
not measured:

- An ROI without a sure name is called by its channel id and has no slot (null); the release puts it into a free slot
  of a named neuron, at random. A label that fits several neurons keeps them as ``candidates``.
- Nothing is imputed. A missing sample is NaN and ``original_valid`` is False; a resampled one that lies in a gap, or
  outside the recording, is NaN and ``valid`` is False.
- Values are float32 and time is float64, not half precision; the last sample is reached.
- Traces are not smoothed unless it is asked for, then with a width in seconds, and scaled by the past only.
  ``is_causal`` says whether ``calcium_data`` up to a time depends on samples up to that time only; resampling between
  samples never does.
- Short recordings and worms without labels are kept. Records without a clock in seconds are left out, and listed.
- ``worm`` counts a source's records in text order; ``record`` is the name that stays the same from version to version.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import pandas as pd

from connectome.celegans_neurons import HERMAPHRODITE_NEURONS
from connectome.errors import UsageError
from connectome.store.canonical import json_digest

from ..huggingface.library import datasets_library
from ..huggingface.rows import FINGERPRINT_CHARACTERS
from ..reading.specs import as_version, record_file
from ..recordings.moments import Moments, causal_moments
from ..recordings.resampling import Method, Recording, read_recording, resample, why_unusable
from ..recordings.smoothing import Smooth, smooth

if TYPE_CHECKING:
    import datasets

    from connectome.store import Version

    from ..recordings.alignment import Identities, Policy

__all__ = ["SLOTS", "STEP_S", "Normalisation", "PredecessorRows", "predecessor_features", "to_predecessor_rows"]

Array = np.ndarray[Any, Any]
Normalisation = Literal["causal", "standard", "none"]
"""By the mean and deviation of the samples so far, of the whole recording (which looks ahead), or not at all."""

SLOTS: tuple[str, ...] = tuple(sorted(set(HERMAPHRODITE_NEURONS) - {"CANL", "CANR"}))
"""The 300 neurons in the release's order, by text; CANL and CANR are left out, as in Cook et al., Nature 571:63
(2019)."""
STEP_S = 0.333
"""Seconds between samples in the release."""
_RELEASE_NAMES = {"atanas2023": "Flavell2023"}
_RELEASE_SOURCES = frozenset(
    {
        "Kato2015",
        "Nichols2017",
        "Skora2018",
        "Kaplan2020",
        "Nejatbakhsh2020",
        "Yemini2021",
        "Uzel2022",
        "Dag2023",
        "Leifer2023",
        "Lin2023",
        "Flavell2023",
        "Venkatachalam2024",
    }
)


@dataclass(frozen=True)
class PredecessorRows:
    """Rows, and what became of every record."""

    rows: datasets.Dataset
    report: pd.DataFrame
    """One row per record: ``record``, ``source_dataset``, ``worm`` and ``reason`` (empty where it is used), ``n_rows``,
    ``n_labeled``."""


@dataclass(frozen=True)
class _How:
    step_s: float | None
    max_gap_s: float
    method: Method
    smoothing: Smooth | None
    normalisation: Normalisation

    @property
    def is_causal(self) -> bool:
        unsmoothed = self.smoothing is None or self.smoothing.causal
        return self.step_s is None and unsmoothed and self.normalisation != "standard"


def predecessor_features() -> datasets.Features:
    """Return the columns: those of the release first, in its order, then our own."""
    made = datasets_library()
    text, flag = made.Value("string"), made.Value("bool")
    values, times, flags = made.List(made.Value("float32")), made.List(made.Value("float64")), made.List(flag)
    return made.Features(
        {
            "source_dataset": text,
            "raw_data_file": text,
            "worm": text,
            "neuron": text,
            "slot": made.Value("int32"),
            "is_labeled_neuron": flag,
            "smooth_method": text,
            "interpolate_method": text,
            "normalization_method": text,
            "original_calcium_data": values,
            "calcium_data": values,
            "original_time_in_seconds": times,
            "time_in_seconds": times,
            "original_max_timesteps": made.Value("int32"),
            "max_timesteps": made.Value("int32"),
            "record": text,
            "roi": text,
            "raw_label": text,
            "status": text,
            "candidates": made.List(text),
            "original_valid": flags,
            "valid": flags,
            "is_causal": flag,
            "max_gap_s": made.Value("float64"),
        }
    )


def to_predecessor_rows(
    data: str | Version,
    *,
    records: Sequence[str] | None = None,
    group: str = "activity",
    step_s: float | None = STEP_S,
    max_gap_s: float = 2.0,
    method: Method = "linear",
    smoothing: Smooth | None = None,
    normalisation: Normalisation = "causal",
    policy: Policy = "exact+normalised",
    unlabelled: bool = True,
    root: str | Path | None = None,
) -> PredecessorRows:
    """Return the recordings of a version in the release's columns.

    Parameters
    ----------
    data : str or Version
        ``"celegans-activity@1"`` or an opened version.
    records : sequence of str, optional
        Names of records; default all.
    group : str
        Path of the series group.
    step_s : float, optional
        Seconds between samples of ``calcium_data``; None for the recording's own stamps.
    max_gap_s, method
        As for :func:`~connectome.loaders.recordings.resampling.resample`.
    smoothing : Smooth, optional
        Applied to the samples on their own stamps, before they are resampled.
    normalisation : {"causal", "standard", "none"}
        Applied last. Samples before there are two to scale by, or without any spread, are not valid.
    policy : {"exact+normalised", "exact", "all-candidates"}
        Which labels are believed.
    unlabelled : bool
        Whether ROIs without a slot have rows; leave them out for code that needs a slot in every row.
    root : path or URL, optional
        The store, for a text.

    Returns
    -------
    PredecessorRows
        The rows lie in memory, sorted by source, record and channel.

    Raises
    ------
    NotFoundError
        When a record does not exist.
    UsageError
        When an argument cannot be used.
    """
    if normalisation not in get_args(Normalisation):
        expected = ", ".join(get_args(Normalisation))
        raise UsageError("unknown way to scale", subject="normalisation", expected=expected, found=repr(normalisation))
    if step_s is not None and not step_s > 0:
        raise UsageError("not a step", subject="step_s", expected="above 0", found=str(step_s))
    made = datasets_library()
    version = as_version(data, root=root)
    how = _How(step_s, max_gap_s, method, smoothing, normalisation)
    chosen = _choose(version, records)
    features = predecessor_features()
    parts, report = [], []
    worms: Counter[str] = Counter()
    for record, source in sorted(chosen.items(), key=lambda item: (item[1], item[0])):
        entry: dict[str, Any] = {"record": record, "source_dataset": source, "worm": "", "reason": ""}
        entry["reason"] = why_unusable(version, record, group.strip("/"))
        if not entry["reason"]:
            entry["worm"] = f"worm{worms[source]}"
            worms[source] += 1
            found = read_recording(version, record, group=group, policy=policy)
            columns = _rows(found, how, unlabelled=unlabelled)
            n_rows = len(columns["roi"])
            constant = {
                "source_dataset": source,
                "raw_data_file": _raw_file(version, record),
                "worm": entry["worm"],
                "smooth_method": "none" if smoothing is None else _words(smoothing),
                "interpolate_method": "none" if step_s is None else method,
                "normalization_method": normalisation,
                "record": record,
                "is_causal": how.is_causal,
                "max_gap_s": max_gap_s if step_s is not None else None,
            }
            parts.append(_table(columns | {name: [value] * n_rows for name, value in constant.items()}, features))
            entry |= {"n_rows": n_rows, "n_labeled": sum(columns["is_labeled_neuron"])}
        report.append({"n_rows": 0, "n_labeled": 0} | entry)
    import pyarrow as pa

    content = pa.concat_tables([features.arrow_schema.empty_table(), *parts])
    request = [version.digest, sorted(chosen), group, repr(how), policy, unlabelled, "predecessor rows 1"]
    info = made.DatasetInfo(
        description=__doc__ or "", citation=version.cite("bibtex"), features=features, dataset_name=version.dataset
    )
    rows = made.Dataset(
        made.table.InMemoryTable(content), info=info, fingerprint=json_digest(request)[:FINGERPRINT_CHARACTERS]
    )
    order = ["record", "source_dataset", "worm", "reason", "n_rows", "n_labeled"]
    return PredecessorRows(rows, pd.DataFrame(report, columns=order))


def _choose(version: Version, records: Sequence[str] | None) -> dict[str, str]:
    """Return record to the name of its source in the release."""
    known = version.records.set_index("record")["source"].to_dict()
    if records is not None:
        for record in records:
            record_file(version, record)
        known = {record: known[record] for record in records}
    return {str(record): _source_name(str(source)) for record, source in known.items()}


def _source_name(source: str) -> str:
    name = _RELEASE_NAMES.get(source, source.capitalize())
    return name if name in _RELEASE_SOURCES else source


def _raw_file(version: Version, record: str) -> str:
    """Return the name of the file that the recording comes from, the first of its inputs."""
    inputs = version.open(record).attrs.get("provenance", {}).get("inputs", [])
    return Path(str(inputs[0]["path"])).name if inputs else ""


def _words(smoothing: Smooth) -> str:
    return f"{'causal' if smoothing.causal else 'centred'} {smoothing.kernel} {smoothing.width_s:g} s"


def _rows(found: Recording, how: _How, *, unlabelled: bool) -> dict[str, list[Any]]:
    """Return the columns that differ from row to row."""
    about = _labels(found)
    kept = [at for at, label in enumerate(about) if unlabelled or label["slot"] is not None]
    columns: dict[str, list[Any]] = {name: [about[at][name] for at in kept] for name in _LABEL_COLUMNS}
    signal, mask, time_s = _processed(found, how)
    original = found.signal.astype(np.float32)
    return columns | {
        "original_calcium_data": [original[at] for at in kept],
        "calcium_data": [signal[at] for at in kept],
        "original_time_in_seconds": [found.time_s] * len(kept),
        "time_in_seconds": [time_s] * len(kept),
        "original_max_timesteps": [len(found.time_s)] * len(kept),
        "max_timesteps": [len(time_s)] * len(kept),
        "original_valid": [found.mask[at] for at in kept],
        "valid": [mask[at] for at in kept],
    }


def _processed(found: Recording, how: _How) -> tuple[Array, Array, Array]:
    """Return ``calcium_data`` as float32, its mask, and its stamps."""
    signal, mask, time_s = found.signal, found.mask, found.time_s
    if how.smoothing is not None:
        signal, mask = smooth(
            signal,
            time_s,
            mask,
            kernel=how.smoothing.kernel,
            width_s=how.smoothing.width_s,
            causal=how.smoothing.causal,
            max_gap_s=how.smoothing.max_gap_s,
            segments=found.segments,
        )
    if how.step_s is not None:
        made = resample(
            signal,
            time_s,
            mask,
            rate_hz=1.0 / how.step_s,
            max_gap_s=how.max_gap_s,
            method=how.method,
            segments=found.segments,
        )
        signal, mask, time_s = made.signal, made.mask, made.time_s
    if how.normalisation != "none":
        if how.normalisation == "causal":
            moments = causal_moments(signal, mask, Moments.none(len(signal)))
            n, mean, std = moments.n, moments.mean, moments.std()
        else:
            moments = Moments.of(signal, mask)
            n, mean, std = (part[:, None] for part in (moments.n, moments.mean, moments.std()))
        mask = mask & (n > 1) & (std > 0)
        signal = (signal - mean) / np.where(std > 0, std, 1.0)
    return np.where(mask, signal, np.nan).astype(np.float32), mask, time_s


_LABEL_COLUMNS = ("neuron", "slot", "is_labeled_neuron", "roi", "raw_label", "status", "candidates")


def _labels(found: Recording) -> list[dict[str, Any]]:
    """Return for every channel what is known of its identity."""
    slot_of = {name: at for at, name in enumerate(SLOTS)}
    rows_of_roi = _rows_of_roi(found.identities)
    labels = []
    for channel in found.channels:
        rows = rows_of_roi.get(channel, [])
        name = next((row["neuron"] for row in rows if row["identified"]), "")
        slot = slot_of.get(name)
        labels.append(
            {
                "neuron": name or channel,
                "slot": slot,
                "is_labeled_neuron": slot is not None,
                "roi": channel,
                "raw_label": _joined(rows, "label"),
                "status": _joined(rows, "status") or "unlabelled",
                "candidates": sorted({name for row in rows for name in row["candidates"].split()}),
            }
        )
    return labels


def _rows_of_roi(identities: Identities | None) -> dict[str, list[dict[str, Any]]]:
    made: dict[str, list[dict[str, Any]]] = {}
    for row in identities.table.to_dict("records") if identities is not None else []:
        made.setdefault(row["roi"], []).append({str(name): value for name, value in row.items()})
    return made


def _joined(rows: list[dict[str, Any]], column: str) -> str:
    return "; ".join(dict.fromkeys(str(row[column]) for row in rows if row[column]))


def _table(columns: dict[str, list[Any]], features: datasets.Features) -> Any:
    import pyarrow as pa

    schema = features.arrow_schema
    return pa.table([pa.array(columns[field.name], type=field.type) for field in schema], schema=schema)
