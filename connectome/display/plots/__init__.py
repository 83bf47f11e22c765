"""Pictures of records, one function per kind of data, for reports and notebooks (extra ``plot``).

Each takes a group as it lies in the store and returns a :class:`matplotlib.figure.Figure`. Data are read as far as a
picture needs them and never changed; whatever is scaled, averaged or cut for display is said in the picture.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from connectome.graphs import has_positions
from connectome.schema import decode, groups, kind_of

from .aligned import moments, segment_means, time_histogram
from .cohort import outcome_bars, presence_matrix, sites, survival_curves
from .distribution import degree_histogram, distributions, regions
from .events import raster
from .figure import data_uri, png_bytes, svg_bytes
from .graph import adjacency, degree_distribution
from .intensity import intensities
from .recording import clock_of, electrode_map, first_seizure_s, is_recording, spectrum, timeline
from .series import MAX_LINES, heat_map, lines
from .space import in_space
from .traces import traces
from .units import unit_quality
from .volume import slices

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

__all__ = [
    "adjacency",
    "channel_names",
    "data_uri",
    "degree_distribution",
    "degree_histogram",
    "distributions",
    "electrode_map",
    "heat_map",
    "in_space",
    "intensities",
    "lines",
    "moments",
    "outcome_bars",
    "png_bytes",
    "presence_matrix",
    "preview",
    "raster",
    "regions",
    "segment_means",
    "sites",
    "slices",
    "spectrum",
    "survival_curves",
    "svg_bytes",
    "time_histogram",
    "timeline",
    "traces",
    "unit_quality",
]

PATIENT_IMAGES = frozenset({"t1w", "t2w", "flair", "pdw"})
"""Volumes whose intensities are drawn though no label map lies on them."""
SURE = frozenset({"exact", "normalised"})
"""Statuses of a neuron's label under which its name is written into a picture."""


def preview(tree: xr.DataTree, *, title: str = "") -> list[Figure]:
    """Draw every group of a record that has a picture.

    Parameters
    ----------
    tree : xarray.DataTree
        A record.
    title : str
        Before every group's path.

    Returns
    -------
    list of matplotlib.figure.Figure
        By path: for a graph in space its lines, and how degrees, lengths and thickness are distributed, by region
        too where there are some; for a graph with weights, or without positions, the adjacency matrix of every edge
        type that no other is derived from, and the degrees; for a series a heat map, or lines where channels are few,
        or the mean over segments where there are many of one length, and for one that comes from a recording's file
        traces, marks, spectrum and electrodes; for events a raster, the rates around the starts
        of trials and stimuli (:func:`moments`), and the quality of units; for a volume three slices with the labels
        that are aligned to it, one figure per label map, and its intensities where it is part of a patient; for tables
        nothing. Each figure's label (``get_label()``) is the path of its group.
    """
    figures: list[Figure] = []
    names, around, told = channel_names(tree), moments(tree), False
    for path, dataset in groups(tree):
        head = f"{title} {path.strip('/')}".strip()
        kind = kind_of(dataset)
        drawn: list[Figure] = []
        if kind == "graph":
            drawn = _graph(dataset, head)
        elif kind == "series" and dataset["signal"].size and is_recording(dataset):
            drawn = _recording(tree, dataset, head, None if told else title)
            told = True
        elif kind == "series" and dataset["signal"].size:
            few = int(dataset.sizes["channel"]) <= MAX_LINES
            own = None if names is None or not set(names) & set(dataset["channel"].values.tolist()) else names
            averaged = segment_means(dataset, title=head)
            whole = lines if few else heat_map
            drawn = [whole(dataset, names=own, title=head) if averaged is None else averaged]
        elif kind == "table" and path.strip("/").startswith("electrodes") and "name" in dataset:
            # Where several files place the electrodes, channels have no position of their own.
            placed = any(is_recording(other) and "x" in other for _, other in groups(tree))
            seen = None if placed else electrode_map(dataset, title=head)
            drawn = [] if seen is None else [seen]
        elif kind == "events":
            found = (time_histogram(dataset, around, title=head), unit_quality(dataset, title=head))
            drawn = [raster(dataset, title=head), *(figure for figure in found if figure is not None)]
        elif kind == "volume":
            drawn = _volume(tree, path, dataset, head)
        for figure in drawn:
            figure.set_label(path)
        figures.extend(drawn)
    return figures


def _volume(tree: xr.DataTree, path: str, dataset: xr.Dataset, head: str) -> list[Figure]:
    """Draw an image with each label map on its grid; a label map of its own where it lies on none."""
    volumes = {name.strip("/"): data for name, data in groups(tree) if kind_of(data) == "volume"}
    aligned = {name: str(data.attrs.get("aligned_to", "")).strip("/") for name, data in volumes.items()}
    name = path.strip("/")
    if aligned[name] in volumes:
        return []
    own = [other for other, base in aligned.items() if base == name and other != name]
    if not own:
        drawn = [slices(dataset, title=head)]
    else:
        drawn = [
            slices(dataset, title=head, overlay=volumes[other], overlay_name=other.removeprefix("labels/"))
            for other in own
        ]
    histogram = intensities(dataset, title=head) if own or name in PATIENT_IMAGES else None
    return [*drawn, histogram] if histogram is not None else drawn


def _graph(dataset: xr.Dataset, head: str) -> list[Figure]:
    drawn: list[Figure] = []
    if has_positions(dataset) and dataset.sizes["node"]:
        by_region = regions(dataset, title=head)
        drawn = [in_space(dataset, title=head), distributions(dataset, title=head)]
        drawn += [by_region] if by_region is not None else []
        if "weight" not in dataset:
            return drawn
    present = set(decode(dataset["edge_type"]).tolist())
    # Rows as listed show nothing that the type derived from them does not show.
    listed = {about.get("derived_from") for about in dataset.attrs["edge_types"].values()}
    types = [name for name in dataset.attrs["edge_types"] if name in present - listed]
    drawn += [adjacency(dataset, edge_type=name, title=head) for name in types]
    return [*drawn, degree_distribution(dataset, edge_types=types, title=head)]


def _recording(tree: xr.DataTree, dataset: xr.Dataset, head: str, record: str | None) -> list[Figure]:
    """Draw one series; with the record's title, what happened in it too."""
    clock = clock_of(dataset)
    found = [traces(dataset, seizure_s=first_seizure_s(tree), title=head)]
    marks = None
    if record is not None:
        marks = timeline(tree, duration_s=clock.end_s, breaks_s=clock.breaks_s, title=record)
    others = (marks, spectrum(dataset, title=head), electrode_map(dataset, title=head))
    return [*found, *(figure for figure in others if figure is not None)]


def channel_names(tree: xr.DataTree) -> dict[str, str] | None:
    """Return channel id to neuron where a table of the record names neurons surely; None where no table does.

    Such a table has the columns ``roi`` (channel id), ``neuron`` and ``status``.
    """
    found: dict[str, str] | None = None
    for _, dataset in groups(tree):
        if kind_of(dataset) != "table" or not {"roi", "neuron", "status"} <= set(dataset.variables):
            continue
        rows = zip(*(decode(dataset[name]).tolist() for name in ("roi", "neuron", "status")), strict=True)
        found = {**(found or {}), **{str(roi): neuron for roi, neuron, status in rows if neuron and status in SURE}}
    return found
