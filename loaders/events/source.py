"""Windows of spikes over many sessions, as counts in bins or as spikes one by one, in batches of NumPy arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from connectome.errors import UsageError
from connectome.spikes import exact_seconds, tokens

from .index import EventIndex, overlaps
from .sessions import EventSessions

if TYPE_CHECKING:
    from connectome.store import Version

    from .behaviour import Behaviour

__all__ = ["EventBins", "EventSource", "EventTokens", "Observed", "whole_number"]

Array = np.ndarray[Any, Any]
Seconds = int | float | Fraction
Observed = Literal["whole", "any"]
"""Whether windows lie wholly in time in which all chosen units were observed, or anywhere between the first and the
last moment in which any was, under the mask."""


@dataclass(frozen=True)
class EventBins:
    """A batch of windows, counted in bins."""

    counts: Array
    """Shape (window, unit, bin); 0 where ``mask`` is False, and then no count."""
    mask: Array
    """The same shape, bool: True where the unit is there and the bin was observed from end to end."""
    unit: Array
    """Shape (window, unit), int64: global ids; 0 where ``unit_mask`` is False."""
    unit_mask: Array
    """Shape (window, unit), bool: whether the session has such a unit."""
    record: Array
    """Shape (window,), int64: position in ``records``."""
    start_s: Array
    """Shape (window,), float64: start of the window on the record's clock."""
    behaviour: dict[str, Behaviour] = field(default_factory=dict)
    """Group to the behaviour on the same bins."""

    def __len__(self) -> int:
        return len(self.record)


@dataclass(frozen=True)
class EventTokens:
    """A batch of windows, spike by spike: by time, ties by unit, padded at the end to the longest window."""

    unit: Array
    """Shape (window, spike), int64: global ids; 0 where ``mask`` is False."""
    time_s: Array
    """Shape (window, spike), float64: seconds from the window's start; 0 where ``mask`` is False."""
    mask: Array
    """Shape (window, spike), bool."""
    record: Array
    """Shape (window,), int64: position in ``records``."""
    start_s: Array
    """Shape (window,), float64: start of the window on the record's clock."""
    behaviour: dict[str, Behaviour] = field(default_factory=dict)
    """Group to the behaviour on the bins of the window, where ``bin_s`` says how wide they are."""

    def __len__(self) -> int:
        return len(self.record)


class EventSource(EventSessions):
    """Windows of one length over the sessions of a version.

    Parameters
    ----------
    data : str or Version
        ``"name@1.2.0"`` or an opened version.
    window_s : int, float or fractions.Fraction
        Length of a window in seconds; a float counts as the decimal that it is written as.
    stride_s : optional
        Step from one window to the next; default the window itself.
    bin_s : optional
        Width of a bin; the window is a multiple of it. Needed for :meth:`bins` and for behaviour.
    origin_s : optional
        Moment that is a whole number of strides from every window's start: 0 puts windows of 1 s on whole seconds.
        Default the start of each observed interval, or of its overlap with a stretch of the part.
    observed : {"whole", "any"}
        Whether windows lie wholly in observed time, or may reach out of it under the mask.
    **options
        As for :class:`~connectome.loaders.events.sessions.EventSessions`: ``group``, ``records``, ``split``,
        ``units``, ``behaviour``, ``max_gap_s``, ``dtype``, ``cache_bytes``, ``root``.

    Attributes
    ----------
    index : EventIndex
        Where the windows lie.

    Raises
    ------
    UsageError
        When an argument cannot be used, or no window fits.
    """

    def __init__(
        self,
        data: str | Version,
        *,
        window_s: Seconds,
        stride_s: Seconds | None = None,
        bin_s: Seconds | None = None,
        origin_s: Seconds | None = None,
        observed: Observed = "whole",
        **options: Any,
    ) -> None:
        super().__init__(data, **options)
        window = _positive(window_s, "window_s")
        stride = window if stride_s is None else _positive(stride_s, "stride_s")
        self.observed = _check_observed(observed)
        self.bin = None if bin_s is None else _positive(bin_s, "bin_s")
        self.n_bins = 0 if self.bin is None else whole_number(window / self.bin, f"{bin_s} in {window_s}", "bin_s")
        if self.methods and self.bin is None:
            raise UsageError("behaviour needs bins", subject="bin_s", expected="seconds", found="none")
        columns: list[tuple[int, float, float]] = []
        for at, stretches in enumerate(self._stretches):
            together, seen = self.observed_s(at)
            bounds = together if observed == "whole" else np.array([[seen[0, 0], seen[-1, 1]]]) if len(seen) else seen
            intervals = [(begin, end) for begin, end in bounds.tolist()]
            columns.extend((at, begin, end) for begin, end in overlaps(intervals, stretches))
        record, begin, end = (np.array(column) for column in zip(*columns, strict=True)) if columns else ((),) * 3
        self.index = EventIndex(
            np.asarray(record, np.int64),
            np.asarray(begin, np.float64),
            np.asarray(end, np.float64),
            window,
            stride,
            None if origin_s is None else exact_seconds(origin_s, subject="origin_s"),
        )
        if not len(self.index):
            raise UsageError(
                "no window fits",
                subject=self.provenance.dataset,
                place=self.group,
                expected=f"an observed stretch of {window_s} s",
                found=f"the longest has {max((b - a for _, a, b in columns), default=0.0):.6g} s",
            )

    def __len__(self) -> int:
        return len(self.index)

    def __repr__(self) -> str:
        return (
            f"<{type(self).__name__} {self.provenance.label} {self.group}: "
            f"{len(self)} windows of {float(self.index.window):.6g} s, {self.n_global_units} units in "
            f"{len(self.infos)} records>"
        )

    def description(self) -> dict[str, Any]:
        """Return what is read, as JSON values; lengths as exact fractions of seconds."""
        lengths = {"window_s": self.index.window, "stride_s": self.index.stride, "bin_s": self.bin}
        lengths["origin_s"] = self.index.origin
        return {
            **super().description(),
            **{name: None if value is None else str(value) for name, value in lengths.items()},
            "observed": self.observed,
            "windows": self.index.digest,
        }

    def bins(self, indices: Sequence[int] | Array) -> EventBins:
        """Read windows as counts.

        Parameters
        ----------
        indices : sequence of int
            Which windows, in the order of the batch; repeats are allowed.

        Raises
        ------
        UsageError
            When no ``bin_s`` was given, or a count does not fit the dtype.
        DamagedError
            When a file is missing or its bytes have changed.
        """
        if self.bin is None:
            raise UsageError("how wide are the bins", subject="bin_s", expected="seconds", found="none")
        which, edges = self.index.edges(np.asarray(indices, dtype=np.int64), self.bin)
        record = self.index.record[which]
        counted = self.count_batch(record, edges)
        return EventBins(*counted, record, edges[:, 0].copy(), self._behaviour(which, record, edges))

    def tokens(self, indices: Sequence[int] | Array) -> EventTokens:
        """Read windows spike by spike; parameters and errors as for :meth:`bins`."""
        chosen = np.asarray(indices, dtype=np.int64)
        which, bounds = self.index.edges(chosen, self.index.window)
        record = self.index.record[which]
        found: dict[int, tuple[Array, Array]] = {}
        # In the order of the file, so that windows which share a chunk follow each other.
        for at in np.lexsort((bounds[:, 0], record)).tolist():
            where = int(record[at])
            start, stop = bounds[at].tolist()
            trains = self.trains(where, start, stop)
            spikes = tokens(trains, start, stop, units=self.chosen[where])
            found[at] = (spikes.unit + self._first_id[where], spikes.time_s)
        shape = (len(which), max((len(owner) for owner, _ in found.values()), default=0))
        unit, time_s = np.zeros(shape, dtype=np.int64), np.zeros(shape)
        mask = np.zeros(shape, dtype=bool)
        for at, (owner, time) in found.items():
            unit[at, : len(owner)], time_s[at, : len(owner)], mask[at, : len(owner)] = owner, time, True
        behaviour = {}
        if self.methods and self.bin is not None:
            behaviour = self._behaviour(which, record, self.index.edges(chosen, self.bin)[1])
        return EventTokens(unit, time_s, mask, record, bounds[:, 0].copy(), behaviour)

    def frame(self, indices: Sequence[int] | Array | None = None) -> pd.DataFrame:
        """Return where windows lie: ``record``, ``start_s``, ``stop_s``.

        This is what :func:`connectome.splits.assert_disjoint` takes, once a column ``part`` is added.

        Parameters
        ----------
        indices : sequence of int, optional
            Default all windows.
        """
        chosen = np.arange(len(self)) if indices is None else np.asarray(indices)
        which, bounds = self.index.edges(chosen, self.index.window)
        names = np.array(self.records, dtype=object)[self.index.record[which]]
        return pd.DataFrame({"record": names, "start_s": bounds[:, 0], "stop_s": bounds[:, 1]})

    def _behaviour(self, which: Array, record: Array, edges: Array) -> dict[str, Behaviour]:
        limits = list(zip(self.index.begin_s[which].tolist(), self.index.end_s[which].tolist(), strict=True))
        return self.behaviour(record, edges, limits)


def whole_number(value: Fraction, found: str, subject: str) -> int:
    """Return a number of bins; refuse one that is not whole (UsageError)."""
    if value.denominator != 1 or value <= 0:
        raise UsageError("the bins do not fill the window", subject=subject, expected="a divisor of it", found=found)
    return int(value)


def _positive(value: Seconds, subject: str) -> Fraction:
    exact = exact_seconds(value, subject=subject)
    if exact <= 0:
        raise UsageError("a length is positive", subject=subject, expected="seconds above 0", found=str(value))
    return exact


def _check_observed(observed: str) -> Observed:
    if observed == "whole":
        return "whole"
    if observed == "any":
        return "any"
    raise UsageError("no such choice", subject="observed", expected="whole or any", found=repr(observed))
