"""Versions as tables: nothing rounded, nothing renamed without a word, nothing lost on the way into Arrow."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest

from connectome import schema
from connectome.errors import NotFoundError, SchemaError, UsageError
from connectome.rows import arrow_schema, batches, choose, records_of, tables
from connectome.rows.columns import Column, join_columns, placed
from connectome.schema.series import time_s

if TYPE_CHECKING:
    from connectome.store import Version


@pytest.fixture(scope="module")
def version(tmp_path_factory: pytest.TempPathFactory, all_kinds: Any) -> Version:
    """Make a generated version of four records."""
    return all_kinds.commit(tmp_path_factory.mktemp("rows"))


def read(version: Version, name: str, **options: Any) -> pa.Table:
    """Read a whole table and let Arrow check every buffer of it."""
    table = tables(version, **options)[name]
    found = pa.Table.from_batches(batches(version, table), schema=arrow_schema(table))
    found.validate(full=True)
    assert found.num_rows == sum(table.n_rows.values())
    return found


def test_every_group_gives_its_tables_and_the_version_three_more(version: Version) -> None:
    names = list(tables(version))
    assert names[:2] == ["records", "groups"], "no split is stored"
    assert names[2:] == sorted(names[2:])
    assert set(names) == {
        "records", "groups", "activity.channels", "activity.signal", "activity.time", "eeg.channels", "eeg.segments",
        "eeg.signal", "labels.mask", "labels.mask.voxels", "trials", "unit.spikes.events", "unit.spikes.observed",
        "unit.spikes.units", "wiring.edges", "wiring.nodes",
    }  # fmt: skip


def test_a_signal_comes_back_to_the_bit_whatever_the_length_of_its_rows(version: Version) -> None:
    for length in (7, 1 << 16):
        rows = read(version, "activity.signal", samples_per_row=length)
        for record in version.manifest.records:
            expected = version.open(record)["activity/signal"].values
            of_record = rows.filter(pa.compute.equal(rows["record"], record))
            for number, signal in enumerate(expected):
                of_channel = of_record.filter(pa.compute.equal(of_record["channel_index"], number))
                joined = np.concatenate([cell.values.to_numpy() for cell in of_channel["signal"]])
                assert joined.astype(signal.dtype).tobytes() == signal.tobytes(), "missing samples stay NaN"
                assert of_channel["first_sample"].to_pylist() == list(range(0, signal.size, length))
                assert max(of_channel["n_samples"].to_pylist()) <= length


def test_records_of_float32_and_float64_share_the_wider_type_and_int16_stays(version: Version) -> None:
    assert arrow_schema(tables(version)["activity.signal"]).field("signal").type == pa.list_(pa.float64())
    assert arrow_schema(tables(version)["eeg.signal"]).field("signal").type == pa.list_(pa.int16())


def test_no_row_of_a_signal_reaches_over_the_border_of_a_segment(version: Version) -> None:
    rows = read(version, "eeg.signal").to_pylist()
    assert {(row["first_sample"], row["n_samples"]) for row in rows} == {(0, 40), (40, 60)}
    dataset = version.open("animal-1")["eeg"].to_dataset()
    assert {row["start_s"] for row in rows} == {time_s(dataset, at, at + 1)[0] for at in (0, 40)}
    assert rows[2]["start_s"] == 2.0 + 40 * 3 / 250


def test_a_signal_that_counts_frames_has_no_start_in_seconds(tmp_path: Path, all_kinds: Any) -> None:
    group = schema.series(np.zeros((1, 5)), channel=["a"], units="1", long_name="Generated", frame_start=1)
    rows = read(all_kinds.commit(tmp_path, {"one": schema.record({"s": group})}), "s.signal")
    assert rows["start_s"].null_count == 1


def test_stamps_and_masks_come_in_rows_of_their_own(tmp_path: Path, all_kinds: Any) -> None:
    valid = np.arange(50) % 3 > 0
    stamps = np.linspace(0, 1, 50)
    by_channel = np.stack([valid, ~valid])
    options = {"channel": ["a", "b"], "units": "1", "long_name": "Generated", "time_s": stamps}
    records = {
        "time": schema.record({"s": schema.series(np.zeros((2, 50)), valid=valid, **options)}),
        "both": schema.record({"s": schema.series(np.ones((2, 50)), valid=by_channel, **options)}),
    }
    version = all_kinds.commit(tmp_path, records)
    times = read(version, "s.time", samples_per_row=20).to_pylist()
    assert [row["n_samples"] for row in times] == [20, 20, 10] * 2
    own = [row for row in times if row["record"] == "time"]
    assert np.concatenate([row["valid"] for row in own]).tolist() == valid.tolist()
    assert np.concatenate([row["time"] for row in own]).tobytes() == stamps.tobytes()
    signals = read(version, "s.signal").to_pylist()
    assert [row["valid"] for row in signals] == [by_channel[0].tolist(), by_channel[1].tolist(), None, None]


def test_a_column_of_int64_and_float64_becomes_two_because_one_would_round(version: Version) -> None:
    rows = read(version, "wiring.edges")
    assert int(float(2**62 + 1)) != 2**62 + 1, "what a float64 would make of it"
    weights = {(row["record"], row["weight_int64"], row["weight_float64"]) for row in rows.to_pylist()}
    assert ("animal-0", 2**62 + 1, None) in weights
    assert ("animal-1", None, 2.0**-30) in weights
    assert all((one is None) != (other is None) for _, one, other in weights)


def test_edges_name_both_ends_and_keep_their_order(version: Version) -> None:
    edges = [row for row in read(version, "wiring.edges").to_pylist() if row["record"] == "animal-2"]
    ends = [(row["source_node"], row["target_node"], row["edge_type"]) for row in edges]
    assert ends == [("AVAL", "AVAR", "chemical"), ("AVAL", "AVAR", "chemical"), ("VA01", "VA01", "electrical")]


def test_missing_cells_are_null_and_a_column_named_like_an_identifier_gets_an_underscore(version: Version) -> None:
    rows = read(version, "trials").slice(0, 3).to_pylist()
    assert [row["group_"] for row in rows] == ["one", None, "two"]
    assert {row["group"] for row in rows} == {"trials"}
    assert [row["onset"] for row in rows] == [0.1, 1 / 3, None]
    assert [row["side"] for row in rows] == ["left", None, "right"]
    assert [row["good"] for row in rows] == [True, False, True]


def test_events_carry_ticks_units_and_seconds(version: Version) -> None:
    rows = read(version, "unit.spikes.events").slice(0, 3).to_pylist()
    assert [(row["tick"], row["unit_id"], row["time_s"]) for row in rows] == [
        (5, "a", 0.005), (931, "a", 0.931), (931, "b", 0.931)
    ]  # fmt: skip
    units = read(version, "unit.spikes.units")["unit_id"].to_pylist()[:3]
    assert units == ["a", "b", "silent"], "units without events stay"


def test_voxels_concatenate_to_the_image(version: Version) -> None:
    for length in (11, 42, 1 << 16):
        rows = read(version, "labels.mask.voxels", samples_per_row=length)
        for record in version.manifest.records:
            image = version.open(record)["labels/mask/image"].values
            cells = rows.filter(pa.compute.equal(rows["record"], record))
            flat = np.concatenate([cell.values.to_numpy() for cell in cells["values"]])
            np.testing.assert_array_equal(flat.reshape(image.shape), image, strict=True)
            counts = cells["n_voxels"].to_numpy()
            assert cells["first_voxel"].to_pylist() == [0, *np.cumsum(counts)[:-1].tolist()]
    about = read(version, "labels.mask").slice(0, 1).to_pylist()[0]
    assert about["shape"] == [5, 6, 7]
    assert about["affine"] == np.diag([2.0, 2, 2, 1]).tolist()
    assert (about["header"], about["slope"], about["intercept"]) == (b"\x00header\xff", 0.5, None)


def test_the_table_of_records_has_their_attributes_and_warnings(version: Version) -> None:
    rows = read(version, "records").to_pylist()
    assert [row["record"] for row in rows] == list(version.manifest.records)
    assert [row["title"] for row in rows] == [f"Generated {seed}" for seed in range(4)]
    assert [row["age_float64"] for row in rows] == [0.5, None, None, None]
    assert [row["age_int64"] for row in rows] == [None, 1, 2, 3]
    assert [row["warnings"] is None for row in rows] == [True, False, True, True]
    assert rows[3]["file_sha256"] == version.manifest.records["animal-3"].file_sha256


def test_splits_are_a_table_when_there_are_any(tmp_path: Path, all_kinds: Any) -> None:
    records = {f"animal-{seed}": all_kinds.tree(seed) for seed in (1, 3)}
    split = all_kinds.whole_split({"train": ["animal-1"], "test": ["animal-3"]})
    version = all_kinds.commit(tmp_path, records, splits=[split])
    rows = read(version, "splits").to_pylist()
    assert [(row["split"], row["part"], row["record"], row["start_s"]) for row in rows] == [
        ("default", "train", "animal-1", None), ("default", "test", "animal-3", None)
    ]  # fmt: skip
    assert records_of(version, "test") == ["animal-3"]
    with pytest.raises(NotFoundError, match="no such split"):
        records_of(version, "test", name="other")


def test_a_group_stands_for_its_main_table(version: Version) -> None:
    listed = tables(version)
    assert choose(listed, "activity").name == "activity.signal"
    assert choose(listed, "unit/spikes").name == "unit.spikes.events"
    assert choose(listed, "labels/mask").name == "labels.mask"
    assert choose(listed, "wiring.nodes").name == "wiring.nodes"
    with pytest.raises(UsageError, match="say which table"):
        choose(listed, None)
    with pytest.raises(NotFoundError, match="no such table"):
        choose(listed, "behaviour")


def test_two_groups_whose_tables_would_have_one_name_are_refused(tmp_path: Path, all_kinds: Any) -> None:
    table = schema.table({"a": schema.column("row", [1], "A", "1")})
    version = all_kinds.commit(tmp_path, {"one": schema.record({"a/b": table, "a.b": table})})
    with pytest.raises(SchemaError, match="tables of the same name"):
        tables(version)


def test_a_row_without_a_sample_is_refused(version: Version) -> None:
    with pytest.raises(UsageError, match="a row needs a sample"):
        tables(version, samples_per_row=0)


@pytest.mark.parametrize(
    ("types", "expected"),
    [
        (["int8", "int16"], {"c": "int16"}),
        (["uint8", "int8"], {"c": "int16"}),
        (["int16", "float32"], {"c": "float32"}),
        (["int32", "float32"], {"c": "float64"}),
        (["float32", "float64", "float16"], {"c": "float64"}),
        (["int64", "float64"], {"c_int64": "int64", "c_float64": "float64"}),
        (["int64", "float64", "int16"], {"c_int64": "int64", "c_float64": "float64"}),
        (["uint64", "int64"], {"c_uint64": "uint64", "c_int64": "int64"}),
        (["text", "int8"], {"c_text": "text", "c_int8": "int8"}),
        (["bool", "int8"], {"c_bool": "bool", "c_int8": "int8"}),
    ],
)
def test_types_are_joined_only_where_every_value_survives(types: list[str], expected: dict[str, str]) -> None:
    found = [Column("c", dtype) for dtype in types]
    joined = join_columns(found)
    assert {column.name: column.dtype for column in joined} == expected
    for column in found:
        (place,) = placed([column], joined)
        wider = expected[place]
        if "text" not in {column.dtype, wider} and "bool" not in {column.dtype, wider}:
            limit = np.iinfo(column.dtype).max if "int" in column.dtype else np.finfo(column.dtype).max
            assert np.array(limit, dtype=column.dtype).astype(wider).item() == limit


def test_lists_of_different_lengths_join_to_lists_of_any_length() -> None:
    joined = join_columns([Column("p", "float64", (3,)), Column("p", "float64", (2,))])
    assert [(column.name, column.shape) for column in joined] == [("p", (None,))]
    assert len(join_columns([Column("p", "float64", (3,)), Column("p", "float64")])) == 2


def test_complex_numbers_become_pairs(tmp_path: Path, all_kinds: Any) -> None:
    values = np.array([1 + 2j, np.nan - 1j], dtype=np.complex64)
    table = schema.table({"z": schema.column("row", values, "Z", "1")})
    rows = read(all_kinds.commit(tmp_path, {"one": schema.record({"t": table})}), "t")
    assert rows.schema.field("z").type == pa.list_(pa.float32(), 2)
    np.testing.assert_array_equal(np.array(rows["z"].to_pylist()), np.array([[1, 2], [np.nan, -1]]))


def test_units_and_meanings_travel_with_the_columns(version: Version) -> None:
    field = arrow_schema(tables(version)["trials"]).field("onset")
    assert field.metadata == {b"long_name": b"Onset", b"units": b"s"}


def test_rates_that_no_float_can_hold_give_the_stamps_of_the_schema(tmp_path: Path, all_kinds: Any) -> None:
    group = schema.series(np.zeros((1, 9)), channel=["a"], units="1", long_name="G", rate_hz=Fraction(30000, 1001))
    version = all_kinds.commit(tmp_path, {"one": schema.record({"s": group})})
    rows = read(version, "s.signal", samples_per_row=2)
    assert rows["start_s"].to_pylist() == time_s(group)[::2].tolist()
