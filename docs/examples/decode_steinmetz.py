"""Decode stimulus side, presence and reward from visual cortex: inside sessions, across sessions, across animals.

connectome ingest mouse-visual-decisions --mirror FOLDER --allow-missing
python docs/examples/decode_steinmetz.py --json decode_steinmetz.json
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from decoding import Trials, balanced, decode, fit, report, row_of, shuffled_within
from steinmetz_trials import sessions_of, trials_of

TARGETS = ("side of higher contrast", "stimulus or none", "reward")


def across(
    train: Sequence[Trials], test: Sequence[Trials], target: str, *, n_shuffles: int, seed: int = 0
) -> dict[str, Any]:
    """Train on some sessions and test on others; the inner search leaves out sessions, or folds of the only one."""
    parts = [session.of(target) for session in train]
    x, y = (np.concatenate([part[at] for part in parts]) for at in (0, 1))
    group = np.concatenate([np.full(len(part[1]), at) if len(parts) > 1 else part[2] for at, part in enumerate(parts)])
    model = fit(x, y, group)
    tests = [session.of(target) for session in test]
    told = [model.predict(part[0]) for part in tests]
    right = [one == part[1] for one, part in zip(told, tests, strict=True)]
    random = np.random.default_rng(seed)
    # Nothing is trained on the sessions that are tested, so that the labels there may be shuffled within folds.
    null = []
    for _ in range(n_shuffles):
        made = [shuffled_within(part[1], part[2], random) for part in tests]
        null.append(balanced(np.concatenate(made), np.concatenate(told) == np.concatenate(made)))
    row = row_of(target, test, tests, right, null)
    names, counts = np.unique(y, return_counts=True)
    row["majority"] = float(np.mean(np.concatenate([part[1] for part in tests]) == names[counts.argmax()]))
    return row


def run(root: str | None, *, n_shuffles: int = 50, targets: Sequence[str] = TARGETS) -> list[dict[str, Any]]:
    """Return all rows of the table."""
    found = sessions_of(root)
    own = [trials_of(session) for session in found]
    shared = [trials_of(session, shared=True) for session in found]
    rows = []
    for target in targets:
        for session in own:
            row, _ = decode([session], target, n_shuffles=n_shuffles)
            rows.append({"where": f"within {session.session.removesuffix('-counts')}", "features": "units", **row})
        row, _ = decode(own, target, n_shuffles=0)
        rows.append({"where": "within, all sessions", "features": "units", **row})
    for target in targets:
        row, _ = decode(shared, target, n_shuffles=n_shuffles)
        rows.append({"where": "within, shared features", "features": "shared", **row})
        mice = sorted({session.animal for session in shared})
        for mouse in mice:
            own_sessions = [session for session in shared if session.animal == mouse]
            for session in own_sessions if len(own_sessions) > 1 else ():
                others = [other for other in own_sessions if other is not session]
                row = across(others, [session], target, n_shuffles=n_shuffles)
                name = session.session.removesuffix("-counts")
                rows.append({"where": f"{mouse}, other sessions → {name}", "features": "shared", **row})
            rest = [session for session in shared if session.animal != mouse]
            if rest:
                row = across(rest, own_sessions, target, n_shuffles=n_shuffles)
                rows.append({"where": f"other animals → {mouse}", "features": "shared", **row})
    return rows


def main(argv: Sequence[str] | None = None) -> int:
    """Print the table."""
    return report(__doc__, argv, run, n_shuffles=50)


if __name__ == "__main__":
    raise SystemExit(main())
