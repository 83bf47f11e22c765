"""The consensus connectome of Simeon et al. (2024), arXiv:2411.12091, made by its own rules from our records.

It is made to be compared with, not to be used. Its rules, errors included, as its published table shows them:

- a label counts only if it is written exactly as one of 300 names: zero-padded motor neurons (``VA02``) are lost;
- of ``NeuronConnect.xls`` only rows ``Sp`` are chemical, so that monadic synapses (``S``) are lost; of equal pairs the
  first row is kept;
- a gap junction has the mean of the weights that an annotation lists for the pair in either direction;
- every weight is rounded to single precision;
- the chemical weight is the mean over the annotations in which it is not zero, whatever they count; the gap weight is
  the mean over the *set* of distinct values;
- ``uncertainty`` is 0.9 times the standard deviation of the chemical values plus (1 - 0.9) times that of the gap
  values, NaN unless there are both;
- functional edges are those with ``alpha < 0.05``, although alpha is an opacity that grows with significance, and go
  from the row to the column of the atlas: from the responding to the stimulated neuron.

The last bit of ``uncertainty`` depends on the order in which the files were found in a folder. ``FILES`` is one of 32
orders that give all published values; there is none among the others.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from connectome.schema import column, decode, record, table, warning

from ..homogenise.celegans_names import NEURONS

if TYPE_CHECKING:
    import xarray as xr

    Pair = tuple[str, str]

__all__ = ["FILES", "RECORDS", "Release", "as_record", "names_of_release", "release_table", "weights_of"]

FILES = {
    "chklovskii": "varshney2011",
    "openworm": "openworm",
    "witvliet2020_7": "witvliet2020-7",
    "witvliet2020_8": "witvliet2020-8",
    "white1986_whole": "white1986-whole",
    "white1986_n2u": "white1986-n2u",
    "white1986_jsh": "white1986-jsh",
    "white1986_jse": "white1986-jse",
    "cook2019": "cook2019-hermaphrodite",
}
"""The release's name of an annotation to our record, in an order that gives the published last bits."""
FUNCTIONAL, FUNCTIONAL_RECORD = "funconn", "randi2023"
RECORDS = (*FILES.values(), FUNCTIONAL_RECORD)
ALPHA_LIMIT = 0.05
SHARE = 0.9
WARNING = warning(
    "known-errors",
    "simeon2024",
    "made by the rules of the 2024 release, errors included, to compare; use the record consensus",
)


@dataclass
class Release:
    """What one annotation gives by the rules of the release."""

    chemical: dict[Pair, float] = field(default_factory=dict)
    gap: dict[Pair, float] = field(default_factory=dict)


def names_of_release() -> set[str]:
    """Return the 300 names of the release: the hermaphrodite's neurons without CANL and CANR."""
    return {name for name, neuron in NEURONS.items() if neuron.sex != "male" and not name.startswith("CAN")}


def _edges(tree: xr.DataTree) -> pd.DataFrame:
    """Return the edges between cells whose label is one of the 300 names, in the order of the source."""
    dataset = tree["connectome"].to_dataset()
    names = dataset["node"].values.astype(object)
    labels = dataset["source_label"].values.astype(object)
    listed = names_of_release()
    kept = np.array(
        [name in listed and name in str(label).split(" | ") for name, label in zip(names, labels, strict=True)]
    )
    source, target = dataset["source"].values, dataset["target"].values
    columns = {"source": names[source], "target": names[target], "type": decode(dataset["edge_type"])}
    columns["weight"] = dataset["weight"].values.astype(np.float64)
    for name in ("listed_type", "alpha"):
        if name in dataset:
            columns[name] = dataset[name].values
    frame = pd.DataFrame(columns)
    chosen: pd.DataFrame = frame[kept[source] & kept[target] & (frame["weight"].to_numpy() != 0)]
    return chosen


def weights_of(name: str, tree: xr.DataTree) -> Release:
    """Return the weights that the release takes from an annotation.

    Parameters
    ----------
    name : str
        A key of ``FILES``.
    tree : xarray.DataTree
        The record that it names.
    """
    frame = _edges(tree)
    if name == "chklovskii":
        chemical = frame[(frame["type"] == "chemical_listed") & (frame["listed_type"] == "Sp")]
    else:
        chemical = frame[frame["type"] == "chemical"]
    made = Release()
    for one, other, weight in zip(chemical["source"], chemical["target"], chemical["weight"], strict=True):
        made.chemical.setdefault((one, other), float(np.float32(weight)))
    listed = frame[frame["type"] == "gap_junction_listed"]
    found: dict[Pair, list[float]] = {}
    for one, other, weight in zip(listed["source"], listed["target"], listed["weight"], strict=True):
        found.setdefault((min(one, other), max(one, other)), []).append(weight)
    for (one, other), weights in found.items():
        made.gap[one, other] = made.gap[other, one] = float(np.float32(np.mean(weights)))
    return made


def functional_weights(tree: xr.DataTree) -> dict[Pair, float]:
    """Return the functional edges of the release, from the responding to the stimulated neuron."""
    frame = _edges(tree)
    chosen = frame[(frame["type"] == "signal_propagation") & (frame["alpha"] < ALPHA_LIMIT)]
    return {
        (responding, stimulated): float(np.float32(weight))
        for stimulated, responding, weight in zip(chosen["source"], chosen["target"], chosen["weight"], strict=True)
    }


def release_table(trees: Mapping[str, xr.DataTree]) -> pd.DataFrame:
    """Make the table ``consensus_connectome_trimmed_withfunc.csv``.

    Parameters
    ----------
    trees : mapping of str to xarray.DataTree
        The records of ``RECORDS``.

    Returns
    -------
    pandas.DataFrame
        Columns and order of rows as published, without ``from_type`` and ``to_type``, which come from a table of
        the release's own. Positions are tuples with x and y exchanged, as published.
    """
    parts = {name: weights_of(name, trees[record]) for name, record in FILES.items()}
    functional = functional_weights(trees[FUNCTIONAL_RECORD])
    places = _positions(trees[FILES["cook2019"]])
    pairs = {pair for part in parts.values() for pair in (*part.chemical, *part.gap)} | set(functional)
    rows = []
    for pair in sorted(pairs):
        chemical = [part.chemical[pair] for part in parts.values() if pair in part.chemical]
        gaps = sorted({part.gap[pair] for part in parts.values() if pair in part.gap})
        sources = {name for name, part in parts.items() if pair in part.chemical or pair in part.gap}
        spread = [float(np.std(values)) if values else float("nan") for values in (chemical, gaps)]
        rows.append(
            (
                *pair,
                places[pair[0]],
                places[pair[1]],
                float(np.mean(gaps)) if gaps else float("nan"),
                float(np.mean(chemical)) if chemical else float("nan"),
                SHARE * spread[0] + (1 - SHARE) * spread[1],
                functional.get(pair, float("nan")),
                sorted(sources | ({FUNCTIONAL} if pair in functional else set())),
            )
        )
    names = ["from_neuron", "to_neuron", "from_pos", "to_pos", "mean_gap_weight", "mean_chem_weight", "uncertainty",
             "functional_weight", "data_sources"]  # fmt: skip
    return pd.DataFrame(rows, columns=names)


def _positions(tree: xr.DataTree) -> dict[str, tuple[float, float, float]]:
    dataset = tree["connectome"].to_dataset()
    places = zip(*(dataset[axis].values.tolist() for axis in ("y", "x", "z")), strict=True)
    return dict(zip((str(name) for name in dataset["node"].values), places, strict=True))


def as_record(trees: Mapping[str, xr.DataTree]) -> xr.DataTree:
    """Make the table a record."""
    frame = release_table(trees)
    columns = {
        "from_neuron": column("row", frame["from_neuron"].tolist(), "Neuron where the pair starts"),
        "to_neuron": column("row", frame["to_neuron"].tolist(), "Neuron where the pair ends"),
        "data_sources": column(
            "row", [" ".join(names) for names in frame["data_sources"]], "Annotations, as it names them"
        ),
    }
    for name, meaning in (
        ("mean_gap_weight", "Mean over the set of distinct gap junction weights, units mixed"),
        ("mean_chem_weight", "Mean over non-zero chemical weights, units mixed"),
        ("uncertainty", "0.9 std of chemical + 0.1 std of gap junction weights"),
        ("functional_weight", "dF/F of the least significant responses, from responding to stimulated neuron"),
    ):
        columns[name] = column("row", frame[name].to_numpy(), meaning, "1")
    return record(
        {"release": table(columns)},
        warnings=[WARNING],
        title="The consensus of the 2024 release (Simeon et al.) by its own rules, to be compared with",
        species="Caenorhabditis elegans",
        citation="arXiv:2411.12091",
    )
