"""Sorted events of many units, and where among them a moment lies."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from connectome.errors import SchemaError
from connectome.schema.events import observed_sets, tick_hz

from .observed import ObservedTime

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["SpikeTrains"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class SpikeTrains:
    """Events by time, ties by unit.

    Whether an event is before a moment is decided by its time as float64 seconds, the number that its source gives:
    integer ticks are compared through the first tick whose time is not before the moment, found without rounding
    errors of its own.
    """

    tick: Array
    """Shape (event,): int64 ticks with ``rate``, else float64 seconds."""
    unit: Array
    """Shape (event,): whole numbers below ``n_units``."""
    n_units: int
    rate: Fraction | None = None
    """Ticks per second."""
    start_s: float = 0.0
    """Time of tick 0."""
    observed_s: Array | None = None
    """Shape (interval, 2), float64: half-open intervals in which a unit without an event was silent; None: always."""
    observed: ObservedTime | None = None
    """The same for every unit, where units were watched at different times."""

    def __post_init__(self) -> None:
        if self.tick.shape != self.unit.shape or self.tick.ndim != 1:
            raise SchemaError(
                "every event has one time and one unit",
                subject="spikes",
                expected=str(self.tick.shape),
                found=str(self.unit.shape),
            )

    @classmethod
    def of(cls, dataset: xr.Dataset) -> SpikeTrains:
        """Make trains of an ``events`` group, whose arrays are loaded."""
        sets, which = observed_sets(dataset)
        return cls(
            tick=dataset["tick"].values,
            unit=dataset["unit"].values,
            n_units=int(dataset.sizes["unit_id"]),
            rate=tick_hz(dataset),
            start_s=float(dataset.attrs["start_s"]),
            observed_s=np.stack([dataset["observed_start"].values, dataset["observed_stop"].values], axis=1),
            observed=ObservedTime(sets, which) if len(sets) > 1 else None,
        )

    def __len__(self) -> int:
        return len(self.tick)

    def seconds(self, part: slice = slice(None)) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Return times in seconds, shape (event,), as the source gives them."""
        return self._as_seconds(self.tick[part])

    def _as_seconds(self, tick: Array) -> np.ndarray[Any, np.dtype[np.float64]]:
        if self.rate is None:
            return np.asarray(tick, dtype=np.float64)
        return self.start_s + tick.astype(np.float64) * self.rate.denominator / self.rate.numerator

    def locate(self, moments_s: Array) -> np.ndarray[Any, np.dtype[np.int64]]:
        """Return the number of events before each moment.

        Parameters
        ----------
        moments_s : numpy.ndarray
            Any shape, float64 seconds, finite.

        Returns
        -------
        numpy.ndarray
            The same shape, int64: position of the first event whose time is not before the moment.
        """
        moments = np.asarray(moments_s, dtype=np.float64)
        return np.searchsorted(self.tick, self.first_tick(moments), side="left").astype(np.int64)

    def first_tick(self, moments_s: Array) -> Array:
        """Return the first tick that is not before each moment; the moments themselves, where ticks are seconds."""
        moments = np.asarray(moments_s, dtype=np.float64)
        if self.rate is None:
            return moments
        guess = (moments - self.start_s) * self.rate.numerator / self.rate.denominator
        limit = float(2**62)
        tick = np.clip(np.ceil(guess), -limit, limit).astype(np.int64)
        # The guess is rounded twice and so may be one tick off on either side; time is monotone in the tick.
        while (early := self._as_seconds(tick - 1) >= moments).any():
            tick = tick - early
        while (late := self._as_seconds(tick) < moments).any():
            tick = tick + late
        return tick

    def window(self, start_s: float, stop_s: float) -> slice:
        """Return where the events of ``[start_s, stop_s)`` lie."""
        first, last = self.locate(np.array([start_s, stop_s])).tolist()
        return slice(first, max(first, last))
