"""Predict which vessels a graph lacks, with graph networks beside what is trivial, on honest negatives.

The graph is the one Voreen export that VesselGraph (Paetzold, McGinnis et al., NeurIPS 2021, arXiv:2108.13233) ever
committed: a real export of a synthetic tree (Schneider et al. 2012), not of a brain. Without it a made-up one is used,
and called generated. It is imported into a store, split there, and sampled from there.

Two models: GraphSAGE (Hamilton et al. 2017) on coordinates and known degrees, as VesselGraph's baselines have it, and
one that sees differences of coordinates only, so that it does not matter where in space a vessel lies. Negatives are
near pairs ("spatial", as published) and pairs as far apart as the positives ("distance-matched").

    python docs/examples/vessel_links.py --data FOLDER_WITH_example_nodes.csv
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch_geometric.nn import MessagePassing, SAGEConv

from connectome.display.text import table_text
from connectome.loaders.pyg import LinkSplit
from connectome.pipelines.importing import import_files
from connectome.store import Repository
from connectome.tasks import LinkPlan, pair_geometry
from connectome.tasks.logistic import fit_logistic

PROJECT = Path(__file__).resolve().parents[2]
DATASET, RECORD = "vessel-example", "voreen"
NEGATIVES = ("spatial", "distance-matched")
MOST_DEGREE, HIDDEN, HOPS = 4, 64, 2
BATCH, RATE = 256, 5e-3
BASELINES = ("distance", "logistic", "degree_sum", "common_neighbours")
"""Of the task's own report; ``logistic`` is fitted to the distance and the differences along the axes."""
LOGISTIC = {"logistic on known degrees": False, "logistic on known degrees and geometry": True}
LEAK = "degree_leak"


def import_graph(root: Path, data: Path | None, *, generated_nodes: int = 3000) -> str:
    """Import the tables of nodes and edges, and say what they are."""
    if data is not None and (data / "example_nodes.csv").is_file():
        what = "a real Voreen export of a synthetic tree"
        files = [data / f"example_{name}.csv" for name in ("nodes", "edges")]
    else:
        sys.path.insert(0, str(PROJECT))
        from benchmarks.brain import write_generated_brain

        folder = root / "generated"
        folder.mkdir(parents=True)
        made = write_generated_brain(folder, n_nodes=generated_nodes, n_edges=int(1.51 * generated_nodes))
        what, files = "GENERATED vessels: nothing here was measured", [made.nodes, made.edges]
    # Nobody says how large a voxel of the synthetic tree is, and no model here needs to know.
    options = {"voxel_size_um": "unknown"}
    import_files(Repository(root), files, dataset=DATASET, format="voreen", record=RECORD, options=options)
    return what


class HideTargets:
    """Takes the edges between pairs that are to be predicted out of a batch, so that no message runs along them.

    What is left is what there is in the test, where such edges are unknown: ends of a missing vessel lack an edge.
    """

    def __call__(self, batch: Any) -> Any:
        """Return the batch with ``degree``: the known edges of every node, without the hidden ones."""
        n_nodes = batch.num_nodes
        source, target = batch.edge_index
        one, other = batch.edge_label_index
        hidden = torch.isin(source * n_nodes + target, torch.cat([one * n_nodes + other, other * n_nodes + one]))
        # All edges of the seeds were sampled, each once for either direction.
        lost = torch.bincount(target[hidden], minlength=n_nodes)
        batch.degree = (batch.training_degree - lost).clamp(min=0, max=MOST_DEGREE)
        batch.edge_index = batch.edge_index[:, ~hidden]
        return batch


class Sage(nn.Module):
    """GraphSAGE on scaled coordinates and known degrees; a pair is scored by the product of its ends."""

    def __init__(self, scale: float, centre: Tensor) -> None:
        super().__init__()
        self.scale, self.centre = scale, centre
        sizes = [3 + MOST_DEGREE + 1] + [HIDDEN] * HOPS
        self.layers = nn.ModuleList(SAGEConv(*pair) for pair in pairwise(sizes))
        self.score = mlp(HIDDEN, 1)

    def forward(self, batch: Any) -> Tensor:
        """Return one score per pair."""
        h = torch.cat([(batch.pos - self.centre) / self.scale, one_hot(batch.degree)], dim=1)
        for layer in self.layers:
            h = layer(h, batch.edge_index).relu()
        one, other = batch.edge_label_index
        return self.score(h[one] * h[other]).squeeze(1)


class Differences(nn.Module):
    """Messages and pairs see how far, and in which direction, the other node lies; never where the two are."""

    def __init__(self, scale: float, centre: Tensor) -> None:
        super().__init__()
        del centre
        self.scale = scale
        sizes = [MOST_DEGREE + 1] + [HIDDEN] * HOPS
        self.layers = nn.ModuleList(Relative(*pair) for pair in pairwise(sizes))
        self.score = mlp(2 * HIDDEN + 4, 1)

    def forward(self, batch: Any) -> Tensor:
        """Return one score per pair, the same whichever end comes first."""
        h, place = one_hot(batch.degree), batch.pos / self.scale
        for layer in self.layers:
            h = layer(h, place, batch.edge_index).relu()
        one, other = batch.edge_label_index
        ways = [(one, other), (other, one)]
        return sum(self.score(torch.cat([h[a], h[b], apart(place[b] - place[a])], 1)) for a, b in ways).squeeze(1)


class Relative(MessagePassing):
    """One step: the sum over neighbours of what a small network makes of each and of the way to it."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__(aggr="add")
        self.message_net, self.own = mlp(2 * n_in + 4, n_out), nn.Linear(n_in, n_out)

    def forward(self, h: Tensor, place: Tensor, edge_index: Tensor) -> Tensor:
        """Return the new state of every node."""
        return self.own(h) + self.propagate(edge_index, h=h, place=place)

    def message(self, h_i: Tensor, h_j: Tensor, place_i: Tensor, place_j: Tensor) -> Tensor:
        """Return the message from j to i."""
        return self.message_net(torch.cat([h_i, h_j, apart(place_j - place_i)], dim=1))


MODELS: Mapping[str, type[nn.Module]] = {"GraphSAGE": Sage, "coordinate differences": Differences}


def mlp(n_in: int, n_out: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(n_in, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, n_out))


def one_hot(degree: Tensor) -> Tensor:
    return nn.functional.one_hot(degree, MOST_DEGREE + 1).float()


def apart(difference: Tensor) -> Tensor:
    return torch.cat([difference, difference.norm(dim=1, keepdim=True)], dim=1)


def fit(split: LinkSplit, model: type[nn.Module], negatives: str, *, epochs: int, seed: int) -> dict[str, float]:
    """Train on the training pairs, stop where the validation pairs say, and return the metrics of the test pairs."""
    torch.manual_seed(seed)
    pos, (source, target) = split.data.pos, split.data.edge_index
    scale = float((pos[source] - pos[target]).norm(dim=1).mean())
    net = model(scale, pos.mean(dim=0))
    optimiser = torch.optim.Adam(net.parameters(), lr=RATE)
    loader, *held_out = (
        split.loader(part, [-1] * HOPS, negatives=negatives, seed=seed, batch_size=BATCH, transform=HideTargets())
        for part in ("train", "val", "test")
    )
    best, kept = -1.0, {}
    for _ in range(epochs):
        net.train()
        for batch in loader:
            loss = nn.functional.binary_cross_entropy_with_logits(net(batch), batch.edge_label)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        net.eval()
        with torch.no_grad():
            val, test = (torch.cat([net(batch) for batch in part]) for part in held_out)
        reached = split.evaluate(val, "val", negatives)["roc_auc"]
        if reached > best:
            best, kept = reached, dict(split.evaluate(test, "test", negatives))
    return kept


def by_degrees(split: LinkSplit, negatives: str, *, geometry: bool) -> float:
    """Return the test AUC of a logistic regression on the known degrees of both ends, and on their distance.

    Where most nodes have one edge or three, a node with two known ones says that it lacks one: what a graph network
    may find out must be held against this.
    """
    known, place = split.data.training_degree, split.data.pos.double().numpy()
    inputs, labels = {}, {}
    for part in ("train", "test"):
        pairs, labels[part] = split.edge_label_index(part, negatives), split.edge_label(part, negatives).numpy() > 0
        # As in a batch: an edge to be predicted is not known.
        own = torch.from_numpy(labels[part] & (part == "train")).long()
        ends = sum(one_hot((known[end] - own).clamp(0, MOST_DEGREE)) for end in pairs)
        parts = [ends.double().numpy(), *([pair_geometry(place, pairs.T.numpy())] if geometry else [])]
        inputs[part] = np.concatenate(parts, axis=1)
    model = fit_logistic(inputs["train"], labels["train"])
    return split.evaluate(model.scores(inputs["test"]), "test", negatives)["roc_auc"]


def run(
    root: Path,
    data: Path | None,
    *,
    epochs: int = 30,
    seeds: Sequence[int] = (0, 1, 2, 3, 4),
    generated_nodes: int = 3000,
) -> dict[str, Any]:
    """Import, split, train and compare; each seed is another split, other negatives and other weights."""
    torch.set_num_threads(1)  # sums in one order, so that every run gives the same digits
    what = import_graph(root, data, generated_nodes=generated_nodes)
    scores: dict[str, dict[str, list[float]]] = {kind: {} for kind in NEGATIVES}
    for seed in seeds:
        plan = LinkPlan(seed=seed, negatives=NEGATIVES)
        split = LinkSplit(f"{DATASET}/{RECORD}", plan=plan, root=root)
        for score in split.report().scores:
            if score.part == "test":
                scores[score.negatives].setdefault(score.baseline, []).append(score.roc_auc)
        for kind in NEGATIVES:
            for name, geometry in LOGISTIC.items():
                scores[kind].setdefault(name, []).append(by_degrees(split, kind, geometry=geometry))
            for name, model in MODELS.items():
                found = fit(split, model, kind, epochs=epochs, seed=seed)
                scores[kind].setdefault(name, []).append(found["roc_auc"])
    sizes = {part: len(split.task.pairs(part)) for part in split.parts}
    return {"graph": what, "epochs": epochs, "seeds": list(seeds), "links": sizes, "test_roc_auc": scores}


def text(result: Mapping[str, Any]) -> str:
    """Return the comparison as a table."""
    order = [*BASELINES, *LOGISTIC, *MODELS, LEAK]
    rows = []
    for name in order:
        cells = [np.asarray(result["test_roc_auc"][kind][name]) for kind in NEGATIVES]
        shown = [f"{cell.mean():.3f} ± {cell.std(ddof=1 if len(cell) > 1 else 0):.3f}" for cell in cells]
        rows.append((name + (" (not allowed: sees held-out edges)" if name == LEAK else ""), *shown))
    sizes = ", ".join(f"{count:,} {part}" for part, count in result["links"].items())
    return (
        f"{result['graph']}\nlinks: {sizes}; test ROC AUC, mean ± sd over {len(result['seeds'])} seeds\n\n"
        f"{table_text(('', *NEGATIVES), rows)}\n\n"
        "One graph: the sd is over splits, negatives and weights, not over animals."
    )


def main() -> None:
    """Print the comparison."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, help="folder with example_nodes.csv and example_edges.csv")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--seeds", type=int, default=5, help="how many")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        result = run(Path(folder) / "store", args.data, epochs=args.epochs, seeds=range(args.seeds))
    print(json.dumps(result) if args.json else text(result))


if __name__ == "__main__":
    main()
