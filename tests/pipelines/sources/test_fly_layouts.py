"""Whole brains of flies and tables of CAVE on generated files of their published layouts, and damaged ones."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import feather

from connectome.errors import ConnectomeError, FormatError
from connectome.pipelines.ingest import ingest
from connectome.pipelines.jobs import Job, RawFile, RawFiles
from connectome.pipelines.making import Task, make_record
from connectome.pipelines.sources import load_source
from connectome.schema import decode, measure, validate
from connectome.store import Repository
from support import fly_layouts

CONNECTIONS, NEURONS, ANNOTATIONS = (
    "flywire783/proofread_connections_783.feather",
    "flywire783/proofread_root_ids_783.npy",
    "flywire783/Supplemental_file1_neuron_annotations.tsv",
)
ARCHIVE = "hemibrain/exported-traced-adjacencies-v1.2.tar.gz"


def raw_files(folder: Path) -> RawFiles:
    """Return every file below a folder under its relative path."""
    return RawFiles([
        RawFile(
            path.relative_to(folder).as_posix(), path, path.stat().st_size,
            hashlib.sha256(path.read_bytes()).hexdigest(), verified=False,
        )
        for path in sorted(folder.rglob("*")) if path.is_file()
    ])  # fmt: skip


def brain_job(folder: Path) -> Job:
    """Return the job of the whole brain; its checksums are those of the real files only."""
    source = load_source("flywire783")
    return source.job(source.graph("flywire-783"), raw_files(folder))  # type: ignore[attr-defined]


def test_a_brain_of_flywire_keeps_every_row_every_neuron_and_every_digit(tmp_path: Path):
    ids = fly_layouts.flywire(tmp_path / "flywire783")
    table = feather.read_table(str(tmp_path / CONNECTIONS))
    tree = load_source("flywire783").read(brain_job(tmp_path))
    validate(tree, subject="flywire-783")
    graph = tree["connectome"].to_dataset()
    assert graph["node"].values.tolist() == ids.tolist()
    assert graph["node"].dtype == np.int64
    assert (ids > 2**53).all()
    assert any(int(float(identifier)) != identifier for identifier in ids.tolist())
    for end, name in (("source", "pre_pt_root_id"), ("target", "post_pt_root_id")):
        assert graph["node"].values[graph[end].values].tolist() == table[name].to_pylist()
    assert decode(graph["neuropil"]).tolist() == table["neuropil"].to_pylist()
    assert graph["weight"].values.tolist() == table["syn_count"].to_pylist()
    assert measure(tree)["/connectome"]["edges"]["chemical"]["weight_sum"] == sum(table["syn_count"].to_pylist())
    assert graph["ach_avg"].values.tolist() == table["ach_avg"].to_pylist()


def test_annotations_are_joined_by_id_and_what_is_not_annotated_stays_empty(tmp_path: Path):
    ids = fly_layouts.flywire(tmp_path / "flywire783")
    tree = load_source("flywire783").read(brain_job(tmp_path))
    graph = tree["connectome"].to_dataset()
    assert graph["cell_type"].values.tolist() == ["", *(f"T{at % 5}" for at in range(len(ids) - 1))]
    assert np.isnan(graph["soma_x"].values[:2]).all()
    assert graph["soma_x"].values[2] == 1
    assert graph["supervoxel_id"].values[:2].tolist() == [-1, 7 * 10**16]
    assert {item["code"] for item in tree.attrs["warnings"]} == {"annotations-differ"}
    (tmp_path / ANNOTATIONS).unlink()
    alone = load_source("flywire783").read(brain_job(tmp_path))
    assert "cell_type" not in alone["connectome"]
    assert [item["code"] for item in alone.attrs["warnings"]] == ["no-annotations"]


def test_files_whose_bytes_are_not_those_of_zenodo_are_rejected_and_the_types_are_made_all_the_same(
    tmp_path: Path, data_dir: Path
):
    fly_layouts.flywire(tmp_path / "mirror/flywire783")
    table = next((data_dir / "connectome/flywire_optic_lobe_types").glob("*.csv"))
    here = tmp_path / "mirror/flywire_optic_lobe_types" / table.name
    here.parent.mkdir()
    here.write_bytes(table.read_bytes())
    found = load_source("flywire783").discover(raw_files(tmp_path / "mirror"))
    assert [job.record for job in found.jobs] == ["flywire-783-optic-lobe-types"]
    assert {item.file: item.kind for item in found.rejected} == {
        CONNECTIONS: "checksum", NEURONS: "checksum", ANNOTATIONS: "unavailable",
    }  # fmt: skip
    assert "md5" in next(item.reason for item in found.rejected if item.file == NEURONS)


def test_the_hemibrains_archive_makes_totals_and_regions_of_the_same_sums(tmp_path: Path):
    fly_layouts.hemibrain(tmp_path / ARCHIVE)
    source = load_source("hemibrain")
    trees = {job.record: source.read(job) for job in source.discover(raw_files(tmp_path)).jobs}
    totals, regions = (trees[name]["connectome"].to_dataset() for name in ("hemibrain-1.2", "hemibrain-1.2-regions"))
    assert totals["weight"].values.sum() == regions["weight"].values.sum()
    assert regions.sizes["edge"] == 2 * totals.sizes["edge"]
    assert set(decode(regions["roi"])) == {"EB", "NotPrimary"}
    assert np.array_equal(totals["node"].values, regions["node"].values)
    # A comma inside quotes is part of the name.
    assert totals["instance"].values[3] == "PEN(PB05a)_L3,x"
    assert "" in totals["type"].values.tolist()


def test_bodies_of_malecns_without_annotation_are_nodes_and_lists_are_text(tmp_path: Path):
    fly_layouts.malecns(tmp_path / "malecns")
    source = load_source("malecns")
    (job,) = source.discover(raw_files(tmp_path)).jobs
    tree = source.read(job)
    graph = tree["connectome"].to_dataset()
    assert graph.sizes["node"] == 30
    assert graph["type"].values[-1] == graph["status"].values[-1] == ""
    assert graph["somaLocation"].values[:2].tolist() == ["", "1, 2, 3"]
    assert graph["consensus_nt"].values[-1] in {"gaba", "acetylcholine"}
    assert graph["transmitters_type"].values[0] == "another word"
    assert graph["group"].values[:2].tolist() == [-1, 1]
    assert graph["group"].attrs["missing_value"] == -1
    assert [item["code"] for item in tree.attrs["warnings"]] == ["not-annotated"]


@pytest.mark.parametrize("suffix", ["csv", "feather", "parquet"])
def test_a_table_of_cave_is_a_record_whatever_its_format(tmp_path: Path, suffix: str):
    pre, post = fly_layouts.cave_synapses(tmp_path / f"microns_minnie65/proofread v1300.{suffix}")
    source = load_source("microns")
    (job,) = source.discover(raw_files(tmp_path)).jobs
    assert job.record == "microns-minnie65-proofread-v1300"
    tree = source.read(job)
    validate(tree, subject=job.record)
    graph = tree["connectome"].to_dataset()
    ids = graph["node"].values
    assert ids[graph["source"].values].tolist() == pre.tolist()
    assert ids[graph["target"].values].tolist() == post.tolist()
    assert graph["ctr_pt_position_x"].attrs["units"] == "unknown"
    assert graph["synapse_id"].values[0] == 10**8


def replaced(name: str, column: str, values: Any) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        table = feather.read_table(str(folder / name))
        feather.write_feather(
            table.set_column(table.column_names.index(column), column, values(table)), str(folder / name)
        )

    return damage


def without(name: str, column: str) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        feather.write_feather(feather.read_table(str(folder / name)).drop_columns([column]), str(folder / name))

    return damage


def cut(name: str) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(content[: len(content) // 2])

    return damage


def rewritten(name: str, change: Callable[[str], str]) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        (folder / name).write_text(change((folder / name).read_text()))

    return damage


def objects(folder: Path) -> None:
    np.save(folder / NEURONS, np.array([{"a": 1}], dtype=object), allow_pickle=True)


DAMAGE = {
    "ids as floats": (
        replaced(CONNECTIONS, "pre_pt_root_id", lambda table: pa.array(np.asarray(table["pre_pt_root_id"], float))),
        "not of its type",
    ),
    "no column of ends": (without(CONNECTIONS, "post_pt_root_id"), "columns are missing"),
    "a stranger among the ends": (
        replaced(CONNECTIONS, "pre_pt_root_id", lambda table: pa.array([7] * len(table))), "is not listed",
    ),
    "a missing count": (
        replaced(CONNECTIONS, "syn_count", lambda table: pa.array([None, *table["syn_count"].to_pylist()[1:]])),
        "a value is missing",
    ),
    "half a feather": (cut(CONNECTIONS), "cannot be read"),
    "half a list of ids": (cut(NEURONS), "not a list of ids"),
    "a pickle": (objects, "not a list of ids"),
    "text for an id": (rewritten(ANNOTATIONS, lambda text: text.replace("\t7205", "\tx205", 1)), "not of its type"),
    "a row cut short": (rewritten(ANNOTATIONS, lambda text: text[: text.rindex("gaba")]), "another number of cells"),
    "another table": (rewritten(ANNOTATIONS, lambda text: text.replace("root_id", "body", 1)), "columns are missing"),
    "an empty table": (rewritten(ANNOTATIONS, lambda _: ""), "the table is empty"),
}  # fmt: skip


@pytest.mark.parametrize("name", DAMAGE)
def test_damaged_tables_of_flywire_are_refused_with_the_place(tmp_path: Path, name: str):
    damage, message = DAMAGE[name]
    fly_layouts.flywire(tmp_path / "flywire783")
    damage(tmp_path)
    with pytest.raises(FormatError, match=message) as caught:
        load_source("flywire783").read(brain_job(tmp_path))
    assert caught.value.subject


def test_a_damaged_record_is_quarantined_with_its_files_and_leaves_nothing(tmp_path: Path):
    fly_layouts.flywire(tmp_path / "mirror/flywire783")
    without(CONNECTIONS, "syn_count")(tmp_path / "mirror")
    root = tmp_path / "root"
    Repository(root)
    outcome = make_record(Task(str(root), "flywire", brain_job(tmp_path / "mirror")))
    assert outcome.receipt is None
    reasons = {item.file: item.reason for item in outcome.rejected}
    assert "syn_count" in reasons[CONNECTIONS]
    assert str(tmp_path) not in "".join(reasons.values())
    assert not list(root.glob("flywire/records/*/*"))


def test_an_archive_that_is_mislabelled_or_lacks_a_table_is_rejected_and_nothing_is_committed(tmp_path: Path):
    (tmp_path / "mirror/hemibrain").mkdir(parents=True)
    (tmp_path / "mirror" / ARCHIVE).write_bytes(b"bodyId_pre,bodyId_post,weight\n1,2,3\n" * 40)
    with pytest.raises(ConnectomeError):
        ingest(Repository(tmp_path / "root"), "hemibrain", mirror=tmp_path / "mirror")
    assert not list((tmp_path / "root").glob("hemibrain/versions/*"))
    fly_layouts.hemibrain(tmp_path / "mirror" / ARCHIVE, n_pairs=3)
    whole = (tmp_path / "mirror" / ARCHIVE).read_bytes()
    (tmp_path / "mirror" / ARCHIVE).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ConnectomeError):
        ingest(Repository(tmp_path / "root"), "hemibrain", mirror=tmp_path / "mirror")
    assert not list((tmp_path / "root").glob("hemibrain/versions/*"))
