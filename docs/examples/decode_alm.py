"""Decode cue, photostimulation and instructed side from motor cortex during delayed licking (Guo et al. 2017).

Mice lick left or right after a delay (Nature 545:181, doi:10.1038/nature22324). Trials are read with the spike loader,
in contiguous folds. One recording session of one mouse, with four units, is at hand:
what is printed says nothing of other mice, and with one session nothing can be tested across sessions. Given more of
DANDI:000009, the same command takes every session with spikes and these columns.

    connectome ingest mouse-alm-delayed-response --mirror FOLDER --allow-missing
    python docs/examples/decode_alm.py --json decode_alm.json
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from decoding import Trials, decode, report

import connectome
from connectome.loaders.torch import EventDataset
from connectome.splits import Split, TrialSplit, TrialWindows, split_trials

if TYPE_CHECKING:
    from connectome.store import Version

Array = np.ndarray[Any, Any]
DATASET, ALIGN, N_FOLDS, BIN_S = "mouse-alm-delayed-response", "cue_start_time", 5, 0.25
BEFORE_S, AFTER_S = 1.25, 1.0
"""The delay lasts from the exit of the pole, about 1.3 s before the cue, to the cue; the answer follows it."""
GOOD = ("is_good", "==", 1)


def folds_of(version: Version) -> Split:
    """Return contiguous folds, as far apart as the window is long."""
    windows = TrialWindows(table="trials", align=ALIGN, before_s=BEFORE_S, after_s=AFTER_S)
    plan = TrialSplit(n_folds=N_FOLDS, gap_s=BEFORE_S + AFTER_S, windows=windows)
    return split_trials(version, plan, name="folds")[0]


def read(version: Version, split: Split, record: str) -> tuple[Array, Array, dict[str, Array]]:
    """Return the counts (trial, unit, bin) around the cue, the folds, and the labels as text, in order of time."""
    counts, fold, labels = [], [], {name: [] for name in ("type", "stim_present")}
    for at, part in enumerate(split.parts):
        dataset = EventDataset(
            version, mode="trials", align=ALIGN, before_s=BEFORE_S, after_s=AFTER_S, bin_s=BIN_S, records=[record],
            where=[GOOD], labels=["type", "stim_present"], split=split, part=part,
        )  # fmt: skip
        batch = dataset.batch(range(len(dataset)))
        if not bool(batch["mask"].all()):
            raise ValueError(f"{record}: a bin was not observed")
        counts.append(batch["counts"].numpy())
        fold.append(np.full(len(dataset), at))
        names = np.array([*dataset.source.label_names["type"], ""], dtype=object)
        labels["type"].append(names[batch["label.type"].numpy()])
        labels["stim_present"].append(np.where(batch["label.stim_present"].numpy() > 0, "light", "none").astype(object))
    return np.concatenate(counts), np.concatenate(fold), {name: np.concatenate(own) for name, own in labels.items()}


def trials_of(record: str, animal: str, counts: Array, fold: Array, labels: dict[str, Array]) -> dict[str, Trials]:
    """Return what is decoded: name to features and labels."""
    n_delay = round(BEFORE_S / BIN_S)
    root = np.sqrt(counts)
    delay, answer = root[:, :, :n_delay], root[:, :, n_delay:]
    n_trials, n_same = len(counts), min(delay.shape[2], answer.shape[2])
    dark = np.where(labels["stim_present"] == "none", labels["type"], "").astype(object)
    flat = {"delay": delay.reshape(n_trials, -1), "answer": answer.reshape(n_trials, -1)}
    # Both windows of a trial stay in its fold.
    both = np.stack([delay[:, :, -n_same:], answer[:, :, :n_same]], axis=1).reshape(2 * n_trials, -1)
    cue = np.tile(np.array(["before", "after"], dtype=object), n_trials)
    return {
        "cue": Trials(record, animal, both, np.repeat(fold, 2), {"before or after the cue": cue}, 2),
        "light": Trials(record, animal, flat["delay"], fold, {"photostimulation in the delay": labels["stim_present"]}),
        "delay": Trials(record, animal, flat["delay"], fold, {"instructed side, from the delay": dark}),
        "answer": Trials(record, animal, flat["answer"], fold, {"instructed side, from the answer": dark}),
    }


def run(root: str | None, *, n_shuffles: int = 200) -> list[dict[str, Any]]:
    """Return all rows of the table."""
    version = connectome.open(DATASET, root=root)
    split = folds_of(version)
    subjects = dict(zip(version.records["record"], version.records["subject"], strict=True))
    sessions = [trials_of(name, subjects[name], *read(version, split, name)) for name in split.records("fold_0")]
    rows = []
    for kind in sessions[0]:
        (target,) = sessions[0][kind].labels
        row, _ = decode([session[kind] for session in sessions], target, n_shuffles=n_shuffles)
        where = f"within {sessions[0][kind].session}" if len(sessions) == 1 else "within, all sessions"
        rows.append({"where": where, **row})
    return rows


def main(argv: Sequence[str] | None = None) -> int:
    """Print the table."""
    return report(__doc__, argv, run, n_shuffles=200)


if __name__ == "__main__":
    raise SystemExit(main())
