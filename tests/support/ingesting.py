"""Ingests for tests: a dataset of one source, what lies in a root, and what an interrupted ingest may leave there."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import yaml

from connectome.catalog import catalog_path
from connectome.pipelines.sources import load_source
from connectome.store import Repository, open_version, verify

UNFINISHED = re.compile(r"\..+\.[0-9a-f]{32}\.tmp")
"""A name that :mod:`connectome.atomic` gives to what is not whole yet."""


def catalogue_of(source_id: str, folder: Path) -> Path:
    """Write the catalogue again with one dataset of one source; ``CONNECTOME_CATALOG`` makes it the catalogue."""
    document = yaml.safe_load(catalog_path().read_text(encoding="utf-8"))
    document["sources"] = [item for item in document["sources"] if item["id"] == source_id]
    dataset = next(item for item in document["datasets"] if item["id"] == load_source(source_id).dataset)
    document["datasets"] = [{**dataset, "sources": [source_id]}]
    path = folder / f"{source_id}.yaml"
    path.write_text(yaml.safe_dump(document, allow_unicode=True), encoding="utf-8")
    return path


def snapshot(root: Path) -> dict[str, tuple[int, int, str]]:
    """Return everything below a folder: inode, time of the last change in ns, and SHA-256 of files."""
    found = {}
    for path in sorted(root.rglob("*")) if root.exists() else ():
        status = path.stat()
        digest = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        changed = status.st_mtime_ns if path.is_file() else 0
        found[path.relative_to(root).as_posix()] = (status.st_ino, changed, digest)
    return found


def contents(root: Path) -> dict[str, str]:
    """Return the SHA-256 of every file below a folder."""
    return {name: digest for name, (_, _, digest) in snapshot(root).items() if digest}


def assert_nothing_half_made(root: Path) -> None:
    """Check a root as a reader would find it: what has a final name is whole, and every version is intact."""
    repository = Repository(root)
    for path in sorted(root.rglob("*")) if root.exists() else ():
        place = path.relative_to(root)
        if not path.is_file() or place.parts[0] in {"raw", "staging"} or UNFINISHED.fullmatch(path.name):
            continue
        if place.parts[1] == "records":
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            assert path.name == f"{digest[:16]}.zarr.zip", f"{place} is not what its name says"
    for path in (root / "raw").glob("*/*") if (root / "raw").exists() else ():
        if re.fullmatch("[0-9a-f]{64}", path.parent.name):
            assert hashlib.sha256(path.read_bytes()).hexdigest() == path.parent.name, f"{path.name} is not whole"
    for dataset in repository.datasets():
        for version in repository.versions(dataset):
            found = verify(repository, f"{dataset}@{version}")
            assert found.ok, found.damaged
        for name, version in repository.tags(dataset).items():
            assert open_version(f"{dataset}@{name}", root=root).version == version
