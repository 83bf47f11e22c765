"""Generated sessions of spikes: different units, clocks and observed times; every number in them is made up here."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from connectome import schema
from connectome.schema import category, column

if TYPE_CHECKING:
    import xarray as xr

SCENES = ("bear", "tree", "cheetah")
OBSERVED = {"s1": [(0.0, 12.0)], "s2": [(1.5, 6.02), (6.5, 14.0)], "s3": [(-2.0, 3.0), (3.0, 9.0)]}
CLOCKS: dict[str, tuple[Fraction | None, float]] = {
    "s1": (Fraction(30_000), 0.0),
    "s2": (None, 0.0),
    "s3": (Fraction(2999997, 100), -2.5),
}
N_UNITS = {"s1": 4, "s2": 7, "s3": 1}


def session(name: str, *, n_spikes: int = 900, seed: int = 0) -> xr.DataTree:
    """Return a session; many of its spikes lie exactly on edges of 20 ms."""
    rng = np.random.default_rng([seed, list(CLOCKS).index(name)])
    rate, start_s = CLOCKS[name]
    low, high = OBSERVED[name][0][0], OBSERVED[name][-1][1]
    seconds = rng.uniform(low, high, size=n_spikes)
    seconds[::3] = np.round(seconds[::3] / 0.02) * 20 / 1000
    times: Any = np.sort(seconds) if rate is None else np.round((np.sort(seconds) - start_s) * float(rate)).astype(int)
    n_units = N_UNITS[name]
    units = {
        "quality": category("unit_id", ["good", "noise", "", "good", "good", "noise", "good"][:n_units],
                            ["good", "noise"], "Quality"),
        "snr": column("unit_id", np.array([3.0, 1.0, np.nan, 0.5, 2.0, 9.0, 2.5])[:n_units], "Signal to noise", "1"),
        "location": column("unit_id", ["VISp", "VISp", "LGd", "", "VISp", "LGd", "LGd"][:n_units], "Area"),
        "group": column("unit_id", np.array([0, 0, 1, 1, 2, 2, 2])[:n_units], "Electrode group", "1"),
    }  # fmt: skip
    onset = np.arange(low + 0.25, high - 0.5, 0.5)
    onset[2] = np.nan
    scene = [("", *SCENES)[at % 4] for at in range(len(onset))]
    # The same names, with other codes elsewhere.
    order = SCENES if name == "s1" else SCENES[::-1]
    groups = {
        "spikes": schema.events(
            times,
            rng.integers(0, n_units, size=n_spikes),
            unit_id=[f"{name}-{at}" for at in range(n_units)],
            observed_s=OBSERVED[name],
            tick_hz=rate,
            start_s=start_s,
            units=units,
        ),
        "stimulus/scenes": schema.table(
            {
                "start_time": column("row", onset, "Start", "s"),
                "scene": category("row", scene, order, "Image"),
                "frame": column("row", np.arange(len(onset)) % 3, "Frame", "1"),
                "contrast": column("row", np.where(np.arange(len(onset)) % 5, 0.8, np.nan), "Contrast", "1"),
                "word": column("row", [("go", "", "stay")[at % 3] for at in range(len(onset))], "Instruction"),
            }
        ),
    }
    if name != "s3":
        stamps = np.arange(low - 1, high + 1, 1 / 60)
        groups["running"] = schema.series(
            np.stack([np.sin(stamps), stamps]), channel=["wheel", "clock"], units="cm/s", long_name="Generated speed",
            time_s=stamps,
        )  # fmt: skip
    return schema.record(groups, subject=f"mouse-{name}")


def sessions() -> dict[str, xr.DataTree]:
    """Return three sessions by name."""
    return {name: session(name) for name in CLOCKS}
