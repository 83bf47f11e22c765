"""Our connectomes against the consensus that Simeon et al. (2024) published, number by number.

    connectome ingest celegans-connectomes
    connectome ingest celegans-consensus
    python docs/examples/compare_2024.py --published FOLDER

FOLDER holds consensus_connectome_trimmed_withfunc.csv and consensus_connectome_trimmed_nofunc.csv of the Hugging Face
data set qsimeon/celegans_connectome_data. Prints the tables on connectomes of
docs/explanation/what-differs-from-the-2024-release.md; those on recordings are made by compare_2024_activity.py.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import permutations
from pathlib import Path

import numpy as np
import pandas as pd

from connectome.pipelines.derived import simeon2024
from connectome.pipelines.derived.celegans_consensus import ANNOTATIONS, lineages_of, read_annotation
from connectome.schema import decode
from connectome.store import Repository

WITH = "consensus_connectome_trimmed_withfunc.csv"
WITHOUT = "consensus_connectome_trimmed_nofunc.csv"
NUMBERS = ["mean_gap_weight", "mean_chem_weight", "uncertainty", "functional_weight"]
Q_LIMIT = 0.05


def published(path: Path) -> pd.DataFrame:
    frame = pd.read_csv(path)
    frame["data_sources"] = [json.loads(text.replace("'", '"')) for text in frame["data_sources"]]
    for name in ("from_pos", "to_pos"):
        frame[name] = [tuple(float(part) for part in text.strip("()").split(",")) for text in frame[name]]
    return frame


def markdown(title: str, header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    def cell(value: object) -> str:
        if isinstance(value, bool) or not isinstance(value, int | float | np.number):
            return str(value)
        return f"{value:,}" if isinstance(value, int | np.integer) else f"{value:.4g}"

    lines = [f"| {' | '.join(header)} |", f"| {' | '.join('---' for _ in header)} |"]
    lines += [f"| {' | '.join(cell(value) for value in row)} |" for row in rows]
    return f"**{title}**\n\n" + "\n".join(lines)


def same(ours: pd.Series, theirs: pd.Series) -> np.ndarray:
    """Compare floats bit for bit, NaN equal to NaN."""
    one, other = ours.to_numpy(dtype=np.float64), theirs.to_numpy(dtype=np.float64)
    return (one == other) | (np.isnan(one) & np.isnan(other))


class Comparison:
    def __init__(self, root: str | None, folder: Path) -> None:
        repository = Repository(root)
        parent, derived = repository.find("celegans-connectomes"), repository.find("celegans-consensus")
        names = sorted({*ANNOTATIONS, *simeon2024.RECORDS})
        self.trees = {name: repository.open(parent.dataset, parent.records[name]) for name in names}
        self.ours = repository.open(derived.dataset, derived.records["consensus"])["connectome"].to_dataset()
        self.theirs = published(folder / WITH)
        self.theirs_without = published(folder / WITHOUT)
        self.made = simeon2024.release_table(self.trees)
        self.parts = {
            name: simeon2024.weights_of(name, self.trees[record]) for name, record in simeon2024.FILES.items()
        }
        annotations = [read_annotation(name, self.trees[name]) for name in ANNOTATIONS]
        self.annotations = {item.name: item for item in annotations}
        self.lineage = lineages_of(annotations)

    def reproduction(self) -> str:
        ours, theirs = self.made, self.theirs
        exact = np.ones(len(theirs), dtype=bool)
        rows = []
        for name in theirs.columns:
            if name in ("from_type", "to_type"):
                continue
            if name in NUMBERS:
                equal = same(ours[name], theirs[name])
            else:
                equal = np.array([one == other for one, other in zip(ours[name], theirs[name], strict=True)])
            exact &= equal
            rows.append((f"`{name}`", int(equal.sum()), int((~equal).sum())))
        graph = self.trees["cook2019-hermaphrodite"]["connectome"].to_dataset()
        role = dict(zip(graph["node"].values.astype(object), decode(graph["role"]), strict=True))
        fitting = [
            role[row.from_neuron] == row.from_type and role[row.to_neuron] == row.to_type for row in theirs.itertuples()
        ]
        rows.append(("`from_type`, `to_type` (against Hobert et al. 2016)", sum(fitting), len(fitting) - sum(fitting)))
        rows.append(("**all but the types, bit for bit**", int(exact.sum()), int((~exact).sum())))
        kept = ours[ours["mean_gap_weight"].notna() | ours["mean_chem_weight"].notna()].reset_index(drop=True)
        other = self.theirs_without
        pairs = (kept["from_neuron"] == other["from_neuron"]) & (kept["to_neuron"] == other["to_neuron"])
        equal = pairs.to_numpy() & np.all([same(kept[name], other[name]) for name in NUMBERS[:3]], axis=0)
        rows.append((f"`{WITHOUT}`: pairs, weights, uncertainty", int(equal.sum()), int((~equal).sum())))
        return markdown("Rows of the release, made from our records by its rules", ["column", "equal", "differ"], rows)

    def functional(self) -> str:
        graph = self.trees["randi2023"]["connectome"].to_dataset()
        names = graph["node"].values.astype(object)
        frame = pd.DataFrame(
            {
                "source": names[graph["source"].values],
                "target": names[graph["target"].values],
                "type": decode(graph["edge_type"]),
                "q": graph["q"].values,
                "weight": graph["weight"].values,
            }
        )
        measured = frame[frame["type"] == "signal_propagation"].set_index(["source", "target"])
        apart = np.array([one != other for one, other in measured.index])
        strong = set(measured.index[(measured["q"] < Q_LIMIT).to_numpy() & apart])
        rows = self.theirs[self.theirs["functional_weight"].notna()]
        listed = list(zip(rows["from_neuron"], rows["to_neuron"], strict=True))
        weights = rows["functional_weight"].to_numpy()
        back = measured["weight"].reindex([(other, one) for one, other in listed]).to_numpy()
        there = measured["weight"].reindex(listed).to_numpy()
        close = np.isclose(weights, back, rtol=0, atol=1e-7)
        either = close & np.isclose(weights, there, rtol=0, atol=1e-7)
        q = measured["q"].reindex([(other, one) for one, other in listed]).to_numpy()
        return markdown(
            "Functional edges (Randi et al. 2023)",
            ["", "n"],
            [
                ("pairs with a measured response", len(measured)),
                ("of them with q < 0.05 and two different cells: our `signal_propagation_significant`", len(strong)),
                ("functional edges of the release", len(rows)),
                ("of them with q < 0.05", int((q < Q_LIMIT).sum())),
                ("of them with q > 0.475 or no q below 0.5 (alpha < 0.05)", int(((q > 0.475) | np.isnan(q)).sum())),
                ("of them from the responding to the stimulated cell", int(close.sum())),
                ("of them with the same number in the true direction", int(either.sum())),
                ("of them whose true direction was never measured", int(np.isnan(there).sum())),
                ("of them from a cell to itself", sum(one == other for one, other in listed)),
                ("significant edges that the release has, in their true direction", len(strong & set(listed))),
            ],
        )  # fmt: skip

    def lost(self) -> str:
        rows = []
        for name, record in (("Cook et al. 2019", "cook2019-hermaphrodite"), ("Varshney et al. 2011", "varshney2011")):
            part = self.parts[next(key for key, value in simeon2024.FILES.items() if value == record)]
            ours = self.annotations[record]
            neurons = {cell for cell in ours.cells if not cell.startswith("CAN")}
            cells = {cell for kind in ours.weights.values() for pair in kind for cell in pair} & neurons
            kept = {cell for kind in (part.chemical, part.gap) for pair in kind for cell in pair}
            for kind, found in (("chemical", part.chemical), ("gap_junction", part.gap)):
                pairs = {pair: w for pair, w in ours.weights[kind].items() if set(pair) <= neurons}
                both = [pair for pair in pairs if pair in found]
                lower = sum(found[pair] < pairs[pair] for pair in both)
                rows.append((name, kind, len(cells), len(kept), len(pairs), len(both), len(pairs) - len(both), lower))
        return markdown(
            "Neurons and edges lost (zero-padded names; of Varshney et al. also the rows S)",
            [
                "annotation",
                "type",
                "neurons",
                "of them in the release",
                "pairs",
                "of them in the release",
                "lost",
                "less weight",
            ],
            rows,
        )

    def rows_s(self) -> str:
        graph = self.trees["varshney2011"]["connectome"].to_dataset()
        word = graph["listed_type"].values[decode(graph["edge_type"]) == "chemical_listed"]
        weight = graph["weight"].values[decode(graph["edge_type"]) == "chemical_listed"]
        rows = [(name, int((word == name).sum()), int(weight[word == name].sum())) for name in ("S", "Sp")]
        return markdown(
            "Rows of NeuronConnect.xls that send a chemical synapse (the release reads Sp alone)",
            ["type", "rows", "synapses"],
            rows,
        )

    def mixed(self) -> str:
        rows = []
        for kind in ("chemical", "gap"):
            values = {name: getattr(part, kind) for name, part in self.parts.items()}
            pairs = sorted({pair for found in values.values() for pair in found})
            per_pair = [{name: found[pair] for name, found in values.items() if pair in found} for pair in pairs]
            white = {name for name, record in simeon2024.FILES.items() if "JSH" in self.lineage[record]}
            edge_type = "chemical" if kind == "chemical" else "gap_junction"
            unseen = 0
            for pair in pairs:
                covering: dict[str, bool] = {}
                for item in self.annotations.values():
                    if item.covers(pair, edge_type):
                        lineage = self.lineage[item.name]
                        covering[lineage] = covering.get(lineage, False) or item.weight(pair, edge_type) > 0
                unseen += not all(covering.values())
            rows.append(
                (
                    kind,
                    len(pairs),
                    sum("cook2019" in told and len(told) > 1 for told in per_pair),
                    sum(len(white & set(told)) > 1 for told in per_pair),
                    max(len(white & set(told)) for told in per_pair),
                    unseen,
                    sum(len(set(told.values())) < len(told) for told in per_pair) if kind == "gap" else "-",
                )
            )
        return markdown(
            "What the means of the release are taken over",
            ["type", "pairs", "EM sections and synapses in one mean", "micrographs of White et al. more than once",
             "at most", "a lineage holds both cells and shows no edge", "equal values counted once"],
            rows,
        )  # fmt: skip

    def independent(self) -> str:
        edge_types = decode(self.ours["edge_type"])
        rows = []
        for kind in ("chemical", "gap_junction"):
            chosen = edge_types == kind
            n, present = self.ours["n_lineages"].values[chosen], self.ours["n_lineages_present"].values[chosen]
            counts = Counter(zip(n.tolist(), present.tolist(), strict=True))
            rows += [(kind, held, shown, counts[held, shown]) for held, shown in sorted(counts)]
        return markdown(
            "Our consensus: ordered pairs by the number of independent lineages",
            ["type", "lineages that hold both cells", "lineages that show the edge", "pairs"],
            rows,
        )

    def pairs(self) -> str:
        names = self.ours["node"].values.astype(object)
        edge_types = decode(self.ours["edge_type"])
        ends = list(zip(names[self.ours["source"].values], names[self.ours["target"].values], strict=True))
        rows = []
        for kind, column in (("chemical", "mean_chem_weight"), ("gap_junction", "mean_gap_weight")):
            ours = {pair for pair, found in zip(ends, edge_types, strict=True) if found == kind}
            chosen = self.theirs[self.theirs[column].notna()]
            theirs = set(zip(chosen["from_neuron"], chosen["to_neuron"], strict=True))
            rows.append((kind, len(theirs), len(ours), len(theirs & ours), len(theirs - ours), len(ours - theirs)))
        return markdown(
            "Ordered pairs", ["type", "release", "ours", "in both", "only in the release", "only in ours"], rows
        )

    def dominating(self) -> str:
        gap = self.theirs[self.theirs["mean_gap_weight"].notna()]
        weights = gap["mean_gap_weight"].to_numpy()
        top = gap.nlargest(5, "mean_gap_weight", keep="all")
        largest = weights.max()
        largest_rows = [
            f"{row.from_neuron}-{row.to_neuron}" for row in top.itertuples() if row.mean_gap_weight == largest
        ]
        rows: list[tuple[object, ...]] = [
            ("rows with a gap weight", len(weights)),
            ("their mean", weights.mean()),
            ("largest", int(largest)),
            ("its rows", " ".join(largest_rows)),
            ("mean without them", weights[weights < largest].mean()),
            ("next largest", weights[weights < largest].max()),
        ]  # fmt: skip
        return markdown("One gap junction of Cook et al. (in EM sections) among synapse counts", ["", "value"], rows)

    def uncertainty(self) -> str:
        known = int(self.theirs["uncertainty"].notna().sum())
        n_orders, n_fitting = self.orders()
        return markdown(
            "Uncertainty of the release",
            ["", "n"],
            [
                ("rows", len(self.theirs)),
                ("rows with a number (both types listed)", known),
                ("rows without", len(self.theirs) - known),
                ("orders in which nine files can be read", n_orders),
                ("orders that give the last bit of every number", n_fitting),
            ],
        )

    def orders(self) -> tuple[int, int]:
        """Count the orders of files, and those in which the sums of floats give every published uncertainty."""
        orders = np.array(list(permutations(range(len(self.parts)))), dtype=np.int8)
        left = orders
        for row in self.theirs[self.theirs["uncertainty"].notna()].itertuples():
            pair = (row.from_neuron, row.to_neuron)
            values = np.array([part.chemical.get(pair, np.nan) for part in self.parts.values()])
            if len(set(values[~np.isnan(values)].tolist())) < 2:
                continue
            ordered = values[left]
            chemical = np.std(ordered[~np.isnan(ordered)].reshape(len(left), -1), axis=1)
            gap = np.std(sorted({part.gap[pair] for part in self.parts.values() if pair in part.gap}))
            share = simeon2024.SHARE
            left = left[share * chemical + (1 - share) * gap == row.uncertainty]
        return len(orders), len(left)

    def tables(self) -> list[str]:
        return [
            self.reproduction(), self.functional(), self.lost(), self.rows_s(), self.mixed(), self.dominating(),
            self.uncertainty(), self.pairs(), self.independent(),
        ]  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--published", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--root", metavar="DIR", help="the store; default as for the connectome command")
    given = parser.parse_args(arguments)
    print("\n\n".join(Comparison(given.root, given.published).tables()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
