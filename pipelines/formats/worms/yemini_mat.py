"""The format ``yemini-mat``: NeuroPAL recordings of Yemini et al. (2021), many worms in one MATLAB file of version 5.

``files`` names the worms. ``neurons`` lists classes without a side; ``norm_traces`` (and ``traces`` where the file has
it) has for each a cell array with one trace per worm, or, for classes with two sides, all left cells of the worms and
then all right ones. Which is which is told by ``is_L`` alone: 1 left, 0 right, NaN neither. An empty cell is a neuron
that was not found in that worm. Samples are ``fps`` per second and start at 0. ``stims`` lists per worm which of
``stim_names``, counted from 1, was given in each of the intervals ``stim_times``.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from connectome.errors import FormatError, UsageError
from connectome.schema import category, column, record, series, table, warning

from ...homogenise.celegans_names import LabelMatch, mark_duplicates, match_label, match_side
from ..files.matlab import is_mat, mat_variables, read_mat
from ..files.one_path import only_path
from .celegans_fields import rest_of
from .celegans_record import SPECIES, neuron_table, taken

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["read", "sniff", "worm_files"]

Array = np.ndarray[Any, Any]

NEEDED = ("files", "fps", "is_L", "neurons", "norm_traces")
_TRACES: Mapping[str, tuple[str, str]] = {
    "norm_traces": ("activity", "GCaMP fluorescence, histogram-normalised so that neurons are comparable"),
    "traces": ("activity_raw", "GCaMP fluorescence as the source gives it beside the normalised one"),
}
_STIMULUS = ("stim_names", "stim_times", "stims")
_MOST_PARTS = 1_000_000
"""Largest denominator of a frame rate; ``fps`` is a floating point number and the clock an exact fraction."""


def sniff(path: Path) -> bool:
    """Tell whether a file has the variables of this layout."""
    return is_mat(path) and set(NEEDED) <= set(mat_variables(path))


def worm_files(path: Path) -> list[str]:
    """Return the worms of a file by the names of their own files, in order.

    Raises
    ------
    FormatError
        When a variable is missing, or two worms have one name.
    """
    missing = sorted(set(NEEDED) - set(mat_variables(path)))
    if missing:
        raise FormatError(
            "variables are missing", subject=str(path), expected=", ".join(NEEDED), found=f"no {', '.join(missing)}"
        )
    return _names(read_mat(path, only=["files"])["files"], "files", str(path))


def read(paths: list[Path], *, worm: int = 1) -> xr.DataTree:
    """Read one worm of a file.

    Parameters
    ----------
    paths : list of pathlib.Path
        One file of version 5.
    worm : int
        Which of its worms, counted from 1 in the order of ``files``.

    Returns
    -------
    xarray.DataTree
        ``activity`` (normalised traces) and, where given, ``activity_raw``; a channel is a cell that has a trace, and
        its id is ``N:M`` for ``norm_traces{N}{M}``, counted from 1. ``neuron`` and ``stimulus`` are tables; what else
        the file has lies below ``field``. No frame is cut and no value filled in.

    Raises
    ------
    FormatError
        When the variables contradict each other.
    """
    path = only_path(paths, expected="FILE.mat")
    worms = worm_files(path)
    if not 1 <= worm <= len(worms):
        raise UsageError(
            "no such worm", subject=str(path), place="worm", expected=f"1 to {len(worms)}", found=str(worm)
        )
    return _File(read_mat(path), worms, subject=str(path)).record(worm - 1)


class _File:
    """The variables of a file, and the cells of them that belong to a worm."""

    def __init__(self, variables: dict[str, Any], worms: list[str], *, subject: str) -> None:
        self.variables = variables
        self.worms = worms
        self.subject = subject
        self.classes = _names(variables["neurons"], "neurons", subject)

    def record(self, worm: int) -> xr.DataTree:
        rate = self._rate()
        cells = [
            (at, cell)
            for at, traces in enumerate(self._lists("norm_traces"))
            for cell in range(worm, len(traces), len(self.worms))
            if isinstance(traces[cell], np.ndarray) and traces[cell].size
        ]
        if not cells:
            raise self._wrong("no neuron of the worm has a trace", "norm_traces", "traces", self.worms[worm])
        groups: dict[str, xr.Dataset] = {}
        for name, (group, long_name) in _TRACES.items():
            if name in self.variables:
                groups[group] = self._activity(name, cells, long_name, rate)
        masks = [self._side(at, cell) for at, cell in cells]
        matches, warnings = self._match(cells, masks)
        groups["neuron"] = neuron_table(
            [f"{at + 1}:{cell + 1}" for at, cell in cells],
            matches,
            more={
                "source_side": category("row", masks, ("L", "R"), "Side that is_L gives the cell; missing where NaN"),
            },
            channel_base=1,
            numbering="N:M is norm_traces{N}{M}",
            source="neurons",
        )
        if all(name in self.variables for name in _STIMULUS):
            groups["stimulus"] = self._stimulus(worm)
        else:
            missing = [name for name in _STIMULUS if name not in self.variables]
            warnings.append(warning("no-stimulus", "/", f"the file does not tell the stimuli: no {', '.join(missing)}"))
        used = {*NEEDED, *_TRACES, *(_STIMULUS if "stimulus" in groups else ())}
        n_samples = int(groups["activity"].sizes["time"])
        rest = {name: value for name, value in self.variables.items() if name not in used}
        more, attrs = rest_of(rest, n_samples=n_samples, clock={"rate_hz": rate})
        return record(
            {**groups, **more},
            warnings=warnings,
            title="Whole-brain calcium imaging of a worm with NeuroPAL identities",
            species=SPECIES,
            source_uid=self.worms[worm],
            source_worm=worm + 1,
            fps=float(rate),
            source_fields=attrs,
        )

    def _wrong(self, message: str, place: str, expected: str, found: str) -> FormatError:
        return FormatError(message, subject=self.subject, place=place, expected=expected, found=found)

    def _rate(self) -> Fraction:
        fps = self.variables["fps"]
        good = isinstance(fps, np.ndarray) and fps.size == 1 and fps.dtype.kind in "iuf" and float(fps.ravel()[0]) > 0
        if not good or not np.isfinite(float(fps.ravel()[0])):
            raise self._wrong("the frame rate is not a positive number", "fps", "one number", str(fps))
        return Fraction(float(fps.ravel()[0])).limit_denominator(_MOST_PARTS)

    def _lists(self, name: str) -> list[list[Any]]:
        """Return the cells of a variable, one list per class, checked against the numbers of classes and worms."""
        lists = self.variables[name]
        if not isinstance(lists, list) or len(lists) != len(self.classes):
            found = f"{len(lists)} cells" if isinstance(lists, list) else type(lists).__name__
            raise self._wrong("there is not one cell per neuron class", name, f"{len(self.classes)} cells", found)
        for at, one in enumerate(lists):
            if not isinstance(one, list) or len(one) not in {len(self.worms), 2 * len(self.worms)}:
                found = f"{len(one)} cells" if isinstance(one, list) else type(one).__name__
                expected = f"{len(self.worms)} cells, one per worm, or twice as many"
                raise self._wrong("the cells of a class do not fit the worms", f"{name}{{{at + 1}}}", expected, found)
        return lists

    def _activity(self, name: str, cells: list[tuple[int, int]], long_name: str, rate: Fraction) -> xr.Dataset:
        lists = self._lists(name)
        rows = [lists[at][cell] if cell < len(lists[at]) else None for at, cell in cells]
        lengths = {row.size if isinstance(row, np.ndarray) and row.dtype.kind in "iuf" else -1 for row in rows}
        if len(lengths) != 1 or -1 in lengths:
            expected = "rows of numbers of one length in every cell that has a trace"
            raise self._wrong("the traces of a worm do not fit each other", name, expected, str(sorted(lengths)))
        signal = np.stack([row.ravel() for row in rows if row is not None])
        return series(
            signal,
            channel=[f"{at + 1}:{cell + 1}" for at, cell in cells],
            units="1",
            long_name=long_name,
            rate_hz=rate,
            valid=taken(signal),
            source=name,
            channel_base=1,
            numbering="N:M is norm_traces{N}{M}",
        )

    def _side(self, at: int, cell: int) -> str | None:
        masks = self.variables["is_L"]
        mask = masks[at] if isinstance(masks, list) and len(masks) == len(self.classes) else None
        values = mask.ravel() if isinstance(mask, np.ndarray) else np.zeros(0)
        if values.size != len(self.variables["norm_traces"][at]):
            expected = f"{len(self.variables['norm_traces'][at])} values, one per cell of norm_traces"
            raise self._wrong(
                "the mask of sides does not fit the traces", f"is_L{{{at + 1}}}", expected, str(values.size)
            )
        value = float(values[cell])
        if np.isnan(value):
            return None
        if value not in {0.0, 1.0}:
            raise self._wrong(
                "a side is neither left nor right", f"is_L{{{at + 1}}}({cell + 1})", "1, 0 or NaN", str(value)
            )
        return "L" if value == 1 else "R"

    def _match(
        self, cells: list[tuple[int, int]], sides: list[str | None]
    ) -> tuple[list[LabelMatch], list[dict[str, str]]]:
        matches, warnings = [], []
        for (at, cell), side in zip(cells, sides, strict=True):
            name = self.classes[at]
            sided: Literal["L", "R"] = "L" if side == "L" else "R"
            match = match_label(name) if side is None else match_side(name, sided)
            if side is not None and match_label(name).name:
                place = f"is_L{{{at + 1}}}({cell + 1})"
                warnings.append(warning("contradiction", place, f"gives a side to {name}, which names one cell"))
            matches.append(match)
        return mark_duplicates(matches), warnings

    def _stimulus(self, worm: int) -> xr.Dataset:
        names = _texts(self.variables["stim_names"], "stim_names", self.subject)
        given = self.variables["stim_times"]
        times = given.astype(np.float64) if isinstance(given, np.ndarray) and given.dtype.kind in "iuf" else np.zeros(0)
        orders = self.variables["stims"]
        order = orders[worm] if isinstance(orders, list) and len(orders) == len(self.worms) else None
        if isinstance(orders, np.ndarray) and orders.ndim == 2 and orders.shape[0] == len(self.worms):
            order = orders[worm]
        numbers = np.asarray(order).ravel() if order is not None else np.zeros(0)
        known = set(range(1, len(names) + 1))
        if times.shape != (numbers.size, 2) or not set(numbers.tolist()) <= known:
            raise self._wrong(
                "the stimuli do not fit their times",
                f"stims({worm + 1})",
                f"one number from 1 to {len(names)} for each interval (start, end)",
                f"{numbers.tolist()}, times of shape {times.shape}",
            )
        return table(
            {
                "stimulus": column("row", [names[int(at) - 1] for at in numbers], "What is given"),
                "start": column("row", times[:, 0], "When it starts", "s"),
                "end": column("row", times[:, 1], "When it ends", "s"),
            },
            source="stim_names, stim_times and stims",
        )


def _texts(value: Any, place: str, subject: str) -> list[str]:
    flat = (
        [one[0] if isinstance(one, list) and len(one) == 1 else one for one in value]
        if isinstance(value, list)
        else value
    )
    texts = [flat] if isinstance(flat, str) else flat
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise FormatError("not a list of names", subject=subject, place=place, expected="a cell array of texts")
    return [text.strip() for text in texts]


def _names(value: Any, place: str, subject: str) -> list[str]:
    names = _texts(value, place, subject)
    doubled = sorted({name for name in names if names.count(name) > 1})
    if not names or doubled:
        raise FormatError(
            "names are not told apart",
            subject=subject,
            place=place,
            expected="at least one name, none of them twice",
            found=", ".join(doubled) or "no names",
        )
    return names
