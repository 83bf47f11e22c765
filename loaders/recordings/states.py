"""Windows labelled by the seizures that they share time with: ictal, preictal, postictal, interictal.

A recording without a table of seizures says nothing about them; its windows are unknown and left out, with a count.
Where the table says which time its source speaks of, windows that reach beyond it are unknown likewise: that nothing
was marked there does not make them interictal. What is near a seizure in another recording of the same person counts
where that is asked for, and where the recordings say when they began.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from connectome.errors import UsageError
from connectome.seizures import GROUP, STATES, UNKNOWN, Horizons, Seizure, label_windows, observed_of, parse_rule

from ..reading.columns import read_columns
from ..reading.specs import as_version
from .labelled import LabelledSource
from .neighbours import Neighbour, began_at, refuse_overlaps, seizures_elsewhere

if TYPE_CHECKING:
    from pathlib import Path

    from connectome.intervals import Intervals
    from connectome.store import Version

__all__ = ["StateSource"]

Array = np.ndarray[Any, Any]
DEFAULT_STATES = ("interictal", "preictal", "ictal")
UNKNOWN_NAME = "unknown"


class StateSource(LabelledSource):
    """Windows of one length over recordings, labelled by what they share with seizures.

    Parameters
    ----------
    data : str or Version
        ``"name@1.2.0"`` or an opened version.
    window_s, stride_s, window, stride
        As for :class:`~connectome.loaders.recordings.windows.WindowSource`.
    rule : str
        How much of a window has to show a state: ``any``, ``all``, ``fraction>=0.5``, ``seconds>=2``
        (:func:`connectome.seizures.parse_rule`).
    horizons : Horizons, optional
        Which time around a seizure is preictal, postictal, interictal.
    states : sequence of str
        States that are read, in the order of their codes; windows of others are left out and counted. Default
        interictal, preictal (where the horizons have such a time) and ictal.
    seizures : str
        Path of the table of seizures in each record.
    across : bool
        Whether horizons reach into the other recordings of the same subject that are read here, by the times at which
        they began (``recorded_at``): the end of a file may be preictal to a seizure of the next. Time of which there
        is no recording, or none that says which seizures it has, counts as time without any.
    **options
        As for :class:`~connectome.loaders.recordings.windows.WindowSource`.

    Attributes
    ----------
    left_out : pandas.DataFrame
        ``record``, ``state``, ``n_windows``: windows that are not read, those of unknown state among them.

    Raises
    ------
    UsageError
        When an argument cannot be used or no window is left; with ``across``, when a recording does not say when it
        began or whose it is, or recordings of one subject overlap.
    """

    def __init__(
        self,
        data: str | Version,
        *,
        rule: str = "any",
        horizons: Horizons | None = None,
        states: Sequence[str] | None = None,
        seizures: str = GROUP,
        across: bool = False,
        root: str | Path | None = None,
        **options: Any,
    ) -> None:
        parse_rule(rule)
        self.rule, self.horizons, self.seizures = rule, horizons or Horizons(), seizures.strip("/")
        self.across = across
        chosen = tuple(states) if states is not None else tuple(
            state for state in DEFAULT_STATES if state != "preictal" or self.horizons.preictal_s > 0
        )  # fmt: skip
        if isinstance(states, str) or not chosen or len(set(chosen)) != len(chosen) or set(chosen) - set(STATES):
            raise UsageError("no such states", subject="states", expected=", ".join(STATES), found=repr(states))
        version = as_version(data, root=root)
        super().__init__(version, **options)
        self._remember(version)
        self.label_names = chosen
        codes = self._codes()
        which, start = self.index.locate(np.arange(len(self)))
        code_of = np.full(len(STATES), -1, dtype=np.int64)
        code_of[[STATES.index(state) for state in chosen]] = np.arange(len(chosen))
        label = np.where(codes == UNKNOWN, -1, code_of[codes])
        kept = label >= 0
        out = pd.DataFrame({
            "record": np.array(self.records, dtype=object)[self.index.record[which]][~kept],
            "state": np.array([*STATES, UNKNOWN_NAME], dtype=object)[codes][~kept],
        })  # fmt: skip
        self.left_out = out.groupby(["record", "state"], sort=True).size().rename("n_windows").reset_index()
        if not kept.any():
            found = self.left_out.groupby("state")["n_windows"].sum()
            raise UsageError(
                "no window is left", subject=version.spec, place=self.seizures, expected=", ".join(chosen),
                found=", ".join(f"{n} {state}" for state, n in found.items()),
            )  # fmt: skip
        self._place(which[kept], start[kept], label[kept], np.full(int(kept.sum()), -1))

    def _codes(self) -> Array:
        """Return the state of every window; what is unknown is the last code of all."""
        which, start = self.index.locate(np.arange(len(self)))
        record, size = self.index.record[which], self.index.window[which]
        codes = np.full(len(start), UNKNOWN, dtype=np.int64)
        elsewhere = self._elsewhere(np.unique(record).tolist()) if self.across else {}
        for at in np.unique(record).tolist():
            here = np.flatnonzero(record == at)
            known = self.seizures_of(at)
            if known is None:
                continue
            if self.infos[at].segment_rate_hz is None:
                raise UsageError("windows are labelled where a recording has an exact rate",
                                 subject=self.records[at], place=self.group)  # fmt: skip
            bounds = self.bounds_s(record[here], start[here], size[here])
            codes[here] = label_windows(
                *bounds, [*known, *elsewhere.get(at, ())], rule=self.rule, horizons=self.horizons,
                observed=self.observed_of(at),
            )  # fmt: skip
        return codes

    def _elsewhere(self, records: Sequence[int]) -> dict[int, list[Seizure]]:
        """Return for each record the seizures of others of the same subject, on its clock."""
        of_subject: dict[str, dict[int, Neighbour]] = {}
        for at in records:
            began = began_at(self._shelf.reader(at).attributes(self.group))
            subject, info = self.subjects[at], self.infos[at]
            if began is None or not subject:
                raise UsageError(
                    "a recording does not say when it began" if subject else "a recording does not say whose it is",
                    subject=self.records[at], place=self.group, expected="recorded_at and a subject",
                    hint="read it with across=False",
                )  # fmt: skip
            (begin, end), start_s = info.segments[-1], info.segment_start_s[-1]
            length_s = float(start_s + (end - begin) / info.segment_rate_hz) if info.segment_rate_hz else 0.0
            placed = Neighbour(self.records[at], began, length_s, tuple(self.seizures_of(at) or ()))
            of_subject.setdefault(subject, {})[at] = placed
        for subject, placed_of in of_subject.items():
            refuse_overlaps(placed_of.values(), subject=subject)
        return {
            at: seizures_elsewhere(here, placed_of.values())
            for placed_of in of_subject.values()
            for at, here in placed_of.items()
        }

    def seizures_of(self, record: int) -> list[Seizure] | None:
        """Return the seizures of a record; None where it does not say whether there are any."""
        reader = self._shelf.reader(record)
        if not reader.has(self.seizures):
            return None
        columns = read_columns(reader, self.seizures, "row")
        times = (columns[name].astype(np.float64).tolist() for name in ("onset_s", "offset_s"))
        texts = (columns[name].tolist() for name in ("label", "source"))
        return [Seizure(*row) for row in zip(*times, *texts, strict=True)]

    def observed_of(self, record: int) -> Intervals | None:
        """Return the time of which a record says whether there were seizures; None where it is all of it.

        Returns
        -------
        numpy.ndarray or None
            Shape (stretch, 2), float64: seconds after the first sample, infinite where there is no bound.
        """
        reader = self._shelf.reader(record)
        return observed_of(reader.attributes(self.seizures)) if reader.has(self.seizures) else None

    def hours(self) -> pd.DataFrame:
        """Return the hours that the windows of each label cover, by subject; windows that overlap count each."""
        table = self.frame()
        table["hours"] = (table["stop_s"] - table["start_s"]) / 3600
        return table.pivot_table(index="subject", columns="label", values="hours", aggfunc="sum", fill_value=0.0)

    def description(self) -> dict[str, Any]:
        """Return what is read, as JSON values."""
        near = self.horizons
        return {
            **super().description(),
            "rule": self.rule,
            "horizons": {name: getattr(near, name) for name in near.__dataclass_fields__},
            "seizures": self.seizures,
            "across": self.across,
            "n_left_out": int(self.left_out["n_windows"].sum()),
        }
