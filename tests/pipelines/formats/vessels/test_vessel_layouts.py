"""Vessel graphs that only some people have, on generated files of their layouts: what is made, and what is refused."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from connectome.errors import FactsError
from connectome.pipelines.cli import main
from connectome.pipelines.ingest import ingest
from connectome.pipelines.jobs import Discovery, RawFile, RawFiles
from connectome.pipelines.sources import load_source
from connectome.pipelines.sources.vesselgraph2021 import GRAPHS
from connectome.schema import decode, validate
from connectome.store import Repository
from support.vessel_layouts import REGIONS, vessel_tables

if TYPE_CHECKING:
    import xarray as xr

STITCHED = "BALBc-no2_iso3um_stitched_segmentation_bulge_size_3.0"


def discovered(folder: Path, source: str = "vesselgraph2021") -> Discovery:
    """Return what a source makes of the files below a folder."""
    return load_source(source).discover(
        RawFiles([
            RawFile(
                path.relative_to(folder).as_posix(), path, path.stat().st_size,
                hashlib.sha256(path.read_bytes()).hexdigest(), verified=False,
            )
            for path in sorted(folder.rglob("*")) if path.is_file()
        ])
    )  # fmt: skip


def read(found: Discovery, record: str) -> xr.DataTree:
    (job,) = [job for job in found.jobs if job.record == record]
    tree = load_source(job.source).read(job)
    validate(tree, subject=record)
    return tree


def staged(folder: Path, data_dir: Path) -> Path:
    """Return a mirror that has the example, beside what is generated."""
    shutil.copytree(data_dir / "vessel/vesselgraph_example", folder / "vesselgraph_example")
    return folder


def test_every_named_graph_is_listed_with_where_it_was_offered():
    listed = {file.path: file for file in load_source("vesselgraph2021").files() if file.pattern}
    assert set(listed) == {f"vesselgraph/{name}/*.csv" for name in GRAPHS}
    brains = [name for name in GRAPHS if name.endswith(("no1", "no2", "no3"))]
    assert len(brains) == 9
    assert {"C57BL_6-K18", "synthetic_graph_5", "link_vessap_roi3", "node_vessap_roi1"} <= set(GRAPHS)
    for name in brains:
        assert listed[f"vesselgraph/{name}/*.csv"].url.endswith(f"/{name}.zip")
        assert GRAPHS[name].voxel_size_um == 3


def test_a_brain_is_read_with_its_voxels_its_regions_and_its_missing_measures(tmp_path: Path):
    vessel_tables(tmp_path / "vesselgraph/BALBc_no2" / STITCHED, STITCHED, regions=True)
    tree = read(discovered(tmp_path), "BALBc_no2")
    graph = tree["vessels"].to_dataset()
    assert graph.attrs["voxel_size_um"] == [3, 3, 3]
    assert graph.attrs["degree_convention"] == "processed"
    assert graph["position"].attrs["units"] == "voxel"
    rows = np.argsort(graph["node_row"].values)
    assert decode(graph["region"])[rows].tolist() == [REGIONS[at % 4] for at in range(12)]
    assert int(np.isnan(graph["radius_avg"].values).sum()) == 2
    assert graph["radius_avg"].attrs["missing_sentinel"] == -1
    assert tree.attrs["strain"] == "BALB/c"
    assert tree.attrs["species"] == "Mus musculus"


def test_tables_as_voreen_wrote_them_are_a_record_of_their_own(tmp_path: Path):
    folder = tmp_path / "vesselgraph/CD1-E_no1"
    vessel_tables(folder / "1_b_3_0", "1_b_3_0", regions=True)
    vessel_tables(folder / "raw", "1_b_3_0", processed=False, n_nodes=15)
    found = discovered(tmp_path)
    assert [job.record for job in found.jobs] == ["CD1-E_no1", "CD1-E_no1.raw"]
    assert found.rejected == ()
    assert len(found.jobs[0].inputs) == 3
    raw = read(found, "CD1-E_no1.raw")["vessels"]
    assert raw.sizes["node"] == 15
    assert raw.attrs["degree_convention"] == "raw"


def test_brains_of_the_kleinfeld_laboratory_have_no_measures(tmp_path: Path):
    vessel_tables(tmp_path / "vesselgraph/C57BL_6-K19/K19", "K19", measured=False)
    tree = read(discovered(tmp_path), "C57BL_6-K19")
    graph = tree["vessels"].to_dataset()
    assert (graph.sizes["node"], graph.sizes["edge"]) == (12, 20)
    assert "length" not in graph
    assert not graph.attrs["edge_types"]["vessel"]["directed"]
    assert "voxel_size_um" not in graph.attrs
    assert "node_row" in graph
    assert "cell_ptr" in graph


def test_what_cannot_be_used_is_rejected_with_the_reason(tmp_path: Path):
    folder = tmp_path / "vesselgraph/synthetic_graph_1"
    vessel_tables(folder / "1", "1")
    vessel_tables(folder / "2", "2")
    vessel_tables(tmp_path / "vesselgraph/synthetic_graph_2", "only")
    (tmp_path / "vesselgraph/synthetic_graph_2/only_edges_processed.csv").unlink()
    (folder / "notes.csv").write_text("a;b\n1;2\n")
    wrong = tmp_path / "vesselgraph/synthetic_graph_3"
    vessel_tables(wrong, "x")
    (wrong / "x_nodes_processed.csv").write_text("Purkinje;Golgi\n1;2\n")
    vessel_tables(tmp_path / "vesselgraph/synthetic_graph_4", "y", regions=True)
    for name in ("nodes", "edges"):
        (tmp_path / f"vesselgraph/synthetic_graph_4/y_{name}_processed.csv").unlink()
    found = discovered(tmp_path)
    assert [job.record for job in found.jobs] == ["synthetic_graph_1"]
    told = {item.file.removeprefix("vesselgraph/synthetic_graph_"): (item.kind, item.reason) for item in found.rejected}
    assert told["1/2/2_nodes_processed.csv"] == ("not-data", "a second pair of tables for synthetic_graph_1")
    assert told["1/notes.csv"][0] == "not-data"
    assert told["2/only_nodes_processed.csv"][0] == "unavailable"
    assert told["3/x_nodes_processed.csv"][0] == "format"
    assert told["3/x_edges_processed.csv"][0] == "unavailable"
    assert told["4/y_atlas_processed.csv"][0] == "not-data"
    used = {item.path for job in found.jobs for item in job.inputs}
    everything = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert used | {item.file for item in found.rejected} == everything


@pytest.mark.data
def test_a_mislabelled_brain_is_stopped_by_the_published_counts(tmp_path: Path, data_dir: Path):
    mirror = staged(tmp_path / "mirror", data_dir)
    vessel_tables(mirror / "vesselgraph/BALBc_no1", "BALBc-no1")
    with pytest.raises(FactsError, match="published facts are not met") as caught:
        ingest(Repository(tmp_path / "root"), "vesselgraph", mirror=mirror)
    assert caught.value.subject == "BALBc_no1"
    assert "3538495" in str(caught.value)
    assert not list((tmp_path / "root/vesselgraph").glob("versions/*"))


@pytest.mark.data
def test_a_damaged_brain_is_quarantined_and_the_others_are_committed(tmp_path: Path, data_dir: Path):
    mirror = staged(tmp_path / "mirror", data_dir)
    vessel_tables(mirror / "vesselgraph/C57BL_6_no1", "a")
    broken = mirror / "vesselgraph/C57BL_6_no2"
    vessel_tables(broken, "b")
    edges = broken / "b_edges_processed.csv"
    edges.write_text(edges.read_text().replace("\n3;", "\n3;99999", 1))
    result = ingest(Repository(tmp_path / "root"), "vesselgraph", mirror=mirror)
    assert set(result.added) == {"example", "example.vtk", "C57BL_6_no1"}
    reasons = {item["file"]: item["reason"] for item in result.rejected}
    assert "b_edges_processed.csv:5" in reasons["vesselgraph/C57BL_6_no2/b_edges_processed.csv"]
    assert str(tmp_path) not in "".join(reasons.values())


@pytest.mark.data
def test_the_command_ingests_lists_and_shows_vessels(
    tmp_path: Path, data_dir: Path, capsys: pytest.CaptureFixture[str]
):
    def run(*arguments: str) -> Any:
        code = main([*arguments, "--json", "--root", str(tmp_path / "root")])
        printed = capsys.readouterr().out
        assert code == 0, printed
        return json.loads(printed)

    mirror = staged(tmp_path / "mirror", data_dir)
    vessel_tables(mirror / "vesselgraph/synthetic_graph_5", "s")
    made = run("ingest", "vesselgraph", "--mirror", str(mirror))
    assert made["added"] == ["example", "example.vtk", "synthetic_graph_5"]
    assert made["census"]["seen"] == made["census"]["used"] + made["census"]["rejected"]
    assert made["census"]["used"] == 5
    missing = {item["file"] for item in made["rejected"]}
    assert "vesselgraph/BALBc_no1/*.csv" in missing
    assert not any("synthetic_graph_5" in file for file in missing)
    facts = run("facts", "vesselgraph", "--record", "example")["/vessels"]
    assert (facts["n_nodes"], facts["n_edges"], facts["edges"]) == (2970, 3062, {"vessel": {"n": 3062}})
    assert "vesselgraph" in {row["dataset"] for row in run("search", "--kind", "graph", "--species", "Mus musculus")}
    shown = run("show", "vesselgraph")
    assert shown["licence"] == "CC-BY-NC-4.0"
    assert {"record", "digest", "warnings"} <= set(shown["records"][0])
    assert run("verify", "vesselgraph")["ok"]


def test_trees_of_brava_that_the_user_brings_are_records(tmp_path: Path):
    folder = tmp_path / "brava2013"
    folder.mkdir()
    lines = ["1 1 0 0 0 1 -1", "2 3 0.31 0 0 0.9 1", "3 3 0.62 0 0 0.8 2", "4 3 0.62 0.31 0 0 3"]
    (folder / "BG05.CNG.swc").write_text("\n".join(lines) + "\n")
    (folder / "BG0006.swc").write_text("nothing of the kind\n")
    (folder / "bg0002.swc").write_text("\n".join(lines) + "\n")
    found = discovered(tmp_path, "brava2013")
    assert [job.record for job in found.jobs] == ["brava2013-BG05", "brava2013-bg0002"]
    assert {item.file: item.kind for item in found.rejected} == {"brava2013/BG0006.swc": "format"}
    tree = read(found, "brava2013-BG05")
    assert tree["vessels"]["position"].attrs["units"] == "mm"
    assert tree.attrs["subject"] == "BG05"
    assert tree.attrs["licence"] == "none-stated"


def test_veins_are_read_as_the_arteries_are(tmp_path: Path):
    path = tmp_path / "human_brain_mra/venes_smooth.vtk"
    path.parent.mkdir()
    head = "# vtk DataFile Version 3.0\ngenerated\nASCII\nDATASET UNSTRUCTURED_GRID\nPOINTS 3 float\n"
    cells = "0.1 0 0 0.2 0 0 0.3 0 0\nCELLS 2 6\n2 0 1\n2 1 2\nCELL_TYPES 2\n3\n3\n"
    values = "POINT_DATA 3\nSCALARS radius float 1\nLOOKUP_TABLE default\n0.001 0.002 0.003\n"
    roots = "SCALARS root float 1\nLOOKUP_TABLE default\n2 0 1\n"
    path.write_text(head + cells + values + roots)
    tree = read(discovered(tmp_path, "hodneland2019"), "hodneland2019-veins")
    assert tree.attrs["vessels"] == "veins"
    assert tree["vessels"]["radius"].attrs["units"] == "m"
    assert tree["vessels"].sizes["edge"] == 2
