"""Sessions in NWB 2, HDF5 or Zarr v2 (hdmf-zarr): units, tables, series and what the file says of the session.

By h5py and numcodecs alone: types are told by ``neurodata_type``, wherever in the file they lie, so files of schema
2.0 to today's are read alike. What is understood becomes groups; images and larger arrays stay in the file, with a
table that says where; what is neither is named in the record's ``warnings``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

from connectome.errors import FormatError, UsageError
from connectome.schema import record, warning

from ..files.hdf5_file import is_hdf5, open_hdf5
from ..files.one_path import only_path
from ..held import Held
from ..worms.nwb_worm import is_worm
from .about import devices, session_attributes, stated_rates
from .layout import is_referable
from .series import by_reference, event_table, joined_series, read_series, table_series
from .tables import Warnings, read_table, unify
from .tree import ArrayNode, GroupNode, open_tree, typed
from .units import read_units
from .zarr import is_zarr
from .zarr_files import files_of

if TYPE_CHECKING:
    import xarray as xr

    from ..files.elsewhere import FileElsewhere

__all__ = ["companions", "read", "sniff", "survey"]

_SERIES = {"TimeSeries", "SpatialSeries", "ElectricalSeries", "AbstractFeatureSeries", "AnnotationSeries",
           "IntervalSeries", "IndexSeries", "RoiResponseSeries", "OptogeneticSeries", "PatchClampSeries",
           "CurrentClampSeries", "CurrentClampStimulusSeries", "VoltageClampSeries", "VoltageClampStimulusSeries",
           "IZeroClampSeries", "SpikeEventSeries", "DecompositionSeries"}  # fmt: skip
_IMAGES = {"ImageSeries", "OpticalSeries", "ImageMaskSeries", "TwoPhotonSeries", "OnePhotonSeries", "RGBImage",
           "GrayscaleImage", "RGBAImage", "MultiChannelVolume", "MultiChannelVolumeSeries"}  # fmt: skip
_JOINED = {"Position", "CompassDirection", "BehavioralTimeSeries", "PupilTracking", "EyeTracking"}
_TABLES = {"DynamicTable", "TimeIntervals", "AlignedDynamicTable", "ElectrodesTable", "EventsTable"}
_EYES = {"eye_tracking", "raw_gaze_mapping", "filtered_gaze_mapping", "EyeTracking"}
_SUFFIX = "_presentations"


def sniff(path: Path | FileElsewhere) -> bool:
    """Tell whether a file is an NWB session, and no worm by the convention of WormID (format ``nwb-celegans``)."""
    if path.is_file() and is_hdf5(path):
        with open_hdf5(path) as file:
            if is_worm(file):
                return False
    elif not isinstance(path, Path) or not is_zarr(path):
        return False
    with open_tree(path) as root:
        return root.type == "NWBFile"


def companions(paths: list[Path], **_: Any) -> list[Path]:
    """Return the files to read: of a Zarr folder all that are in it."""
    return [file for path in paths for file in (files_of(path) if path.is_dir() else [path])]


def read(paths: Sequence[Path | FileElsewhere], *, spikes: str = "read", only: str = "") -> xr.DataTree:
    """Read one session.

    Parameters
    ----------
    paths : sequence of pathlib.Path or FileElsewhere
        One HDF5 file, here or elsewhere, or one ZIP file or folder in the Zarr v2 layout of hdmf-zarr.
    spikes : str
        ``"read"``, or ``"skip"`` to leave out the units and keep the rest of a file whose spikes are damaged.
    only : str
        Globs on the groups of the record, separated by commas (``"spikes,trials,lfp/*"``); values of all others are
        not read, and a warning names them. Empty for everything.

    Returns
    -------
    xarray.DataTree
        ``spikes`` (events, with the units' columns along ``unit_id``); ``units`` (table) where there are no spike
        times; ``electrodes``, ``electrode_group``, ``device``, ``trials``, ``epochs``, ``intervals/NAME``,
        ``stimulus/NAME``, ``tables/NAME`` (tables); ``running``, ``pupil``, ``eye_tracking/NAME``, ``lfp/NAME``,
        ``series/NAME`` (series on their own clocks); ``images/NAME`` (table: where in the file). Each where the file
        has it. Attributes: what the file says of subject and session.

    Raises
    ------
    FormatError
        When it is no NWB 2, or contradicts itself: above all, when an index goes beyond its data.
    UnsafeError
        When a link or reference leads out of the container.
    """
    only_path(paths, expected="SESSION.nwb", one="session")
    if spikes not in {"read", "skip"}:
        raise UsageError("unknown way to treat spikes", subject="spikes", expected="read or skip", found=spikes)
    warnings: Warnings = []
    with open_tree(paths[0]) as root:
        _require_nwb(root)
        session = _Session(root, paths[0], warnings, spikes, only)
        groups = session.read()
        attrs = session_attributes(root)
    if not groups and session.left:
        raise UsageError(
            "the selection leaves nothing", subject="only", place=str(paths[0]), found=only,
            expected=", ".join(sorted(session.left)[:20]),
        )  # fmt: skip
    if not groups:
        raise FormatError("nothing in the session is known", subject=str(paths[0]), expected="units, tables or series")
    return record(groups, warnings=warnings, title=f"Session {attrs.get('source_uid') or paths[0].stem}", **attrs)


def survey(paths: Sequence[Path | FileElsewhere], *, spikes: str = "read", only: str = "") -> list[Held]:
    """Return the arrays that :func:`read` would read, from the headers alone; options are the same.

    Raises
    ------
    FormatError
        When it is no NWB 2, or is damaged.
    """
    only_path(paths, expected="SESSION.nwb", one="session")
    with open_tree(paths[0]) as root:
        _require_nwb(root)
        chosen = list(_Session(root, paths[0], [], spikes, only).chosen())
        return [held for item in chosen for held in _held(item)]


def _held(item: GroupNode) -> Iterator[Held]:
    for name in item.names():
        array = None if item.is_link(name) else item.array(name)
        stays = name == "data" and (item.type in _IMAGES or (array is not None and len(array.shape) > 2))
        if array is not None and not stays and item.type != "Images":
            n_bytes = math.prod(array.shape) * array.dtype.itemsize
            referable = name == "data" and is_referable(array.piece())
            yield Held(array.path, array.stored_bytes(), n_bytes, referable)


def _require_nwb(root: GroupNode) -> None:
    if root.type == "NWBFile":
        return
    old = root.array("nwb_version")
    version = root.text("nwb_version") if old is not None else ""
    raise FormatError(
        "not an NWB 2 session", subject=root.subject, place="/.neurodata_type", expected="NWBFile",
        found=f"NWB 1 ({version})" if version else root.type or ", ".join(root.names()[:8]) or "an empty file",
        hint="convert it to NWB 2 with MatNWB or PyNWB" if version else None,
    )  # fmt: skip


class _Session:
    """The groups of one record as they are found."""

    def __init__(
        self, root: GroupNode, path: Path | FileElsewhere, warnings: Warnings, spikes: str, only: str = ""
    ) -> None:
        self.root, self.path, self.warnings, self.spikes = root, path, warnings, spikes
        self.only = tuple(glob.strip() for glob in only.split(",") if glob.strip())
        self.left: set[str] = set()
        self.groups: dict[str, xr.Dataset] = {}
        self.stimuli: dict[str, xr.Dataset] = {}
        self.done: set[str] = set()

    def read(self) -> dict[str, xr.Dataset]:
        """Read everything below the root."""
        self._units()
        for item in self._items():
            self._one(item)
        self.groups.update(unify(self.stimuli))
        found = devices(self.root)
        self.groups.update({path: group for path, group in found.items() if self._wanted(path)})
        if self.left:
            message = f"left out by the option only={','.join(self.only)}: {', '.join(sorted(self.left))}"
            self.warnings.append(warning("not-selected", "/", message[:1000]))
        return dict(sorted(self.groups.items()))

    def chosen(self) -> Iterator[GroupNode]:
        """Yield every object that would be read, and read none."""
        for item in self._unit_tables().values():
            self.done.add(item.path)
            if self.spikes != "skip" and self._wanted("spikes"):
                yield item
        for item in self._items():
            if not self.only or self._selected(item):
                yield item

    def _items(self) -> Iterator[GroupNode]:
        """Yield the objects that are not done yet, and not below one that is."""
        for item in typed(self.root):
            if item.path in self.done or any(item.path.startswith(f"{place}/") for place in self.done):
                continue
            if not item.path.startswith("/general/") or _is_table(item):
                yield item

    def _unit_tables(self) -> dict[str, GroupNode]:
        """Return every Units table by path; the session's own first, whatever its type is called."""
        found = {item.path: item for item in typed(self.root) if item.type == "Units"}
        own = self.root.group("units")
        if own is not None:
            found["/units"] = own
        return {path: found[path] for path in sorted(found, key=lambda path: (path != "/units", path))}

    def _units(self) -> None:
        """Read every Units table."""
        found = self._unit_tables()
        for path in found:
            self.done.add(path)
            if self.spikes == "skip":
                self.warnings.append(warning("spikes-skipped", path, "left out by the option spikes=skip"))
                continue
            if not self._wanted("spikes"):
                continue
            group = self._free("spikes") if "spikes" not in self.groups else self._free(f"spikes_{_clean(path[1:])}")
            self.groups.update(read_units(found[path], group, self.warnings, stated_hz=stated_rates(self.root)))

    def _one(self, item: GroupNode) -> None:
        kind = item.type
        if self.only and not self._selected(item):
            return
        if kind in _JOINED:
            self._joined(item)
        elif kind in _IMAGES:
            self.groups[self._free(f"images/{_clean(item.name)}")] = by_reference(item, item.array("data"))
        elif _is_table(item):
            self._table(item)
        elif kind in _SERIES or (item.array("data") is not None and _has_clock(item)):
            self._series(item)
        elif kind == "Images":
            for name in item.names():
                image = item.array(name)
                if image is not None:
                    self.groups[self._free(f"images/{_clean(item.name)}_{_clean(name)}")] = by_reference(item, image)
        else:
            self._left(item)

    def _wanted(self, *paths: str) -> bool:
        """Tell whether a group is selected under one of the paths that it may get; note the first where it is not."""
        if not self.only or any(fnmatchcase(path, glob) for path in paths for glob in self.only):
            return True
        self.left.add(paths[0])
        return False

    def _selected(self, item: GroupNode) -> bool:
        """Tell whether an object is selected, by the groups that it could become; what lies below it is asked anew."""
        name = _clean(item.name)
        if item.type in _JOINED and not _is_table(item):
            members = [child for child in _children(item) if child.type in _SERIES]
            asked = [self._series_path(item), *(self._series_path(member) for member in members)]
            chosen = not members or self._wanted(*asked)
            self.done |= set() if chosen else {member.path for member in members}
            return chosen
        if _is_table(item):
            self.done.add(item.path)
            series = [self._series_path(item)] if item.array("timestamps") is not None else []
            return self._wanted(_table_path(item), *series)
        if item.type in _IMAGES or item.type == "Images":
            return self._wanted(f"images/{name}")
        if item.type in _SERIES or (item.array("data") is not None and _has_clock(item)):
            return self._wanted(self._series_path(item), f"images/{name}", f"tables/{name}")
        arrays = [name for name in item.names() if not item.is_link(name) and item.array(name) is not None]
        return not arrays or self._wanted(f"tables/{name}")

    def _left(self, item: GroupNode) -> None:
        """Keep columns of one length of a type that is not known as a table; name other arrays in a warning."""
        there = [(name, item.get(name)) for name in item.names() if not item.is_link(name)]
        arrays = [(name, one) for name, one in there if isinstance(one, ArrayNode)]
        if not arrays:
            return
        even = len({one.shape for _, one in arrays}) == 1 and len(arrays[0][1].shape) == 1
        if even and all(one.kind in {"number", "text"} for _, one in arrays):
            path = self._free(f"tables/{_clean(item.name)}")
            self.groups.update(read_table(item, path, self.warnings))
            return
        names = ", ".join(name for name, _ in arrays)[:200]
        self.warnings.append(warning("not-stored", item.path, f"a {item.type} with {names}"))

    def _joined(self, item: GroupNode) -> None:
        members = [child for child in _children(item) if child.type in _SERIES]
        made = joined_series(item, members, self.path)
        if made is not None:
            self.groups[self._free(self._series_path(item))] = made
            self.done |= {member.path for member in members}

    def _table(self, item: GroupNode) -> None:
        self.done.add(item.path)
        made = table_series(item, self.warnings) if item.type == "DynamicTable" else None
        if made is not None:
            self.groups[self._free(self._series_path(item))] = made
            return
        path = self._free(_table_path(item))
        found = read_table(item, path, self.warnings)
        if path.startswith("stimulus/"):
            self.stimuli[path] = found.pop(path)
        for further, one in found.items():
            self.groups[further if further == path else self._free(further)] = one

    def _series(self, item: GroupNode) -> None:
        self.done.add(item.path)
        made = event_table(item, self.warnings)
        if made is not None:
            self.groups[self._free(f"tables/{_clean(item.name)}")] = made
            return
        data = item.array("data")
        n_warnings = len(self.warnings)
        made = read_series(item, self.path, self.warnings, self.root)
        if made is not None:
            self.groups[self._free(self._series_path(item))] = made
        elif data is not None and data.kind == "number" and len(data.shape) > 2:
            self.groups[self._free(f"images/{_clean(item.name)}")] = by_reference(item, data)
            self.warnings.append(warning("by-reference", item.path, f"values of shape {data.shape} stay in the file"))
        elif len(self.warnings) == n_warnings:
            what = "no data" if data is None else f"{data.kind} of shape {data.shape}"
            self.warnings.append(warning("not-stored", item.path, f"a {item.type} with {what}"))

    def _series_path(self, item: GroupNode) -> str:
        parts = item.path.strip("/").split("/")
        module = parts[1] if parts[0] == "processing" and len(parts) > 2 else ""
        name = _clean(item.name)
        if module == "running" and name in {"running_speed", "speed"}:
            return "running"
        if item.type == "PupilTracking":
            return "pupil"
        if _EYES & set(parts[:-1]) or item.type == "EyeTracking":
            holder = parts[-2] if parts[-2] in _EYES - {"eye_tracking", "EyeTracking"} else ""
            return f"eye_tracking/{_clean(holder)}_{name}" if holder else f"eye_tracking/{name}"
        above = self.root.at("/" + "/".join(parts[:-1]))
        if isinstance(above, GroupNode) and above.type == "LFP":
            return f"lfp/{name}"
        if isinstance(above, GroupNode) and above.type == "PupilTracking":
            return f"pupil_{name}"
        return f"series/{name}"

    def _free(self, path: str) -> str:
        """Return a path that no group has yet, nor lies below or above one."""
        taken = {*self.groups, *self.stimuli}
        chosen, number = path, 2
        while chosen in taken or any(one.startswith(f"{chosen}/") or chosen.startswith(f"{one}/") for one in taken):
            chosen, number = f"{path}_{number}", number + 1
        return chosen


def _children(item: GroupNode) -> Iterator[GroupNode]:
    for name in item.names():
        child = None if item.is_link(name) else item.group(name)
        if child is not None:
            yield child


def _has_clock(item: GroupNode) -> bool:
    return "timestamps" in item.names() or "starting_time" in item.names()


def _is_table(item: GroupNode) -> bool:
    """Tell whether a group is a DynamicTable or of a type made of it: then it names its columns."""
    return item.type in _TABLES or "colnames" in item.attrs


def _table_path(item: GroupNode) -> str:
    name = _clean(item.name)
    if item.path == "/general/extracellular_ephys/electrodes":
        return "electrodes"
    if name.endswith(_SUFFIX) or item.array("stimulus_name") is not None:
        return f"stimulus/{name.removesuffix(_SUFFIX)}"
    if item.path in {"/intervals/trials", "/intervals/epochs"}:
        return name
    if item.type == "TimeIntervals" or item.path.startswith("/intervals/"):
        return f"intervals/{name}"
    return f"tables/{name}"


def _clean(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]+", "_", name).strip("_") or "unnamed"
