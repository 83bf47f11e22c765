"""The format ``phy``: samples stay ticks, clusters without spikes stay, ``params.py`` is never run."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from connectome import schema
from connectome.errors import ConnectomeError, FormatError, TruncatedError, UnsafeError, UsageError
from connectome.pipelines.cli import main
from connectome.pipelines.formats import FORMATS, read, recognise
from connectome.pipelines.formats.spikes.phy_params import read_params
from connectome.spikes import SpikeTrains, bin_counts
from support.spike_layouts import phy_folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    phy_folder(tmp_path / "ks")
    return tmp_path / "ks"


def test_every_spike_keeps_its_sample_and_its_cluster(folder: Path) -> None:
    arrays = phy_folder(folder)
    tree = read(folder)
    schema.validate(tree, subject="phy")
    spikes = tree["spikes"]
    assert spikes["unit_id"].values.tolist() == ["0", "2", "7", "9"]
    ids = spikes["cluster_id"].values[spikes["unit"].values]
    order = np.lexsort((arrays["spike_clusters"], arrays["spike_times"][:, 0]))
    assert np.array_equal(spikes["tick"].values, arrays["spike_times"][order, 0])
    assert np.array_equal(ids, arrays["spike_clusters"][order])
    assert np.array_equal(spikes["amplitude"].values, arrays["amplitudes"][order, 0])
    assert np.array_equal(spikes["event_template"].values, arrays["spike_templates"][order, 0])
    assert np.array_equal(spikes["templates"].values, arrays["templates"])
    rate = Fraction(spikes.attrs["tick_hz_numerator"], spikes.attrs["tick_hz_denominator"])
    assert rate == Fraction("29999.97")
    assert schema.measure(tree)["/spikes"]["n_silent_units"] == 1
    assert tree.attrs["raw_files"] == ["raw.bin"]
    assert np.array_equal(tree["electrodes"]["y"].values, arrays["channel_positions"][:, 1])


def test_tables_are_typed_and_two_that_differ_are_both_kept(folder: Path) -> None:
    spikes = read(folder)["spikes"]
    assert spikes["group"].values.tolist() == ["good", "mua", "", "noise"]
    assert spikes["info_group"].values.tolist() == ["good", "good", "", ""]
    assert spikes["ch"].values.tolist() == [1, 3, 2, -1]
    assert np.array_equal(spikes["depth"].values, [20.5, 40.0, np.nan, np.nan], equal_nan=True)


def test_tables_with_commas_are_read_like_those_with_tabs(folder: Path) -> None:
    (folder / "cluster_metrics.csv").write_text("cluster_id,isi\n2,0.25\n")
    found = read(folder)["spikes"]["isi"].values
    assert np.array_equal(found, [np.nan, 0.25, np.nan, np.nan], equal_nan=True)


def test_sparse_templates_keep_their_channels_and_wrong_ones_are_refused(folder: Path) -> None:
    channels = np.tile([3.0, 1.0, 0.0, 4.0], (3, 1))
    np.save(folder / "templates_ind.npy", channels)
    assert np.array_equal(read(folder)["spikes"]["template_channels"].values, channels)
    for wrong in (channels[:2], channels + 0.5, np.full((3, 4), np.nan)):
        np.save(folder / "templates_ind.npy", wrong)
        with pytest.raises(FormatError, match="channels of the templates"):
            read(folder)


def test_bins_of_the_record_count_every_spike_of_the_folder(folder: Path) -> None:
    arrays = phy_folder(folder)
    tree = read(folder, rate_hz=30000, duration_s=10)
    edges_s = np.arange(101) / 10
    found = bin_counts(SpikeTrains.of(tree["spikes"].to_dataset()), edges_s)
    # 0.1 s are 3000 samples, so whole numbers decide.
    oracle = np.zeros((4, 100), dtype=np.int64)
    rows = {0: 0, 2: 1, 7: 2}
    for sample, cluster in zip(arrays["spike_times"][:, 0].tolist(), arrays["spike_clusters"].tolist(), strict=True):
        oracle[rows[cluster], sample // 3000] += 1
    assert np.array_equal(found, oracle)


def test_the_template_of_a_unit_is_that_of_most_of_its_spikes(folder: Path) -> None:
    np.save(folder / "spike_times.npy", np.arange(6, dtype=np.int64))
    np.save(folder / "spike_clusters.npy", np.array([0, 0, 0, 2, 2, 7], dtype=np.int32))
    np.save(folder / "spike_templates.npy", np.array([1, 1, 0, 2, 1, 2], dtype=np.int32))
    np.save(folder / "amplitudes.npy", np.ones(6))
    assert read(folder)["spikes"]["main_template"].values.tolist() == [1, 1, 2, -1]


def test_a_folder_and_its_spike_times_are_recognised_and_all_files_are_inputs(folder: Path) -> None:
    assert recognise([folder]).name == "phy"
    assert recognise([folder / "spike_times.npy"]).name == "phy"
    inputs = {path.name for path in FORMATS["phy"].inputs([folder], {})}
    assert inputs == {path.name for path in folder.iterdir()}
    with pytest.raises(FormatError):
        recognise([folder / "amplitudes.npy"])


def test_without_curation_the_template_is_the_cluster(folder: Path) -> None:
    (folder / "spike_clusters.npy").unlink()
    spikes = read(folder)["spikes"]
    assert spikes["unit_id"].values.tolist() == ["0", "1", "2", "7", "9"]


def test_the_rate_must_be_stated(folder: Path) -> None:
    (folder / "params.py").unlink()
    with pytest.raises(UsageError, match="sampling rate"):
        read(folder)
    spikes = read(folder, rate_hz="1000/3", duration_s=1000)["spikes"]
    assert (spikes.attrs["tick_hz_numerator"], spikes.attrs["tick_hz_denominator"]) == (1000, 3)
    assert spikes["observed_stop"].values.tolist() == [1000.0]
    with pytest.raises(FormatError, match="outside the observed time"):
        read(folder, rate_hz=30000, duration_s=1)


@pytest.mark.parametrize("rate", ["0", "-5", "nan", "abc", "1/0", "inf"])
def test_a_rate_that_is_none_is_refused(rate: str, folder: Path) -> None:
    with pytest.raises(UsageError):
        read(folder, rate_hz=rate)


@pytest.mark.parametrize(
    "text",
    [
        "import os\nsample_rate = 1.0",
        "sample_rate = float('30000')",
        "sample_rate = __import__('os').getpid()",
        "a = b = 1",
        "a, b = 1, 2",
        "sample_rate: float = 1.0",
        "def f():\n  pass",
        "x.y = 1",
        "a = [i for i in (1, 2)]",
        "a = " + "-" * 5000 + "1",
    ],
)
def test_settings_that_would_have_to_be_run_are_refused(text: str, folder: Path) -> None:
    (folder / "params.py").write_text(text)
    with pytest.raises(FormatError):
        read(folder)


@pytest.mark.parametrize("content", [b"sample_rate = ", b"\xff\xfe", b"a = '" + b"x" * 70_000 + b"'", b"a = (" * 3000])
def test_settings_that_are_no_python_are_refused(content: bytes, folder: Path) -> None:
    (folder / "params.py").write_bytes(content)
    with pytest.raises(FormatError):
        read_params(folder / "params.py")


def test_a_rate_in_the_settings_is_a_number(folder: Path) -> None:
    for written in ("'30000'", "None", "True", "[1]", "0", "1e400"):
        (folder / "params.py").write_text(f"sample_rate = {written}\n")
        with pytest.raises(ConnectomeError):
            read(folder)


def broken(values: np.ndarray) -> dict[str, np.ndarray]:
    return {
        "float": values.astype(np.float64), "short": values[:-1], "flat": np.stack([values] * 2),
        "negative": np.where(np.arange(len(values)) == 5, -1, values), "text": values.astype(str),
        "pickled": values.astype(object), "bool": values > 3, "complex": values.astype(complex),
        "structured": np.zeros(len(values), dtype=[("a", "i4")]),
    }  # fmt: skip


@pytest.mark.parametrize("name", ["spike_times", "spike_clusters", "spike_templates"])
@pytest.mark.parametrize("damage", sorted(broken(np.arange(9))))
def test_arrays_that_cannot_be_are_refused(name: str, damage: str, folder: Path) -> None:
    values = np.load(folder / f"{name}.npy").reshape(-1).astype(np.int64)
    np.save(folder / f"{name}.npy", broken(values)[damage], allow_pickle=True)
    with pytest.raises(FormatError) as caught:
        read(folder)
    assert (caught.type is UnsafeError) == (damage == "pickled")
    assert caught.value.message != "the reader cannot make sense of the file"


@pytest.mark.parametrize("name", ["spike_times", "spike_clusters", "amplitudes", "templates", "channel_map"])
def test_files_cut_anywhere_are_refused(name: str, folder: Path) -> None:
    path = folder / f"{name}.npy"
    whole = path.read_bytes()
    for size in (0, 1, 6, 8, 10, 60, 127, 128, 129, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:size])
        with pytest.raises(FormatError):
            read(folder)
    path.write_bytes(whole + b"\0")
    with pytest.raises(TruncatedError):
        read(folder)


def test_a_header_that_lies_allocates_nothing(folder: Path) -> None:
    path = folder / "spike_times.npy"
    for shape in ("(100000000000000,)", "(-1,)", "(True,)", "(1 << 60,)"):
        header = f"{{'descr': '<i8', 'fortran_order': False, 'shape': {shape}}}".encode().ljust(117) + b"\n"
        path.write_bytes(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + bytes(80))
        with pytest.raises(FormatError):
            read(folder)


@pytest.mark.parametrize(
    "text", ["", "a\tb\n1\t2\n", "cluster_id\tgroup\n1\n", "cluster_id\tgroup\nx\tgood\n", "cluster_id\tcluster_id\n",
             "cluster_id\tgroup\n1\tgood\n1\tmua\n", "cluster_id\tgroup\n-1\tgood\n", "cluster_id\tgroup\n1.5\tgood\n"],
)  # fmt: skip
def test_tables_that_cannot_be_are_refused(text: str, folder: Path) -> None:
    (folder / "cluster_group.tsv").write_text(text)
    with pytest.raises(FormatError):
        read(folder)


def test_unsorted_spikes_are_sorted_and_flagged(folder: Path) -> None:
    times = np.load(folder / "spike_times.npy")
    np.save(folder / "spike_times.npy", times[::-1])
    tree = read(folder)
    assert [warning["code"] for warning in tree.attrs["warnings"]] == ["unsorted"]
    assert np.array_equal(tree["spikes"]["tick"].values, times[:, 0])


def test_a_folder_without_any_spike_is_read(folder: Path) -> None:
    for name in ("spike_times", "spike_clusters", "spike_templates"):
        np.save(folder / f"{name}.npy", np.zeros(0, dtype=np.int64))
    np.save(folder / "amplitudes.npy", np.zeros(0))
    tree = read(folder)
    schema.validate(tree, subject="phy")
    assert schema.measure(tree)["/spikes"]["n_silent_units"] == 4


def test_a_folder_is_imported_and_not_read_again(folder: Path, tmp_path: Path, capsys) -> None:
    words = ["import", str(folder), "--dataset", "mine", "--root", str(tmp_path / "root"), "--json"]
    assert main(words) == 0
    assert json.loads(capsys.readouterr().out)["added"] == ["ks"]
    assert main(words) == 0
    assert json.loads(capsys.readouterr().out)["reused"] == ["ks"]
