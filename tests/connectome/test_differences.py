"""Numbers that rise, stored as differences: the same numbers for every reader, and small."""

from __future__ import annotations

import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import zarr

from connectome import schema
from connectome.loaders.reading.chunks import RecordReader
from connectome.store.archive import LocalBytes, RecordStore
from connectome.store.digest import array_digests, combine
from connectome.store.record import Recipe, open_record, record_file, write_record

if TYPE_CHECKING:
    import xarray as xr

RECIPE = Recipe(source="generated", source_version="1", inputs=())
N_EVENTS = 300_000
"""More than a chunk."""


def generated() -> xr.DataTree:
    rng = np.random.default_rng(5)
    tick = rng.integers(-(10**6), 60 * 10**6, N_EVENTS)
    tick[0] = 2**52
    group = schema.events(
        tick, rng.integers(0, 400, N_EVENTS), unit_id=[str(at) for at in range(400)], observed_s=[],
        tick_hz=Fraction(2**40),
    )  # fmt: skip
    return schema.record({"spikes": group})


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("differences")
    receipt = write_record(generated(), folder, record="r", recipe=RECIPE, staging=folder / "staging")
    return record_file(folder, receipt)


def test_ticks_are_read_back_by_zarr_by_xarray_and_by_the_loaders(file: Path) -> None:
    expected = generated()["spikes"]["tick"].values
    stored = zarr.open_array(store=RecordStore(LocalBytes(file)), path="spikes/tick", mode="r")  # type: ignore[arg-type]
    assert stored.metadata.to_dict()["codecs"][0]["name"] == "numcodecs.delta"
    reader = RecordReader(LocalBytes(file)).array("spikes/tick")
    assert reader.route == "blosc"
    for found in (np.asarray(stored[:]), open_record(file)["spikes"]["tick"].values, reader.read()):
        assert found.dtype == np.int64
        assert np.array_equal(found, expected)
    assert np.array_equal(reader.read([65_500], [131_100]), expected[65_500:131_100])


def test_any_zarr_tool_reads_them_without_this_package(file: Path) -> None:
    code = (
        "import sys, zarr, warnings; warnings.simplefilter('ignore')\n"
        "store = zarr.storage.ZipStore(sys.argv[1], mode='r')\n"
        "tick = zarr.open_group(store, mode='r')['spikes/tick'][:]\n"
        "assert 'connectome' not in sys.modules\n"
        "print(int(tick.sum()), str(tick.dtype))"
    )
    done = subprocess.run([sys.executable, "-c", code, str(file)], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(int(generated()["spikes"]["tick"].values.sum())), "int64"]


def test_the_content_digest_does_not_depend_on_the_codec(file: Path) -> None:
    plain, written = generated(), open_record(file)
    assert combine(plain, array_digests(plain)) == combine(written, array_digests(written))


def test_a_spike_takes_less_than_two_fifths_of_its_raw_time(file: Path) -> None:
    assert file.stat().st_size <= 0.4 * 8 * N_EVENTS
