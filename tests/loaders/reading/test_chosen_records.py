"""Which records are read of a version, by name, by part and by group: the same for windows, spikes and volumes."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from connectome import schema
from connectome.errors import NotFoundError, UsageError
from connectome.loaders.events import EventSource
from connectome.loaders.reading.records import check_kind, choose_records, reasons
from connectome.loaders.recordings.windows import WindowSource
from connectome.loaders.volumes.whole import VolumeSource
from connectome.splits import Entry, Split
from support.volume_records import blob, image_group


@pytest.fixture(scope="module")
def version(tmp_path_factory, commit_records):
    def spikes():
        return schema.events(
            np.array([1, 2, 3]), np.array([0, 0, 0], dtype=np.int32), unit_id=["u"], tick_hz=10, observed_s=[(0, 1)]
        )

    def series():
        return schema.series(
            np.zeros((1, 20)), channel=["1"], units="1", long_name="Generated signal", rate_hz=Fraction(10)
        )

    def full():
        return schema.record({"activity": series(), "spikes": spikes(), "t1w": image_group(blob((8, 8, 8), 0))})

    bare = schema.record({"table": schema.table({"x": schema.column("row", np.zeros(2), "X", "1")})})
    return commit_records(
        tmp_path_factory.mktemp("chosen") / "store", "generated", {"b": full(), "a": full(), "c": bare, "d": full()}
    )


@pytest.fixture(scope="module")
def split():
    names = {"train": ("a", "b", "c", "withdrawn"), "test": ("d",)}
    return Split(
        name="by-hand", plan={"kind": "by-hand"}, groups={},
        entries=tuple(Entry(name, part) for part, each in names.items() for name in each),
    )  # fmt: skip


def test_records_are_left_out_with_the_reason(version, split):
    stored = list(version.manifest.records)
    assert choose_records(version, None) == (stored, {})
    names, left_out = choose_records(version, None, split=split, part="train", group="activity")
    assert names == [name for name in stored if name in {"a", "b"}]
    assert left_out == {
        "d": "not in by-hand/train", "withdrawn": "not in the version", "c": "no group activity",
    }  # fmt: skip
    assert choose_records(version, ["d", "b", "b"], split=split, part="train", group="activity") == (
        ["b"], {"d": "not in by-hand/train"},
    )  # fmt: skip
    assert choose_records(version, ["c", "b"]) == (["c", "b"], {})


def test_a_record_that_is_named_has_to_be_there_and_to_have_the_group(version):
    with pytest.raises(NotFoundError, match="no such record"):
        choose_records(version, ["a", "e"])
    with pytest.raises(NotFoundError, match="no such group") as caught:
        choose_records(version, ["a", "c"], group="activity")
    assert (caught.value.subject, caught.value.expected) == ("c", "table")
    with pytest.raises(UsageError, match="list of names"):
        choose_records(version, "a")


def test_windows_spikes_and_volumes_choose_alike(version, split):
    given = (split, "train")
    sources = [
        WindowSource(version, group="activity", window=5, split=given),
        EventSource(version, group="spikes", window_s=0.5, bin_s=0.1, split=given),
        VolumeSource(version, images=["t1w"], split=given, on_missing="skip"),
    ]
    for source in sources:
        assert source.records == ("a", "b")
        assert source.skipped["d"] == "not in by-hand/train"
        assert source.skipped["withdrawn"] == "not in the version"
        assert set(source.skipped) == {"c", "d", "withdrawn"}


def test_an_error_tells_a_few_reasons():
    assert reasons({}) == "no record"
    assert reasons({f"r{at}": "too short" for at in range(9)}).count("too short") == 5


def test_a_group_of_another_kind_is_refused(version):
    check_kind({"encoding-type": "series"}, "series", record="a", group="activity")
    with pytest.raises(UsageError, match="another kind") as caught:
        WindowSource(version, group="spikes", window=5)
    assert (caught.value.place, caught.value.expected, caught.value.found) == ("spikes", "series", "events")
    with pytest.raises(UsageError, match="another kind") as caught:
        EventSource(version, group="activity", window_s=0.5, bin_s=0.1)
    assert (caught.value.place, caught.value.expected, caught.value.found) == ("activity", "events", "series")
