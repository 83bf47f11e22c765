"""From an empty folder to training batches, on real data that packages on the index carry.

Ingests C. elegans connectomes, an MRI template, an ECoG recording and spike trains; compares two versions; verifies
every byte; draws a few batches; writes one HTML report with pictures. Run it again and nothing is made twice.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import connectome
from connectome.display.html import catalog_html, diff_html, verification_html, version_html
from connectome.display.plots import preview
from connectome.display.report import Block, Prose, Section, Table, picture, report_html, write_report
from connectome.display.text import human_bytes, short_digest, table_text
from connectome.loaders.pyg import to_data
from connectome.loaders.torch import WindowDataset
from connectome.pipelines.cli import main as command
from connectome.store import Repository, verify

CONNECTOMES = "celegans-connectomes"
FIRST = "cook2019-hermaphrodite,cook2019-male"
REST = "openworm,varshney2011,witvliet2020-7,witvliet2020-8"
"""Records whose files the package index carries, in two steps, so that there are two versions to compare."""
DATASETS = (CONNECTOMES, "mni-template", "ecog-demo", "grasshopper-spikes")


def run(*arguments: str) -> None:
    """Run one command as a user would type it."""
    sys.stderr.write(f"\n$ connectome {' '.join(arguments)}\n")
    code = command(arguments)
    if code:
        raise SystemExit(code)


def ingest(root: str) -> None:
    """Bring everything in; the connectomes in two steps, which gives two versions.

    The atlas of cell positions lies on a server that a machine behind a package index may not reach: without it the
    connectomes are made all the same, with no positions and a warning that says so.
    """
    if not Repository(root).versions(CONNECTOMES):
        run("ingest", CONNECTOMES, "--select", FIRST, "--allow-missing", "--root", root)
    run("ingest", CONNECTOMES, "--select", f"{FIRST},{REST}", "--allow-missing", "--root", root)
    for dataset in DATASETS[1:]:
        run("ingest", dataset, "--root", root)


def batches(root: str) -> list[tuple[str, str]]:
    """Draw a few training batches and say what they are."""
    windows = WindowDataset("ecog-demo", group="ecog", window_s=0.5, stride_s=0.25, root=root)
    batch = windows.batch(range(8))
    graph = to_data(f"{CONNECTOMES}/cook2019-hermaphrodite", root=root)
    return [
        ("ECoG windows of 0.5 s", f"{tuple(batch['signal'].shape)} {batch['signal'].dtype}, {len(windows)} windows"),
        ("connectome for PyTorch Geometric", f"{graph.num_nodes} nodes, {graph.num_edges} edges"),
    ]


def main() -> None:
    """Run the demonstration."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", default=".demo", help="where the store and the report go")
    root = parser.parse_args().root
    started = time.perf_counter()
    ingest(root)
    repository = Repository(root)
    versions = [connectome.open(dataset, root=root) for dataset in DATASETS]
    first, last = repository.versions(CONNECTOMES)[0], repository.versions(CONNECTOMES)[-1]
    run("diff", CONNECTOMES, first, last, "--root", root)
    checked = [verify(repository, version.spec) for version in versions]
    drawn = batches(root)
    rows = [
        (version.dataset, version.version, short_digest(version.digest), len(version),
         human_bytes(version.manifest.size_bytes), "yes" if result.ok else "NO")
        for version, result in zip(versions, checked, strict=True)
    ]  # fmt: skip
    header = ("dataset", "version", "digest", "records", "bytes", "verified")
    sections = [
        Section("Catalogue", [Block(catalog_html(connectome.catalog(root)))]),
        Section("What was made", [Table(header, rows)]),
        Section(f"{CONNECTOMES}: {first} to {last}", [Block(diff_html(repository.diff(CONNECTOMES, first, last)))]),
        Section("Training batches", [Table(("what", "shape"), drawn)]),
    ]
    for version, result in zip(versions, checked, strict=True):
        pictures = [
            picture(figure)
            for record in list(version.manifest.records)[:2]
            for figure in preview(version.open(record), title=record)
        ]
        parts = [Block(version_html(version)), Block(verification_html(result)), *pictures]
        sections.append(Section(version.manifest.about.get("title", version.dataset), parts))
    sections.append(Section("How to cite", [Prose("\n\n".join(version.cite() for version in versions))]))
    page = report_html("connectome: from raw files to training batches", sections)
    report = write_report(Path(root) / "report.html", page)
    sys.stdout.write(f"\n{table_text(header, rows)}\n\n")
    sys.stdout.write("\n".join(f"batch  {name}: {shape}" for name, shape in drawn) + "\n\n")
    sys.stdout.write(f"report {report} ({time.perf_counter() - started:.0f} s)\n")
    if not all(result.ok for result in checked):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
