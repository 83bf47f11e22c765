"""How much better a decoder looks in shuffled folds than in contiguous ones, on sessions of Steinmetz et al. 2019.

Every target is decoded twice from the same counts with the same classifier and the same number of trials per fold: in
five contiguous folds, and in five folds of trials drawn at random (five times, averaged). The difference is optimism:
what the decoder knows from trials just before and after those that it is tested on. The last row is not a class but
the place of a trial in its session, by ridge regression; its score is the explained variance R2.

    connectome ingest mouse-visual-decisions --mirror FOLDER --allow-missing
    python docs/examples/fold_optimism.py --json fold_optimism.json
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from decoding import RESAMPLES, RUN, balanced, block_samples, hits, report, resampled
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from steinmetz_trials import sessions_of, targets, unit_features

Array = np.ndarray[Any, Any]
STRENGTH = 0.01
"""One strength for all, so that both kinds of folds train the same classifier."""
N_SHUFFLES, N_DUMMIES, N_FOLDS = 5, 20, 5
STAY = 0.95
"""Chance that a generated label is that of the trial before it: runs of 20 trials on average."""
BLOCK = 20
"""Trials of the blocks whose parity is decoded."""
WINDOW, STRIDE = 20, 5
"""Bins of 10 ms of the windows that overlap, and from one to the next."""
OVERLAPPING = "side, from windows of 0.2 s every 0.05 s"
PARITY = f"parity of blocks of {BLOCK} trials"
DUMMY = "generated labels that last 20 trials"
FRESH = "generated labels, new in every trial"
PLACE = "place in the session (R2)"
PENALTY = 100.0
"""Of the ridge regression on standardised counts."""
REAL = ("side of higher contrast", "stimulus or none", "reward")


def telegraph(n_trials: int, stay: float, random: np.random.Generator) -> Array:
    """Return generated labels: each is that of the trial before with a chance, else the other one."""
    turns = random.random(n_trials) >= stay
    turns[0] = random.random() < 0.5
    return np.array(["a", "b"], dtype=object)[np.cumsum(turns) % 2]


def compare(x: Array, y: Array, fold: Array, random: np.random.Generator) -> tuple[Array, list[Array]]:
    """Return the hits in contiguous folds, and those in each of the shuffled ones."""
    return hits(x, y, fold, strength=STRENGTH), [
        hits(x, y, random.permutation(fold), strength=STRENGTH) for _ in range(N_SHUFFLES)
    ]


def overlapping(counts: Array) -> Array:
    """Return the square roots of counts in overlapping windows of each trial, shape (trial, window, unit)."""
    starts = range(0, counts.shape[2] - WINDOW + 1, STRIDE)
    return np.stack([np.sqrt(counts[:, :, at : at + WINDOW].sum(axis=2)) for at in starts], axis=1)


def place_errors(x: Array, fold: Array) -> tuple[Array, Array]:
    """Return the squared errors of a trial's place in its session, from 0 to 1, and of saying the middle."""
    place = np.linspace(0, 1, len(x))
    told = np.empty(len(x))
    for one in np.unique(fold).tolist():
        train = fold != one
        model = make_pipeline(StandardScaler(), Ridge(PENALTY)).fit(x[train], place[train])
        told[~train] = model.predict(x[~train])
    return (told - place) ** 2, (0.5 - place) ** 2


def places(sessions: Sequence[Mapping[str, Any]], *, seed: int = 0) -> dict[str, Any]:
    """Return the row of the place in the session."""
    random = np.random.default_rng(seed)
    samples = [block_samples(len(session["fold"]), random, run=RUN) for session in sessions]
    scores: dict[str, list[tuple[float, Array]]] = {"contiguous": [], "shuffled": []}
    for name, n in (("contiguous", 1), ("shuffled", N_SHUFFLES)):
        for _ in range(n):
            pairs = []
            for session in sessions:
                fold = session["fold"] if name == "contiguous" else random.permutation(session["fold"])
                pairs.append(place_errors(unit_features(session["counts"]), fold))
            error, whole = (sum(pair[at].sum() for pair in pairs) for at in (0, 1))
            drawn = [sum(pair[at][own].sum(axis=1) for pair, own in zip(pairs, samples, strict=True)) for at in (0, 1)]
            scores[name].append((float(1 - error / whole), 1 - drawn[0] / drawn[1]))
    low, under = scores["contiguous"][0]
    high = float(np.mean([one for one, _ in scores["shuffled"]]))
    over = np.mean([one for _, one in scores["shuffled"]], axis=0).reshape(RESAMPLES)
    found = {"contiguous": (low, under), "shuffled": (high, over), "optimism": (high - low, over - under)}
    return {
        "target": PLACE, "chance": 0.0, **{name: value for name, (value, _) in found.items()},
        **{f"{name}_interval": np.quantile(drawn, [0.025, 0.975]).tolist() for name, (_, drawn) in found.items()},
    }  # fmt: skip


def row(
    target: str, parts: Sequence[tuple[Array, Array, list[Array]]], *, run: int = RUN, **about: Any
) -> dict[str, Any]:
    """Return scores and their difference with intervals; a part is labels, contiguous hits, shuffled hits."""
    truth = [part[0] for part in parts]
    contiguous = [part[1] for part in parts]
    shuffled = [[part[2][at] for part in parts] for at in range(N_SHUFFLES)]
    joined = np.concatenate(truth)
    low = balanced(joined, np.concatenate(contiguous))
    high = float(np.mean([balanced(joined, np.concatenate(one)) for one in shuffled]))
    # The same resamples for both, so that the interval is that of the difference.
    under = resampled(truth, contiguous, run=run)
    over = np.mean([resampled(truth, one, run=run) for one in shuffled], axis=0)
    return {
        "target": target,
        "contiguous": low,
        "contiguous_interval": np.quantile(under, [0.025, 0.975]).tolist(),
        "shuffled": high,
        "shuffled_interval": np.quantile(over, [0.025, 0.975]).tolist(),
        "optimism": high - low,
        "optimism_interval": np.quantile(over - under, [0.025, 0.975]).tolist(),
        "chance": 1 / len(np.unique(joined.astype(str))),
        **about,
    }


def of_session(session: Mapping[str, Any], seed: int) -> dict[str, tuple[Array, Array, list[Array]]]:
    """Decode all targets of a session; target to labels and hits."""
    random = np.random.default_rng(seed)
    x, fold = unit_features(session["counts"]), session["fold"]
    parity = np.array(["even", "odd"], dtype=object)[(np.arange(len(x)) // BLOCK) % 2]
    found = {name: (y, *compare(x, y, fold, random)) for name, y in targets(session["columns"]).items()}
    found[PARITY] = (parity, *compare(x, parity, fold, random))
    windows = overlapping(session["counts"])
    n_windows = windows.shape[1]
    flat = windows.reshape(-1, windows.shape[2])
    y = np.repeat(targets(session["columns"])["side of higher contrast"], n_windows)
    found[OVERLAPPING] = (y, *compare(flat, y, np.repeat(fold, n_windows), random))
    return found


def dummies(sessions: Sequence[Mapping[str, Any]], *, stay: float, n: int) -> dict[str, Any]:
    """Return means over generated labels, which no neuron knows anything of, with intervals over the draws."""
    scores: list[tuple[float, float]] = []
    for seed in range(n):
        for at, session in enumerate(sessions):
            random = np.random.default_rng([seed, at, 1])
            x, fold = unit_features(session["counts"]), session["fold"]
            y = telegraph(len(x), stay, random)
            right, shuffled = (
                hits(x, y, fold, strength=STRENGTH),
                hits(x, y, random.permutation(fold), strength=STRENGTH),
            )
            scores.append((balanced(y, right), balanced(y, shuffled)))
    each = np.array(scores).reshape(n, len(sessions), 2).mean(axis=1)
    draws = np.random.default_rng(0).integers(0, n, size=(2000, n))
    means = each[draws].mean(axis=1)
    quantiles = {name: np.quantile(values, [0.025, 0.975]).tolist() for name, values in (
        ("contiguous", means[:, 0]), ("shuffled", means[:, 1]), ("optimism", means[:, 1] - means[:, 0]))}  # fmt: skip
    low, high = each.mean(axis=0).tolist()
    return {
        "target": DUMMY if stay > 0.5 else FRESH, "contiguous": low, "shuffled": high, "optimism": high - low,
        "chance": 0.5, **{f"{name}_interval": pair for name, pair in quantiles.items()},
    }  # fmt: skip


def run(root: str | None, *, records: Sequence[str] | None = None, n_dummies: int = N_DUMMIES) -> list[dict[str, Any]]:
    """Return all rows of the table, sessions together, and every session alone in ``sessions``."""
    sessions = sessions_of(root, records=records)
    found = [of_session(session, seed) for seed, session in enumerate(sessions)]
    count = {
        "n_trials": sum(len(session["fold"]) for session in sessions),
        "n_sessions": len(sessions),
        "n_animals": len({session["animal"] for session in sessions}),
    }
    rows = []
    n_windows = len(range(0, sessions[0]["counts"].shape[2] - WINDOW + 1, STRIDE))
    for target in (*REAL, OVERLAPPING, PARITY):
        run_length = RUN * (n_windows if target == OVERLAPPING else 1)
        alone = {
            session["record"]: [balanced(own[target][0], own[target][1]),
                                float(np.mean([balanced(own[target][0], one) for one in own[target][2]]))]
            for session, own in zip(sessions, found, strict=True)
        }  # fmt: skip
        rows.append(row(target, [own[target] for own in found], run=run_length, sessions=alone, **count))
    rows += [{**dummies(sessions, stay=stay, n=n_dummies), **count} for stay in (STAY, 0.5)]
    rows.append({**places(sessions), **count})
    return rows


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the rows as a table in Markdown."""
    lines = [
        "| target | chance | contiguous folds (95 %) | shuffled folds (95 %) | optimism (95 %) |",
        "| --- | --- | --- | --- | --- |",
    ]
    for one in rows:
        cells = [
            f"{one[name]:{form}} ({one[f'{name}_interval'][0]:{form}} to {one[f'{name}_interval'][1]:{form}})"
            for name, form in (("contiguous", ".3f"), ("shuffled", ".3f"), ("optimism", "+.3f"))
        ]
        lines.append(f"| {one['target']} | {one['chance']:.3f} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> int:
    """Print the table."""
    return report(__doc__, argv, run, table=table)


if __name__ == "__main__":
    raise SystemExit(main())
