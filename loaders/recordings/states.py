"""Windows labelled by the seizures that they share time with: ictal, preictal, postictal, interictal.

A recording without a table of seizures says nothing about them; its windows are unknown and left out, with a count.
Where the table says which time its source speaks of, windows that reach beyond it are unknown likewise: that nothing
was marked there does not make them interictal.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from connectome.errors import UsageError
from connectome.seizures import GROUP, STATES, UNKNOWN, Horizons, Seizure, label_windows, observed_of, parse_rule

from ..events.reading import read_columns
from ..specs import as_version
from .labelled import LabelledSource

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
        As for :class:`~connectome.loaders.windows.WindowSource`.
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
    **options
        As for :class:`~connectome.loaders.windows.WindowSource`.

    Attributes
    ----------
    left_out : pandas.DataFrame
        ``record``, ``state``, ``n_windows``: windows that are not read, those of unknown state among them.

    Raises
    ------
    UsageError
        When an argument cannot be used or no window is left.
    """

    def __init__(
        self,
        data: str | Version,
        *,
        rule: str = "any",
        horizons: Horizons | None = None,
        states: Sequence[str] | None = None,
        seizures: str = GROUP,
        root: str | Path | None = None,
        **options: Any,
    ) -> None:
        parse_rule(rule)
        self.rule, self.horizons, self.seizures = rule, horizons or Horizons(), seizures.strip("/")
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
                *bounds, known, rule=self.rule, horizons=self.horizons, observed=self.observed_of(at)
            )
        return codes

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
            "n_left_out": int(self.left_out["n_windows"].sum()),
        }
