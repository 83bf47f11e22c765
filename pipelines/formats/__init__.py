"""One reader per vendor format: path to :class:`xarray.DataTree`. Pure: no network, no store.

A reader is a function ``read(paths, **options) -> DataTree`` in a module of its own; one line in ``FORMATS`` makes it
known to ``connectome import`` and to :func:`read`. Options are keyword-only, typed and documented; a reader raises
:class:`~connectome.errors.FormatError` (or a child) that names the file and the place.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from connectome.errors import ConnectomeError, FormatError, MissingExtraError, NotFoundError, UsageError

from .files.pointers import refuse_annexed_link

if TYPE_CHECKING:
    import xarray as xr

    from .files.elsewhere import FileElsewhere
    from .portions import Division, Portion

__all__ = ["FORMATS", "Format", "read", "recognise"]


@dataclass(frozen=True)
class Format:
    """A line of the registry."""

    name: str
    module: str
    """Module below ``connectome.pipelines.formats`` with ``read`` and, where files can be told apart, ``sniff``."""
    title: str
    kinds: tuple[str, ...]
    suffixes: tuple[str, ...]
    extra: str | None = None
    """The extra of this package that the reader needs."""
    version: str = "1"
    """To be raised by any change of what the reader returns."""
    ranges: bool = False
    """Whether ``read`` takes a file that lies elsewhere; see :mod:`.files.elsewhere`."""
    folders: bool = False
    """Whether ``sniff`` tells folders, too; ``companions`` then says which files of a folder are read."""
    divides: bool = False
    """Whether a folder holds many records; ``divide`` then says which (:mod:`.portions`)."""

    def load(self) -> Any:
        """Import the module, naming the extra if a dependency is missing."""
        try:
            return import_module(f"{__name__}.{self.module}")
        except ModuleNotFoundError as error:
            if self.extra is None or (error.name or "").startswith("connectome"):
                raise
            raise MissingExtraError(
                f"the format needs {error.name}",
                subject=self.name,
                hint=f'pip install "connectome[{self.extra}]"',
            ) from error

    def inputs(self, paths: Sequence[Path], options: Mapping[str, Any]) -> list[Path]:
        """Return every file that the reader reads for these paths.

        A module says so in ``companions(paths, **options)`` where a file brings others along (sidecars, data files
        that a header names); otherwise it is the paths themselves.
        """
        found = list(paths)
        companions = getattr(self.load(), "companions", None)
        if companions is not None:
            with _blaming(paths, self):
                found = list(companions(found, **options))
        for path in found:
            if path.is_dir():
                raise FormatError("a folder, where the format reads files", subject=str(path), place=self.name)
        return found

    def divide(self, paths: Sequence[Path], options: Mapping[str, Any]) -> Division:
        """Return the records of a folder; only for formats that divide."""
        for name in options:
            self.option(name)
        with _blaming(paths, self):
            return cast("Division", self.load().divide(list(paths), **options))

    def read_portion(self, portion: Portion) -> xr.DataTree:
        """Read one of those records."""
        with _blaming([Path(portion.record)], self):
            return portion.read()

    def options(self) -> dict[str, inspect.Parameter]:
        """Return the keyword-only options of the reader by name."""
        parameters = inspect.signature(self.load().read).parameters.values()
        return {item.name: item for item in parameters if item.kind is inspect.Parameter.KEYWORD_ONLY}

    def option(self, name: str) -> inspect.Parameter:
        """Return one option; raise :class:`~connectome.errors.UsageError` that lists all if there is none."""
        known = self.options()
        if name not in known:
            raise UsageError(
                "unknown option of the format",
                subject=name,
                place=self.name,
                expected=", ".join(known) or "no options",
            )
        return known[name]


FORMATS: dict[str, Format] = {
    line.name: line
    for line in (
        Format("alf", "spikes.alf", "Spikes, trials and behaviour of a probe in an ALF folder (IBL)",
               ("events", "table", "series"), (".npy",), "spikes", folders=True),
        Format("amira", "graphs.amira", "Spatial graphs of Amira and Avizo (AmiraMesh)", ("graph",), (".am",)),
        Format("analyze", "volumes.analyze", "Analyze 7.5 volumes (header and image)", ("volume",), (".hdr",), "mri"),
        Format("analyzeskeleton", "graphs.analyzeskeleton", "Branches of a skeleton from Fiji's AnalyzeSkeleton",
               ("graph",), (".csv",)),
        Format("bbp", "vessels.bbp", "Vasculature of the Blue Brain Project: HDF5 points, sections, SONATA; CSV; JSON",
               ("graph",), (".h5", ".hdf5", ".csv", ".json"), "graph"),
        Format("bids", "bids.dataset", "BIDS datasets: patients with anatomical images, runs of EEG, iEEG and MEG",
               ("volume", "series", "table"), (), "mri", folders=True, divides=True, version="4"),
        Format("celegans-table", "worms.celegans_table", "C. elegans connectome as an edge list or a matrix",
               ("graph",), (".csv", ".tsv", ".txt", ".xls", ".xlsx", ".json", ".mat"), "worm"),
        Format("connectivity-matrix", "graphs.connectivity_matrix", "Connections of brain regions as a square table",
               ("graph",), (".csv", ".tsv", ".txt")),
        Format("coordcsv", "graphs.coordcsv", "Vessels as CSV whose ends are printed coordinates",
               ("graph",), (".csv",)),
        Format("csv-celegans", "worms.csv_celegans", "C. elegans calcium imaging as a wide table of samples",
               ("series", "table"), (".csv", ".zip"), "worm"),
        Format("edgelist", "graphs.edgelist", "Graphs as a table of edges, with or without a table of nodes",
               ("graph",),
               (".csv", ".tsv", ".txt", ".csv.gz", ".tsv.gz", ".txt.gz", ".edgelist", ".edges", ".parquet", ".feather"),
               "graph"),
        Format("flyvis", "graphs.flyvis", "Types of cells and column offsets of the fly's visual system in JSON",
               ("graph", "table"), (".json",)),
        Format("freesurfer", "freesurfer.subject", "Folder of a subject that FreeSurfer's recon-all leaves",
               ("table", "volume"), ("recon-all.done",), "mri", folders=True),
        Format("freesurfer-annot", "surfaces.freesurfer_annot", "Labels of the vertices of a FreeSurfer surface",
               ("table",), (".annot",)),
        Format("freesurfer-morph", "surfaces.freesurfer_morph", "Measures of the vertices of a FreeSurfer surface",
               ("table",), (".thickness", ".area", ".curv", ".sulc", ".volume", ".pial", ".mid", ".avg_curv")),
        Format("freesurfer-stats", "freesurfer.stats", "Statistics of regions of one subject by FreeSurfer", ("table",),
               (".stats",)),
        Format("freesurfer-surface", "surfaces.freesurfer_surface", "Triangles of a FreeSurfer surface", ("table",),
               (".white", ".pial", ".inflated", ".sphere", ".orig", ".reg", ".smoothwm", ".nofix", ".mid")),
        Format("freesurfer-table", "freesurfer.group_table", "Measures of many subjects by FreeSurfer's table programs",
               ("table",), (".txt", ".tsv", ".table")),
        Format("gifti", "surfaces.gifti", "Surfaces, labels and measures of vertices in GIFTI", ("table",),
               (".gii", ".gii.gz")),
        Format("graphml", "graphs.graphml", "GraphML graphs", ("graph",), (".graphml",)),
        Format("gt", "graphs.gt", "Graphs of graph-tool (gt)", ("graph",),
               (".gt", ".gt.gz", ".gt.bz2", ".gt.xz", ".gt.zst")),
        Format("hdf5-celegans", "worms.hdf5_celegans", "C. elegans calcium imaging in HDF5", ("series", "table"),
               (".h5", ".hdf5", ".jld2"), "worm"),
        Format("json-celegans", "worms.json_celegans", "C. elegans calcium imaging in JSON (WormWideWeb)",
               ("series", "table"), (".json",), "worm"),
        Format("lin-mat", "worms.lin_mat", "C. elegans olfactory responses in MATLAB files (Lin et al. 2023)",
               ("series", "table"), (".mat",), "worm"),
        Format("mat-celegans", "worms.mat_celegans", "C. elegans calcium imaging in MATLAB files", ("series", "table"),
               (".mat",), "worm"),
        Format("mat-spikes", "spikes.mat_spikes", "Spike counts per bin and kinematics in MATLAB files", ("series",),
               (".mat",), "spikes"),
        Format("mgh", "volumes.mgh", "FreeSurfer volumes (MGH, MGZ)", ("volume",), (".mgz", ".mgh"), "mri"),
        Format("mne", "recordings.mne_raw", "EEG, iEEG and MEG files that MNE reads", ("series", "table"),
               (".vhdr", ".ahdr", ".edf", ".bdf", ".gdf", ".set", ".fif", ".fif.gz", ".sqd", ".con", ".lay", ".eeg",
                ".cnt", ".raw", ".cdt", ".dap", ".dat", ".data", ".nedf", ".nxe", "_meg.bin", ".hdr", ".snirf", ".ns3",
                ".vmrk", ".amrk"), "eeg", version="9", folders=True),
        Format("nifti", "volumes.nifti", "NIfTI-1 and NIfTI-2 volumes",
               ("volume",), (".nii", ".nii.gz", ".hdr"), "mri", version="2"),
        Format("nwb", "nwb.session", "Sessions in NWB 2: spikes, trials, stimuli, behaviour, LFP; HDF5 or Zarr v2",
               ("events", "series", "table"), (".nwb", ".nwb.zip", ".zarr.zip"), "spikes", folders=True, ranges=True),
        Format("nwb-celegans", "worms.nwb_worm", "C. elegans whole-brain imaging in NWB (WormID)",
               ("series", "table", "volume"), (".nwb",), "worm", version="2"),
        Format("ogb", "graphs.ogb", "Open Graph Benchmark archives (NPZ) with their splits", ("graph", "table"),
               (".npz", ".zip")),
        Format("pajek", "graphs.pajek", "Pajek networks, with the positions that VascGraph writes", ("graph",),
               (".pajek", ".net")),
        Format("phy", "spikes.phy", "Spikes of a Kilosort or phy folder", ("events", "table"), (".npy",), folders=True),
        Format("spiketext", "spikes.spiketext", "Spike times as text, one file per unit", ("events",), (".txt",)),
        Format("steinmetz-counts", "spikes.steinmetz_counts",
               "Spike counts per trial, excerpt of Steinmetz et al. 2019",
               ("series", "table"), (".rds", ".npz")),
        Format("swc", "graphs.swc", "Trees of neurons or vessels in SWC", ("graph",), (".swc",)),
        Format("swec", "recordings.swec", "Long-term iEEG of the SWEC in Bern (parts in HDF5, hours in MATLAB files)",
               ("series", "table"), (".h5", "h.mat"), "eeg"),
        Format("text-celegans", "worms.text_celegans",
               "C. elegans calcium imaging under stimulation, six texts per worm",
               ("series", "table"), (".txt",), "worm"),
        Format("vmv", "vessels.vmv", "Strands of vessels (VessMorphoVis)", ("graph",), (".vmv",)),
        Format("voreen", "vessels.voreen", "Vessel graphs as Voreen's tables of nodes and edges (VesselGraph)",
               ("graph", "table"), (".csv",)),
        Format("vtk", "vessels.vtk_legacy", "Lines in legacy VTK files", ("graph",), (".vtk",)),
        Format("vtp", "vessels.vtk_xml", "Lines in VTK XML files (PolyData, UnstructuredGrid)",
               ("graph",), (".vtp", ".vtu")),
        Format("yemini-mat", "worms.yemini_mat", "C. elegans NeuroPAL recordings in MATLAB files (Yemini et al. 2021)",
               ("series", "table"), (".mat",), "worm"),
        Format("zimmer-mat", "worms.zimmer_mat",
               "C. elegans whole-brain imaging in MATLAB files of the Zimmer laboratory",
               ("series", "table"), (".mat",), "worm"),
    )
}  # fmt: skip


def read(
    path: str | Path | FileElsewhere | Sequence[str | Path],
    format: str | None = None,  # noqa: A002
    **options: Any,
) -> xr.DataTree:
    """Read raw files into a record, without a store.

    Parameters
    ----------
    path : path or sequence of paths
        The files of one record, in the order that the format states. Formats with ``ranges`` also take one that lies
        elsewhere.
    format : str, optional
        A name from ``FORMATS``; recognised from the files when left out.
    **options
        Options of the reader.

    Returns
    -------
    xarray.DataTree

    Raises
    ------
    FormatError
        When the files are not what the format demands.
    UsageError
        When the format or an option is unknown, or the format cannot be told.
    """
    if not isinstance(path, (str, Path, Sequence)):
        return _read_elsewhere(path, format, options)
    paths = [Path(item) for item in ([path] if isinstance(path, (str, Path)) else path)]
    if not paths:
        raise UsageError("no file was given", subject="read")
    check_readable(paths)
    chosen = lookup(format) if format is not None else recognise(paths)
    for name in options:
        chosen.option(name)
    reader = chosen.load().read
    with _blaming(paths, chosen):
        return cast("xr.DataTree", reader(paths, **options))


def _read_elsewhere(file: FileElsewhere, format_name: str | None, options: Mapping[str, Any]) -> xr.DataTree:
    able = [item for item in FORMATS.values() if item.ranges]
    if format_name is None:
        able = [item for item in able if item.load().sniff(file)]
    chosen = lookup(format_name) if format_name is not None else able[0] if able else None
    if chosen is None or not chosen.ranges:
        raise UsageError(
            "a file that lies elsewhere is read whole", subject=str(file), hint="bring it here first",
            expected="one of the formats " + ", ".join(item.name for item in FORMATS.values() if item.ranges),
        )  # fmt: skip
    for name in options:
        chosen.option(name)
    with _blaming([Path(file.name)], chosen):
        return cast("xr.DataTree", chosen.load().read([file], **options))


def check_readable(paths: Sequence[Path]) -> None:
    """Raise :class:`~connectome.errors.NotFoundError` for a path that is not there or may not be read.

    A link into a git-annex whose content was not fetched is a :class:`~connectome.errors.TruncatedError` that states
    the expected size.
    """
    for path in paths:
        try:
            if not path.is_dir():
                path.open("rb").close()
        except OSError as error:
            refuse_annexed_link(path)
            missing = isinstance(error, FileNotFoundError)
            raise NotFoundError(
                "no such file" if missing else "the file cannot be opened",
                subject=str(path),
                found=None if missing else error.strerror,
            ) from error


@contextmanager
def _blaming(paths: Sequence[Path], chosen: Format) -> Iterator[None]:
    """Turn whatever else a reader or the library beneath it raises into a refusal of the files.

    Readers name the place of what they expect to be wrong. Damage that nobody foresaw comes out of a vendor's library
    as any exception at all, and is still the file's: it passed the check that it can be opened.
    """
    try:
        yield
    except ConnectomeError:
        raise
    except Exception as error:
        raise FormatError(
            "the reader cannot make sense of the file",
            subject=", ".join(str(path) for path in paths[:3]) + (", ..." if len(paths) > 3 else ""),
            place=f"format {chosen.name}",
            found=" ".join(f"{type(error).__name__}: {error}".split())[:300],
            hint="if the file is whole and of this format, this is a defect of the reader: please report it",
        ) from error


def lookup(name: str) -> Format:
    """Return the format of that name; raise :class:`~connectome.errors.UsageError` that lists all if there is none."""
    if name not in FORMATS:
        raise UsageError("unknown format", subject=name, expected=", ".join(sorted(FORMATS)), found=name)
    return FORMATS[name]


def recognise(paths: Sequence[Path]) -> Format:
    """Tell the format of files by their names and first bytes.

    A module's ``sniff(path) -> bool`` decides among formats that share a suffix.

    Raises
    ------
    FormatError
        When no format, or more than one, fits.
    MissingExtraError
        When none fits, but one whose dependencies are not installed might.
    NotFoundError
        When a file is not there.
    """
    check_readable(paths)
    fitting: list[Format] = []
    missing: list[MissingExtraError] = []
    for candidate in FORMATS.values():
        is_named = paths[0].is_file() and paths[0].name.lower().endswith(candidate.suffixes)
        if is_named or (candidate.folders and paths[0].is_dir()):
            try:
                with _blaming(paths, candidate):
                    if candidate.load().sniff(paths[0]):
                        fitting.append(candidate)
            except MissingExtraError as error:
                missing.append(error)
            except FormatError:
                continue
    if len(fitting) == 1:
        return fitting[0]
    if missing and not fitting:
        raise missing[0]
    raise FormatError(
        "the format cannot be told from the file" if not fitting else "several formats fit the file",
        subject=str(paths[0]),
        expected=", ".join(sorted(FORMATS)),
        found=", ".join(item.name for item in fitting) or "none of them",
        hint="name the format: connectome import FORMAT PATH...",
    )
