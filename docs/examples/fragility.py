"""Neural fragility of a seizure's onset, from windows of a stored recording, beside the published map.

Fragility of a contact (Li et al. 2021, Nat Neurosci 24:1465-1474, doi:10.1038/s41593-021-00901-w): in every window the
signals are taken as a linear system, x(t + 1) = A x(t). How little must the connections of one contact change until the
system is no longer stable? Small changes mean fragile contacts, 1; the most robust contact of the window has 0.

The paper leaves the regression open. The conventions here are those of EZFragility 2.1.1 (Wang et al., CRAN), which
published the map of patient pt01's first seizure in OpenNeuro ds003029 (doi:10.18112/openneuro.ds003029.v1.0.5).

    python docs/examples/fragility.py FOLDER     (with pt01_sz1_epoch.npz, pt01_sz1_fragility.npz and channels.tsv)
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import rankdata, spearmanr

from connectome import schema, store
from connectome.loaders.recordings.windows import WindowSource

Array = np.ndarray[Any, Any]
WINDOW, STEP = 250, 125
"""Samples, 250 and 125 ms at 1,000 Hz (Li et al. 2021)."""
LOWEST, HIGHEST, HALVINGS = 1e-4, 10.0, 20
"""Between which strengths of the ridge the weakest stable one is sought, and in how many halvings."""
N_FREQUENCIES = 100
"""Points of the unit circle that an eigenvalue may be moved to; their imaginary parts are evenly spaced in (0, 1]."""


@dataclass(frozen=True)
class FragilityMap:
    """Fragility of every contact in every window."""

    fragility: Array
    """Shape (contact, window), 0 (the most robust of the window) to below 1."""
    rank: Array
    """The same shape: rank among the contacts of the window, over their number."""
    r2: Array
    """The same shape: share of the next sample's variance that the system explains."""
    strength: Array
    """Shape (window,): of the ridge."""
    start: Array
    """Shape (window,): first sample."""


def spread(now: Array, after: Array) -> tuple[Array, Array, Array]:
    """Return what all strengths share: eigenvalues and eigenvectors of the covariance, and the targets along them."""
    values, vectors = np.linalg.eigh(now @ now.T)
    return values, vectors, after @ now.T @ vectors


def system(parts: tuple[Array, Array, Array], after: Array, strength: float) -> Array:
    """Return A of ``after = A @ now``, row by row a ridge regression without an intercept.

    The penalty of a row is ``n * strength / rms(row)``: what glmnet (Friedman et al. 2010,
    doi:10.18637/jss.v033.i01) makes of a strength, because it scales the target itself; EZFragility keeps it.
    """
    values, vectors, projected = parts
    n = after.shape[1]
    penalty = n * strength / np.sqrt((after**2).mean(axis=1))
    matrix: Array = (projected / (values + penalty[:, None])) @ vectors.T
    return matrix


def is_stable(matrix: Array) -> bool:
    """Tell whether all eigenvalues lie inside the unit circle."""
    return bool(np.abs(np.linalg.eigvals(matrix)).max() < 1.0)


def weakest_stable(now: Array, after: Array) -> tuple[Array, float]:
    """Return the system of the lowest strength that makes it stable, by halving, and the strength."""
    parts = spread(now, after)
    low, high = LOWEST, HIGHEST
    best, chosen = system(parts, after, low), low
    if is_stable(best):
        return best, chosen
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        tried = system(parts, after, middle)
        if is_stable(tried):
            best, chosen, high = tried, middle, middle
        else:
            low = middle
    return best, chosen


def perturbation(matrix: Array) -> Array:
    """Return, for every contact, the norm of the least change of its connections that moves an eigenvalue out.

    With r and i the real and imaginary part of the contact's row of (A - z I)^-1, the least change for one z on the
    unit circle has the squared norm ``i.i / (i.i * r.r - (i.r)^2)``: the solution of smallest norm of B g = (0, -1),
    B having the rows i and r (Li et al. 2021, Methods).
    """
    imaginary = np.linspace(0, 1, N_FREQUENCIES + 1)[1:]
    least = np.full(len(matrix), np.inf)
    for target in np.sqrt(1 - imaginary**2) + 1j * imaginary:
        inverse = np.linalg.inv(matrix - target * np.eye(len(matrix)))
        real, imag = inverse.real, inverse.imag
        across = (real * imag).sum(axis=1)
        length = (imag**2).sum(axis=1)
        least = np.minimum(least, np.sqrt(length / (length * (real**2).sum(axis=1) - across**2)))
    return least


def fragility_map(windows: Array, *, start: Array) -> FragilityMap:
    """Return the map of windows.

    Parameters
    ----------
    windows : numpy.ndarray
        Shape (window, contact, time), in any unit: scaled by a power of ten, the same for all.
    start : numpy.ndarray
        Shape (window,): first sample of each.
    """
    # The penalty depends on the scale, so the largest sample is brought to between 1 and 10.
    scaled = windows / 10.0 ** np.floor(np.log10(windows.max()))
    columns, explained, strengths = [], [], []
    for window in scaled:
        now, after = window[:, :-1], window[:, 1:]
        matrix, strength = weakest_stable(now, after)
        change = perturbation(matrix)
        columns.append((change.max() - change) / change.max())
        left = ((after - matrix @ now) ** 2).sum(axis=1)
        explained.append(1 - left / ((after - after.mean(axis=1, keepdims=True)) ** 2).sum(axis=1))
        strengths.append(strength)
    fragility = np.stack(columns, axis=1)
    return FragilityMap(
        fragility,
        rankdata(fragility, axis=0) / len(fragility),
        np.stack(explained, axis=1),
        np.array(strengths),
        start,
    )


def stored_windows(clip: Path, root: Path) -> tuple[Array, Array, list[str]]:
    """Write a clip into a store and read its windows back: the windows, their first samples, the contacts."""
    with np.load(clip, allow_pickle=False) as arrays:
        signal, rate, names = arrays["data"], float(arrays["sfreq"]), arrays["channels"].tolist()
        start_s = Fraction(round(float(arrays["time"][0]) * rate)) / Fraction(rate)
    # The publisher filtered and re-referenced the clip and states no unit.
    group = schema.series(
        signal, channel=names, units="1", long_name="ECoG, arbitrary unit", rate_hz=Fraction(rate), start_s=start_s
    )
    repository = store.Repository(root)
    receipt = store.write_record(
        schema.record({"signal": group}),
        repository.folder("fragility"),
        record="pt01-seizure1",
        recipe=store.Recipe(source="ezfragility", source_version="2.1.1", inputs=()),
        staging=repository.staging,
    )
    repository.commit("fragility", [receipt])
    source = WindowSource("fragility", group="signal", window=WINDOW, stride=STEP, dtype="float64", root=root)
    found = source.windows(range(len(source)))
    return found.signal, found.start, names


def compare(folder: Path, root: Path) -> dict[str, Any]:
    """Recompute the map of a folder's clip, and say how far it is from the published one."""
    windows, start, names = stored_windows(folder / "pt01_sz1_epoch.npz", root)
    ours = fragility_map(windows, start=start)
    with np.load(folder / "pt01_sz1_fragility.npz", allow_pickle=False) as arrays:
        theirs = {name: arrays[name] for name in ("frag", "frag_ranked", "R2", "lambdas")}
    contacts = pd.read_csv(folder / "channels.tsv", sep="\t", dtype=str).set_index("name").loc[names]
    onset_zone = (contacts["soz"] == "1").to_numpy()
    mean = ours.fragility.mean(axis=1)
    return {
        "shape": list(ours.fragility.shape),
        "largest_difference": float(np.abs(ours.fragility - theirs["frag"]).max()),
        "rank_correlation": float(spearmanr(ours.fragility.ravel(), theirs["frag"].ravel()).statistic),
        "ranks_that_differ": int((np.abs(ours.rank - theirs["frag_ranked"]) > 1e-9).sum()),
        "largest_difference_r2": float(np.abs(ours.r2 - theirs["R2"]).max()),
        "largest_difference_strength": float(np.abs(ours.strength - theirs["lambdas"]).max()),
        "n_raised_strengths": int((ours.strength > LOWEST).sum()),
        "n_onset_zone": int(onset_zone.sum()),
        "mean_onset_zone": float(mean[onset_zone].mean()),
        "mean_elsewhere": float(mean[~onset_zone].mean()),
        "auc_onset_zone": float((mean[onset_zone][:, None] > mean[~onset_zone]).mean()),
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Print the comparison as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="with the clip, the published map and channels.tsv")
    args = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as root:
        found = compare(args.folder, Path(root))
    sys.stdout.write(json.dumps(found, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
