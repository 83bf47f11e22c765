"""Pictures of a cohort: outcomes after surgery, who has which image, and where was operated."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from connectome.cohorts import kaplan_meier, seizure_free_until

from .figure import QUIET, literal, new_figure

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

__all__ = ["outcome_bars", "presence_matrix", "sites", "survival_curves"]

MOST_NAMED = 60
"""Records whose names are written beside the matrix of presence."""
NEITHER, THERE = "#e9e9e9", "#3b6ea5"
SIDE_COLOURS = {"left": "#3b6ea5", "right": "#d98032"}
_YEAR = re.compile(r"(?P<scale>[a-z]+)_year(?P<year>\d+)")


def outcome_bars(subjects: pd.DataFrame, *, scale: str = "ilae", title: str = "") -> Figure | None:
    """Draw the outcome classes of each year after surgery as stacked bars.

    Parameters
    ----------
    subjects : pandas.DataFrame
        From :func:`connectome.cohorts.cohort_table`, with columns ``ilae_year1``, ``ilae_year2``, ...
    scale : str
        Name of the scale in the columns.
    title : str
        Above the picture.

    Returns
    -------
    matplotlib.figure.Figure or None
        Shares are those of the patients whose class is known; below each bar stands how many these are. None where
        there is no such column, or no class is known.
    """
    years = _years(subjects, scale)
    counts = {year: subjects[name].astype("object").dropna().astype(str).value_counts() for year, name in years.items()}
    classes = sorted({label for found in counts.values() for label in found.index}, key=_rank)
    if not classes:
        return None
    figure = new_figure(6.4, 3.8)
    axes = figure.subplots()
    bottom = np.zeros(len(counts))
    known = np.array([int(found.sum()) for found in counts.values()])
    for at, label in enumerate(classes):
        numbers = np.array([int(found.get(label, 0)) for found in counts.values()])
        share = np.divide(100.0 * numbers, known, out=np.zeros(len(known)), where=known > 0)
        colour = _ramp(at, len(classes))
        axes.bar(range(len(counts)), share, bottom=bottom, width=0.78, color=colour, label=literal(label))
        for place, (value, low, number) in enumerate(zip(share, bottom, numbers, strict=True)):
            if value >= 6:
                ink = "white" if sum(colour[:3]) < 1.7 else "black"
                axes.text(place, low + value / 2, str(number), ha="center", va="center", fontsize=7, color=ink)
        bottom += share
    below = [f"{year}\n{n} known" for year, n in zip(counts, known, strict=True)]
    axes.set_xticks(range(len(counts)), below, fontsize=8)
    axes.set_xlabel("year after surgery", fontsize=9)
    axes.set_ylabel("% of those known", fontsize=9)
    axes.set_ylim(0, 100)
    axes.tick_params(axis="y", labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(
        title=f"{scale.upper()} class", fontsize=8, title_fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5),
        frameon=False, reverse=True,
    )  # fmt: skip
    axes.set_title(literal(title or "Outcome by year"), fontsize=10)
    return figure


def survival_curves(
    subjects: pd.DataFrame, *, rules: Sequence[str] = ("ILAE<=2", "ILAE=1"), title: str = ""
) -> Figure | None:
    """Draw Kaplan-Meier curves of the time without a break of a rule.

    Parameters
    ----------
    subjects : pandas.DataFrame
        As for :func:`outcome_bars`.
    rules : sequence of str
        One curve each; see :func:`connectome.cohorts.seizure_free_until`.
    title : str
        Above the picture.

    Returns
    -------
    matplotlib.figure.Figure or None
        Steps with bands of one standard error; ticks where patients were censored. None where no outcome is known.
    """
    scale = re.match(r"[A-Za-z]+", rules[0])
    if scale is None or not _years(subjects, scale[0].lower()):
        return None
    curves = {}
    for rule in rules:
        found = seizure_free_until(subjects, rule=rule)
        curve = kaplan_meier(found["years"], found["event"])
        if len(curve):
            curves[rule] = curve
    if not curves:
        return None
    figure = new_figure(6.4, 3.8)
    axes = figure.subplots()
    last = 0.0
    for at, (rule, curve) in enumerate(curves.items()):
        years = np.concatenate([[0.0], curve.index.to_numpy(dtype=np.float64)])
        share = np.concatenate([[1.0], curve["survival"].to_numpy()])
        error = np.concatenate([[0.0], curve["standard_error"].to_numpy()])
        colour = list(SIDE_COLOURS.values())[at % 2]
        n_patients = int(curve["at_risk"].iloc[0])
        axes.step(years, share, where="post", color=colour, label=literal(f"{rule} ({n_patients} patients)"))
        low, high = np.clip(share - error, 0, 1), np.clip(share + error, 0, 1)
        axes.fill_between(years, low, high, step="post", color=colour, alpha=0.15, linewidth=0)
        cut = curve["censored"].to_numpy() > 0
        axes.plot(years[1:][cut], share[1:][cut], linestyle="none", marker="|", color=colour, markersize=7)
        last = max(last, float(years[-1]))
    axes.set_xlim(0, last + 0.15)
    axes.set_ylim(0, 1.02)
    axes.set_xticks(range(int(last) + 1))
    axes.set_xlabel("years after surgery", fontsize=9)
    axes.set_ylabel("share without a break", fontsize=9)
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", linewidth=0.4, alpha=0.5)
    axes.legend(fontsize=8, frameon=False, loc="lower left")
    axes.set_title(literal(title or "Kaplan-Meier; bands: one standard error; |: censored"), fontsize=10)
    return figure


def presence_matrix(present: Mapping[str, Sequence[str]], *, title: str = "") -> Figure | None:
    """Draw which record has which image.

    Parameters
    ----------
    present : mapping of str to sequence of str
        Record to the paths of its volumes.
    title : str
        Above the picture.

    Returns
    -------
    matplotlib.figure.Figure or None
        Records across, groups down with their counts; names of records where there are few. None without any volume.
    """
    groups = sorted({path for paths in present.values() for path in paths}, key=lambda path: ("/" in path, path))
    if not groups:
        return None
    matrix = np.array([[path in paths for paths in present.values()] for path in groups])
    n_records = len(present)
    room = 0.5 if n_records <= MOST_NAMED else 0.0
    figure = new_figure(min(10.0, 4.2 + 0.24 * n_records), 1.1 + 0.26 * len(groups) + room)
    axes = figure.subplots()
    from matplotlib.colors import ListedColormap

    axes.imshow(matrix, aspect="auto", interpolation="nearest", cmap=ListedColormap([NEITHER, THERE]), vmin=0, vmax=1)
    counts = matrix.sum(axis=1).tolist()
    beside = [literal(f"{path}  {n}") for path, n in zip(groups, counts, strict=True)]
    axes.set_yticks(range(len(groups)), beside, fontsize=8)
    if n_records <= MOST_NAMED:
        axes.set_xticks(range(n_records), [literal(name) for name in present], rotation=90, fontsize=7)
        axes.set_xticks(np.arange(n_records + 1) - 0.5, minor=True)
        axes.set_yticks(np.arange(len(groups) + 1) - 0.5, minor=True)
        axes.grid(which="minor", color="white", linewidth=1)
        axes.tick_params(which="both", length=0)
    else:
        axes.set_xlabel(f"{n_records:,} records, in the order of the index", fontsize=8)
        axes.set_xticks([])
    axes.spines[:].set_visible(False)
    axes.set_title(literal(title or f"Volumes of {n_records:,} records (blue: there)"), fontsize=10)
    return figure


def sites(subjects: pd.DataFrame, *, lobe: str = "lobe", side: str = "side", title: str = "") -> Figure | None:
    """Draw how many patients were operated in which lobe of which side.

    Parameters
    ----------
    subjects : pandas.DataFrame
        A cohort table.
    lobe, side : str
        Its columns.
    title : str
        Above the picture.

    Returns
    -------
    matplotlib.figure.Figure or None
        None where the table has no such columns, or no values in them.
    """
    if lobe not in subjects or side not in subjects:
        return None
    told = subjects[[lobe, side]].astype("object").dropna()
    if told.empty:
        return None
    from matplotlib.ticker import MaxNLocator

    lobes = told[lobe].value_counts().index.tolist()
    order = [str(name) for name in lobes]
    figure = new_figure(6.4, 1.2 + 0.36 * len(order))
    axes = figure.subplots()
    left = np.zeros(len(order))
    for at, name in enumerate(sorted(map(str, told[side].unique()))):
        of_side = told[told[side].astype(str) == name][lobe].astype(str).value_counts()
        numbers = np.array([int(of_side.get(label, 0)) for label in order])
        colour = SIDE_COLOURS.get(name, _ramp(at, 4))
        axes.barh(range(len(order)), numbers, left=left, color=colour, height=0.7, label=literal(name))
        for place, (value, start) in enumerate(zip(numbers, left, strict=True)):
            if value >= 0.05 * len(told):
                axes.text(start + value / 2, place, str(value), ha="center", va="center", fontsize=8, color="white")
        left += numbers
    axes.set_yticks(range(len(order)), [literal(name) for name in order], fontsize=8)
    axes.invert_yaxis()
    axes.set_xlabel("patients", fontsize=9)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.tick_params(axis="x", labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(fontsize=8, frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    left_out = len(subjects) - len(told)
    axes.set_title(literal(title or "Site of the operation"), fontsize=10)
    if left_out:
        axes.annotate(f"{left_out} records without a site", (1, 0), xycoords="axes fraction", xytext=(0, -28),
                      textcoords="offset points", ha="right", va="top", fontsize=7, color=QUIET)  # fmt: skip
    return figure


def _years(subjects: pd.DataFrame, scale: str) -> dict[int, str]:
    found = {}
    for name in subjects.columns:
        match = _YEAR.fullmatch(str(name))
        if match is not None and match["scale"] == scale:
            found[int(match["year"])] = str(name)
    return dict(sorted(found.items()))


def _rank(label: str) -> tuple[int, str]:
    return (int(label), label) if label.isdigit() else (99, label)


def _ramp(at: int, n_steps: int) -> Any:
    """Return a colour from blue (the best class) by grey to red."""
    from matplotlib import colormaps

    return colormaps["RdYlBu_r"](0.08 + 0.84 * at / max(1, n_steps - 1))
