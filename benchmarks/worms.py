"""Generated worms in the published shape of the corpus of Simeon et al. (arXiv 2411.12091): 912 recordings, 12 sets.

How many worms, and how many neurons are recorded and named on average, are published; see ``SETS``. The numbers of
samples are not (the paper gives durations as a figure only): plausible ones are chosen here, never
below the 600 samples that the authors ask for. Nothing here was measured on an animal.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from connectome.celegans_neurons import HERMAPHRODITE_NEURONS

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["N_WORMS", "SETS", "SLOTS", "Recording", "Worm", "WormSet", "load_raw", "make_tree", "worms", "write_raw"]

Array = np.ndarray[Any, Any]


class WormSet(NamedTuple):
    """One set: published counts, chosen clock."""

    name: str
    n_worms: int
    n_named: int
    """Published mean of named neurons."""
    n_recorded: int
    """Published mean of recorded neurons."""
    n_samples: int
    """Chosen."""
    rate_hz: float
    """Chosen."""


SETS = (
    WormSet("kato2015", 12, 42, 127, 3137, 2.9),
    WormSet("nichols2017", 44, 34, 108, 3137, 2.9),
    WormSet("skora2018", 12, 46, 129, 3137, 2.9),
    WormSet("kaplan2020", 19, 36, 114, 3137, 2.9),
    WormSet("nejatbakhsh2020", 21, 173, 175, 960, 4.0),
    WormSet("yemini2021", 49, 110, 110, 960, 4.0),
    WormSet("uzel2022", 6, 50, 138, 3137, 2.9),
    WormSet("dag2023", 7, 100, 143, 1600, 1.7),
    WormSet("leifer2023", 103, 63, 67, 2000, 2.0),
    WormSet("lin2023", 577, 8, 8, 960, 4.0),
    WormSet("flavell2023", 40, 88, 136, 1600, 1.7),
    WormSet("venkatachalam2024", 22, 187, 187, 640, 2.67),
)
N_WORMS = sum(item.n_worms for item in SETS)
SLOTS = tuple(sorted(name for name in HERMAPHRODITE_NEURONS if name not in {"CANL", "CANR"}))
"""The 300 slots of the published corpus: hermaphrodite neurons without CANL and CANR (as Cook 2019), as text."""
_SAMPLE_RANGE = 40
"""A worm has up to this many samples more or fewer than its set."""


@dataclass(frozen=True)
class Worm:
    """Which worm of which set, and where its raw file lies."""

    set: WormSet
    number: int
    raw: Path

    @property
    def record(self) -> str:
        """Id of the record."""
        return f"{self.set.name}-{self.number:03d}"


@dataclass(frozen=True)
class Recording:
    """What a raw file holds."""

    traces: Array
    """Shape (neuron, time), float64."""
    time_s: Array
    """Shape (time,), float64."""
    labels: tuple[str, ...]
    """One per neuron; empty where it has no name."""


def worms(scale: float, raw: Path, *, length: float = 1.0) -> list[Worm]:
    """Return the worms of a corpus.

    Parameters
    ----------
    scale : float
        Part of the worms of every set, rounded, at least one of each.
    raw : Path
        Folder of the raw files.
    length : float
        Part of the samples of every worm.
    """
    sets = [item._replace(n_samples=max(2 * _SAMPLE_RANGE, round(item.n_samples * length))) for item in SETS]
    return [
        Worm(item, number, raw / f"{item.name}-{number:03d}.npz")
        for item in sets
        for number in range(max(1, round(item.n_worms * scale)))
    ]


def write_raw(worm: Worm) -> None:
    """Generate a worm and write its raw file: what both sides read, and what neither is timed for making."""
    generator = np.random.default_rng([SETS_ORDER[worm.set.name], worm.number])
    n_samples = worm.set.n_samples + int(generator.integers(-_SAMPLE_RANGE, _SAMPLE_RANGE + 1))
    # Smooth noise: a moving sum of white noise, whose spectrum falls off as that of calcium does.
    white = generator.normal(size=(worm.set.n_recorded, n_samples + 15)).cumsum(axis=1)
    traces = (white[:, 15:] - white[:, :-15]) / 4
    time_s = np.arange(n_samples) / worm.set.rate_hz + generator.uniform(0, 1e-3, size=n_samples)
    named = generator.choice(len(SLOTS), size=worm.set.n_named, replace=False)
    labels = [SLOTS[at] for at in named] + [""] * (worm.set.n_recorded - worm.set.n_named)
    np.savez(worm.raw, traces=traces, time_s=time_s, labels=np.array(generator.permutation(labels)))


SETS_ORDER = {item.name: at for at, item in enumerate(SETS)}


def load_raw(worm: Worm) -> Recording:
    """Read a raw file."""
    with np.load(worm.raw, allow_pickle=False) as file:
        return Recording(file["traces"], file["time_s"], tuple(file["labels"].tolist()))


def make_tree(worm: Worm) -> xr.DataTree:
    """Read a raw file into a record, as an adapter of a source does."""
    from connectome import schema
    from connectome.pipelines.formats.worms.celegans_record import SPECIES, neuron_table
    from connectome.pipelines.homogenise.celegans_names import match_labels

    found = load_raw(worm)
    rois = [f"roi{at}" for at in range(len(found.labels))]
    activity = schema.series(
        found.traces, channel=rois, units="1", long_name="Generated fluorescence", time_s=found.time_s
    )
    identities = neuron_table(rois, match_labels(found.labels))
    return schema.record(
        {"activity": activity, "neuron": identities},
        title=f"Generated worm in the shape of {worm.set.name}",
        subject=worm.record,
        species=SPECIES,
        study=worm.set.name,
    )
