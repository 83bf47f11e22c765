"""Recordings of days in both layouts of the SWEC in Bern; generated files."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from scipy.io import savemat

from connectome import schema
from connectome.errors import FormatError, MissingExtraError, TruncatedError, UnsafeError, UsageError
from connectome.pipelines import read
from connectome.pipelines.formats import recognise
from connectome.pipelines.formats.recordings import swec
from connectome.schema.series import rate_hz
from connectome.seizures import Seizure, seizures_of
from support import swec_files
from support.swec_files import BLOSC2, hours, index, part, recording, samples


def codes(tree: Any) -> list[str]:
    """Return the codes of a record's warnings."""
    return [item["code"] for item in tree.attrs.get("warnings", [])]


@pytest.mark.parametrize("code", [swec_files.LZ4, swec_files.BLOSC])
def test_parts_are_read_in_the_order_of_their_numbers_as_one_recording(tmp_path: Path, code: int) -> None:
    lengths = (300, *([100] * 10), 7)
    values = recording(tmp_path, "ID99", lengths, code=code, seizures=[(0.25, 1.5), (2.0, 2.25)])
    tree = read(tmp_path / "ID99/ID99_total.h5")
    schema.validate(tree, subject="generated")
    signal = tree["signal"].to_dataset()
    assert signal["signal"].dtype == np.float32
    assert rate_hz(signal) == 512
    np.testing.assert_array_equal(signal["signal"].values, values)
    np.testing.assert_array_equal(signal["signal"][1:, 250:1290:3].values, values[1:, 250:1290:3])
    np.testing.assert_array_equal(signal["signal"][2, 299].values, values[2, 299])
    np.testing.assert_array_equal(signal["signal"][:, ::-1].values, values[:, ::-1])
    names = schema.decode(tree["file"]["name"].variable).tolist()
    assert names == [f"ID99_part_{number}.h5" for number in range(1, 13)]
    assert tree["file"]["first_sample"].values.tolist() == [0, *range(300, 1301, 100)]
    assert seizures_of(tree["seizure"].to_dataset()) == [
        Seizure(0.25, 1.5, source="annotation"), Seizure(2.0, 2.25, source="annotation"),
    ]  # fmt: skip
    assert tree.attrs["subject"] == "ID99"
    assert codes(tree) == []


def test_the_signal_is_read_when_it_is_asked_for_and_survives_pickling(tmp_path: Path) -> None:
    values = recording(tmp_path, "ID99")
    tree = read(tmp_path / "ID99/ID99_total.h5")
    signal = tree["signal"].to_dataset().variables["signal"]
    assert not isinstance(signal._data, np.ndarray)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(signal))[:, 600:800].values, values[:, 600:800])


def test_a_virtual_dataset_is_never_read_and_one_that_names_other_files_is_told(tmp_path: Path) -> None:
    values = recording(tmp_path, "ID19", virtual_subject="ID01")
    other = samples(3, 1200, seed=9)
    for number, (start, stop) in enumerate(((0, 700), (700, 1200)), start=1):
        # The parts that the virtual dataset names lie beside it, and are those of somebody else.
        part(tmp_path / f"ID19/ID01_part_{number}.h5", other[:, start:stop])
    tree = read(tmp_path / "ID19/ID19_total.h5")
    np.testing.assert_array_equal(tree["signal/signal"].values, values)
    assert codes(tree) == ["foreign-virtual-sources"]
    assert "ID01_part_1.h5" in tree.attrs["warnings"][0]["message"]


def test_without_a_list_of_parts_the_virtual_dataset_has_to_name_its_own(tmp_path: Path) -> None:
    values = recording(tmp_path, "ID99", listed=())
    np.testing.assert_array_equal(read(tmp_path / "ID99/ID99_total.h5")["signal/signal"].values, values)
    recording(tmp_path, "ID98", listed=(), virtual_subject="ID80")
    with pytest.raises(FormatError, match="parts of another recording"):
        read(tmp_path / "ID98/ID98_total.h5")


@pytest.mark.parametrize("number", [1, 2])
def test_a_part_that_is_missing_is_an_error_and_never_zeros(tmp_path: Path, number: int) -> None:
    recording(tmp_path, "ID99")
    total = tmp_path / "ID99/ID99_total.h5"
    (tmp_path / f"ID99/ID99_part_{number}.h5").unlink()
    with h5py.File(total) as file:
        assert file["data/ieeg"].shape == (3, 1200)  # HDF5 itself does not mind
    with pytest.raises(TruncatedError, match="parts of the recording are missing") as caught:
        read(total)
    assert f"ID99_part_{number}.h5" in str(caught.value)


@pytest.mark.parametrize("folder", ["../", "/etc/", "sub/", "..\\"])
def test_a_virtual_dataset_that_leaves_the_folder_is_refused(tmp_path: Path, folder: str) -> None:
    recording(tmp_path, "ID99", elsewhere=folder)
    with pytest.raises(UnsafeError, match="another folder"):
        read(tmp_path / "ID99/ID99_total.h5")


def test_links_to_other_files_are_refused_and_not_followed(tmp_path: Path) -> None:
    recording(tmp_path, "ID98")
    for place in ("data", "data/ieeg", "info"):
        recording(tmp_path, "ID99")
        with h5py.File(tmp_path / "ID99/ID99_total.h5", "a") as file:
            del file[place]
            file[place] = h5py.ExternalLink("../ID98/ID98_total.h5", f"/{place}")
        if place == "info":
            # A list that is not in the file is none.
            assert codes(read(tmp_path / "ID99/ID99_total.h5")) == []
            continue
        with pytest.raises(UnsafeError, match="leads to another file"):
            swec.read([tmp_path / "ID99/ID99_total.h5"])


def test_a_part_that_takes_its_samples_from_elsewhere_is_refused(tmp_path: Path) -> None:
    recording(tmp_path, "ID99")
    (tmp_path / "secret.bin").write_bytes(bytes(3 * 700 * 4))
    with h5py.File(tmp_path / "ID99/ID99_part_1.h5", "a") as file:
        del file["data/ieeg"]
        file["data"].create_dataset(
            "ieeg", (3, 700), "f4", external=[(str(tmp_path / "secret.bin"), 0, h5py.h5f.UNLIMITED)]
        )
    with pytest.raises(UnsafeError, match="from other files"):
        read(tmp_path / "ID99/ID99_total.h5")


@pytest.mark.parametrize(
    ("what", "options"),
    [
        ("its length", {"values": samples(3, 701)}),
        ("its channels", {"values": samples(4, 700)}),
        ("its rate", {"values": samples(3, 700), "rate_hz": 1024.0}),
        ("its type", {"values": samples(3, 700, dtype="<f8")}),
    ],
)
def test_a_part_that_differs_from_the_others_is_refused(tmp_path: Path, what: str, options: dict[str, Any]) -> None:
    recording(tmp_path, "ID99")
    part(tmp_path / "ID99/ID99_part_1.h5", options.pop("values"), **options)
    with pytest.raises(FormatError, match=r"differ|expects"):
        read(tmp_path / "ID99/ID99_total.h5")


@pytest.mark.parametrize(
    ("listed", "message"),
    [
        (("ID98_part_1.h5", "ID99_part_2.h5"), "not the name of a part"),
        (("../ID99_part_1.h5", "ID99_part_2.h5"), "not the name of a part"),
        (("ID99_part_1.h5", "ID99_part_1.h5"), "not the name of a part"),
        (("ID99_part_1.h5",), "differ"),
        (("ID99_part_1.h5", "ID99_part_3.h5"), "differ"),
    ],
)
def test_a_list_of_parts_that_are_not_its_own_or_not_all_is_refused(tmp_path: Path, listed: Any, message: str) -> None:
    recording(tmp_path, "ID99", listed=listed)
    with pytest.raises(FormatError, match=message):
        read(tmp_path / "ID99/ID99_total.h5")


@pytest.mark.parametrize(
    "seizures",
    [[(-1.0, 1.0)], [(2.4, 2.5)], [(5.0, 6.0)], [(1.0, 1.0)], [(1.0, 0.5)], [(np.nan, 1.0)], [(1.0, np.inf)]],
)
def test_a_seizure_outside_the_recording_is_refused(tmp_path: Path, seizures: list[tuple[float, float]]) -> None:
    recording(tmp_path, "ID99", seizures=seizures)
    with pytest.raises(FormatError, match="outside the recording"):
        read(tmp_path / "ID99/ID99_total.h5")


def test_a_seizure_that_outlasts_the_recording_keeps_its_end_and_is_told(tmp_path: Path) -> None:
    recording(tmp_path, "ID99", seizures=[(2.0, 9.0)])
    tree = read(tmp_path / "ID99/ID99_total.h5")
    assert tree["seizure"]["offset_s"].values.tolist() == [9.0]
    assert codes(tree) == ["seizure-cut"]


def test_no_seizures_and_no_word_of_seizures_are_two_things(tmp_path: Path) -> None:
    recording(tmp_path, "ID98", seizures=())
    assert read(tmp_path / "ID98/ID98_total.h5")["seizure"].sizes["row"] == 0
    recording(tmp_path, "ID99", seizures=None)
    assert "seizure" not in read(tmp_path / "ID99/ID99_total.h5").children


def test_parts_alone_are_read_from_the_first_on_and_say_nothing_of_seizures(tmp_path: Path) -> None:
    values = recording(tmp_path, "ID99", (300, 200, 100))
    folder = tmp_path / "ID99"
    tree = read([folder / "ID99_part_2.h5", folder / "ID99_part_1.h5"])
    np.testing.assert_array_equal(tree["signal/signal"].values, values[:, :500])
    assert "seizure" not in tree.children
    assert codes(tree) == ["no-index"]
    for names in (["ID99_part_2.h5"], ["ID99_part_1.h5", "ID99_part_3.h5"]):
        with pytest.raises(TruncatedError, match="missing"):
            read([folder / name for name in names])


def test_parts_of_two_recordings_or_other_files_are_no_recording(tmp_path: Path) -> None:
    recording(tmp_path, "ID98")
    recording(tmp_path, "ID99")
    with pytest.raises(UsageError, match="one recording"):
        read([tmp_path / "ID98/ID98_part_1.h5", tmp_path / "ID99/ID99_part_1.h5"], format="swec")
    strange = part(tmp_path / "recording.h5", samples(2, 400))
    with pytest.raises(UsageError, match="one recording"):
        read(strange, format="swec")


def test_samples_that_were_never_written_lie_in_no_segment(tmp_path: Path) -> None:
    values = samples(3, 1024)
    part(tmp_path / "ID99_part_1.h5", values, leave_out=(1,))
    part(tmp_path / "ID99_part_2.h5", values[:, :300])
    tree = read([tmp_path / "ID99_part_1.h5", tmp_path / "ID99_part_2.h5"])
    signal = tree["signal"].to_dataset()
    segments = np.stack([signal["segment_start"], signal["segment_stop"]], axis=1)
    assert segments.tolist() == [[0, 256], [512, 1324]]
    for start, stop in segments.tolist():
        np.testing.assert_array_equal(
            signal["signal"][:, start:stop].values, np.concatenate([values, values[:, :300]], axis=1)[:, start:stop]
        )
    assert codes(tree) == ["no-index", "never-written"]
    schema.validate(tree, subject="generated")


def test_integers_stay_integers_and_the_record_says_that_their_step_is_unknown(tmp_path: Path) -> None:
    values = samples(2, 600, dtype="<i2")
    part(tmp_path / "ID99_part_1.h5", values)
    tree = read(tmp_path / "ID99_part_1.h5", unit="uV")
    assert tree["signal/signal"].dtype == np.int16
    assert tree["signal/signal"].attrs["units"] == "unknown"
    np.testing.assert_array_equal(tree["signal/signal"].values, values)
    assert "no-scale" in codes(tree)


def test_a_unit_is_what_the_user_says_and_the_record_says_so(tmp_path: Path) -> None:
    part(tmp_path / "ID99_part_1.h5", samples(2, 600))
    plain, told = (read(tmp_path / "ID99_part_1.h5", **options)["signal"] for options in ({}, {"unit": "uV"}))
    assert plain["signal"].attrs["units"] == "unknown"
    assert told["signal"].attrs["units"] == "uV"
    assert set(schema.decode(told["unit_origin"].variable)) == {"given"}


def test_what_a_file_holds_beside_the_known_layout_is_named(tmp_path: Path) -> None:
    path = part(tmp_path / "ID99_part_1.h5", samples(2, 600))
    with h5py.File(path, "a") as file:
        file.attrs["gain"] = 0.5
        file["data/ieeg"].attrs["unit"] = "mV"
        file["data/delta_power"] = np.zeros(3)
    message = next(item["message"] for item in read(path).attrs["warnings"] if item["code"] == "not-read")
    for name in ("attribute gain", "attribute unit", "/data/delta_power"):
        assert name in message


@pytest.mark.parametrize("rate", [0.0, -512.0, np.nan, np.inf, 1e9])
def test_a_rate_that_is_none_is_refused(tmp_path: Path, rate: float) -> None:
    path = part(tmp_path / "ID99_part_1.h5", samples(2, 600), rate_hz=rate)
    with pytest.raises(FormatError, match=r"sampling rate|no number"):
        read(path)


def test_files_without_signal_rate_or_shape_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "ID99_part_1.h5"
    for made, message in (
        ({"data/ieeg": np.zeros((3, 0), dtype="f4")}, "there is no signal"),
        ({"data/ieeg": np.zeros((0, 3), dtype="f4")}, "there is no signal"),
        ({"data/ieeg": np.zeros(300, dtype="f4")}, "channels by samples"),
        ({"data/ieeg": np.zeros((600, 2), dtype="f4")}, "channels by samples"),
        ({"data/other": np.zeros((2, 600), dtype="f4")}, "missing"),
        ({"data": np.zeros((2, 600), dtype="f4")}, "missing"),
    ):
        with h5py.File(path, "w") as file:
            file.attrs.update(sampling_rate=512.0, channels=2)
            for name, value in made.items():
                file[name] = value
        with pytest.raises(FormatError, match=message):
            swec.read([path])
    with h5py.File(path, "w") as file:
        file["data/ieeg"] = np.zeros((2, 600), dtype="f4")
    with pytest.raises(FormatError, match="attribute"):
        swec.read([path])
    for content in (b"", b"\x89HDF\r\n\x1a\n", b"words"):
        path.write_bytes(content)
        with pytest.raises(FormatError):
            swec.read([path])


def test_a_compression_that_needs_a_package_names_it(tmp_path: Path) -> None:
    if h5py.h5z.filter_avail(BLOSC2):
        pytest.skip("the filter is installed")
    recording(tmp_path, "ID99", code=BLOSC2)
    with pytest.raises(MissingExtraError, match="hdf5plugin"):
        read(tmp_path / "ID99/ID99_total.h5")


def test_a_pointer_in_place_of_a_part_says_how_large_the_part_is(tmp_path: Path) -> None:
    recording(tmp_path, "ID99")
    (tmp_path / "ID99/ID99_part_2.h5").write_text(
        "version https://git-lfs.github.com/spec/v1\noid sha256:" + "0" * 64 + "\nsize 10000000000\n"
    )
    with pytest.raises(TruncatedError, match="git-lfs pointer") as caught:
        read(tmp_path / "ID99/ID99_total.h5")
    assert "10000000000" in str(caught.value)


def test_virtual_parts_that_overlap_or_leave_gaps_are_refused(tmp_path: Path) -> None:
    for places in (((0, 700), (600, 1100)), ((0, 600), (700, 1200)), ((0, 700), (700, 1100))):
        layout = h5py.VirtualLayout((3, 1200), dtype="f4")
        for number, (start, stop) in enumerate(places, start=1):
            source = h5py.VirtualSource(f"ID99_part_{number}.h5", "data/ieeg", shape=(3, stop - start))
            layout[:, start:stop] = source
        with h5py.File(tmp_path / "ID99_total.h5", "w") as file:
            file.create_group("data").create_virtual_dataset("ieeg", layout)
            file.attrs.update(sampling_rate=512.0, channels=3)
        with pytest.raises(FormatError, match=r"follow each other|do not fill"):
            read(tmp_path / "ID99_total.h5", format="swec")


def test_both_layouts_are_recognised_and_other_files_are_not(tmp_path: Path) -> None:
    recording(tmp_path, "ID99")
    hours(tmp_path, "ID02")
    for name in ("ID99/ID99_total.h5", "ID99/ID99_part_1.h5", "ID02/ID02_1h.mat"):
        assert recognise([tmp_path / name]).name == "swec"
    renamed = (tmp_path / "ID99/ID99_part_1.h5").rename(tmp_path / "other.h5")
    with pytest.raises(FormatError, match="cannot be told"):
        recognise([renamed])


@pytest.mark.parametrize("options", [{}, {"compressed": False}, {"version": "7.3"}], ids=["5", "5 plain", "7.3"])
def test_hours_are_read_as_one_recording_with_the_seizures_of_their_time(tmp_path: Path, options: Any) -> None:
    marks = [(100.0, 200.0), (3500.0, 3700.5), (7100.0, 7300.0), (20_000.0, 20_001.0)]
    values = hours(tmp_path, "ID02", (1, 2), seizures=marks, **options)
    tree = read([tmp_path / "ID02/ID02_2h.mat", tmp_path / "ID02/ID02_1h.mat"])
    schema.validate(tree, subject="generated")
    signal = tree["signal"].to_dataset()
    assert rate_hz(signal) == 2
    for part_of in (slice(None), slice(7190, 7210), slice(0, 3), slice(14_000, None)):
        np.testing.assert_array_equal(signal["signal"][:, part_of].values, values[:, part_of])
    found = [(item.onset_s, item.offset_s) for item in seizures_of(tree["seizure"].to_dataset())]
    assert found == marks[:3]
    assert codes(tree) == ["seizure-cut"]


def test_hours_from_the_middle_count_their_seizures_from_their_own_first_sample(tmp_path: Path) -> None:
    hours(
        tmp_path, "ID02", (83, 84), seizures=[(82 * 3600 - 5.0, 82 * 3600 + 10.0), (82 * 3600 + 20.0, 82 * 3600 + 30)]
    )
    tree = read([tmp_path / "ID02/ID02_83h.mat", tmp_path / "ID02/ID02_84h.mat"])
    assert tree["seizure"]["onset_s"].values.tolist() == [-5.0, 20.0]
    assert tree["signal"].attrs["first_sample_after_start_s"] == 82 * 3600
    assert (tree["signal"].attrs["first_hour"], tree["signal"].attrs["last_hour"]) == (83, 84)


def test_a_last_hour_may_be_short_and_no_other(tmp_path: Path) -> None:
    values = hours(tmp_path, "ID02", (1, 2), last=300)
    folder = tmp_path / "ID02"
    tree = read([folder / "ID02_1h.mat", folder / "ID02_2h.mat"])
    np.testing.assert_array_equal(tree["signal/signal"].values, values)
    savemat(folder / "ID02_1h.mat", {"EEG": samples(3, 7000)})
    with pytest.raises(FormatError, match="not an hour long"):
        read([folder / "ID02_1h.mat", folder / "ID02_2h.mat"])
    savemat(folder / "ID02_2h.mat", {"EEG": samples(3, 7201)})
    with pytest.raises(FormatError, match="not an hour long"):
        read([folder / "ID02_2h.mat"])


def test_hours_with_one_missing_or_another_shape_or_nothing_about_them_are_refused(tmp_path: Path) -> None:
    hours(tmp_path, "ID02", (1, 2, 3))
    folder = tmp_path / "ID02"
    with pytest.raises(FormatError, match="do not follow"):
        read([folder / "ID02_1h.mat", folder / "ID02_3h.mat"])
    savemat(folder / "ID02_2h.mat", {"EEG": samples(4, 7200)})
    with pytest.raises(FormatError, match="differ"):
        read([folder / "ID02_1h.mat", folder / "ID02_2h.mat"])
    savemat(folder / "ID02_2h.mat", {"EEG": samples(7200, 3)})
    with pytest.raises(FormatError, match="channels by samples"):
        read([folder / "ID02_2h.mat"])
    (folder / "ID02_info.mat").unlink()
    with pytest.raises(FormatError, match="at which rate"):
        read([folder / "ID02_1h.mat"])


@pytest.mark.parametrize(
    "about",
    [
        {"fs": 512},
        {"fs": 0, "seizure_begin": 1.0, "seizure_end": 2.0},
        {"fs": "fast", "seizure_begin": 1.0, "seizure_end": 2.0},
        {"fs": 2, "seizure_begin": [1.0, 5.0], "seizure_end": 2.0},
        {"fs": 2, "seizure_begin": 2.0, "seizure_end": 1.0},
        {"fs": 2, "seizure_begin": -1.0, "seizure_end": 1.0},
        {"fs": [2, 2], "seizure_begin": 1.0, "seizure_end": 2.0},
    ],
)
def test_what_is_said_of_a_recording_has_to_make_sense(tmp_path: Path, about: dict[str, Any]) -> None:
    hours(tmp_path, "ID02", (1,))
    savemat(tmp_path / "ID02/ID02_info.mat", about)
    with pytest.raises(FormatError):
        read([tmp_path / "ID02/ID02_1h.mat"])


def test_a_recording_without_seizures_has_an_empty_table(tmp_path: Path) -> None:
    hours(tmp_path, "ID02", (1,), seizures=())
    assert read([tmp_path / "ID02/ID02_1h.mat"])["seizure"].sizes["row"] == 0


def test_a_damaged_chunk_stops_the_reading_with_its_place(tmp_path: Path) -> None:
    recording(tmp_path, "ID99")
    with h5py.File(tmp_path / "ID99/ID99_part_2.h5", "a") as file:
        file["data/ieeg"].id.write_direct_chunk((0, 256), b"\x00" * 40)
    signal = read(tmp_path / "ID99/ID99_total.h5")["signal/signal"]
    assert signal[:, :700].values.shape == (3, 700)
    with pytest.raises(FormatError, match="damaged") as caught:
        signal[:, 950:1000].values  # noqa: B018 - reading is the point
    assert "ID99_part_2.h5" in str(caught.value)
    assert "chunk at (0, 256)" in str(caught.value)


def test_an_index_of_more_parts_than_there_are_is_a_missing_part(tmp_path: Path) -> None:
    recording(tmp_path, "ID99")
    index(tmp_path / "ID99/ID99_total.h5", (700, 500, 100), n_channels=3)
    with pytest.raises(TruncatedError, match="missing") as caught:
        read(tmp_path / "ID99/ID99_total.h5")
    assert "ID99_part_3.h5" in str(caught.value)
