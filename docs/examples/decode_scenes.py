"""Decode which natural scene a mouse was shown, from a session of Visual Coding - Neuropixels, as its protocol asks.

The protocol of Siegle, Jia et al. 2021 (doi:10.1038/s41586-020-03171-x): 118 scenes and a blank (frame -1), 50 times
each, 0.25 s long, back to back, in three blocks of the session. Iqbal et al. 2019 (arXiv:1911.05479) decode classes of
stimuli from such recordings, Shi et al. 2019 (arXiv:1911.07986) compare responses to the same scenes, taken with two
photons, with layers of networks. So:

* responses are counted in a window as long as a presentation (0.25 s) that begins ``--lag-s`` after its onset. Windows
  then touch and share no spike; a longer one would hold part of the next scene;
* units are those that pass the filter ``allen_default``, and no rule is applied silently: the table says how many pass;
* presentations that lie in invalid times are left out and counted;
* folds are contiguous runs of presentations with a guard gap; then whole blocks, so that nothing of the block that is
  tested is known; then whole repeats, whose neighbours in time are in other folds: the easiest. Chance is 1 / 119.

A split by scene is no test of this decoder (it cannot name a scene that it has not seen); for models that map pixels to
responses it is: ``connectome split ... --by trials --keep frame``.

    connectome ingest mouse-visual-coding --mirror FOLDER --select 715093703 --allow-missing
    python docs/examples/decode_scenes.py --record 715093703 --json scenes.json
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from decoding import block_samples, hits

import connectome
from connectome.loaders.torch import EventDataset
from connectome.splits import TrialSplit, TrialWindows, split_trials

if TYPE_CHECKING:
    from connectome.store import Version

Array = np.ndarray[Any, Any]
DATASET, TABLE, UNITS = "mouse-visual-coding", "stimulus/natural_scenes", "allen_default"
DURATION_S, BLANK, RUN = 0.25, -1, 40
"""Of a presentation; the frame of none; presentations (10 s) that the bootstrap keeps together."""
COLUMNS = ("frame", "stimulus_block", "repeat")


def plans(lag_s: float, n_folds: int, n_blocks: int) -> dict[str, TrialSplit]:
    """Return how presentations are divided, the hardest last."""
    windows = TrialWindows(
        table=TABLE, before_s=-lag_s, after_s=lag_s + DURATION_S, repeats_of="frame", columns=COLUMNS
    )  # fmt: skip
    return {
        "by repeat, windows touch": TrialSplit(n_folds=n_folds, gap_s=0, by="repeat", windows=windows),
        "contiguous runs": TrialSplit(n_folds=n_folds, gap_s=DURATION_S, windows=windows),
        "block held out": TrialSplit(n_folds=n_blocks, gap_s=DURATION_S, by="stimulus_block", windows=windows),
    }


def read(version: Version, record: str, plan: TrialSplit, lag_s: float) -> tuple[Array, Array, Array, dict[str, Any]]:
    """Return features (presentation, unit), frames, folds, and what was read, in order of time."""
    split, proof, _ = split_trials(version, plan, name="scenes")
    features, frames, fold, onset, about = [], [], [], [], {"n_left_out_by_gap": proof.n_left_out}
    for at, part in enumerate(split.parts):
        dataset = EventDataset(
            version, mode="trials", trials=TABLE, before_s=-lag_s, after_s=lag_s + DURATION_S, bin_s=DURATION_S,
            labels=["frame"], units=UNITS, records=[record], split=split, part=part,
        )  # fmt: skip
        batch = dataset.batch(range(len(dataset)))
        features.append(np.sqrt(batch["counts"].numpy()[:, :, 0]))
        frames.append(batch["label.frame"].numpy().astype(np.int64))
        fold.append(np.full(len(dataset), at))
        onset.append(dataset.source.onset_s)
        about["n_units"], about["filter"] = dataset.source.n_units, dataset.source.description()["units"]
    order = np.argsort(np.concatenate(onset), kind="stable")
    joined = [np.concatenate(one)[order] for one in (features, frames, fold)]
    return joined[0], joined[1], joined[2], about


def protocol(version: Version, record: str) -> dict[str, Any]:
    """Return what the table says of the protocol, so that a session that differs is seen."""
    table = version.open(record)[TABLE].to_dataset()
    frames, counts = np.unique(table["frame"].values, return_counts=True)
    start, stop = (table[name].values.astype(float) for name in ("start_time", "stop_time"))
    return {
        "n_presentations": int(counts.sum()),
        "n_conditions": len(frames),
        "has_blank": bool((frames == BLANK).any()),
        "repeats": [int(counts.min()), int(counts.max())],
        "median_duration_s": round(float(np.median(stop - start)), 4),
        "n_blocks": len(np.unique(table["stimulus_block"].values)),
        "n_units_stored": version.facts[record]["/spikes"]["n_units"],
    }


def run(root: str | None, record: str, *, lag_s: float, strength: float, n_folds: int = 5) -> dict[str, Any]:
    """Return the protocol, and a row per way to divide the presentations."""
    version = connectome.open(DATASET, root=root)
    found = protocol(version, record)
    rows = []
    for name, plan in plans(lag_s, n_folds, found["n_blocks"]).items():
        x, frames, fold, about = read(version, record, plan, lag_s)
        right = hits(x, frames.astype(str).astype(object), fold, strength=strength)
        drawn = right[block_samples(len(right), np.random.default_rng(0), run=RUN)].mean(axis=1)
        low, high = np.quantile(drawn, [0.025, 0.975]).tolist()
        each = [float(right[fold == one].mean()) for one in np.unique(fold).tolist()]
        rows.append({
            "folds": name, "n_presentations": len(right), "accuracy": float(right.mean()), "low": low, "high": high,
            "each_fold": each, "chance": 1 / len(np.unique(frames)), **about,
        })  # fmt: skip
    return {"record": record, "lag_s": lag_s, "protocol": found, "rows": rows}


def table_of(found: dict[str, Any]) -> str:
    """Return the rows as a table in Markdown."""
    lines = ["| folds | presentations | units | accuracy (95 %) | chance | each fold |", "|" + " --- |" * 6]
    for row in found["rows"]:
        each = " ".join(f"{value:.3f}" for value in row["each_fold"])
        accuracy = f"{row['accuracy']:.3f} ({row['low']:.3f} to {row['high']:.3f})"
        units = f"{row['n_units']} of {found['protocol']['n_units_stored']}"
        lines.append(
            f"| {row['folds']} | {row['n_presentations']} | {units} | {accuracy} | {row['chance']:.4f} | {each} |"
        )
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> int:
    """Print the protocol and the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--record", required=True, metavar="ID", help="the session")
    parser.add_argument("--root", help="the store (default: that of the environment)")
    parser.add_argument("--lag-s", type=float, default=0.05, metavar="S", help="from onset to window (default: 0.05)")
    parser.add_argument(
        "--strength", type=float, default=0.01, help="inverse penalty of the classifier (default: 0.01)"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all of it here as well")
    args = parser.parse_args(argv)
    found = run(args.root, args.record, lag_s=args.lag_s, strength=args.strength)
    print(", ".join(f"{name} {value}" for name, value in found["protocol"].items()))
    print(f"\n{table_of(found)}")
    if args.json is not None:
        args.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
