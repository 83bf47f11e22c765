"""Which files of a subject's folder are read, and which are left; links out of the folder are not followed."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from connectome.errors import FormatError
from connectome.schema import warning

from ..files.one_path import only_path

if TYPE_CHECKING:
    from ..tables.text_rows import Note

__all__ = ["IMAGES", "LABEL_MAPS", "SURFACES", "SubjectFiles", "find_files"]

DONE = "recon-all.done"
"""Leaves ``scripts/`` when recon-all has ended; naming it names its subject."""
FOLDERS = ("mri", "surf", "label", "stats")
IMAGES = {
    "orig": "space-orig_t1w", "T1": "space-orig_desc-T1_t1w", "brain": "space-orig_desc-brain_t1w",
    "norm": "space-orig_desc-norm_t1w", "nu": "space-orig_desc-nu_t1w", "rawavg": "desc-rawavg_t1w",
}  # fmt: skip
"""Images of ``mri/`` and their groups, the source of the others first."""
LABEL_MAPS = re.compile(r"aseg|wmparc|ribbon|[\w.]+\+aseg")
"""Names of label maps of ``mri/``."""
SURFACES = ("white", "pial", "orig", "smoothwm", "inflated", "sphere", "sphere.reg")
MEASURES = ("thickness", "area", "area.pial", "area.mid", "curv", "curv.pial", "sulc", "volume")
STATS = re.compile(r"(?:[lr]h\.)?[\w.+-]+\.stats")


@dataclass
class SubjectFiles:
    """The files that are read, by what they are."""

    root: Path
    images: dict[str, Path] = field(default_factory=dict)
    label_maps: dict[str, Path] = field(default_factory=dict)
    surfaces: dict[str, dict[str, Path]] = field(default_factory=lambda: {"lh": {}, "rh": {}})
    measures: dict[str, dict[str, Path]] = field(default_factory=lambda: {"lh": {}, "rh": {}})
    annotations: dict[str, dict[str, Path]] = field(default_factory=lambda: {"lh": {}, "rh": {}})
    patches: dict[str, dict[str, Path]] = field(default_factory=lambda: {"lh": {}, "rh": {}})
    stats: dict[str, Path] = field(default_factory=dict)
    talairach: Path | None = None
    others: list[str] = field(default_factory=list)
    """Files that are not read, relative to the folder."""
    notes: list[Note] = field(default_factory=list)

    def every(self) -> list[Path]:
        """Return all files that are read, sorted."""
        found = [*self.images.values(), *self.label_maps.values(), *self.stats.values()]
        for part in (self.surfaces, self.measures, self.annotations, self.patches):
            found += [path for files in part.values() for path in files.values()]
        return sorted(found if self.talairach is None else [*found, self.talairach])


def find_files(paths: list[Path]) -> SubjectFiles:
    """List the files of a subject.

    Parameters
    ----------
    paths : list of pathlib.Path
        The folder, or its ``scripts/recon-all.done``.

    Raises
    ------
    FormatError
        When it is no such folder.
    """
    given = only_path(paths, expected="a subject's folder", one="folder")
    root = given.parent.parent if given.is_file() and given.name == DONE else given
    if not root.is_dir() or not any((root / name).is_dir() for name in FOLDERS):
        raise FormatError(
            "not a subject's folder of FreeSurfer", subject=str(given), expected=f"folders {', '.join(FOLDERS)}",
            found="none of them",
        )  # fmt: skip
    files = SubjectFiles(root)
    inside = root.resolve()
    for path in sorted(item for name in FOLDERS for item in (root / name).rglob("*")):
        name = path.relative_to(root).as_posix()
        if path.is_symlink() and not path.exists():
            files.notes.append(warning("dangling-link", name, "a link to a file that is not there"))
        elif path.is_file() and not path.resolve().is_relative_to(inside):
            files.notes.append(warning("link-outside", name, "a link out of the folder; it is not followed"))
        elif path.is_file() and not _place(files, path, name):
            files.others.append(name)
    for folder in FOLDERS:
        if not any(path.relative_to(root).parts[0] == folder for path in files.every()):
            files.notes.append(
                warning("part-missing", folder, "nothing is read from this part: it is empty or not here")
            )
    if files.others:
        shown = ", ".join(files.others[:5]) + (", ..." if len(files.others) > 5 else "")
        files.notes.append(warning("files-not-read", str(len(files.others)), f"no part of the record: {shown}"))
    if not files.every():
        raise FormatError("the folder holds nothing that is read", subject=str(root), expected="mri/*.mgz, surf/lh.*")
    return files


def _place(files: SubjectFiles, path: Path, name: str) -> bool:
    """Put a file where it belongs; return whether it is read."""
    folder, _, rest = name.partition("/")
    hemi, _, part = rest.partition(".")
    if folder == "mri":
        return _place_volume(files, path, rest)
    if folder == "stats" and STATS.fullmatch(rest):
        files.stats[rest.removesuffix(".stats")] = path
    elif folder == "surf" and hemi in files.surfaces and part in SURFACES:
        files.surfaces[hemi][part] = path
    elif folder == "surf" and hemi in files.surfaces and part in MEASURES:
        files.measures[hemi][part] = path
    elif folder == "label" and hemi in files.surfaces and part.endswith(".annot"):
        files.annotations[hemi][part.removesuffix(".annot")] = path
    elif folder == "label" and hemi in files.surfaces and part.endswith(".label"):
        files.patches[hemi][part.removesuffix(".label")] = path
    else:
        return False
    return True


def _place_volume(files: SubjectFiles, path: Path, rest: str) -> bool:
    if rest == "transforms/talairach.xfm":
        files.talairach = path
        return True
    stem, _, suffix = rest.rpartition(".")
    if suffix not in {"mgz", "mgh"}:
        return False
    if stem in IMAGES:
        files.images[stem] = path
    elif LABEL_MAPS.fullmatch(stem):
        files.label_maps[stem] = path
    else:
        return False
    return True
