"""Predict the next sample of every neuron from its own past and from its neighbours in a connectome.

Calcium traces (Dag et al. 2023) are joined by name to the wiring of another animal (Witvliet et al. 2021, adult 8).
One linear model for all neurons is trained on all animals but one and judged on that one, in turn, against persistence
("the next sample is like this one"). A control has the same wiring under shuffled names.

    connectome ingest celegans-connectomes && connectome ingest celegans-activity
    python docs/examples/predict_next_step.py
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

import connectome
from connectome.loaders.graphs import EdgeIndex, load_graph
from connectome.loaders.pyg import TemporalGraphDataset
from connectome.loaders.recordings.transforms import CausalZScore
from connectome.splits import GroupedFolds

HISTORY, AHEAD = 8, 64  # samples of the past that are used; predictions per window
LAGS, LEAST_NEURONS = 3, 50  # newest samples of the neighbours; identified neurons that an animal needs
RIDGE, N_SHUFFLES, SEED = 10.0, 3, 0


def features(item: Any) -> tuple[Tensor, Tensor]:
    """Return inputs (sample, feature), the neuron's own first, and the step to the next sample."""
    x, mask = item.x.double(), item.x_mask
    past = x.unfold(1, HISTORY, 1)[:, :-1]  # (neuron, sample, lag)
    messages = []
    for code in range(len(item.names["edge_type"])):
        (source, target), weight = item.edge_index[:, item.edge_type == code], item.edge_weight[item.edge_type == code]
        weight = weight.double() * (source != target)
        total = torch.zeros(len(x), dtype=torch.double).index_add(0, target, weight).clamp(min=1.0)
        message = torch.zeros(len(x), *past.shape[1:2], LAGS, dtype=torch.double)
        message.index_add_(0, target, past[source, :, -LAGS:] * weight[:, None, None])
        messages.append(message / total[:, None, None])
    inputs = torch.cat([torch.ones_like(past[..., :1]), past, *messages], dim=2)
    counts = mask.unfold(1, HISTORY + 1, 1).all(dim=2)
    step = x[:, HISTORY:] - x[:, HISTORY - 1 : -1]
    return inputs[counts], step[counts]


def fit(items: TemporalGraphDataset, *, neighbours: bool) -> Tensor:
    """Return the ridge weights for the step from one sample to the next."""
    square, product = 0.0, 0.0
    for item in items:
        inputs, step = features(item)
        inputs = inputs if neighbours else inputs[:, : 1 + HISTORY]
        square, product = square + inputs.T @ inputs, product + inputs.T @ step
    return torch.linalg.solve(square + RIDGE * torch.eye(len(product), dtype=torch.double), product)


def errors(items: TemporalGraphDataset, weights: Tensor) -> tuple[float, float, int]:
    """Return the mean squared errors of the model and of persistence, and the number of predictions."""
    parts = [(inputs[:, : len(weights)] @ weights - step, step) for inputs, step in map(features, items)]
    model, persistence = (torch.cat(side) for side in zip(*parts, strict=True))
    return float(model.square().mean()), float(persistence.square().mean()), len(model)


def run(root: str | None) -> dict[str, Any]:
    """Train and judge on each animal in turn."""
    torch.set_num_threads(1)  # sums in one order, so that every run gives the same digits
    activity = connectome.open("celegans-activity", root=root)
    graph = load_graph("celegans-connectomes/witvliet2020-8", node_kinds=["neuron"], root=root)

    def items_on(wiring: EdgeIndex, **choice: Any) -> TemporalGraphDataset:
        # Every sample is scaled by its own past only: nothing is learned from other animals or from later samples.
        options = {"window": HISTORY + AHEAD, "stride": AHEAD, "transform": CausalZScore(min_samples=60)}
        return TemporalGraphDataset(activity, graph=wiring, **options, **choice)

    joined = items_on(graph).report().groupby("record")["matched"].sum()
    animals = joined[joined >= LEAST_NEURONS].index.tolist()
    generator = np.random.default_rng(SEED)
    shuffled = [replace(graph, nodes=tuple(generator.permutation(graph.nodes))) for _ in range(N_SHUFFLES)]
    folds = GroupedFolds(by="record", n_folds=len(animals), seed=SEED)
    rows: list[dict[str, Any]] = []
    for split in folds.held_out(folds.assign(activity.records.query("record in @animals"))):
        scores: dict[str, list[float]] = {"own past": [], "and neighbours": [], "and shuffled neighbours": []}
        for wiring in [graph, *shuffled]:
            train, test = (items_on(wiring, split=(split, part)) for part in ("train", "test"))
            if wiring is graph:
                scores["own past"].append(errors(test, fit(train, neighbours=False))[0])
            error, persistence, n_predictions = errors(test, fit(train, neighbours=True))
            scores["and neighbours" if wiring is graph else "and shuffled neighbours"].append(error)
        mse = {"persistence": persistence, **{name: float(np.mean(values)) for name, values in scores.items()}}
        rows.append({"animal": test.records[0], "predictions": n_predictions, "mse": mse})
    rows.sort(key=lambda row: row["animal"])
    chosen = joined.index.isin(animals)
    return {"animals": rows, "neurons": joined[chosen].to_dict(), "left_out": joined[~chosen].to_dict()}


def main() -> None:
    """Print the errors of every held-out animal."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--root", help="the store; default CONNECTOME_ROOT")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    args = parser.parse_args()
    result = run(args.root)
    if args.json:
        return print(json.dumps(result))
    mse = pd.DataFrame({row["animal"]: row["mse"] for row in result["animals"]}).T
    gain = 100 * (1 - mse.div(mse["persistence"], axis=0)).drop(columns="persistence")
    gain.loc["mean"] = gain.mean()
    n_better = int((mse["and neighbours"] < mse["persistence"]).sum())
    for title, table in [("mean squared error on held-out animals", mse), ("per cent below persistence", gain)]:
        print(f"{title}\n{table.round(4).to_string()}\n")
    print(f"the joined model beats persistence on {n_better} of {len(mse)} held-out animals")
    return print(f"left out, too few identified neurons: {result['left_out']}")


if __name__ == "__main__":
    main()
