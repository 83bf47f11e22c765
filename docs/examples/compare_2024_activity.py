"""The activity part of the 2024 release by its own rules, on real recordings, against what is stored here.

    connectome ingest celegans-activity --mirror RAW --allow-missing
    connectome ingest celegans-connectomes --mirror RAW
    python docs/examples/compare_2024_activity.py --raw RAW

RAW is a folder with the files of Dag et al. (2023) in ``dag2023/`` and the release's tables of neurons in
``neuron_metadata/``, under the names that their publishers give. Prints the tables on activity of
docs/explanation/what-differs-from-the-2024-release.md.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
from compare_2024 import markdown

from connectome.loaders.recordings.moments import Moments, causal_moments
from connectome.loaders.recordings.resampling import regular_times, resample
from connectome.loaders.recordings.smoothing import smooth
from connectome.loaders.worms.simeon2024 import SLOTS, to_predecessor_rows
from connectome.pipelines.derived.simeon2024 import names_of_release
from connectome.pipelines.formats.worms.neuropal_labels import labelled_animals, read_labels
from connectome.pipelines.homogenise.celegans_names import match_label
from connectome.pipelines.sources.published_2024 import PUBLISHED
from connectome.schema import decode, groups
from connectome.store import open_version

Array = np.ndarray[Any, Any]
LABELLED = ("2022-07-26-31", "2022-07-27-38", "2022-07-27-45")
ANIMALS = ("2022-01-16-01", *LABELLED)
MALFORMED = "2022-05-02-01"
TIME_STEP_S = 0.333
"""The release's step of resampled time, which it stores in half precision."""
RATE_HZ = 1 / TIME_STEP_S
SMOOTHED_SAMPLES = 15 // 2 + 1
"""The release asks for a window of 15 and takes the mean of this sample and the seven before."""
OWN_WIDTH_S = 3.0
"""A box of ours to compare with."""
FAST_STEP_S = 0.25
"""A recording at 4 Hz, as those of Nejatbakhsh et al. and of Yemini et al. are."""
FINE_STEPS = 6
"""Of a recording that is faster than its step, the release averages six interpolated values."""


def recording(version: Any, animal: str) -> tuple[Array, Array]:
    """Return traces (roi, time) and stamps from 0."""
    dataset = version.open(f"dag2023-{animal}")["activity"].to_dataset()
    stamps = dataset["time"].values
    return dataset["signal"].values, stamps - stamps[0]


def nearest_name(label: str, left: Sequence[str]) -> str:
    """The release's rule: most equal letters at equal places, '?' taken off; the first by alphabet of the best."""
    wanted = label.replace("?", "")
    return max(left, key=lambda name: sum(one == other for one, other in zip(wanted, name, strict=False)))


def names(path: Path) -> str:
    """D3 and D4: what became of labels and of the animals that have them."""
    listed = sorted(names_of_release())
    animals, total = labelled_animals(path), 0
    changed: Counter[str] = Counter()
    for animal in animals:
        left = list(listed)
        for item in read_labels(path, uid=animal):
            given = nearest_name(item.label, left)
            left.remove(given)
            total += 1
            if given != item.label:
                changed[match_label(item.label).status] += 1
    # The release looks for its labels under the file's name, from which it strips a set of letters, not an ending.
    found = [animal for animal in animals if f"{animal}-data.h5".strip("-data.h5") == animal]  # noqa: B005
    return markdown(
        "Names of neurons (Dag et al. 2023)",
        ["", "n"],
        [
            ("animals with labels", len(animals)),
            ("animals whose labels the release finds", len(found)),
            ("labels of all animals", total),
            ("labels that its nearest-name rule changes", changed.total()),
            ("of them without a side (`SAAD?`), which is made up", changed["ambiguous"]),
            ("of them zero-padded (`VB02`), which becomes another cell (VA12)", changed["normalised"]),
            ("of them a name of its own, which a doubled label pushed to another cell", changed["exact"]),
        ],
    )


def half_precision(version: Any) -> str:
    """D6: stamps that become the same number."""

    def row(name: str, times: Array) -> tuple[object, ...]:
        stored = times.astype(np.float16)
        repeated = 1 - len(np.unique(stored)) / len(stored)
        return name, len(times), f"{100 * repeated:.0f} %", f"{np.abs(stored - times).max():.2f}", "0 %"

    rows = [row(f"{length:,} s", np.arange(0, length, TIME_STEP_S)) for length in (960, 1600, 3240)]
    for animal in ANIMALS:
        stamps = recording(version, animal)[1]
        rows.append(row(animal, np.arange(stamps[0], stamps[-1], TIME_STEP_S)))
    return markdown(
        f"Time in half precision, at the release's step of {TIME_STEP_S} s",
        ["recording", "stamps", "repeated", "largest error (s)", "repeated in double precision"],
        rows,
    )


def standardised(values: Array) -> Array:
    """The release: mean and deviation of the whole recording."""
    scaled: Array = (values - values.mean(axis=1, keepdims=True)) / values.std(axis=1, keepdims=True)
    return scaled


def bridged(values: Array, stamps: Array) -> Array:
    """The release: missing samples on a line between their neighbours, of which one is later."""
    filled = values.copy()
    for row in filled:
        known = ~np.isnan(row)
        row[~known] = np.interp(stamps[~known], stamps[known], row[known])
    return filled


def scaled_by_the_past(values: Array, _: Array) -> Array:
    moments = causal_moments(values, np.ones(values.shape, dtype=bool), Moments.none(len(values)))
    with np.errstate(invalid="ignore", divide="ignore"):
        made: Array = (values - moments.mean) / moments.std()
    return made


def look_ahead(version: Any) -> str:
    """D7: outputs before a moment that change when the samples after it do."""
    values, stamps = recording(version, LABELLED[0])
    values = values[values.std(axis=1) > 0]
    middle = values.shape[1] // 2
    later = values.copy()
    later[:, middle:] = values[:, middle:][:, ::-1] * 1.5

    def hole(signal: Array) -> Array:
        holed = signal.copy()
        holed[:, middle - 20 : middle] = np.nan
        return holed

    ways = {
        "release: z-score of the whole recording": lambda x, _: standardised(x),
        "release: residual by central differences": lambda x, t: np.gradient(x, t, axis=1),
        "release: 20 missing samples filled along a line": lambda x, t: bridged(hole(x), t),
        "ours: `CausalZScore`": scaled_by_the_past,
        f"ours: `smooth`, causal box of {OWN_WIDTH_S:g} s": lambda x, t: smooth(
            x, t, kernel="boxcar", width_s=OWN_WIDTH_S, causal=True
        )[0],
        "ours: 20 missing samples, smoothed": lambda x, t: smooth(
            hole(x), t, kernel="exponential", width_s=OWN_WIDTH_S, causal=True
        )[0],
    }
    rows = []
    for name, way in ways.items():
        before, after = way(values, stamps)[:, :middle], way(later, stamps)[:, :middle]
        same = (before == after) | (np.isnan(before) & np.isnan(after))
        rows.append((name, before.size, int((~same).sum())))
    return markdown(
        f"Values before the middle of {LABELLED[0]} that change when those after it do",
        ["step", "values before", "of them changed"],
        rows,
    )


def smoothed_as_released(values: Array) -> Array:
    sums = np.cumsum(np.pad(values, (SMOOTHED_SAMPLES, 0)))
    made: Array = (sums[SMOOTHED_SAMPLES:] - sums[:-SMOOTHED_SAMPLES]) / SMOOTHED_SAMPLES
    return made


def delays(version: Any) -> str:
    """D8: how late a smoothed ramp is, once the box is full."""
    clocks = {f"{1 / FAST_STEP_S:g} Hz": np.arange(0, 200, FAST_STEP_S)}
    clocks |= {animal: recording(version, animal)[1] for animal in (LABELLED[0], ANIMALS[0])}
    rows = []
    for name, stamps in clocks.items():
        full = slice(2 * SMOOTHED_SAMPLES, None)
        own, _ = smooth(stamps[None], stamps, kernel="boxcar", width_s=OWN_WIDTH_S, causal=True)
        exponential, _ = smooth(stamps[None], stamps, kernel="exponential", width_s=OWN_WIDTH_S, causal=True)
        step = float(np.median(np.diff(stamps)))
        rows.append(
            (
                name,
                f"{step:.3f}",
                f"{SMOOTHED_SAMPLES * step:.2f}",
                f"{np.median((stamps - smoothed_as_released(stamps))[full]):.2f}",
                f"{np.median((stamps - own[0])[full]):.2f}",
                f"{np.median((stamps - exponential[0])[full]):.2f}",
            )
        )
    return markdown(
        f"Delay of smoothing: the release's mean of {SMOOTHED_SAMPLES} samples, and ours over {OWN_WIDTH_S:g} s",
        ["recording", "step (s)", "release: length (s)", "release: delay (s)", "ours, box: delay (s)",
         "ours, exponential: delay (s)"],
        rows,
    )  # fmt: skip


def resampled(version: Any) -> str:
    """D9: stamps that hold no measurement of their own, the end that is lost, and a gap that is bridged."""
    rows = []
    for animal in ANIMALS:
        values, stamps = recording(version, animal)
        theirs = np.arange(stamps[0], stamps[-1], TIME_STEP_S)
        slot = np.floor((stamps - stamps[0]) * RATE_HZ + 0.5).astype(np.int64)
        invented = len(theirs) - len(set(slot[slot < len(theirs)].tolist()))
        ours = resample(values[:1], stamps, rate_hz=RATE_HZ, max_gap_s=2.0, method="mean")
        # A minute of it cut out: what stands in the gap?
        kept = (stamps < 120) | (stamps >= 180)
        inside = (theirs > stamps[stamps < 120][-1]) & (theirs < stamps[stamps >= 180][0])
        cut = resample(values[:1, kept], stamps[kept], rate_hz=RATE_HZ, max_gap_s=2.0, method="linear")
        held = (cut.time_s > stamps[stamps < 120][-1]) & (cut.time_s < stamps[stamps >= 180][0])
        rows.append(
            (
                animal,
                len(stamps),
                len(theirs),
                f"{100 * invented / len(theirs):.0f} %",
                f"{100 * (~ours.mask[0]).mean():.0f} %",
                int(inside.sum()),
                int(cut.mask[0][held].sum()),
            )
        )
    return markdown(
        f"Resampling to {TIME_STEP_S} s",
        ["recording", "samples", "stamps of the release", "of them without a sample of their own",
         "ours (`mean`): masked", "release: values in a minute cut out", "ours: values in it"],
        rows,
    )  # fmt: skip


def stamped(version: Any) -> str:
    """D9: where in time a mean lies, measured on a ramp."""
    stamps = np.arange(0, 300, FAST_STEP_S)
    fine = np.arange(stamps[0], stamps[-1], TIME_STEP_S / FINE_STEPS)
    fine = fine[: len(fine) // FINE_STEPS * FINE_STEPS]
    means = np.interp(fine, stamps, stamps).reshape(-1, FINE_STEPS).mean(axis=1)
    edges = fine[::FINE_STEPS]
    ours = resample(stamps[None], stamps, rate_hz=RATE_HZ, max_gap_s=1.0, method="mean")
    valid = ours.mask[0]
    slow = recording(version, LABELLED[0])[1]
    last = np.arange(slow[0], slow[-1], TIME_STEP_S)[-1]
    return markdown(
        "Stamps of resampled values",
        ["", "release", "ours"],
        [
            (
                f"value of a ramp at {1 / FAST_STEP_S:g} Hz less its stamp, mean (s)",
                f"{(means - edges).mean():.3f}",
                f"{abs((ours.signal[0] - ours.time_s)[valid].mean()):.3f}",
            ),
            (
                "a recording of 600 samples at 0.333 s loses its last sample",
                "yes" if len(np.arange(0, 599 * TIME_STEP_S, TIME_STEP_S)) < 600 else "no",
                "yes" if len(regular_times(np.arange(600) * TIME_STEP_S, rate_hz=RATE_HZ)) < 600 else "no",
            ),
            (f"last stamp of {LABELLED[0]} before its end (s)", f"{slow[-1] - last:.3f}", "-"),
        ],
    )


def padding(version: Any) -> str:
    """D10: zeros that stand for absent neurons, and neurons in slots of others."""
    made = to_predecessor_rows(version, records=[f"dag2023-{animal}" for animal in LABELLED], step_s=None)
    rows = []
    for animal in LABELLED:
        table = version.open(f"dag2023-{animal}")["neuron"].to_dataset()
        named = {
            str(name)
            for name, status in zip(table["neuron"].values, decode(table["status"]), strict=True)
            if status in {"exact", "normalised"}
        }
        n_rois = table.sizes["row"]
        free = np.array([at for at, name in enumerate(SLOTS) if name not in named])
        one, other = (np.random.default_rng(seed).choice(free, n_rois - len(named), replace=False) for seed in (0, 1))
        own = [row for row in made.rows if row["record"] == f"dag2023-{animal}"]
        placed = sum(row["slot"] is not None and not row["is_labeled_neuron"] for row in own)
        rows.append(
            (animal, n_rois, len(named), len(SLOTS) - n_rois, n_rois - len(named), int((one == other).sum()), placed)
        )
    return markdown(
        "300 slots per worm",
        ["animal", "ROIs", "with a sure name", "slots of zeros in the release", "ROIs in a slot of another neuron",
         "of them in the same slot in a second run", "ours: ROIs in a slot of another neuron"],
        rows,
    )  # fmt: skip


def kept(version: Any) -> str:
    """D11: what the file holds beside traces and stamps."""
    rows = []
    for animal in ANIMALS:
        tree = version.open(f"dag2023-{animal}")
        found = dict(groups(tree))
        neuron = found["/neuron"]
        more = [f"{path.strip('/')} {'x'.join(map(str, item.sizes.values()))}" for path, item in found.items()
                if path not in {"/activity", "/neuron", "/behaviour", "/reversal_event", "/nir_frame"}]  # fmt: skip
        confident = int(np.isfinite(neuron["confidence"].values).sum()) if "confidence" in neuron else 0
        rows.append(
            (
                animal,
                neuron.sizes["row"],
                confident,
                found["/behaviour"].sizes["channel"],
                found["/reversal_event"].sizes["row"],
                found["/nir_frame"].sizes["row"],
                len(more),
                f"{tree.attrs['strain']}; {tree.attrs['condition']}",
            )
        )
    table = markdown(
        "What our records hold of the files of Dag et al., and the release does not",
        ["animal", "ROI numbers", "confidence of labels", "behaviour channels", "reversals", "camera stamps",
         "further groups", "strain and condition"],
        rows,
    )  # fmt: skip
    rejected = {item["file"] for item in version.manifest.rejected if item["file"].startswith("dag2023/")}
    used = {
        item["path"]
        for record in version.manifest.records.values()
        for item in record.recipe["inputs"]
        if item["path"].startswith("dag2023/")
    }
    census = markdown(
        "Files of Dag et al. that are listed",
        ["listed", "used", "rejected, each with a reason"],
        [(len(used | rejected), len(used), len(rejected))],
    )
    return f"{table}\n\n{census}"


def form(version: Any) -> str:
    """D12: what has to be read to have one worm."""
    largest = max(PUBLISHED.values(), key=lambda item: item.worms)
    shapes = [recording(version, animal)[0].shape for animal in ANIMALS]
    return markdown(
        "Form of the data",
        ["", "release", "ours"],
        [
            ("files of the corpus", len(PUBLISHED), sum(item.worms for item in PUBLISHED.values())),
            (f"worms that are read to have one of {largest.name}", largest.worms, 1),
            ("copies of the clock of the four animals above", sum(shape[0] for shape in shapes), len(shapes)),
        ],
    )


def coordinates(folder: Path, connectomes: Any) -> str:
    """D14: two of the release's own tables against each other, and ours."""
    sheet = pd.read_csv(folder / "neuron_master_sheet.csv").set_index("label")
    atlas = pd.read_csv(folder / "LowResAtlasWithHighResHeadsAndTails.csv", names=["label", "x", "y", "z"])
    atlas = atlas.set_index("label").loc[sheet.index]
    graph = connectomes.open("cook2019-hermaphrodite")["connectome"].to_dataset()
    ours = pd.DataFrame({axis: graph[axis].values for axis in "xyz"}, index=graph["node"].values.astype(object))
    ours = ours.loc[sheet.index]
    words = Counter(sheet["neurotransmitter"].dropna())
    spelled = {word: n for word, n in words.items() if word.lower() == "ach"}
    told = {str(word).split(" (")[0] for word in graph["transmitter"].values if "cetylcholine" in str(word)}
    differ = (sheet[["x", "y", "z"]].to_numpy() != atlas.to_numpy()).any(axis=1)
    swapped = (sheet[["y", "x", "z"]].to_numpy() == atlas.to_numpy()).all(axis=1)
    return markdown(
        "Positions and transmitters of the 300 neurons",
        ["", "n"],
        [
            ("neurons in the release's sheet", len(sheet)),
            ("of them at another place than in the atlas it comes from", int(differ.sum())),
            ("of them at that place with x and y exchanged", int((swapped & differ).sum())),
            ("ours at the place of the atlas", int((ours.to_numpy() == atlas.to_numpy()).all(axis=1).sum())),
            ("ours: axes with a unit and a stated direction", sum("axis" in graph[axis].attrs for axis in "xyz")),
            *((f"spelled `{word}` in the release's sheet", n) for word, n in sorted(spelled.items())),
            ("ours: spellings of " + ", ".join(sorted(told)), len(told)),
        ],
    )


def traps(folder: Path, version: Any) -> str:
    """D15: what the arrays of a recording are, whatever they are called."""
    rows: list[tuple[object, ...]] = []
    for animal in (*ANIMALS, MALFORMED):
        with h5py.File(folder / f"{animal}-data.h5") as file:
            raw, scored, ratio = (
                file[f"gcamp/{name}"][()] for name in ("trace_array_original", "trace_array", "traces_array_F_F20")
            )
            n_stamps = len(file["timing/timestamp_confocal"])
        with np.errstate(invalid="ignore", divide="ignore"):
            by_score = np.nanmax(np.abs((raw - raw.mean(axis=0)) / raw.std(axis=0, ddof=1) - scored))
            by_mean = np.nanmax(np.abs(raw / raw.mean(axis=0) - ratio))
            by_20 = np.nanmax(np.abs(raw / np.percentile(raw, 20, axis=0) - ratio))
        here = f"dag2023-{animal}" in version.manifest.records
        errors = tuple(f"{error:.0e}" for error in (by_score, by_mean, by_20))
        rows.append((animal, len(raw), n_stamps, *errors, "yes" if here else "turned away, with the reason"))
    return markdown(
        "Arrays of Dag et al.: largest difference from what they are said to be",
        ["recording", "frames", "stamps", "`trace_array` from a z-score of the whole recording",
         "`traces_array_F_F20` from F / mean(F)", "from F / 20th percentile", "in our store"],
        rows,
    )  # fmt: skip


def releases(connectomes: Any) -> str:
    """D15: one annotation in two releases."""

    def pairs(record: str) -> dict[tuple[Any, ...], float]:
        graph = connectomes.open(record)["connectome"].to_dataset()
        labels = graph["source_label"].values.astype(object)
        kinds = decode(graph["edge_type"])
        found: dict[tuple[Any, ...], float] = {}
        for kind, one, other, weight in zip(
            kinds, graph["source"].values, graph["target"].values, graph["weight"].values, strict=True
        ):
            ends = (labels[one], labels[other])
            if kind == "chemical":
                found["chemical", *ends] = float(weight)
            elif kind == "gap_junction_listed":
                found["gap", frozenset(ends)] = found.get(("gap", frozenset(ends)), 0.0) + float(weight)
        return found

    one, other = pairs("witvliet2020-7.wormneuroatlas"), pairs("witvliet2020-7.tsv")
    both = set(one) & set(other)
    return markdown(
        "Witvliet et al., adult 7, in two releases (gap junctions without direction)",
        ["", "n"],
        [
            ("edges in both", len(both)),
            ("only in that of wormneuroatlas", len(set(one) - set(other))),
            ("of them gap junctions", sum(key[0] == "gap" for key in set(one) - set(other))),
            ("only in that of the release of 2024", len(set(other) - set(one))),
            ("in both with another count", sum(one[key] != other[key] for key in both)),
        ],
    )


def tables(raw: Path, root: str | None) -> list[str]:
    """Make every table."""
    version = open_version("celegans-activity", root=root)
    connectomes = open_version("celegans-connectomes", root=root)
    dag = raw / "dag2023"
    return [
        names(dag / "NeuroPAL_labels_dict.jld2"),
        half_precision(version),
        look_ahead(version),
        delays(version),
        resampled(version),
        stamped(version),
        padding(version),
        kept(version),
        form(version),
        coordinates(raw / "neuron_metadata", connectomes),
        traps(dag, version),
        releases(connectomes),
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--raw", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--root", metavar="DIR", help="the store; default as for the connectome command")
    given = parser.parse_args(arguments)
    print("\n\n".join(tables(given.raw, given.root)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
