"""A generated source: text files in a folder, one record per file, for what no real source does on purpose.

``animal-1.txt`` holds one number per line; ``shared.txt``, where it is there, is read by every record; ``notes.md`` is
no data; a name that ends in ``.lost`` is passed over in silence, which no source may do. All numbers are made up.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
import yaml

from connectome import schema
from connectome.errors import FormatError
from connectome.pipelines import sources
from connectome.pipelines.jobs import Discovery, Expected, Job, RawFiles, Rejected, RemoteFile

if TYPE_CHECKING:
    import pytest
    import xarray as xr

DATASET = "generated-animals"
SOURCE = "generated"


@dataclass
class Generated:
    """What the source is like; tests change it between ingests."""

    folder: Path
    version: str = "1"
    optional: tuple[str, ...] = ()
    """Files that need not be there, by name."""
    also_listed: tuple[str, ...] = ()
    """Files that are listed without being in the folder."""
    expected: Expected = field(default_factory=Expected)
    n_reads: int = 0

    def write(self, **texts: str) -> None:
        """Write files: ``animal_1="1\\n2"`` becomes ``animal-1.txt``."""
        for name, text in texts.items():
            (self.folder / f"{name.replace('_', '-')}.txt").write_text(text)


class GeneratedSource:
    """Reads what :class:`Generated` describes."""

    id = SOURCE
    dataset = DATASET
    about: Generated

    @property
    def version(self) -> str:
        return self.about.version

    def files(self) -> Sequence[RemoteFile]:
        names = sorted({item.name for item in self.about.folder.iterdir()} | set(self.about.also_listed))
        return [
            RemoteFile(
                f"{SOURCE}/{name}",
                (self.about.folder / name).as_uri(),
                records=(name.removesuffix(".txt"),) if name.startswith("animal") else (),
                optional=name in self.about.optional,
            )
            for name in names
        ]

    def discover(self, raw: RawFiles) -> Discovery:
        shared = [raw[path] for path in raw if path.endswith("/shared.txt")]
        jobs = [
            Job(SOURCE, Path(path).stem, tuple(sorted([raw[path], *shared], key=lambda item: item.path)))
            for path in raw
            if Path(path).name.startswith("animal") and path.endswith(".txt")
        ]
        notes = [Rejected(path, "says nothing in numbers", "not-data") for path in raw if path.endswith(".md")]
        if "generated/twice.txt" in raw:
            jobs = [Job(SOURCE, "animal-1", (raw["generated/twice.txt"],)) for _ in range(2)]
        return Discovery(tuple(jobs), tuple(notes))

    def read(self, job: Job) -> xr.DataTree:
        self.about.n_reads += 1
        own = next(item for item in job.inputs if Path(item.path).name.startswith("animal"))
        values = [_numbers(item.local) for item in sorted(job.inputs, key=lambda item: item is not own)]
        groups = {
            name: schema.series(
                np.array([numbers]), channel=["c"], units="1", long_name="Generated", time_s=np.arange(len(numbers))
            )
            for name, numbers in zip(("own", "shared"), values, strict=False)
        }
        return schema.record(groups, title=job.record, subject=job.record)

    def expected(self) -> Expected:
        return self.about.expected


def _numbers(path: Path) -> list[float]:
    try:
        found = [float(line) for line in path.read_text().split()]
    except ValueError as error:
        raise FormatError("not a number", subject=str(path), place="somewhere", found=str(error)) from error
    if sum(found) == 13:
        # Readers often name a file without its folder.
        raise FormatError("an unlucky sum", subject=path.name, found="13")
    return found


def facts(**samples: int) -> Mapping[str, Mapping[str, Mapping[str, Any]]]:
    """Return the expectation that records have so many samples: ``animal_1=3``."""
    return {name.replace("_", "-"): {"/own": {"n_samples": number}} for name, number in samples.items()}


def register(folder: Path, patch: pytest.MonkeyPatch) -> Generated:
    """Make the source and its dataset known for the length of a test, with three animals."""
    (folder / "files").mkdir()
    about = Generated(folder / "files")
    about.write(animal_1="1 2 3", animal_2="4 5", animal_3="6 7 8 9")
    module = ModuleType(f"{sources.__name__}.generated_for_tests")
    kind = type("GeneratedSource", (GeneratedSource,), {"about": about})
    module.GeneratedSource = kind  # type: ignore[attr-defined]
    patch.setitem(sys.modules, module.__name__, module)
    patch.setitem(sources.SOURCES, SOURCE, "generated_for_tests:GeneratedSource")
    citation = {"authors": ["Doe, Jane"], "title": "Generated data", "year": 2026, "url": "https://example.org/"}
    described = {"id": SOURCE, "title": "Generated", "licence": "CC0-1.0", "citation": citation,
                 "homepage": "https://example.org/"}  # fmt: skip
    dataset = {"id": DATASET, "title": "Generated animals", "description": "Made up for tests.", "kinds": ["series"],
               "species": ["Caenorhabditis elegans"], "sources": [SOURCE]}  # fmt: skip
    catalogue = folder / "catalogue.yaml"
    catalogue.write_text(yaml.safe_dump({"version": 1, "sources": [described], "datasets": [dataset]}))
    patch.setenv("CONNECTOME_CATALOG", str(catalogue))
    return about
