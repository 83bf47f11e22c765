"""Patients as a BIDS dataset: raw images, and derivatives with the label maps beside them.

What has no ``space``, ``res``, ``den`` or ``desc`` is raw (``sub-1/anat/sub-1_T1w.nii.gz``); all else lies below
``derivatives/connectome``, label maps as ``_mask`` where they hold one label and as ``_dseg`` with a table of indices
where they hold several. NIfTI files have the bytes that were read; :func:`plan_record` says which
groups BIDS has no place for.

Brain Imaging Data Structure 1.10, https://bids-specification.readthedocs.io/en/v1.10.0/ (MRI; Derivatives, Imaging).
"""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from connectome import __version__, schema
from connectome.errors import UsageError
from connectome.volumes.nifti_bytes import converted, file_bytes

from ..formats.bids.entities import BidsName, parse_name
from .bids_tables import index_table, participants_tables
from .stored_bytes import source_format

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["BIDS_VERSION", "Placed", "plan_record", "remarks", "write", "write_dataset"]

BIDS_VERSION = "1.10.0"
PIPELINE = "connectome"
SUFFIXES: Mapping[str, str] = {
    suffix.lower(): suffix
    for suffix in ("T1w", "T2w", "FLAIR", "PDw", "T2starw", "UNIT1", "inplaneT1", "inplaneT2", "PDT2", "angio")
}
"""Suffixes of the data type ``anat`` by the names of groups."""
DERIVED = frozenset({"space", "res", "den", "desc", "label", "atlas", "seg"})
RAW = frozenset({"sub", "ses", "task", "acq", "ce", "rec", "run", "echo", "part", "chunk", "mod"})
COMPRESSION = 6
LESIONS = ("lesion", "roi", "fcd")


@dataclass(frozen=True)
class Placed:
    """A volume and its file."""

    group: str
    path: str
    """Below the root of the dataset."""
    derived: bool

    @property
    def stem(self) -> str:
        """The path without ``.nii.gz``."""
        return self.path.removesuffix(".nii.gz")


def write(tree: xr.DataTree, destination: Path, *, group: str | None, to: str) -> list[Path]:
    """Write one record as a dataset of one participant."""
    if group is not None:
        raise UsageError("a dataset holds whole records", subject=to, expected="no group", found=group)
    record = str(tree.attrs.get("subject") or tree.attrs.get("provenance", {}).get("record") or "1")
    name = str(tree.attrs.get("title") or record)
    write_dataset({record: tree}, destination, about={"title": name, "licence": tree.attrs.get("licence")})
    return [destination]


def remarks(tree: xr.DataTree, *, group: str | None) -> list[str]:  # noqa: ARG001 - the same for every target
    """Say what of a record BIDS has no place for, and which files are not the bytes that were read."""
    groups = {path.strip("/"): data for path, data in schema.groups(tree)}
    placed, left = plan_record(tree, "1")
    said = [f"{name}: {why}" for name, why in left.items()]
    for item in placed:
        if source_format(groups[item.group]) != "nifti":
            said.append(f"{item.group}: the NIfTI header is made from its affine, numbers are as stored")
    return said


def write_dataset(
    records: Mapping[str, xr.DataTree], destination: Path, *, about: Mapping[str, Any] | None = None, spec: str = ""
) -> dict[str, list[str]]:
    """Write records as one BIDS dataset.

    Parameters
    ----------
    records : mapping of str to xarray.DataTree
        Record to tree; opened one after the other where the mapping does so.
    destination : Path
        A folder that does not exist.
    about : mapping, optional
        What the version says of itself: title, licence, citation.
    spec : str
        ``name@1.2.0``, for the provenance.

    Returns
    -------
    dict of str to list of str
        Record to the groups that BIDS has no place for. The same records give the same bytes.

    Raises
    ------
    UsageError
        When no record has an image that BIDS has a place for, or two records would have one label.
    """
    told = dict(about or {})
    labels = _labels(list(records))
    left: dict[str, list[str]] = {}
    subjects: dict[str, xr.Dataset | None] = {}
    n_files = 0
    destination.mkdir(parents=True)
    for record, label in labels.items():
        tree = records[record]
        groups = {path.strip("/"): data for path, data in schema.groups(tree)}
        placed, unplaced = plan_record(tree, label)
        subjects[label] = groups.get("subject")
        if unplaced:
            left[record] = sorted(unplaced)
        for item in placed:
            _write_volume(destination, item, groups, placed)
        n_files += len(placed)
    if not n_files:
        raise UsageError(
            "no volume of these records has a place in BIDS",
            subject=spec or ", ".join(labels),
            expected=f"groups named {', '.join(SUFFIXES)} or labels/...",
            found=", ".join(sorted({name for names in left.values() for name in names})) or "none",
            hint="export single volumes to nifti",
        )
    table, described = participants_tables(subjects)
    (destination / "participants.tsv").write_bytes(table.encode())
    _json(destination / "participants.json", described)
    _describe(destination, told, spec)
    return left


def plan_record(tree: xr.DataTree, label: str) -> tuple[list[Placed], dict[str, str]]:
    """Say which file each volume of a record becomes.

    Parameters
    ----------
    tree : xarray.DataTree
        A record.
    label : str
        Of the participant, without ``sub-``.

    Returns
    -------
    placed : list of Placed
        Sorted by path.
    left : dict of str to str
        Groups that become no file, and why; the table ``subject`` becomes a row of ``participants.tsv``.
    """
    placed: dict[str, Placed] = {}
    left: dict[str, str] = {}
    for path, data in schema.groups(tree):
        group = path.strip("/")
        if group == "subject" and schema.kind_of(data) == "table":
            continue
        if schema.kind_of(data) != "volume":
            left[group] = f"a {schema.kind_of(data)}, not an image"
            continue
        name = _named(group, data, label)
        if name is None:
            left[group] = "its name is not of the form [ENTITY-LABEL_...]SUFFIX with a suffix of anatomical images"
            continue
        derived = not {key for key, _ in name.entities} <= RAW or group.startswith("labels/")
        parts = [f"{key}-{value}" for key, value in name.ordered]
        session = name.get("ses")
        folder = f"sub-{label}/" + (f"ses-{session}/" if session else "") + "anat/"
        folder = f"derivatives/{PIPELINE}/{folder}" if derived else folder
        file = f"{folder}{'_'.join(parts)}_{name.suffix}.nii.gz"
        if file in placed:
            left[group] = f"its file would be that of {placed[file].group}"
            continue
        placed[file] = Placed(group, file, derived)
    return [placed[file] for file in sorted(placed)], left


def _labels(records: list[str]) -> dict[str, str]:
    labels = {record: re.sub(r"[^A-Za-z0-9]", "", record.removeprefix("sub-")) for record in records}
    if len(set(labels.values())) != len(labels) or "" in labels.values():
        raise UsageError(
            "records whose labels in BIDS would be the same", subject="bids", found=", ".join(records[:20]),
            expected="ids that differ in their letters and digits",
        )  # fmt: skip
    return labels


def _named(group: str, data: xr.Dataset, label: str) -> BidsName | None:
    """Return the name of a volume: that of its file where this was of BIDS, else by the name of its group."""
    is_label = group.startswith("labels/")
    own = parse_name(str(data.attrs.get("source_file", "")).rpartition("/")[2])
    fits = own is not None and own.get("sub") == label and own.suffix in SUFFIXES.values() and not is_label
    if own is not None and fits and own.extension in {".nii", ".nii.gz"}:
        return BidsName(own.ordered, own.suffix, ".nii.gz")
    *pairs, last = group.removeprefix("labels/").split("_")
    entities = [("sub", label)]
    for pair in pairs:
        key, dash, value = pair.partition("-")
        if not dash or not re.fullmatch(r"[a-z]+", key) or not re.fullmatch(r"[A-Za-z0-9+]+", value):
            return None
        entities.append((key, value))
    if is_label:
        shown = re.sub(r"[^A-Za-z0-9+]", "", last)
        suffix = "mask" if data["label_id"].values.tolist() in ([], [1]) else "dseg"
        if shown and shown != suffix:
            entities.append(("desc", shown))
        return BidsName(tuple(entities), suffix, ".nii.gz")
    if last not in SUFFIXES:
        return None
    return BidsName(tuple(entities), SUFFIXES[last], ".nii.gz")


def _write_volume(root: Path, item: Placed, groups: Mapping[str, xr.Dataset], placed: list[Placed]) -> None:
    data = groups[item.group]
    path = root / item.path
    path.parent.mkdir(parents=True, exist_ok=True)
    as_read = source_format(data) == "nifti" and not data.attrs.get("paired")
    content = file_bytes(data) if as_read else converted(data, path=item.group)
    # No name and no time in the gzip header: the same record gives the same file.
    path.write_bytes(gzip.compress(content, compresslevel=COMPRESSION, mtime=0))
    about = _sidecar(item, data, groups, placed)
    if about:
        _json(root / f"{item.stem}.json", about)
    if path.name.endswith("_dseg.nii.gz"):
        (root / f"{item.stem}.tsv").write_bytes(index_table(data).encode())


def _sidecar(item: Placed, data: xr.Dataset, groups: Mapping[str, xr.Dataset], placed: list[Placed]) -> dict[str, Any]:
    about = dict(data.attrs.get("sidecar", {}))
    if not about and "images" in groups:
        listed = groups["images"].attrs.get("sidecars", {})
        name = item.path.rpartition("/")[2]
        about = dict(next((held for file, held in listed.items() if file.rpartition("/")[2] == name), {}))
    if not item.derived:
        return about
    where = {other.group: other for other in placed}
    base = where.get(str(data.attrs.get("aligned_to", "")).strip("/"))
    if base is not None:
        about["SpatialReference"] = _uri(base)
        about["Sources"] = [_uri(base)]
    if item.path.endswith("_mask.nii.gz"):
        about.setdefault("Type", "Lesion" if any(word in item.group.lower() for word in LESIONS) else "ROI")
    return about


def _uri(item: Placed) -> str:
    """Return a BIDS URI as seen from the derivatives."""
    head = f"derivatives/{PIPELINE}/"
    return f"bids::{item.path.removeprefix(head)}" if item.derived else f"bids:raw:{item.path}"


def _describe(root: Path, about: Mapping[str, Any], spec: str) -> None:
    made: dict[str, Any] = {"Name": PIPELINE, "Version": __version__}
    if spec:
        made["Description"] = f"export of {spec}"
    name = str(about.get("title") or spec or "Export")
    common: dict[str, Any] = {"BIDSVersion": BIDS_VERSION, "GeneratedBy": [made]}
    if about.get("licence"):
        common["License"] = str(about["licence"])
    citation = about.get("citation")
    entries = [entry for entry in citation if isinstance(entry, Mapping)] if isinstance(citation, list) else []
    authors = [str(author) for entry in entries[:1] for author in entry.get("authors", ())]
    links = [f"https://doi.org/{entry['doi']}" for entry in entries if entry.get("doi")]
    raw = {"Name": name, "DatasetType": "raw", **common}
    if authors:
        raw["Authors"] = authors
    if links:
        raw["ReferencesAndLinks"] = links
    _json(root / "dataset_description.json", raw)
    text = f"# {name}\n\n{about.get('description') or ''}\n"
    (root / "README").write_bytes((" ".join(text.split(" "))).encode())
    derived = root / "derivatives" / PIPELINE
    if derived.is_dir():
        links_to = {"DatasetLinks": {"raw": "../.."}}
        _json(
            derived / "dataset_description.json",
            {"Name": f"Derivatives of {name}", "DatasetType": "derivative", **common, **links_to},
        )


def _json(path: Path, content: Mapping[str, Any]) -> None:
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    path.write_bytes(text.encode())
