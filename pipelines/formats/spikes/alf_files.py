"""Names of ALF files: which object and attribute a file holds, and which of several revisions counts.

``[_namespace_]object.attribute[_timescale][.extra...].extension`` (ALF, "ALyx File naming", Open Neurophysiology
Environment, int-brain-lab.github.io/ONE/alf_intro.html); an extra part may be the file's UUID. Revisions lie in folders
``#NAME#`` beside the files that they replace; the last in the order of names counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from connectome.errors import FormatError, UsageError

__all__ = ["AlfFile", "alf_files", "find_spikes", "parse_name", "session_files"]

EXTENSIONS = (".npy", ".csv", ".tsv", ".pqt", ".parquet")
_NAME = re.compile(
    r"(?:_(?P<namespace>[A-Za-z0-9]+)_)?(?P<object>[A-Za-z0-9]+)\.(?P<attribute>[A-Za-z0-9]+(?:_[A-Za-z0-9]+)*)"
    r"(?P<extra>(?:\.[^.]+)*)(?P<extension>\.[A-Za-z0-9]+)"
)
_REVISION = re.compile(r"#(?P<name>[^#]+)#")
_SORTERS = ("pykilosort", "iblsorter", "ks2_matlab")
"""Folders below a probe's that IBL's releases name after the sorter."""
_SESSION = "alf"


@dataclass(frozen=True)
class AlfFile:
    """A file by its name."""

    path: Path
    object: str
    attribute: str
    extension: str
    revision: str = ""

    @property
    def key(self) -> str:
        """``object.attribute``."""
        return f"{self.object}.{self.attribute}"


def parse_name(path: Path, revision: str = "") -> AlfFile | None:
    """Return what a name says, None for names of another form."""
    match = _NAME.fullmatch(path.name)
    if match is None or match["extension"] not in EXTENSIONS:
        return None
    return AlfFile(path, match["object"], match["attribute"], match["extension"], revision)


def alf_files(folder: Path, *, revision: str = "") -> dict[str, AlfFile]:
    """Return the files of one folder by ``object.attribute``, of every one the last revision.

    Parameters
    ----------
    folder : pathlib.Path
        Of a session or a probe; folders below it are not entered, but for those of revisions.
    revision : str
        No later revision than this counts; ``""`` allows all.

    Raises
    ------
    FormatError
        When two files of one revision are the same attribute of the same object.
    """
    layers = [("", folder)]
    for item in sorted(folder.iterdir()):
        match = _REVISION.fullmatch(item.name)
        if match is not None and item.is_dir() and (not revision or match["name"] <= revision):
            layers.append((match["name"], item))
    found: dict[str, AlfFile] = {}
    for name, layer in layers:
        held: dict[str, AlfFile] = {}
        for path in sorted(layer.iterdir()):
            parsed = parse_name(path, name) if path.is_file() else None
            if parsed is None:
                continue
            if parsed.key in held:
                raise FormatError(
                    "two files are the same attribute", subject=str(layer), place=parsed.key, expected="one file",
                    found=f"{held[parsed.key].path.name}, {path.name}", hint="keep one of them",
                )  # fmt: skip
            held[parsed.key] = parsed
        found.update(held)
    return found


def find_spikes(path: Path, probe: str) -> Path:
    """Return the folder of the spikes: that of ``spikes.times``, or the one below a session's folder.

    Raises
    ------
    FormatError
        When there are no spikes, or the path is another file.
    UsageError
        When a session has several probes and none is chosen, or the chosen one is not there.
    """
    if path.is_file():
        parsed = parse_name(path)
        if parsed is None or parsed.key != "spikes.times":
            raise FormatError("not the spike times of an ALF folder", subject=str(path), expected="spikes.times.npy")
        return path.parent.parent if _REVISION.fullmatch(path.parent.name) else path.parent
    if _has_spikes(path):
        return path
    roots = [path / _SESSION, path] if (path / _SESSION).is_dir() else [path]
    found: dict[str, Path] = {}
    for root in roots:
        for item in sorted(root.iterdir()):
            for place in (item, *(item / sorter for sorter in _SORTERS)):
                if item.is_dir() and place.is_dir() and _has_spikes(place):
                    found.setdefault(item.name, place)
    if probe:
        if probe not in found:
            raise UsageError(
                "no such probe", subject=str(path), place="option probe", expected=", ".join(found), found=probe
            )
        return found[probe]
    if len(found) > 1:
        raise UsageError(
            "a session with several probes; one makes one record", subject=str(path), expected=", ".join(found),
            found="none chosen", hint=f"--option probe={next(iter(found))}",
        )  # fmt: skip
    if not found:
        listed = ", ".join(sorted(item.name for item in path.iterdir())[:10])
        raise FormatError(
            "not an ALF folder", subject=str(path), expected="spikes.times.npy and spikes.clusters.npy",
            found=listed or "an empty folder",
        )  # fmt: skip
    return next(iter(found.values()))


def session_files(folder: Path, *, revision: str = "") -> dict[str, AlfFile]:
    """Return the files of a probe's folder and, where it lies in a session's ``alf``, what the session adds to them."""
    found = alf_files(folder, revision=revision)
    parents = [parent for parent in (folder, *list(folder.absolute().parents)[:3]) if parent.name == _SESSION]
    if parents and parents[0] != folder:
        for key, file in alf_files(parents[0], revision=revision).items():
            found.setdefault(key, file)
    return found


def _has_spikes(folder: Path) -> bool:
    places: Iterable[Path] = (item for item in folder.iterdir() if _REVISION.fullmatch(item.name) and item.is_dir())
    keys = {file.key for layer in (folder, *places) for file in map(parse_name, layer.iterdir()) if file is not None}
    return {"spikes.times", "spikes.clusters"} <= keys
