"""Patients as rows with a ``Nifti`` column per volume, which survive a push to the Hub.

Cells hold bytes, never paths, and always those of a NIfTI-1 file: datasets 5.2 decodes bytes as nothing else
(``features/nifti.py``), so that a data set of MGZ or NIfTI-2 files works where they lie and breaks once it was pushed.
Volumes of other forms are converted, and the description says which.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from connectome import schema
from connectome.atomic import publish, temporary
from connectome.errors import NotFoundError, UsageError
from connectome.rows import DEFAULT_SPLIT, arrow_schema, batches, records_of, tables
from connectome.store.canonical import json_digest
from connectome.volumes.nifti_bytes import nifti1_bytes

from ..reading.specs import as_version
from .library import datasets_library

if TYPE_CHECKING:
    import datasets
    import pyarrow as pa

    from connectome.store import Version

__all__ = ["to_nifti_dataset", "volume_groups"]

SUBJECT = "subject"
FINGERPRINT_CHARACTERS = 16


def volume_groups(spec: str | Version, *, root: str | Path | None = None) -> list[str]:
    """Return the paths of all volumes that records of a version have, images before labels."""
    version = as_version(spec, root=root)
    found = {
        path.strip("/")
        for groups in version.facts.values()
        for path, facts in groups.items()
        if facts["kind"] == "volume"
    }
    return sorted(found, key=lambda path: ("/" in path, path))


def to_nifti_dataset(
    spec: str | Version,
    groups: Sequence[str] | None = None,
    *,
    subject: bool = True,
    records: Iterable[str] | None = None,
    split: str | None = None,
    split_name: str = DEFAULT_SPLIT,
    root: str | Path | None = None,
    cache_dir: str | Path | None = None,
    on_unfit: str = "error",
) -> datasets.Dataset:
    """Open the volumes of a version as a ``datasets.Dataset`` with one row per record.

    Parameters
    ----------
    spec : str or Version
        ``"name"``, ``"name@1.2.0"``, or an opened version.
    groups : sequence of str, optional
        Volumes; default all. The column of ``labels/resection`` is ``labels.resection``.
    subject : bool
        Also give the columns of the one-row table ``subject`` (the cohort's table), where records have one.
    records : iterable of str, optional
        Which; default all.
    split, split_name
        As in :func:`connectome.loaders.huggingface.to_dataset`.
    root : path or URL, optional
        The store.
    cache_dir : path, optional
        Keep the rows there as an Arrow file and map it into memory; by default they are held in memory.
    on_unfit : str
        What to do with a volume that NIfTI-1 cannot hold: ``"error"``, or ``"skip"`` for an empty cell.

    Returns
    -------
    datasets.Dataset
        A record without a volume has None. Cells are NIfTI-1 bytes under gzip with a name; those of a file that was
        NIfTI-1 are its bytes.

    Raises
    ------
    NotFoundError
        When a group is in no record.
    UsageError
        When a volume fits no NIfTI-1 file, or ``on_unfit`` is unknown.
    """
    if on_unfit not in {"error", "skip"}:
        raise UsageError("not a way to go on", subject="on_unfit", expected="error or skip", found=on_unfit)
    library = datasets_library()
    version = as_version(spec, root=root)
    known = volume_groups(version)
    chosen = list(known if groups is None else (group.strip("/") for group in groups))
    for group in chosen:
        if group not in known:
            raise NotFoundError("no record has such a volume", subject=group, expected=", ".join(known))
    names = list(version.manifest.records) if split is None else list(records_of(version, split, name=split_name))
    if records is not None:
        wanted = set(records)
        names = [name for name in names if name in wanted]
    features, described = _features(version, chosen, subject=subject)
    form = features.arrow_schema
    rows = _rows(version, chosen, names, described, form, on_unfit=on_unfit)
    fingerprint = json_digest([version.digest, chosen, names, subject, on_unfit, "nifti"])[:FINGERPRINT_CHARACTERS]
    info = library.DatasetInfo(
        description=str(version.manifest.about.get("description", "")),
        citation=version.cite("bibtex"),
        license=str(version.manifest.about.get("licence") or "none-stated"),
        features=features,
        dataset_name=version.dataset,
        version=version.version,
    )
    if cache_dir is None:
        import pyarrow as pa

        content = library.table.InMemoryTable(pa.Table.from_batches(rows, schema=form))
    else:
        file = Path(cache_dir) / version.dataset / version.version / f"nifti-{fingerprint}.arrow"
        if not file.is_file():
            _write(rows, form, file)
        content = library.table.MemoryMappedTable.from_file(str(file))
    named = None if split is None else library.NamedSplit(split)
    return library.Dataset(content, info=info, split=named, fingerprint=fingerprint)


def column_name(group: str) -> str:
    """Return the column of a volume."""
    return group.replace("/", ".")


def _features(version: Version, groups: list[str], *, subject: bool) -> tuple[Any, pa.Schema | None]:
    """Return the features, and the Arrow schema of the subjects' columns."""
    library = datasets_library()
    features = {"record": library.Value("string")}
    described = None
    table = tables(version).get(SUBJECT) if subject else None
    if table is not None and table.kind == "table":
        described = arrow_schema(table)
        taken = {"record", "group"} | {column_name(group) for group in groups}
        own = library.Features.from_arrow_schema(described)
        features |= {name: kind for name, kind in own.items() if name not in taken}
    features |= {column_name(group): library.Nifti() for group in groups}
    features["conversions"] = library.Value("string")
    return library.Features(features), described


def _rows(
    version: Version,
    groups: list[str],
    records: list[str],
    described: pa.Schema | None,
    form: pa.Schema,
    *,
    on_unfit: str,
) -> Iterator[pa.RecordBatch]:
    """Yield one batch per record."""
    import pyarrow as pa

    table = tables(version).get(SUBJECT) if described is not None else None
    for record in records:
        row: dict[str, Any] = dict.fromkeys(form.names)
        if table is not None and record in table.n_rows:
            (own,) = (item for batch in batches(version, table, records=[record]) for item in batch.to_pylist())
            row |= {name: value for name, value in own.items() if name in row}
        row["record"] = record
        held = {path.strip("/"): data for path, data in schema.groups(version.open(record))}
        said = []
        for group in groups:
            if group not in held:
                continue
            try:
                content, origin = nifti1_bytes(held[group], path=f"{record}: {group}")
            except UsageError as error:
                if on_unfit == "error":
                    raise
                said.append(f"{group}: left out, {error.message}")
                continue
            if origin != "as read":
                said.append(f"{group}: {origin}")
            name = f"{record}_{column_name(group)}.nii.gz"
            row[column_name(group)] = {"bytes": gzip.compress(content, compresslevel=6, mtime=0), "path": name}
        row["conversions"] = "; ".join(said) or None
        yield pa.RecordBatch.from_pylist([row], schema=form)


def _write(rows: Iterable[pa.RecordBatch], form: pa.Schema, file: Path) -> None:
    import pyarrow as pa

    with temporary(file) as part:
        with pa.OSFile(str(part), "wb") as sink, pa.ipc.new_stream(sink, form) as writer:
            for batch in rows:
                writer.write_batch(batch)
        publish(part, file)
