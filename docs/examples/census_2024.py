"""How many animals, neurons and edges there are: as published in 2024, as our adapters list them, and in a store.

    connectome ingest celegans-activity --mirror RAW --allow-missing
    connectome ingest celegans-connectomes --mirror RAW
    python docs/examples/census_2024.py --published FOLDER

RAW is a folder with the publishers' files, as far as you have them; FOLDER holds
consensus_connectome_trimmed_withfunc.csv of the Hugging Face data set qsimeon/celegans_connectome_data. What is not in
the store stands as published. Prints the tables of docs/explanation/the-corpus-in-numbers.md.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from compare_2024 import WITH, markdown, published

from connectome.pipelines.derived.simeon2024 import FILES, FUNCTIONAL, FUNCTIONAL_RECORD
from connectome.pipelines.sources.published_2024 import PUBLISHED
from connectome.schema import decode
from connectome.store import open_version

SURE = ("exact", "normalised")
"""What became of a label that names one neuron which no other label of the animal names."""


def mean(values: Sequence[int]) -> str:
    return f"{np.mean(values):.0f}" if values else "-"


def of_source(version: Any, source: str) -> dict[str, Any]:
    """Return the recordings of a source: record to its tree."""
    chosen = {name: receipt for name, receipt in version.manifest.records.items() if receipt.recipe["source"] == source}
    return {name: version.open(name) for name, receipt in chosen.items() if "/activity" in receipt.facts}


def statuses(tree: Any) -> Counter[str]:
    return Counter(decode(tree["neuron"]["status"]).tolist()) if "neuron" in tree else Counter()


def recordings(version: Any) -> str:
    rows: list[tuple[object, ...]] = []
    for source, item in PUBLISHED.items():
        trees = of_source(version, source).values()
        told = [statuses(tree) for tree in trees]
        named = [sum(counts[word] for word in SURE) for counts in told]
        rejected = [each for each in version.manifest.rejected if each["file"].startswith(f"{source}/")]
        absent = sum(each["kind"] == "unavailable" for each in rejected)
        rows.append(
            (
                item.name, item.worms, item.labelled, item.recorded, item.here,
                len(trees),
                mean([count for count in named if count]),
                mean([tree["activity"].sizes["channel"] for tree in trees]),
                len(rejected) - absent,
                absent,
            )
        )  # fmt: skip
    n_worms = sum(item.worms for item in PUBLISHED.values())
    n_traces = sum(item.worms * item.recorded for item in PUBLISHED.values())
    here, turned_away, absent = (sum(int(str(row[at])) for row in rows) for at in (5, 8, 9))
    overall = f"{n_traces / n_worms:.0f} ({n_traces:,} traces)"
    rows.append(("**all**", n_worms, "-", overall, "", here, "-", "-", turned_away, absent))
    return markdown(
        "Recordings: published in 2024, and here",
        ["set", "worms", "labelled (mean)", "recorded (mean)", "our adapter lists", "in this store",
         "with sure names (mean of those that have any)", "recorded (mean)", "files turned away", "files not at hand"],
        rows,
    )  # fmt: skip


def labels(version: Any) -> str:
    """The labels of all animals of Dag et al., of which only some recordings are at hand."""
    dataset = version.open("dag2023-labels")["label"].to_dataset()
    animals, words = dataset["animal"].values.astype(object), decode(dataset["status"])
    rows: list[tuple[object, ...]] = []
    for animal in sorted(set(animals)):
        told = Counter(words[animals == animal].tolist())
        record = f"dag2023-{animal}"
        held = version.open(record)["activity"].sizes["channel"] if record in version.manifest.records else "-"
        # The release takes off letters of the name, not its ending; see D4.
        lost = f"{animal}-data.h5".strip("-data.h5") != animal  # noqa: B005
        sure = sum(told[word] for word in SURE)
        rows.append(
            (animal, told.total(), sure, told["ambiguous"], told["duplicate"], held, "lost" if lost else "there")
        )
    kept = [row for row in rows if row[-1] == "there"]
    for name, chosen in (("mean of the 7 of the release", kept), ("mean of all 8", rows)):
        rows = [*rows, (f"**{name}**", *(f"{np.mean([row[at] for row in chosen]):.1f}" for at in range(1, 5)), "", "")]
    return markdown(
        "Labels of Dag et al., animal by animal (published: 7 animals, 100 labelled, 143 recorded)",
        ["animal", "labels", "sure names", "ambiguous", "duplicate", "ROIs of the recording", "in the release"],
        rows,
    )  # fmt: skip


def others(version: Any) -> str:
    rows = []
    for name, receipt in version.manifest.records.items():
        if receipt.recipe["source"] in PUBLISHED:
            continue
        tree = version.open(name)
        size = tree["activity"].sizes if "activity" in tree else {}
        told = statuses(tree)
        rows.append(
            (name, size.get("channel", "-"), size.get("time", "-"), sum(told[word] for word in SURE) if told else "-",
             told["ambiguous"] if told else "-")
        )  # fmt: skip
    return markdown(
        "Recordings beyond the twelve sets", ["record", "ROIs", "frames", "sure names", "ambiguous labels"], rows
    )


def connectomes(version: Any, folder: Path) -> str:
    sources = published(folder / WITH)["data_sources"]
    listed = Counter(name for names in sources for name in names)
    rows: list[tuple[object, ...]] = []
    for theirs, record in FILES.items():
        graph = version.open(record)["connectome"].to_dataset()
        within = version.manifest.records[record].facts["/connectome"]["within"]["neuron"]
        kinds, types = decode(graph["node_kind"]), decode(graph["edge_type"])
        ends = graph["source"].values, graph["target"].values
        neurons = (kinds[ends[0]] == "neuron") & (kinds[ends[1]] == "neuron") & (graph["weight"].values != 0)
        counted = np.isin(types, ("chemical", "gap_junction")) & neurons
        union = len({(one, other) for one, other in zip(ends[0][counted], ends[1][counted], strict=True)})
        gap = within["edges"].get("gap_junction", {"n": 0, "weight_sum": 0})
        rows.append(
            (
                record,
                graph.attrs["edge_types"]["chemical"]["weight_units"],
                within["n_nodes_connected"],
                within["edges"]["chemical"]["n"], within["edges"]["chemical"]["weight_sum"],
                gap["n"], gap["weight_sum"],
                union,
                listed[theirs],
            )
        )  # fmt: skip
    atlas = version.manifest.records[FUNCTIONAL_RECORD].facts["/connectome"]
    significant = atlas["edges"]["signal_propagation_significant"]["n"]
    rows.append((FUNCTIONAL_RECORD, "q < 0.05", atlas["n_nodes"], "-", "-", "-", "-", significant, listed[FUNCTIONAL]))
    return markdown(
        "Connectomes among neurons, CANL and CANR apart: here, and in the release's consensus",
        ["record", "counted in", "neurons with an edge", "chemical", "their sum", "gap, both directions", "their sum",
         "ordered pairs", "of them in the release"],
        rows,
    )  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--published", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--root", metavar="DIR", help="the store; default as for the connectome command")
    given = parser.parse_args(arguments)
    version = open_version("celegans-activity", root=given.root)
    wiring = open_version("celegans-connectomes", root=given.root)
    tables = [recordings(version), labels(version), others(version), connectomes(wiring, given.published)]
    print("\n\n".join(tables))
    return 0


if __name__ == "__main__":
    sys.exit(main())
