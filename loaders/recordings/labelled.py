"""Windows with a label each: what epochs and windows around seizures share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ..reading.index import PlacedWindows, WindowIndex
from .windows import WindowSource

if TYPE_CHECKING:
    from connectome.store import Version

__all__ = ["LabelledSource"]

Array = np.ndarray[Any, Any]
SUBJECT_KEYS = ("subject", "patient", "participant", "participant_id")
"""Attributes of a record that say whose it is, in the order in which they are looked for."""


class LabelledSource(WindowSource):
    """Windows of recordings, each with a label.

    Attributes
    ----------
    label : numpy.ndarray
        Shape (window,), int64: code in ``label_names``.
    label_names : tuple of str
    row : numpy.ndarray
        Shape (window,), int64: row of the table of events that the window belongs to; -1 where it belongs to none.
    """

    label: Array
    label_names: tuple[str, ...]
    row: Array

    def _remember(self, version: Version) -> None:
        known = [version.manifest.records[name].attributes for name in self.records]
        self._subjects = tuple(
            next((str(attributes[key]) for key in SUBJECT_KEYS if attributes.get(key)), "") for attributes in known
        )

    def _place(self, range_: Array, start: Array, label: Array, row: Array) -> None:
        """Keep windows in the order of records and time."""
        order = np.lexsort((start, range_))
        old: WindowIndex = self.index
        self.index = PlacedWindows(
            old.record, old.begin, old.end, old.window, old.stride, range=range_[order], start=start[order]
        )
        self.label, self.row = label[order].astype(np.int64), row[order].astype(np.int64)

    @property
    def record_of(self) -> Array:
        """Position of every window's record in ``records``, shape (window,), int64."""
        which, _ = self.index.locate(np.arange(len(self)))
        return self.index.record[which]

    @property
    def subjects(self) -> tuple[str, ...]:
        """Whose each record is; ``""`` where the record does not say."""
        return self._subjects

    def frame(self) -> pd.DataFrame:
        """Return all windows.

        Returns
        -------
        pandas.DataFrame
            ``record``, ``subject``, ``start_s`` and ``stop_s`` (seconds after the record's first sample, NaN where it
            has no exact rate), ``start`` and ``n_samples`` (of the view), ``label``, ``row``.
        """
        which, start = self.index.locate(np.arange(len(self)))
        record, size = self.index.record[which], self.index.window[which]
        start_s, stop_s = self.bounds_s(record, start, size)
        return pd.DataFrame(
            {
                "record": np.array(self.records, dtype=object)[record],
                "subject": np.array(self.subjects, dtype=object)[record],
                "start_s": start_s,
                "stop_s": stop_s,
                "start": start,
                "n_samples": size,
                "label": np.array(self.label_names, dtype=object)[self.label],
                "row": self.row,
            }
        )

    def counts(self, by: str = "subject") -> pd.DataFrame:
        """Return how many windows of each label there are, to be looked at before training.

        Parameters
        ----------
        by : {"subject", "record"}
            Rows of the table.

        Returns
        -------
        pandas.DataFrame
            One column per label, in the order of the codes, and ``total``; the last row is ``all``.
        """
        names = self.subjects if by == "subject" else self.records
        owner = np.array(names, dtype=object)[self.record_of]
        table = pd.crosstab(owner, self.label).reindex(columns=range(len(self.label_names)), fill_value=0)
        table = table.reindex(sorted(set(names)), fill_value=0)
        table.columns = pd.Index(self.label_names, name="label")
        table.index.name = by
        table.loc["all"] = table.sum()
        table["total"] = table.sum(axis=1)
        return table

    def labels_of(self, indices: Sequence[int] | Array) -> dict[str, Array]:
        """Return what goes into a batch beside the signal: ``label`` and ``row``, shape (window,), int64."""
        chosen = np.asarray(indices, dtype=np.int64)
        return {"label": self.label[chosen], "row": self.row[chosen]}

    def description(self) -> dict[str, Any]:
        """Return what is read, as JSON values."""
        return {**super().description(), "labels": list(self.label_names)}
