"""A multichannel recording between its file and the record: stored samples, channels, rates, annotations.

Readers of single formats fill these values; :func:`.tree.to_tree` makes the groups. Every block has one rate, so that
nothing is resampled; times count from the first sample.
"""

from __future__ import annotations

import bisect
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import xarray as xr

SIMPLEST_DENOMINATOR = 10**6
STATUS = ("good", "bad")
UNITS = {"degc": "degC", "deg c": "degC", "°c": "degC", "microvolt": "uV", "volt": "V", "%": "percent"}


@dataclass(frozen=True)
class Channel:
    """One channel as its file describes it."""

    label: str
    source_unit: str
    """Unit as written in the file; ``""`` when none is given."""
    unit: str
    """The same in UDUNITS spelling."""
    unit_origin: str = ""
    """One of :data:`.units.ORIGINS`; left out, ``file`` wherever the file gives one."""
    kind: str = ""
    """``eeg``, ``ecog``, ``trig``, ...; ``""`` when the file does not say."""
    gain: float = 1.0
    """Physical units per stored step."""
    offset: float = 0.0
    """Physical value of stored zero."""
    extra: Mapping[str, str] = field(default_factory=dict)
    """Further text of the header: ``reference``, ``transducer``, ``prefilter``."""
    position: tuple[float, float, float] | None = None
    position_unit: str = "m"
    position_frame: str = "head"
    status: str = ""
    """``good`` or ``bad`` where the file says so."""


@dataclass(frozen=True)
class Block:
    """Channels that share one rate."""

    signal: np.ndarray[Any, Any] | xr.Variable
    """Shape (channel, time), stored samples; a lazy variable where they are more than memory should hold."""
    channels: tuple[Channel, ...]
    rate_hz: Fraction
    segments: tuple[tuple[int, int], ...] = ()
    """Half-open sample ranges without gaps inside; empty means one."""
    segment_start_s: tuple[Fraction, ...] = ()
    """Start of each segment; empty where segments follow each other without a known gap."""
    valid: np.ndarray[Any, Any] | None = None
    """Bool, shape (time,) or (channel, time); False where no sample was taken."""
    attrs: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Annotation:
    """A marked moment or stretch."""

    onset_s: Fraction
    """Seconds after the first sample."""
    duration_s: Fraction | None
    """None when the file gives none."""
    description: str
    kind: str = ""
    channel: str = ""
    label: str = ""
    """What a code means by the table that its format or data set publishes."""


@dataclass(frozen=True)
class Recording:
    """Everything that one recording's files say."""

    blocks: tuple[Block, ...]
    annotations: tuple[Annotation, ...]
    attrs: Mapping[str, Any]
    warnings: tuple[Mapping[str, str], ...] = ()
    tables: Mapping[str, xr.Dataset] = field(default_factory=dict)
    """Further groups by path."""


def udunits(text: str) -> str:
    """Spell a unit as UDUNITS does (both micro signs become ``u``); what is not known stays as it is."""
    plain = text.strip().replace("µ", "u").replace("μ", "u")
    return UNITS.get(plain.lower(), plain)


def exact_rate(rate_hz: float) -> Fraction:
    """Return the simplest fraction that is this float, or the float's own value where none is simple."""
    simple = Fraction(rate_hz).limit_denominator(SIMPLEST_DENOMINATOR)
    return simple if float(simple) == rate_hz else Fraction(rate_hz)


def on_the_clock(
    recorded_s: Fraction,
    duration_s: Fraction | None,
    rate_hz: Fraction,
    segments: Sequence[tuple[int, int]],
    starts: Sequence[Fraction],
) -> tuple[Fraction, Fraction | None]:
    """Return onset and duration of a mark whose file counts recorded samples only, gaps left out.

    Parameters
    ----------
    recorded_s, duration_s : Fraction
        Recorded samples before the mark and within it, as time.
    rate_hz : Fraction
    segments : sequence of (int, int)
    starts : sequence of Fraction
        When each segment starts after the first sample; none where no gap is known.
    """
    if not starts:
        return recorded_s, duration_s
    firsts = [start / rate_hz for start, _ in segments]
    # What begins at a cut belongs to what follows, what ends there to what precedes it.
    at = max(bisect.bisect_right(firsts, recorded_s) - 1, 0)
    onset = starts[at] + recorded_s - firsts[at]
    if not duration_s:
        return onset, duration_s
    end = recorded_s + duration_s
    at = max(bisect.bisect_left(firsts, end) - 1, 0)
    return onset, starts[at] + end - firsts[at] - onset


def unique_ids(labels: Sequence[str]) -> list[str]:
    """Make channel ids: labels as they are, with ``#2``, ``#3`` at repetitions and ``channel-<n>`` for empty ones."""
    taken, ids = set(labels), []
    seen: Counter[str] = Counter()
    for number, label in enumerate(labels, start=1):
        label = label or f"channel-{number}"
        seen[label] += 1
        chosen = label
        while seen[label] > 1 and (chosen in taken or chosen in ids):
            chosen = f"{label}#{seen[label]}"
            if chosen in taken or chosen in ids:
                seen[label] += 1
        ids.append(chosen)
    return ids
