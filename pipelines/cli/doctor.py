"""``connectome doctor``."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from connectome.display.text import human_bytes
from connectome.errors import ConnectomeError

if TYPE_CHECKING:
    from .output import Output

MARK = {"ok": "ok     ", "note": "note   ", "problem": "PROBLEM"}
PACKAGES = ("numpy", "pandas", "xarray", "zarr", "numcodecs", "torch", "torch-geometric", "datasets", "prefect",
            "distributed", "h5py", "scipy", "nibabel", "mne", "obstore", "matplotlib")  # fmt: skip
FASTAPI_BELOW = (0, 151)
"""The server of prefect 3.8 does not start with newer ones."""


@dataclass(frozen=True)
class Check:
    """One finding."""

    name: str
    state: str
    """``ok``, ``note`` or ``problem``."""
    message: str


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    del parser


def run(args: argparse.Namespace, output: Output) -> int:
    """Check the installation and the store; exit code 1 when there is a problem."""
    checks = [*_installation(), *_store(args.root)]
    document = {
        "ok": all(check.state != "problem" for check in checks),
        "checks": [{"name": check.name, "state": check.state, "message": check.message} for check in checks],
    }
    output.result(document, "\n".join(f"{MARK[check.state]} {check.name}: {check.message}" for check in checks))
    return 0 if document["ok"] else 1


def _installation() -> Iterator[Check]:
    yield Check("python", "ok", sys.version.split()[0])
    for name in PACKAGES:
        try:
            yield Check(name, "ok", version(name))
        except PackageNotFoundError:
            yield Check(name, "note", "not installed; an extra brings it when it is needed")
    try:
        fastapi = version("fastapi")
        newest = tuple(int(part) for part in fastapi.split(".")[:2])
        if _has("prefect") and newest >= FASTAPI_BELOW:
            yield Check("fastapi", "problem", f"{fastapi} breaks Prefect's server; pip install 'fastapi<0.151'")
    except PackageNotFoundError:
        pass


def _has(name: str) -> bool:
    try:
        version(name)
    except PackageNotFoundError:
        return False
    return True


def _store(root: str | None) -> Iterator[Check]:
    from connectome.store import Repository

    repository = Repository(root)
    if not repository.is_local:
        yield Check("store", "ok", f"{repository.root.name} (read-only)")
        return
    path = repository.path
    yield Check(
        "store", "ok" if path.is_dir() else "note", f"{path}{'' if path.is_dir() else ' is made by the first ingest'}"
    )
    base = next(parent for parent in (path, *path.parents) if parent.is_dir())
    yield Check("free space", "ok", human_bytes(shutil.disk_usage(base).free))
    if not os.access(base, os.W_OK):
        yield Check("permissions", "problem", f"{base} cannot be written to")
    if not path.is_dir():
        return
    for dataset in repository.datasets():
        yield from _dataset(repository.path, dataset, root)
    left = [item for item in repository.staging.rglob("*") if item.is_file()] if repository.staging.is_dir() else []
    if left:
        size = sum(item.stat().st_size for item in left)
        yield Check("staging", "note", f"{len(left)} files ({human_bytes(size)}) of unfinished work; connectome gc")


def _dataset(path: Path, dataset: str, root: str | None) -> Iterator[Check]:
    from connectome.store import Repository

    repository = Repository(root)
    try:
        manifest = repository.latest(dataset)
    except ConnectomeError as error:
        yield Check(dataset, "problem", error.message)
        return
    assert manifest is not None
    short = [
        name
        for name, receipt in manifest.records.items()
        if not (file := path / dataset / receipt.file).is_file() or file.stat().st_size != receipt.size_bytes
    ]
    if short:
        yield Check(dataset, "problem", f"missing or short: {', '.join(short)}; connectome verify {dataset}")
    else:
        yield Check(
            dataset, "ok", f"{manifest.version}, {len(manifest.records)} records, {human_bytes(manifest.size_bytes)}"
        )
