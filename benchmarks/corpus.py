"""The whole corpus of worms, generated: the store and its loaders beside pickles of padded arrays, in one run.

Both ways start from the same raw files (``worms``), which are written before any clock runs. Every step runs in a
process of its own, so that peaks of memory are its own: those of the process, or of its largest worker where that held
more. ``CONNECTOME_BENCHMARK_SCALE`` (0 to 1; 1 is all 912 worms) says how many worms of every set are made; the default
is a twentieth.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .stages import part_of_whole, peak_bytes, print_figures, run_stage, timed
from .worms import N_WORMS, SLOTS, Worm, make_tree, worms, write_raw

SCALE = 0.05
"""Part of the worms of every set, by default."""
WINDOW, BATCH, EPOCHS, WORKERS = 100, 32, 3, 2
DATASET = "generated-corpus"


@dataclass(frozen=True)
class Corpus:
    """Where everything of one run lies, and how large it is."""

    root: Path
    scale: float
    length: float = 1.0

    def worms(self) -> list[Worm]:
        """Return its worms."""
        return worms(self.scale, self.root / "raw", length=self.length)

    @property
    def arguments(self) -> tuple[object, ...]:
        """What tells a stage in another process of it."""
        return (self.root, self.scale, self.length)

    @property
    def store(self) -> Path:
        """Root of our store."""
        return self.root / "store"

    @property
    def pickles(self) -> Path:
        """Folder of the padded arrays."""
        return self.root / "pickles"


@dataclass(frozen=True)
class Ingested:
    """One worm on its way into the store: what a runner sends to a worker."""

    worm: Worm
    store: Path

    def make(self) -> Any:
        """Read, check and write the record; return its receipt."""
        from connectome.store import Recipe, Repository, write_record
        from connectome.store.canonical import file_sha256

        raw = self.worm.raw
        file = {"path": raw.name, "sha256": file_sha256(raw), "bytes": raw.stat().st_size, "verified": True}
        repository = Repository(self.store)
        receipt = write_record(
            make_tree(self.worm),
            repository.folder(DATASET),
            record=self.worm.record,
            recipe=Recipe(source=self.worm.set.name, source_version="1", inputs=(file,)),
            staging=repository.staging,
        )
        repository.remember(DATASET, receipt)
        return receipt


def generate(corpus: Corpus) -> dict[str, Any]:
    """Write the raw files."""
    (corpus.root / "raw").mkdir()
    for worm in corpus.worms():
        write_raw(worm)
    return {}


def build_ours(corpus: Corpus, runner: str = "processes") -> dict[str, Any]:
    """Ingest every raw file as a record and commit a version."""
    from connectome.pipelines.runners import make_runner
    from connectome.store import Repository

    started = time.perf_counter()
    tasks = [Ingested(worm, corpus.store) for worm in corpus.worms()]
    with make_runner(runner, workers=WORKERS) as running:
        receipts = list(running.run(Ingested.make, tasks))
    made = time.perf_counter()
    commit = Repository(corpus.store).commit(DATASET, receipts)
    done = time.perf_counter()
    return {"build_s": done - started, "commit_s": done - made, "records": len(commit.manifest.records)}


def build_theirs(corpus: Corpus) -> dict[str, Any]:
    """Pad every raw file and pickle the sets."""
    from .padded import build

    started = time.perf_counter()
    build(corpus.worms(), corpus.pickles)
    return {"build_s": time.perf_counter() - started}


def look_ours(corpus: Corpus) -> dict[str, Any]:
    """Open the version, list its records, open one."""
    from connectome.store import open_version

    open_s, version = timed(lambda: open_version(DATASET, root=corpus.store))
    list_s, records = timed(lambda: version.records)
    record_s, _ = timed(lambda: version.open(records["record"].iloc[-1]))
    again_s, _ = timed(lambda: version.open(records["record"].iloc[0]))
    return {"open_s": open_s, "list_s": list_s, "first_record_s": record_s, "next_record_s": again_s}


def look_theirs(corpus: Corpus) -> dict[str, Any]:
    """List the worms: a pickle says what it holds only when all of it has been read."""
    from .padded import load

    listed_s, _ = timed(lambda: [(worm["source_dataset"], worm["worm"]) for worm in load(corpus.pickles)])
    return {"list_s": listed_s}


def train_stream(corpus: Corpus) -> dict[str, Any]:
    """Epochs of a shuffled stream with the view of 300 neurons."""
    from connectome.loaders.torch import WindowStream

    def make() -> Any:
        return WindowStream(DATASET, root=corpus.store, window=WINDOW, neurons=SLOTS, batch_size=BATCH, drop_last=False)

    return _epochs(make, lambda stream: stream)


def train_dataset(corpus: Corpus) -> dict[str, Any]:
    """Epochs of windows in random order, through a plain DataLoader."""
    from torch.utils.data import DataLoader

    from connectome.loaders.torch import WindowDataset

    def make() -> Any:
        return WindowDataset(DATASET, root=corpus.store, window=WINDOW, neurons=SLOTS)

    return _epochs(make, lambda dataset: DataLoader(dataset, batch_size=BATCH, shuffle=True))


def train_theirs(corpus: Corpus) -> dict[str, Any]:
    """Epochs over windows in memory, one collated from its items, cast to the float32 that a model needs."""
    from torch.utils.data import DataLoader

    from .padded import windows

    def batches(samples: Any) -> Iterable[Any]:
        for batch in DataLoader(samples, batch_size=BATCH, shuffle=True):
            batch["signal"] = batch["signal"].float()
            yield batch

    return _epochs(lambda: windows(corpus.pickles, window=WINDOW), batches)


def _epochs(make: Callable[[], Any], batches: Callable[[Any], Iterable[Any]]) -> dict[str, Any]:
    import torch  # so that its import is not part of the time to the first batch

    torch.manual_seed(0)
    started = time.perf_counter()
    data = make()
    made = time.perf_counter()
    next(iter(batches(data)))
    first = time.perf_counter()
    seconds, n_windows = [], 0
    for _ in range(EPOCHS):
        epoch_s, n_windows = timed(lambda: sum(len(batch["signal"]) for batch in batches(data)))
        seconds.append(epoch_s)
    return {
        "constructor_s": made - started,
        "first_batch_s": first - started,
        "windows": n_windows,
        "first_epoch_s": seconds[0],
        "windows_per_s": n_windows / statistics.median(seconds),
    }


STAGES: dict[str, Callable[[Corpus], dict[str, Any]]] = {
    "generate": generate,
    "build_ours": build_ours,
    "build_theirs": build_theirs,
    "look_ours": look_ours,
    "look_theirs": look_theirs,
    "train_stream": train_stream,
    "train_dataset": train_dataset,
    "train_theirs": train_theirs,
}


def run(scale: float | None = None, *, length: float = 1.0) -> dict[str, Any]:
    """Build, open and read the corpus both ways.

    Parameters
    ----------
    scale : float, optional
        Part of the worms of every set; default ``CONNECTOME_BENCHMARK_SCALE``, else ``SCALE``.
    length : float
        Part of the samples of every worm.
    """
    scale = part_of_whole(scale, SCALE)
    with tempfile.TemporaryDirectory() as folder:
        corpus = Corpus(Path(folder), scale, length)
        found = {stage: run_stage(__name__, stage, *corpus.arguments) for stage in STAGES}
        records = corpus.store / DATASET
        sizes = {
            "raw": _size(corpus.root / "raw"),
            "ours": _size(records),
            "ours_version_file": _size(records / "versions"),
            "theirs": _size(corpus.pickles),
        }
    ours, theirs = found["build_ours"], found["build_theirs"]
    stream, dataset, windows = (found[f"train_{name}"] for name in ("stream", "dataset", "theirs"))
    ratios = {
        "build_time": ours["build_s"] / theirs["build_s"],
        "build_peak_memory": ours["peak_bytes"] / theirs["peak_bytes"],
        "disk": sizes["ours"] / sizes["theirs"],
        "list_time": (found["look_ours"]["open_s"] + found["look_ours"]["list_s"]) / found["look_theirs"]["list_s"],
        "first_batch_time": stream["first_batch_s"] / windows["first_batch_s"],
        "windows_per_s_stream": stream["windows_per_s"] / windows["windows_per_s"],
        "windows_per_s_dataset": dataset["windows_per_s"] / windows["windows_per_s"],
        "train_peak_memory": stream["peak_bytes"] / windows["peak_bytes"],
    }
    return {
        "worms": ours["records"],
        "of": N_WORMS,
        "ours_over_theirs": {name: round(value, 3) for name, value in ratios.items()},
        "bytes": sizes,
        "steps": {
            stage: {name: round(value, 4) if isinstance(value, float) else value for name, value in figures.items()}
            for stage, figures in found.items()
            if stage != "generate"
        },
    }


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def main() -> None:
    """Run one stage in this process."""
    stage, root, scale, length = sys.argv[1:]
    figures = STAGES[stage](Corpus(Path(root), float(scale), float(length)))
    print_figures({**figures, "peak_bytes": peak_bytes(children=True)})


if __name__ == "__main__":
    main()
