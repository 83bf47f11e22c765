"""Records in other people's forms: one small module per target, one line in ``EXPORTS``.

A module has ``write(tree, destination, *, group) -> list[Path]``, which makes files or folders under a folder of its
own; :func:`export` gives them their names at the end, so that a destination holds everything or nothing. Where what is
written may differ from what was read, ``remarks(tree, *, group) -> list[str]`` says how.
"""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from connectome import schema
from connectome.errors import MissingExtraError, NotFoundError, UsageError

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["EXPORTS", "Export", "export", "exports_for", "publish_made", "remarks", "unfinished"]


@dataclass(frozen=True)
class Export:
    """A line of the registry."""

    name: str
    module: str
    """Module below ``connectome.pipelines.export``."""
    title: str
    kinds: tuple[str, ...]
    """Kinds of groups that it can write; empty when it writes whole records."""
    extra: str | None = None
    """The extra of this package that the writer needs."""
    origin: str = ""
    """Group that only records read from this form have; they fit whatever their kinds."""

    def load(self) -> Any:
        """Import the module."""
        return import_module(f"{__name__}.{self.module}")


EXPORTS: dict[str, Export] = {
    line.name: line
    for line in (
        Export("bids", "bids", "BIDS dataset: raw images, label maps as derivatives, participants", ("volume",), "mri"),
        Export("csv", "tables", "Comma-separated text, numbers in full precision", ("table", "graph", "events")),
        Export("edf", "edf", "EDF or BDF with the bytes that were read, or EDF+ around stored integers", ("series",),
               origin="edf/header"),
        Export("fif", "fif", "FIF through MNE-Python, in double precision and SI units", ("series",), "eeg"),
        Export("mgh", "mgh", "MGH with the bytes that were read", ("volume",)),
        Export("nifti", "nifti", "NIfTI with the bytes that were read, or made from the affine", ("volume",), "mri"),
        Export("ogb", "ogb", "Open Graph Benchmark archive (NPZ) with its splits", ("graph",)),
        Export(
            "ome-zarr", "ome_zarr", "OME-Zarr 0.5 with anatomical orientation, and the labels on its grid", ("volume",)
        ),
        Export("parquet", "tables", "Apache Parquet with units and labels", ("table", "graph", "events"), "publish"),
        Export("zarr", "zarr_folder", "Plain Zarr v3 folder", ()),
    )
}  # fmt: skip


def exports_for(tree: xr.DataTree) -> list[str]:
    """Return the targets that fit a record, sorted."""
    kinds, paths = set(schema.kinds_of(tree)), {path.strip("/") for path, _ in schema.groups(tree)}
    return [
        name
        for name, line in sorted(EXPORTS.items())
        if not line.kinds or kinds & set(line.kinds) or line.origin in paths
    ]


def export(
    tree: xr.DataTree, *, to: str, destination: Path, group: str | None = None, overwrite: bool = False
) -> list[Path]:
    """Write a record, or one group of it, in another form.

    Parameters
    ----------
    tree : xarray.DataTree
        A record.
    to : str
        A name from ``EXPORTS``.
    destination : Path
        ``zarr``, ``ome-zarr``, ``ogb``, ``bids``: a folder. ``nifti``: a ``.nii``, ``.nii.gz`` or ``.hdr`` file;
        ``mgh``: a ``.mgh`` or ``.mgz`` file; ``edf``: a ``.edf`` file, or ``.bdf`` where samples have 24 bits; ``fif``:
        a ``.fif`` file. ``csv``, ``parquet``: a folder for one file per table, or a file of that suffix when there is
        only one.
    group : str, optional
        Path of the group, such as ``"labels/t1w"``; needed for one volume of several.
    overwrite : bool
        Replace what is there.

    Returns
    -------
    list of Path
        What was written, sorted.

    Raises
    ------
    UsageError
        When the target is unknown or does not fit the record, or the destination exists.
    NotFoundError
        When there is no such group.
    """
    if to not in EXPORTS:
        raise UsageError(
            "no export of that name",
            subject=to,
            expected=f"for this record: {', '.join(exports_for(tree))}",
            found=to,
            hint="connectome export DATASET --record ID --to zarr DEST",
        )
    chosen, destination = EXPORTS[to], Path(destination)
    _check_group(tree, chosen, group)
    with unfinished(destination) as work:
        try:
            made = chosen.load().write(tree, work / destination.name, group=group, to=to)
        except ModuleNotFoundError as error:
            raise MissingExtraError(
                f"the export needs {error.name}", subject=to, hint=f'pip install "connectome[{chosen.extra}]"'
            ) from error
        return publish_made(made, work, destination.parent, overwrite=overwrite)


@contextmanager
def unfinished(destination: Path) -> Iterator[Path]:
    """Give a folder beside a destination, which is gone afterwards."""
    if destination.name in {"", ".", ".."}:
        raise UsageError("the destination has no name", subject=str(destination))
    if not destination.parent.is_dir():
        raise NotFoundError("the folder does not exist", subject=str(destination.parent), hint="make it first")
    work = destination.parent / f".{destination.name}.{uuid.uuid4().hex}.tmp"
    work.mkdir()
    try:
        yield work
    finally:
        shutil.rmtree(work, ignore_errors=True)


def remarks(tree: xr.DataTree, *, to: str, group: str | None = None) -> list[str]:
    """Say in what an export differs from what was read; nothing where it does not, or the target has nothing to say."""
    said = getattr(EXPORTS[to].load(), "remarks", None)
    return said(tree, group=group) if said is not None else []


def _check_group(tree: xr.DataTree, chosen: Export, group: str | None) -> None:
    paths = {path.strip("/"): dataset for path, dataset in schema.groups(tree)}
    if group is not None and group.strip("/") not in paths:
        raise NotFoundError("no such group in the record", subject=group, expected=", ".join(paths), found="none")
    kinds = {schema.kind_of(paths[group.strip("/")])} if group is not None else set(schema.kinds_of(tree))
    whole = group is None and chosen.origin in paths
    if chosen.kinds and not kinds & set(chosen.kinds) and not whole:
        raise UsageError(
            "this form cannot hold what was chosen",
            subject=chosen.name,
            expected=f"a group of the kind {' or '.join(chosen.kinds)}",
            found=", ".join(sorted(kinds)),
            hint=f"available here: {', '.join(exports_for(tree))}",
        )


def publish_made(made: list[Path], work: Path, folder: Path, *, overwrite: bool) -> list[Path]:
    """Give finished files their names; nothing is touched unless all names are free or may be replaced."""
    # Modules write files or one folder directly below ``work``.
    tops = sorted({work / path.relative_to(work).parts[0] for path in made})
    targets = [folder / top.name for top in tops]
    for target in targets:
        if (target.exists() or target.is_symlink()) and not overwrite:
            raise UsageError(
                "the destination exists", subject=str(target), hint="choose another name, or pass --overwrite"
            )
    for top, target in zip(tops, targets, strict=True):
        if target.is_dir() and not target.is_symlink():
            # A folder cannot be replaced by a rename: move it out of the way first, into what is removed at the end.
            target.rename(work / f"{target.name}.{uuid.uuid4().hex}.old")
        top.replace(target)
    return sorted(folder / path.relative_to(work) for path in made)
