"""Every published NWB session at hand, against pynwb: the same units, spikes, rows of every table, and samples.

pynwb is an oracle only; nothing in the package needs it.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from connectome import schema
from connectome.errors import FormatError
from connectome.pipelines.formats import read
from connectome.schema.events import times_s

pynwb = pytest.importorskip("pynwb", reason="pynwb, the oracle, is not installed")

FOLDER = "neuropixels"
ALM = "guo_svoboda_alm/sub-anm00239123_ses-20170627T093549_ecephys+ogen.nwb"
ADN = "peyrache_adn_ca1/A2929-200711.nwb"
ALLEN = "allen_visual_coding_trunc10/sub-738651046_ses-760693773.trunc10.nwb"
LFP = "allen_visual_coding_trunc10/sub-738651046_ses-760693773_probe-769322820_ecephys.trunc10.nwb"
OPTIONS: dict[str, dict[str, Any]] = {ALM: {}, ADN: {}, ALLEN: {"spikes": "skip"}, LFP: {}}
COUNTS = {ALM: (4, 1, 0), ADN: (15, 4, 7), ALLEN: (10, 8, 16), LFP: (0, 0, 2)}
"""Units, tables of intervals and numeric series that pynwb finds."""


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """Open a session with pynwb, whose words on what it no longer likes in old files are its own affair."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pynwb.NWBHDF5IO(str(path), "r", load_namespaces=True) as stream:
            yield stream.read()


@pytest.fixture(scope="module", params=sorted(OPTIONS))
def pair(request: pytest.FixtureRequest, data_dir: Path):
    """Our record and pynwb's session of one file."""
    path = data_dir / FOLDER / request.param
    tree = read(path, **OPTIONS[request.param])
    with opened(path) as session:
        yield request.param, tree, session


def place_of(item: Any) -> str:
    """Return where an object of pynwb lies in its file."""
    array = item.data if isinstance(item, pynwb.TimeSeries) else item.id.data
    return str(array.name).rpartition("/")[0]


def by_source(tree: Any) -> dict[str, Any]:
    return {dataset.attrs["source"]: dataset for _, dataset in schema.groups(tree) if "source" in dataset.attrs}


def numeric_series(session: Any) -> list[Any]:
    found = [item for item in session.objects.values() if isinstance(item, pynwb.TimeSeries)]
    return [item for item in found if isinstance(item.data, h5py.Dataset) and item.data.dtype.kind in "iuf"]


def same_columns(table: Any, dataset: Any) -> int:
    """Compare every column of numbers or words that both have under one name; return how many there were."""
    compared = 0
    for column in table.columns:
        values = np.asarray(column.data[()] if isinstance(column.data, h5py.Dataset) else column.data)
        if column.name not in dataset or values.shape != dataset[column.name].shape or values.dtype.names:
            continue
        mine = dataset[column.name].values
        if values.dtype.kind in "iuf" and mine.dtype.kind in "iuf":
            np.testing.assert_array_equal(mine, values, err_msg=column.name)
        elif isinstance(values.flat[0] if values.size else "", str) and mine.dtype.kind == "O":
            assert mine.tolist() == values.tolist(), column.name
        else:
            # Lists of numbers as text are numbers in the record.
            continue
        compared += 1
    return compared


def test_pynwb_finds_as_many_units_tables_and_series(pair) -> None:
    name, tree, session = pair
    n_units = 0 if session.units is None else len(session.units)
    assert (n_units, len(session.intervals or {}), len(numeric_series(session))) == COUNTS[name]
    if n_units and "spikes" in tree.children:
        assert tree["spikes"].sizes["unit_id"] == n_units


def test_every_spike_of_every_unit_is_the_same(pair) -> None:
    name, tree, session = pair
    if "spikes" not in tree.children:
        assert name in (ALLEN, LFP)
        return
    spikes = tree["spikes"].to_dataset()
    times, pointer = times_s(spikes), spikes["unit_ptr"].values
    order = np.argsort(spikes["unit"].values, kind="stable")
    assert spikes["unit_id"].values.tolist() == [str(one) for one in session.units.id[:]]
    for unit in range(len(session.units)):
        mine = times[order[pointer[unit] : pointer[unit + 1]]]
        np.testing.assert_array_equal(mine, session.units["spike_times"][unit])
    assert same_columns(session.units, spikes) >= 2


def test_every_row_of_every_table_of_intervals_is_the_same(pair) -> None:
    _, tree, session = pair
    ours = by_source(tree)
    for table in (session.intervals or {}).values():
        dataset = ours[place_of(table)]
        assert dataset.sizes["row"] == len(table)
        for edge in ("start_time", "stop_time"):
            np.testing.assert_array_equal(dataset[edge].values, table[edge][:])
        assert same_columns(table, dataset) >= 2
        for column in table.columns:
            # A ragged column of labels is one text a row; a reference is its target and its range.
            assert column.name in dataset or column.name.endswith("_index") or column.name == "timeseries", column.name


def test_electrodes_are_the_same(pair) -> None:
    _, tree, session = pair
    assert tree["electrodes"].sizes["row"] == len(session.electrodes)
    assert same_columns(session.electrodes, tree["electrodes"].to_dataset()) >= 5


def test_every_sample_of_every_series_and_its_stamps_are_the_same(pair) -> None:
    _, tree, session = pair
    ours = by_source(tree)
    for item in numeric_series(session):
        container, _, name = place_of(item).rpartition("/")
        dataset = ours.get(f"{container}/{name}")
        if dataset is not None:
            mine = dataset["signal"].values
        else:
            # Series that share a clock are channels of what holds them.
            dataset = ours[container]
            mine = dataset["signal"].values[[dataset["channel"].values.tolist().index(name)]]
        np.testing.assert_array_equal(mine, np.atleast_2d(np.asarray(item.data[()]).T), err_msg=name)
        assert mine.dtype == item.data.dtype
        if item.timestamps is not None:
            np.testing.assert_array_equal(dataset["time"].values, item.timestamps[:], err_msg=name)


def test_pynwb_opens_the_cut_session_in_silence_where_we_refuse_it(data_dir: Path) -> None:
    path = data_dir / FOLDER / ALLEN
    with opened(path) as session:
        units = session.units
        assert [len(units["spike_times"][unit]) for unit in range(10)] == [10] + [0] * 9
    with pytest.raises(FormatError, match="index beyond data"):
        read(path)
