"""Forms of NWB that older writers left behind: each is read whole, or refused with its place."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from connectome.errors import FormatError
from connectome.pipelines.formats import read
from connectome.schema import validate
from connectome.schema.events import times_s
from support.nwb_sessions import add_units, empty_session, series, spike_trains, table, typed

TRAINS = spike_trains()


def written(path: Path, fill: Callable[[h5py.File], Any]) -> Path:
    with empty_session(path) as file:
        fill(file)
    return path


def assert_trains(tree: Any, group: str = "spikes") -> None:
    validate(tree, subject="old form")
    spikes = tree[group].to_dataset()
    times, unit = times_s(spikes), spikes["unit"].values
    for at, train in enumerate(TRAINS):
        np.testing.assert_array_equal(times[unit == at], train)


@pytest.mark.parametrize("place", ["analysis/sorted", "scratch/sorted", "acquisition/sorted", "processing/a/b/sorted"])
def test_units_outside_of_the_root_are_found_wherever_they_lie(place: str, tmp_path: Path) -> None:
    parent, _, name = place.rpartition("/")
    path = written(tmp_path / "s.nwb", lambda file: add_units(file.require_group(parent), TRAINS, name=name))
    tree = read(path)
    assert_trains(tree)
    assert tree["spikes"].attrs["source"] == f"/{place}"


@pytest.mark.parametrize(
    "names",
    [
        np.array([b"quality", b"spike_times"], dtype="S16"),
        np.array([b"quality", b"spike_times"], dtype=object),
        np.array(["quality", "spike_times"], dtype=h5py.string_dtype()),
        None,
    ],
    ids=["fixed bytes", "bytes of any length", "text", "none"],
)
def test_names_of_columns_may_be_bytes_text_or_not_there(names: Any, tmp_path: Path) -> None:
    path = written(tmp_path / "s.nwb", lambda file: add_units(file, TRAINS, quality=["good", "mua", "noise", "good"]))
    with h5py.File(path, "r+") as file:
        del file["units"].attrs["colnames"]
        if names is not None:
            file["units"].attrs["colnames"] = names
    tree = read(path)
    assert_trains(tree)
    assert tree["spikes"]["quality"].values.tolist() == ["good", "mua", "noise", "good"]


@pytest.mark.parametrize(
    ("n_times", "message"), [(3, "not one ragged column"), (7, "differ in length")], ids=["one a unit", "more"]
)
def test_spike_times_without_their_index_are_refused(n_times: int, message: str, tmp_path: Path) -> None:
    columns = {"id": np.arange(3), "spike_times": np.arange(float(n_times))}
    path = written(tmp_path / "s.nwb", lambda file: table(file, "units", columns, kind="Units"))
    with pytest.raises(FormatError, match=message) as caught:
        read(path)
    assert caught.value.place == "/units/spike_times"
    assert caught.value.subject == str(path)


def test_an_index_without_spike_times_leaves_a_table_of_units(tmp_path: Path) -> None:
    columns = {"id": np.arange(3), "depth": np.arange(3.0)}
    path = written(tmp_path / "s.nwb", lambda file: table(file, "units", columns, kind="Units"))
    with h5py.File(path, "r+") as file:
        file["units/spike_times_index"] = np.arange(3)
    tree = read(path)
    assert "spikes" not in tree
    assert tree["units"]["depth"].values.tolist() == [0.0, 1.0, 2.0]
    assert [item["code"] for item in tree.attrs["warnings"]] == ["no-spike-times"]


def test_stamps_may_be_linked_softly_or_hard_and_samples_too(tmp_path: Path) -> None:
    stamps = np.array([1.0, 2.0, 4.0])

    def fill(file: h5py.File) -> None:
        series(file, "acquisition/first", np.arange(3.0), stamps=stamps)
        series(file, "acquisition/soft", np.arange(3.0) + 1)["timestamps"] = h5py.SoftLink(
            "/acquisition/first/timestamps"
        )
        series(file, "acquisition/whole", np.arange(3.0) + 2)["timestamps"] = h5py.SoftLink(
            "/acquisition/soft/timestamps"
        )
        series(file, "acquisition/hard", np.arange(3.0) + 3)["timestamps"] = file["acquisition/first/timestamps"]
        group = series(file, "acquisition/samples", np.arange(3.0), stamps=stamps + 1)
        del group["data"]
        group["data"] = h5py.SoftLink("/acquisition/first/data")

    tree = read(written(tmp_path / "s.nwb", fill))
    for at, name in enumerate(("first", "soft", "whole", "hard")):
        np.testing.assert_array_equal(tree[f"series/{name}"]["time"].values, stamps)
        assert tree[f"series/{name}"]["signal"].values.tolist() == [(np.arange(3.0) + at).tolist()]
    np.testing.assert_array_equal(tree["series/samples"]["time"].values, stamps + 1)
    assert tree["series/samples"]["signal"].values.tolist() == [[0.0, 1.0, 2.0]]


def test_links_of_stamps_in_a_circle_or_to_a_group_are_refused(tmp_path: Path) -> None:
    def circle(file: h5py.File) -> None:
        for one, other in ("ab", "ba"):
            series(file, f"acquisition/{one}", np.arange(3.0))["timestamps"] = h5py.SoftLink(
                f"/acquisition/{other}/timestamps"
            )

    def group(file: h5py.File) -> None:
        series(file, "acquisition/a", np.arange(3.0), stamps=np.arange(3.0))
        series(file, "acquisition/b", np.arange(3.0))["timestamps"] = h5py.SoftLink("/acquisition/a")

    with pytest.raises(FormatError):
        read(written(tmp_path / "circle.nwb", circle))
    with pytest.raises(FormatError, match="stamps are not there") as caught:
        read(written(tmp_path / "group.nwb", group))
    assert caught.value.place == "/acquisition/b/timestamps"


def test_times_of_units_in_groups_of_their_own_are_kept_as_tables(tmp_path: Path) -> None:
    def fill(file: h5py.File) -> None:
        typed(file, "processing/sorted", "ProcessingModule")
        for at, train in enumerate(TRAINS[:2]):
            typed(file, f"processing/sorted/UnitTimes/unit_{at}", "SpikeUnit")["times"] = train

    tree = read(written(tmp_path / "s.nwb", fill))
    assert "spikes" not in tree
    for at, train in enumerate(TRAINS[:2]):
        np.testing.assert_array_equal(tree[f"tables/unit_{at}"]["times"].values, train)


def test_columns_that_are_listed_and_not_there_are_told(tmp_path: Path) -> None:
    def fill(file: h5py.File) -> None:
        add_units(file, TRAINS)
        starts = {"id": np.arange(2), "start_time": np.arange(2.0), "stop_time": np.arange(2.0) + 1}
        table(file, "intervals/trials", starts, kind="TimeIntervals")
        file["units"].attrs["colnames"] = np.array(["spike_times", "depth"], dtype=h5py.string_dtype())
        file["intervals/trials"].attrs["colnames"] = np.array([b"start_time", b"stop_time", b"cue"])

    tree = read(written(tmp_path / "s.nwb", fill))
    assert_trains(tree)
    told = {(item["code"], item["place"]) for item in tree.attrs["warnings"]}
    assert told == {("no-such-column", "/units/depth"), ("no-such-column", "/intervals/trials/cue")}
