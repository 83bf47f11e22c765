"""The format ``freesurfer``: the folder that recon-all leaves of a subject, as one record.

``mri/`` gives volumes (images, and label maps on their grid), ``surf/`` and ``label/`` one table of vertices per
hemisphere with the coordinates of its surfaces, its measures and its labels, ``stats/`` the tables of regions. Parts
that are missing are named in the warnings; a part that is broken refuses the folder. What the statistics say of voxels
and vertices is held against the images.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from connectome import schema
from connectome.errors import FormatError
from connectome.regions import ASEG_LABELS, DESIKAN_KILLIANY
from connectome.schema import column, record, warning
from connectome.volumes import align

from ..surfaces.freesurfer_annot import UNLABELLED, Annotation, colour_columns, read_annot
from ..surfaces.freesurfer_morph import measure_column, read_morph
from ..surfaces.freesurfer_surface import SPACES, Surface, read_surface
from ..surfaces.vertex_tables import label_columns, label_table, point_columns, triangle_table
from ..tables.text_rows import Note, finite, read_lines
from ..volumes import mgh
from .colour_table import read_colour_table
from .label_file import read_label
from .stats import Stats, measures_table, read_stats, stats_table
from .subject_files import DONE, FOLDERS, IMAGES, SubjectFiles, find_files

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["companions", "read", "sniff"]

Array = np.ndarray[Any, Any]
Groups = dict[str, "xr.Dataset"]

LABEL_NAMES: Mapping[int, str] = {number: name for name, number in ASEG_LABELS.items()} | {
    region.label: region.id for region in DESIKAN_KILLIANY if region.cortical
}
"""Of ``aseg`` and ``aparc+aseg``; other maps have regions of other atlases, which are not named here."""
NAMED_MAPS = ("aseg", "aparc+aseg", "wmparc")


def sniff(path: Path) -> bool:
    """Tell whether a folder has the parts of a subject, or a file ends its making."""
    root = path.parent.parent if path.is_file() and path.name == DONE else path
    return root.is_dir() and sum((root / name).is_dir() for name in FOLDERS) >= 2 and (root / "mri").is_dir()


def companions(paths: list[Path], *, colour_table: str = "", **_: Any) -> list[Path]:
    """Return the files of the folder that are read, and the colour table."""
    return [*find_files(paths).every(), *([Path(colour_table)] if colour_table else [])]


def read(paths: list[Path], *, colour_table: str = "") -> xr.DataTree:
    """Read one subject.

    Parameters
    ----------
    paths : list of pathlib.Path
        The subject's folder, or its ``scripts/recon-all.done``.
    colour_table : str
        Path of a ``FreeSurferColorLUT.txt`` that names the labels of volumes. Without it, structures of ``aseg`` and
        regions of the Desikan-Killiany atlas have names.

    Returns
    -------
    xarray.DataTree
        Volumes ``space-orig_t1w`` (``orig.mgz``), ``space-orig_desc-brain_t1w``, ... and ``labels/aseg``,
        ``labels/aparc+aseg``, ...; per hemisphere ``surfaces/lh/vertex`` (``white_x_mm``, ..., ``thickness``, ``aparc``
        and ``aparc_value``), ``surfaces/lh/triangle``, ``surfaces/lh/label/aparc`` (the label table) and
        ``surfaces/lh/patch/cortex`` (label files); ``regions`` (``?h.aparc.stats``), ``aseg`` (``aseg.stats``),
        ``stats/NAME`` for others and ``measures`` of the whole brain.

    Raises
    ------
    FormatError
        When it is no such folder, a file is broken, or files of one hemisphere differ in their vertices.
    SchemaError
        When a label map does not lie on the grid of the images.
    """
    files = find_files(paths)
    warnings = list(files.notes)
    groups = _volumes(files, read_colour_table(Path(colour_table)) if colour_table else {}, warnings)
    for hemi in ("lh", "rh"):
        groups |= _hemisphere(files, hemi, warnings)
    groups |= _tables(files, groups, warnings)
    attrs: dict[str, Any] = {"title": files.root.resolve().name, "species": "Homo sapiens"}
    if files.talairach is not None:
        attrs["talairach_affine"] = _read_xfm(files.talairach)
    return record(groups, warnings=warnings, **attrs)


def _volumes(files: SubjectFiles, table: Mapping[int, str], warnings: list[Note]) -> Groups:
    groups: Groups = {}
    for name, group in IMAGES.items():
        if name in files.images:
            groups[group] = _volume(files.images[name], group, f"T1-weighted intensity ({name}.mgz)", warnings)
    base = next((group for name, group in IMAGES.items() if group in groups and name != "rawavg"), None)
    for name, path in sorted(files.label_maps.items()):
        group = f"labels/{name}"
        dataset = _volume(path, group, "Label, as stored", warnings)
        if base is not None:
            dataset = align(dataset, groups[base], path=base, subject=str(path))
        names = table or (LABEL_NAMES if name in NAMED_MAPS else {})
        if names and "label_id" in dataset:
            texts = [names.get(number, "") for number in dataset["label_id"].values.tolist()]
            dataset["label_name"] = column("label", texts, "Name of the label")
        groups[group] = dataset.assign_attrs(available="pre_op")
    return groups


def _volume(path: Path, group: str, long_name: str, warnings: list[Note]) -> xr.Dataset:
    tree = mgh.read([path], group=group, long_name=long_name)
    warnings += _placed(tree.attrs.get("warnings", []), group)
    return cast("xr.DataTree", tree[group]).to_dataset(inherit=False)


def _placed(notes: list[Note] | tuple[Note, ...], where: str) -> list[Note]:
    return [{**note, "place": f"{where}: {note['place']}"} for note in notes]


def _hemisphere(files: SubjectFiles, hemi: str, warnings: list[Note]) -> Groups:
    """Join what is known of the vertices of one hemisphere."""
    groups: Groups = {}
    columns: dict[str, xr.Variable] = {}
    attrs: dict[str, Any] = {"hemisphere": hemi[0].upper()}
    counts: dict[str, int] = {}
    triangles: dict[str, Array] = {}
    for name, path in files.surfaces[hemi].items():
        surface = read_surface(path)
        warnings += _placed(surface.notes, f"surf/{path.name}")
        counts[path.name] = len(surface.points)
        space = SPACES[surface.scanner]
        columns |= point_columns(surface.points, space, subject=str(path), prefix=f"{name.replace('.', '_')}_")
        attrs |= _geometry(attrs, surface)
        triangles[name] = surface.triangles
    for name, path in files.measures[hemi].items():
        values, _, notes = read_morph(path)
        warnings += _placed(notes, f"surf/{path.name}")
        counts[path.name] = len(values)
        columns[name.replace(".", "_")] = measure_column(values, name)
    for name, path in files.annotations[hemi].items():
        found = read_annot(path)
        warnings += _placed(found.notes, f"label/{path.name}")
        counts[path.name] = len(found.values)
        columns |= _labels(found, name, groups, hemi, warnings)
    for name, path in files.patches[hemi].items():
        groups[f"surfaces/{hemi}/patch/{name}"] = read_label(path)
    _check_counts(files, hemi, counts)
    if columns:
        groups[f"surfaces/{hemi}/vertex"] = schema.table(columns, **attrs)
    for name, corners in triangles.items():
        first = next(iter(triangles))
        if name == first:
            groups[f"surfaces/{hemi}/triangle"] = triangle_table(corners, surface=first)
        elif not np.array_equal(corners, triangles[first]):
            # Almost always the surfaces of a hemisphere share their triangles, and one table serves them all.
            groups[f"surfaces/{hemi}/triangle_{name.replace('.', '_')}"] = triangle_table(corners, surface=name)
    return groups


def _geometry(known: Mapping[str, Any], surface: Surface) -> dict[str, Any]:
    return {name: value for name, value in surface.attrs.items() if name not in known and name != "comment"}


def _labels(found: Annotation, name: str, groups: Groups, hemi: str, warnings: list[Note]) -> dict[str, xr.Variable]:
    keys = found.keys.tolist()
    columns, notes = label_columns(found.values, keys, list(found.names), name=name, unlabelled=[UNLABELLED])
    warnings += _placed(notes, f"surfaces/{hemi}")
    groups[f"surfaces/{hemi}/label/{name}"] = label_table(keys, found.names, colour_columns(found), found.values)
    return columns


def _check_counts(files: SubjectFiles, hemi: str, counts: Mapping[str, int]) -> None:
    if len(set(counts.values())) > 1:
        first = next(iter(counts))
        odd = next(name for name, number in counts.items() if number != counts[first])
        raise FormatError(
            "files of one hemisphere differ in their number of vertices", subject=str(files.root), place=odd,
            expected=f"{counts[first]}, as {first} has", found=str(counts[odd]),
        )  # fmt: skip
    for name, path in files.patches[hemi].items():
        vertex = read_label(path)["vertex"].values
        if counts and vertex.size and vertex.max() >= next(iter(counts.values())):
            raise FormatError(
                "a label has a vertex that the surface has not", subject=str(path), place=name,
                expected=f"below {next(iter(counts.values()))}", found=str(vertex.max()),
            )  # fmt: skip


def _tables(files: SubjectFiles, groups: Groups, warnings: list[Note]) -> Groups:
    found: dict[str, Stats] = {}
    for name, path in files.stats.items():
        found[name] = read_stats(path)
        warnings += _placed(found[name].warnings, f"stats/{path.name}")
    tables: Groups = {}
    parcellations = sorted({name.partition(".")[2] for name in found if name[:3] in {"lh.", "rh."}})
    for atlas in parcellations:
        sides = [found[f"{hemi}.{atlas}"] for hemi in ("lh", "rh") if f"{hemi}.{atlas}" in found]
        tables["regions" if atlas == "aparc" else f"stats/{atlas}"] = stats_table(sides)
    for name, stats in found.items():
        if name[:3] not in {"lh.", "rh."}:
            tables["aseg" if name == "aseg" else f"stats/{name}"] = stats_table([stats])
    measured = [stats for stats in found.values() if stats.measures]
    if measured:
        tables["measures"] = measures_table(measured)
    warnings += _disagreements(found, groups)
    return tables


def _disagreements(found: Mapping[str, Stats], groups: Groups) -> list[Note]:
    """Hold counts of the statistics against the images that they are of."""
    notes: list[Note] = []
    for name, stats in found.items():
        hemi, _, atlas = name.partition(".")
        if hemi in {"lh", "rh"} and f"surfaces/{hemi}/label/{atlas}" in groups and "NumVert" in stats.columns:
            labels = groups[f"surfaces/{hemi}/label/{atlas}"]
            known = dict(zip(labels["name"].values.tolist(), labels["n_vertices"].values.tolist(), strict=True))
            said = dict(zip(stats.columns["StructName"], map(int, stats.columns["NumVert"]), strict=True))
        elif f"labels/{name}" in groups and {"SegId", "NVoxels"} <= set(stats.columns):
            volume = groups[f"labels/{name}"]
            counts = dict(zip(volume["label_id"].values.tolist(), volume["label_voxels"].values.tolist(), strict=True))
            said = dict(zip(map(str, stats.columns["SegId"]), map(int, stats.columns["NVoxels"]), strict=True))
            known = {label: counts.get(int(label), 0) for label in said}
        else:
            continue
        odd = [f"{label}: {number} in the table, {known.get(label, 0)} in the image"
               for label, number in said.items() if known.get(label, 0) != number]  # fmt: skip
        if odd:
            shown = "; ".join(odd[:3]) + ("; ..." if len(odd) > 3 else "")
            message = f"{len(odd)} of {len(said)} counts differ from the image: {shown}"
            notes.append(warning("statistics-differ", f"stats/{name}.stats", message))
    return notes


def _read_xfm(path: Path) -> list[list[float]]:
    """Read an MNI transform: three rows of four numbers after ``Linear_Transform``."""
    lines = [line.strip() for line in read_lines(path)]
    at = next((number for number, line in enumerate(lines) if line.startswith("Linear_Transform")), None)
    rows = [] if at is None else [line.rstrip(";").split() for line in lines[at + 1 : at + 4]]
    if len(rows) != 3 or any(len(row) != 4 for row in rows):
        raise FormatError(
            "not a linear transform of MNI", subject=str(path), place="Linear_Transform", expected="3 rows of 4 numbers"
        )
    numbers = [[finite(text, path, "Linear_Transform", "a number") for text in row] for row in rows]
    return [*numbers, [0.0, 0.0, 0.0, 1.0]]
