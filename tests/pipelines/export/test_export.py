"""Exports: what was stored comes out again, to the last digit, whole or not at all."""

from __future__ import annotations

from fractions import Fraction

import nibabel
import numpy as np
import pandas as pd
import pyarrow.parquet
import pytest
import xarray as xr

from connectome import schema
from connectome.errors import NotFoundError, UnsafeError, UsageError
from connectome.pipelines.export import EXPORTS, export, exports_for, remarks


@pytest.fixture
def tree() -> xr.DataTree:
    """Make a generated record with one group of every kind."""
    numbers = np.random.default_rng(7)
    table = schema.table(
        {
            "trial": schema.column("row", np.arange(4), "Trial number", "1"),
            "onset": schema.column("row", np.array([0.1, 1 / 3, 1e-300, np.nan]), "Onset", "s"),
            "small": schema.column("row", np.array([0.1, 1 / 3, 3e38, 2], dtype=np.float32), "Size", "mm"),
            "side": schema.category("row", ["left", "", "right", "left"], ["left", "right"], "Side"),
            "note": schema.column("row", ['a "b", c', "", "line\nbreak", "ÄÖ"], "Note"),
            "good": schema.column("row", np.array([True, False, True, True]), "Good"),
        },
        about="generated",
    )
    graph = schema.graph(
        node=["AVAL", "AVAR", "VA01"],
        source=np.array([0, 0, 2]),
        target=np.array([1, 1, 2]),
        edge_type=["chemical", "chemical", "electrical"],
        edge_types={
            name: {"directed": True, "weight_units": "1", "weight_meaning": "sections", "lineage": "generated"}
            for name in ("chemical", "electrical")
        },
        weight=np.array([3, 4, 5]),
        nodes={"position": schema.column(("node", "axis"), numbers.random((3, 3)), "Position", "um")},
    )
    events = schema.events(
        np.array([931, 5, 931]),
        np.array([1, 0, 0]),
        unit_id=["a", "b", "silent"],
        observed_s=[(0.0, 1.0)],
        tick_hz=Fraction(1000),
    )
    signal = numbers.integers(-9, 9, (2, 50)).astype(np.int16)
    series = schema.series(signal, channel=["one", "two"], units="uV", long_name="Voltage", rate_hz=Fraction(250))
    volume = schema.volume(
        np.arange(24, dtype=np.uint8).reshape(2, 3, 4), affine=np.eye(4), units="1", long_name="Mask"
    )
    groups = {"trials": table, "wiring": graph, "unit/spikes": events, "signal": series, "labels/mask": volume}
    record = schema.record(groups, title="Generated")
    schema.validate(record, subject="generated")
    return record


def test_a_zarr_folder_reads_back_as_the_same_record(tree, tmp_path):
    (folder,) = export(tree, to="zarr", destination=tmp_path / "record.zarr")
    with xr.open_datatree(folder, engine="zarr", mask_and_scale=False, decode_times=False, consolidated=True) as back:
        back.load()
        assert back.attrs == tree.attrs
        assert [path for path, _ in schema.groups(back)] == [path for path, _ in schema.groups(tree)]
        for path, dataset in schema.groups(tree):
            again = back[path].to_dataset(inherit=False)
            for name, variable in dataset.variables.items():
                assert again.variables[name].dtype.kind == variable.dtype.kind or variable.dtype.kind == "O"
                np.testing.assert_array_equal(again.variables[name].values, variable.values)
                assert again.variables[name].dims == variable.dims
                assert again.variables[name].attrs == variable.attrs
            assert again.attrs == dataset.attrs
        schema.validate(back, subject="back")


def test_one_group_can_be_exported_alone(tree, tmp_path):
    export(tree, to="zarr", destination=tmp_path / "part.zarr", group="unit/spikes")
    with xr.open_datatree(tmp_path / "part.zarr", engine="zarr", mask_and_scale=False, consolidated=True) as back:
        assert [path for path, _ in schema.groups(back)] == ["/unit/spikes"]


@pytest.mark.parametrize("to", ["csv", "parquet"])
def test_every_table_graph_and_event_list_becomes_one_file(to, tree, tmp_path):
    written = export(tree, to=to, destination=tmp_path / "tables")
    names = {f"trials.{to}", f"wiring.nodes.{to}", f"wiring.edges.{to}"}
    names |= {f"unit__spikes.{part}.{to}" for part in ("events", "units", "observed")}
    assert {path.name for path in written} == names
    assert sorted(path.name for path in (tmp_path / "tables").iterdir()) == sorted(names)


def test_csv_loses_no_bit_of_any_number(tree, tmp_path):
    (path,) = export(tree, to="csv", destination=tmp_path / "trials.csv", group="trials")
    back = pd.read_csv(path, keep_default_na=False, na_values={"onset": [""]}, dtype={"small": np.float32})
    table = tree["trials"]
    assert np.array_equal(back["onset"].to_numpy().view(np.int64)[:3], table["onset"].values.view(np.int64)[:3])
    assert np.isnan(back["onset"][3])
    assert np.array_equal(back["small"].to_numpy(np.float32), table["small"].values)
    assert back["side"].tolist() == ["left", "", "right", "left"]
    assert back["note"].tolist() == table["note"].values.tolist()
    assert back["good"].tolist() == [True, False, True, True]


def test_parquet_keeps_types_and_units(tree, tmp_path):
    (path,) = export(tree, to="parquet", destination=tmp_path / "trials.parquet", group="trials")
    table = pyarrow.parquet.read_table(path)
    assert np.array_equal(table["small"].to_numpy(), tree["trials"]["small"].values)
    assert str(table.schema.field("small").type) == "float"
    assert b'"units":"mm"' in table.schema.field("small").metadata[b"attributes"]
    assert b'"about":"generated"' in table.schema.metadata[b"attributes"]


def test_edges_name_their_nodes_and_events_their_units_and_seconds(tree, tmp_path):
    export(tree, to="csv", destination=tmp_path / "tables")
    edges = pd.read_csv(tmp_path / "tables" / "wiring.edges.csv")
    assert edges[["source_node", "target_node", "weight"]].values.tolist() == [
        ["AVAL", "AVAR", 3],
        ["AVAL", "AVAR", 4],
        ["VA01", "VA01", 5],
    ]
    nodes = pd.read_csv(tmp_path / "tables" / "wiring.nodes.csv")
    assert np.array_equal(nodes[["position_0", "position_1", "position_2"]], tree["wiring"]["position"].values)
    events = pd.read_csv(tmp_path / "tables" / "unit__spikes.events.csv")
    assert events["unit_id"].tolist() == ["a", "a", "b"]
    assert events["time_s"].tolist() == [0.005, 0.931, 0.931]
    units = pd.read_csv(tmp_path / "tables" / "unit__spikes.units.csv")
    assert units["unit_id"].tolist() == ["a", "b", "silent"]


def test_what_a_form_cannot_hold_is_refused_with_what_can(tree, tmp_path):
    with pytest.raises(UsageError) as caught:
        export(tree, to="csv", destination=tmp_path / "signal.csv", group="signal")
    fitting = exports_for(tree)
    assert {"bids", "csv", "edf", "mgh", "nifti", "ogb", "ome-zarr", "parquet", "zarr"} <= set(fitting)
    assert f"available here: {', '.join(fitting)}" in caught.value.hint
    only = schema.record({"signal": tree["signal"].to_dataset(inherit=False)})
    assert set(exports_for(only)) - {"fif"} == {"edf", "zarr"}
    for name in ("nwb", "mef"):
        assert name not in EXPORTS
        with pytest.raises(UsageError, match="no export of that name") as caught:
            export(only, to=name, destination=tmp_path / "x")
        assert "zarr" in caught.value.expected
        assert "csv" not in caught.value.expected
    assert list(tmp_path.iterdir()) == []


def test_a_volume_that_was_not_nifti_gets_a_header_made_from_its_affine_and_says_so(tree, tmp_path):
    (path,) = export(tree, to="nifti", destination=tmp_path / "mask.nii.gz")
    image = nibabel.load(path)
    assert np.array_equal(np.asarray(image.dataobj), tree["labels/mask"]["image"].values)
    assert np.array_equal(image.affine, np.eye(4))
    assert (int(image.header["sform_code"]), int(image.header["qform_code"])) == (1, 1)
    assert bytes(image.header["descrip"]).startswith(b"converted from")
    assert remarks(tree, to="nifti") == [
        "labels/mask: without a header of its own; the NIfTI header is made from its affine, numbers are as stored"
    ]
    assert remarks(tree, to="zarr") == []
    with pytest.raises(UsageError, match="no MGH header"):
        export(tree, to="mgh", destination=tmp_path / "mask.mgz")


def test_an_existing_destination_stays_unless_told_otherwise(tree, tmp_path):
    target = tmp_path / "record.zarr"
    target.mkdir()
    (target / "mine.txt").write_text("keep")
    with pytest.raises(UsageError, match="destination exists"):
        export(tree, to="zarr", destination=target)
    assert (target / "mine.txt").read_text() == "keep"
    export(tree, to="zarr", destination=target, overwrite=True)
    assert not (target / "mine.txt").exists()
    assert (target / "zarr.json").is_file()
    assert [path.name for path in tmp_path.iterdir()] == ["record.zarr"]


def test_a_failed_export_leaves_nothing_behind(tree, tmp_path, monkeypatch):
    def fail(*args, **kwargs):
        raise OSError("disk full")

    monkeypatch.setattr(pd.DataFrame, "to_csv", fail)
    with pytest.raises(OSError, match="disk full"):
        export(tree, to="csv", destination=tmp_path / "tables")
    assert list(tmp_path.iterdir()) == []


def test_a_missing_group_or_folder_is_named(tree, tmp_path):
    with pytest.raises(NotFoundError, match="no such group") as caught:
        export(tree, to="csv", destination=tmp_path / "x", group="trial")
    assert "trials" in caught.value.expected
    with pytest.raises(NotFoundError, match="folder does not exist"):
        export(tree, to="csv", destination=tmp_path / "none" / "x")
    with pytest.raises(UsageError, match="no name"):
        export(tree, to="csv", destination=tmp_path / "..")
    with pytest.raises(UsageError, match="more than one table"):
        export(tree, to="csv", destination=tmp_path / "all.csv")


def test_a_group_name_cannot_lead_out_of_the_folder(tmp_path):
    table = schema.table({"x": schema.column("row", np.arange(2), "X", "1")})
    tree = schema.record({"..\\up": table})
    with pytest.raises(UnsafeError):
        export(tree, to="csv", destination=tmp_path / "tables")
    assert list(tmp_path.iterdir()) == []


def test_the_same_record_gives_the_same_csv_and_parquet_bytes(tree, tmp_path):
    for to in ("csv", "parquet"):
        first = export(tree, to=to, destination=tmp_path / f"{to}-1")
        second = export(tree, to=to, destination=tmp_path / f"{to}-2")
        assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


def test_an_empty_table_keeps_its_columns(tmp_path):
    table = schema.table({"x": schema.column("row", np.zeros(0), "X", "1"), "note": schema.column("row", [], "Note")})
    (path,) = export(schema.record({"empty": table}), to="parquet", destination=tmp_path / "empty.parquet")
    back = pyarrow.parquet.read_table(path)
    assert back.column_names == ["x", "note"]
    assert back.num_rows == 0
