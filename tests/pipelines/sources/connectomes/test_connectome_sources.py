"""The connectomes of *C. elegans*: which records there are, what they say of themselves, and their nodes."""

from __future__ import annotations

import csv
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from connectome.errors import FactsError, FormatError, NotFoundError
from connectome.pipelines.jobs import Job, RawFile, RawFiles
from connectome.pipelines.making import check_facts
from connectome.pipelines.sources import SOURCES
from connectome.schema import decode, validate
from support.wiring import (
    ATLAS,
    FURTHER,
    IDS,
    PRIMARY,
    edges,
    graph_of,
    source,
)

if TYPE_CHECKING:
    import xarray as xr

openpyxl = pytest.importorskip("openpyxl")


def test_every_annotation_is_a_record_and_every_further_form_too(jobs: dict[str, Job]) -> None:
    assert set(jobs) == {*PRIMARY, *FURTHER}
    assert all(SOURCES[name] for name in IDS)


def test_sizes_and_checksums_are_those_of_the_manifest(worm: Path, raw: dict[str, RawFiles]) -> None:
    with (worm / "MANIFEST.tsv").open(newline="") as file:
        manifest = {row["path"]: (int(row["bytes"]), row["sha256"]) for row in csv.DictReader(file, delimiter="\t")}
    for name in IDS:
        for remote in source(name).files():
            assert (remote.size_bytes, remote.sha256) == manifest[remote.path], remote.path
            assert raw[name][remote.path].sha256 == remote.sha256
            assert remote.licence


def test_every_connectome_file_is_used_or_rejected_with_a_reason(worm: Path, raw: dict[str, RawFiles]) -> None:
    folders = ("cook2019", "varshney2011", "white1986_witvliet2020", "openworm", "randi2023")
    there = {
        str(path.relative_to(worm))
        for folder in folders
        for path in (worm / folder).iterdir()
        if path.name != "README.md"
    }
    used: set[str] = set()
    rejected: set[str] = set()
    for name in IDS:
        found = source(name).discover(raw[name])
        used |= {file.path for job in found.jobs for file in job.inputs}
        rejected |= {item.file.partition("#")[0] for item in found.rejected}
        assert all(item.reason and item.kind for item in found.rejected)
        assert set(raw[name]) <= used | rejected
    assert there <= used | rejected
    assert rejected - used == {"varshney2011/A_sendjoint.mat"}


def test_a_selection_needs_only_its_own_files_and_what_the_demo_needs_lies_in_packages() -> None:
    needed = [file for file in source("cook2019").files() if "cook2019-male" in file.records and not file.optional]
    assert [file.path.rpartition("/")[2] for file in needed] == [
        "SI 5 Connectome adjacency matrices, corrected July 2020.xlsx", "all_cell_info.csv",
    ]  # fmt: skip
    for name in ("cook2019", "varshney2011", "witvliet2020", "openworm"):
        required = [file for file in source(name).files() if not file.optional]
        assert all(file.url.startswith("pypi:cect==0.3.5#cect/data/") for file in required), name
    white = {file.url.partition("#")[0] for file in source("white1986").files() if "white1986-whole" in file.records}
    assert "pypi:wormneuroatlas==0.0.7.3" in white


def test_every_record_is_valid_and_says_what_it_is(records: dict[str, xr.DataTree]) -> None:
    for name, tree in records.items():
        validate(tree, subject=name)
        for key in ("title", "species", "sex", "stage", "annotation", "form", "release", "citation"):
            assert tree.attrs[key], (name, key)
        assert tree.attrs["annotation"] == name.partition(".")[0]
        assert ("agreement" in tree.attrs) == (name in FURTHER), name
        for item in tree.attrs.get("warnings", []):
            assert set(item) == {"code", "place", "message"}
            assert all(item.values())


def test_every_edge_type_states_unit_meaning_and_lineage_and_derived_ones_their_rule(
    records: dict[str, xr.DataTree],
) -> None:
    for name, tree in records.items():
        for edge_type, about in graph_of(tree).attrs["edge_types"].items():
            assert all(about[key] for key in ("weight_units", "weight_meaning", "lineage")), (name, edge_type)
            assert "not stated" not in about.values()
            if edge_type == "gap_junction":
                assert about["derived_from"] == "gap_junction_listed"
                assert about["rule"]
    units = {name: graph_of(tree).attrs["edge_types"] for name, tree in records.items()}
    assert units["cook2019-male"]["chemical"]["weight_units"] == "EM sections"
    assert units["white1986-whole"]["chemical"]["weight_units"] == "synapses"
    assert "N2U" in units["white1986-n2u"]["chemical"]["lineage"]
    assert "White" in units["varshney2011"]["chemical"]["lineage"]
    assert "White" not in units["witvliet2020-7"]["chemical"]["lineage"]


def test_the_measured_facts_are_the_expected_ones(records: dict[str, xr.DataTree]) -> None:
    for name in IDS:
        expected = source(name).expected()
        for record in expected.records:
            check_facts(records[record], expected, record=record)
    assert {record for name in IDS for record in source(name).expected().records} == set(records)
    with pytest.raises(FactsError):
        check_facts(records["cook2019-male"], source("cook2019").expected(), record="cook2019-hermaphrodite")


def test_symmetrised_gap_junctions_are_symmetric(records: dict[str, xr.DataTree]) -> None:
    for name, tree in records.items():
        pairs = edges(tree, "gap_junction")
        assert all(pairs[b, a] == weight for (a, b), weight in pairs.items()), name
        assert set(edges(tree, "gap_junction_listed")) <= set(pairs), name


def test_reading_twice_gives_the_same_record(jobs: dict[str, Job], records: dict[str, xr.DataTree]) -> None:
    for name in ("cook2019-male", "varshney2011", "randi2023", "witvliet2020-7.nemanode"):
        again = source(jobs[name].source).read(jobs[name])
        assert again.identical(records[name]), name


def test_nodes_have_class_side_transmitter_kind_and_keep_their_label(records: dict[str, xr.DataTree]) -> None:
    graph = graph_of(records["cook2019-hermaphrodite"])
    at = graph["node"].values.tolist().index
    told = {name: decode(graph[name]) for name in ("neuron_class", "side", "transmitter", "role", "node_kind")}
    assert {name: values[at("VA1")] for name, values in told.items()} == {
        "neuron_class": "VA", "side": "none", "transmitter": "acetylcholine", "role": "motor", "node_kind": "neuron",
    }  # fmt: skip
    assert graph["source_label"].values[at("VA1")] == "VA01"
    assert decode(graph["label_status"])[at("VA1")] == "normalised"
    assert graph["label_rule"].values[at("VA1")] == "zero-padding"
    assert told["side"][at("AVAL")] == "L"
    assert graph["cell_name"].values[at("dBWML8")] == "MDL08"
    assert told["node_kind"][at("dBWML8")] == "muscle"
    assert told["node_kind"][at("CANL")] == "canal_neuron"
    assert (decode(graph["label_status"])[decode(graph["node_kind"]) == "neuron"] == "normalised").sum() == 64


def test_no_node_of_any_record_is_of_unknown_kind(records: dict[str, xr.DataTree]) -> None:
    for name, tree in records.items():
        assert "" not in decode(graph_of(tree)["node_kind"]), name


def test_positions_are_those_of_the_atlas_with_unit_and_frame(worm: Path, records: dict[str, xr.DataTree]) -> None:
    with (worm / ATLAS).open(newline="") as file:
        atlas = {row[0]: [float(value) for value in row[1:]] for row in csv.reader(file)}
    with (worm / "neuron_metadata/neuron_master_sheet.csv").open(encoding="utf-8-sig", newline="") as file:
        master = {row["label"]: [float(row[axis]) for axis in "yxz"] for row in csv.DictReader(file)}
    # The master sheet has the same numbers with the first two axes exchanged.
    assert master == atlas
    graph = graph_of(records["white1986-whole"])
    for at, name in enumerate(graph["node"].values):
        found = [graph[axis].values[at] for axis in "xyz"]
        if name in atlas:
            assert found == atlas[name]
        else:
            assert np.isnan(found).all()
    for axis in "xyz":
        assert graph[axis].attrs["units"] == "um"
        assert graph[axis].attrs["frame"]
        assert graph[axis].attrs["axis"]
    assert atlas["I1L"][0] < 10 < 700 < atlas["PHAL"][0]
    assert atlas["RMED"][1] > atlas["RMEV"][1]
    turned = {
        name[:-1]
        for name in atlas
        if name[-1] == "L" and name[:-1] + "R" in atlas and atlas[name][2] < atlas[name[:-1] + "R"][2]
    }
    assert turned == {"ALM", "BDU", "HSN", "PDE", "PVD", "SDQ"}
    assert all(name in graph["z"].attrs["axis"] for name in turned)


def test_a_record_made_without_the_positions_says_so(raw: dict[str, RawFiles]) -> None:
    files = RawFiles([file for path, file in raw["white1986"].items() if path != ATLAS])
    made = source("white1986")
    job = next(job for job in made.discover(files).jobs if job.record == "white1986-jse")
    tree = made.read(job)
    validate(tree, subject=job.record)
    assert [item["code"] for item in tree.attrs["warnings"]] == ["no-positions"]
    assert np.isnan(graph_of(tree)["x"].values).all()


def test_files_that_are_not_here_make_no_job_and_no_error(raw: dict[str, RawFiles]) -> None:
    files = RawFiles([file for path, file in raw["varshney2011"].items() if not path.endswith(".mat")])
    found = source("varshney2011").discover(files)
    assert [job.record for job in found.jobs] == ["varshney2011"]
    assert found.rejected == ()


def test_an_unknown_record_is_refused(raw: dict[str, RawFiles]) -> None:
    with pytest.raises(NotFoundError):
        source("openworm").read(Job("openworm", "nothing", tuple(raw["openworm"].values())))


def test_a_changed_workbook_of_randi_is_refused(worm: Path, tmp_path: Path, raw: dict[str, RawFiles]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        book = openpyxl.Workbook()
        book.remove(book.active)
        for name in ("Figure2a, df_over_f", "Figure2a, alpha=(1 - q_val)"):
            sheet = book.create_sheet(name)
            sheet.append([None, "AVAL", "AVAR"])
            sheet.append(["AVAL", 0.1, 0.2])
            sheet.append(["AVAR", 0.3, "x" if name.endswith("over_f") else 0.5])
        path = tmp_path / "CElegansFunctionalConnectivity.xlsx"
        book.save(path)
    made = source("randi2023")
    inputs = [
        RawFile(file.path, path, 1, "0") if file.path.startswith("randi2023/") else file
        for file in raw["randi2023"].values()
    ]
    with pytest.raises(FormatError) as caught:
        made.read(Job("randi2023", "randi2023", tuple(inputs)))
    assert caught.value.place == "sheet 'Figure2a, df_over_f', cell C3"
