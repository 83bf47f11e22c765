"""What other readers of EDF get silently wrong, each on a generated file or on a damaged copy of a real one."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from connectome import schema
from connectome.errors import FormatError
from connectome.pipelines.formats import read
from connectome.pipelines.formats.files.text_mode import text_damage
from connectome.schema.series import time_s
from connectome.store import Recipe, Repository, open_version, write_record
from support.eeg_files import ONE, codes, edf

TWO = ("EMG chin", "uV", "-500", "500", "-32768", "32767")


def noise(seed: int, n_samples: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(-2048, 2048, n_samples)


def test_a_gap_under_a_header_that_says_continuous_becomes_segments_with_a_warning(tmp_path):
    records = [[noise(k, 4)] for k in range(3)]
    path = edf(tmp_path / "c.edf", signals=[ONE], records=records, variant="EDF+C", times=["+0", "+1", "+31.5"])
    tree = read(path, "mne")
    schema.validate(tree, subject="generated")
    signal = tree["signal"].dataset
    assert codes(tree) == ["gaps"]
    assert signal["segment_start"].values.tolist() == [0, 8]
    assert time_s(signal, 7, 9).tolist() == [1.75, 31.5]
    exact = Fraction(signal.attrs["segment_rate_hz_numerator"], signal.attrs["segment_rate_hz_denominator"])
    assert exact == 4


def test_every_event_of_a_discontinuous_file_is_kept_at_its_true_time(tmp_path):
    # MNE-Python drops events that lie past the end of the samples laid side by side, mne-python#13429.
    texts = {k: f"+{onset}\x14event {k}\x14\0".encode() for k, onset in enumerate(["0.5", "1.25", "22.5", "23.75"])}
    path = edf(
        tmp_path / "d.edf",
        signals=[ONE],
        records=[[noise(k, 4)] for k in range(4)],
        variant="EDF+D",
        times=["+0", "+1", "+22", "+23"],
        texts=texts,
    )
    tree = read(path, "mne")
    assert tree["annotation"]["onset_s"].values.tolist() == [0.5, 1.25, 22.5, 23.75]
    assert time_s(tree["signal"].dataset).tolist()[8] == 22.0


def test_all_annotation_signals_are_read_and_only_the_first_tells_the_time(tmp_path):
    label = ("EDF Annotations", "", "-1", "1", "-32768", "32767")
    second = [b"+0.25\x14second list\x14\0", b"+1.5\x15\x30.5\x14more\x14also\x14\0"]
    records = [[noise(k, 4), np.frombuffer(text.ljust(40, b"\0"), dtype="<i2")] for k, text in enumerate(second)]
    # The writer puts its own list last; here the signals are turned round so that it comes first.
    path = edf(tmp_path / "a.edf", signals=[ONE, label], records=records, variant="EDF+C", times=["+0.125", "+1.125"])
    whole = path.read_bytes()
    tree = read(_last_signal_second(whole, tmp_path / "b.edf", (4, 20, 30)), "mne")
    table = tree["annotation"]
    assert table["description"].values.tolist() == ["second list", "more", "also"]
    assert table["onset_s"].values.tolist() == [0.125, 1.375, 1.375]
    assert table["duration_s"].values[1:].tolist() == [0.5, 0.5]
    assert tree["signal"].attrs["first_sample_after_start_s"] == 0.125


def _last_signal_second(whole: bytes, path, samples: tuple[int, int, int]):
    """Exchange the second and third signal of a file of three."""
    head, at = whole[:256], 256
    for width in (16, 80, 8, 8, 8, 8, 8, 80, 8, 32):
        one, two, three = (whole[at + k * width : at + (k + 1) * width] for k in range(3))
        head += one + three + two
        at += 3 * width
    for record in np.frombuffer(whole[at:], dtype=np.uint8).reshape(-1, sum(samples) * 2):
        one, two, three = np.split(record, np.cumsum(samples)[:2] * 2)
        head += one.tobytes() + three.tobytes() + two.tobytes()
    path.write_bytes(head)
    return path


@pytest.fixture(scope="module")
def three_rates(tmp_path_factory):
    """Store a generated recording of three rates; return the record from the file and from the store."""
    folder = tmp_path_factory.mktemp("rates")
    rates = (250, 100, 1)
    signals = [ONE, TWO, ("Temp rectal", "degC", "30", "40", "-2048", "2047"), ONE]
    records = [
        [noise(10 * k + at, rate * 2) for at, rate in enumerate((rates[0], rates[1], rates[2], rates[0]))]
        for k in range(30)
    ]
    tree = read(edf(folder / "rates.edf", signals=signals, records=records, record_s="2"), "mne")
    repository = Repository(folder / "root")
    receipt = write_record(
        tree,
        repository.folder("generated"),
        record="r",
        recipe=Recipe(source="generated", source_version="1", inputs=()),
        staging=repository.staging,
    )
    repository.commit("generated", [receipt])
    return tree, open_version("generated", root=folder / "root").open("r")


def test_rates_stay_native_and_a_lazy_window_is_the_same_part_of_a_full_read(three_rates):
    tree, stored = three_rates
    for rate, n_channels in ((250, 2), (100, 1), (1, 1)):
        whole = tree[f"signal/{rate}hz"]["signal"].values
        assert whole.shape == (n_channels, rate * 60)
        for start, stop in ((0, rate), (7 * rate, 11 * rate), (59 * rate, 60 * rate)):
            lazy = stored[f"signal/{rate}hz"]["signal"].isel(time=slice(start, stop)).values
            assert lazy.dtype == whole.dtype
            assert np.array_equal(lazy, whole[:, start:stop])


@pytest.mark.parametrize("unit", ["uV", ""])
def test_a_unit_says_where_it_comes_from(unit, tmp_path):
    signals = [("Fz", unit, "-1", "1", "-10", "10")]
    path = edf(tmp_path / "sub-1_eeg.edf", signals=signals, records=[[noise(0, 4)]])
    alone = read(path, "mne")["signal"]
    assert alone["unit_origin"].values.tolist() == (["file"] if unit else [""])
    (tmp_path / "sub-1_channels.tsv").write_text("name\ttype\tunits\nFz\tEEG\tmV\n")
    tree = read(path, "mne")
    assert tree["signal"]["channel_unit"].values.tolist() == ["uV" if unit else "mV"]
    assert tree["signal"]["unit_origin"].values.tolist() == ["file" if unit else "channels.tsv"]
    assert codes(tree) == (["units-differ"] if unit else [])


@pytest.mark.parametrize("annotated", [True, False])
def test_changed_line_ends_are_named_even_where_the_size_is_right(annotated, tmp_path):
    records = [[noise(k, 2000)] for k in range(4)]
    plus = {"variant": "EDF+C", "times": [f"+{k}" for k in range(4)]} if annotated else {}
    path = edf(tmp_path / "m.edf", signals=[ONE], records=records, **plus)
    whole = path.read_bytes()
    mangled = whole.replace(b"\n", b"\r\n")
    assert len(mangled) > len(whole)
    for content in (mangled, mangled[: len(whole)]):
        path.write_bytes(content)
        with pytest.raises(FormatError, match="line ends were changed") as caught:
            read(path, "mne")
        assert "fetch the file again" in caught.value.hint


def test_bytes_that_were_decoded_as_text_are_named(tmp_path):
    path = edf(tmp_path / "m.edf", signals=[ONE], records=[[noise(0, 2000)]])
    whole = path.read_bytes()
    path.write_bytes(whole.decode("utf-8", "replace").encode())
    with pytest.raises(FormatError, match="decoded as text"):
        read(path, "mne")


@pytest.mark.data
def test_whole_recordings_never_look_like_text(data_dir):
    files = sorted(
        path for kind in ("edf", "bdf", "gdf", "fdt", "eeg") for path in (data_dir / "eeg").rglob(f"*.{kind}")
    )
    assert len(files) >= 14
    assert [path.name for path in files if text_damage(np.fromfile(path, dtype=np.uint8)) is not None] == []


def test_a_constant_signal_of_carriage_return_and_line_feed_is_no_text(tmp_path):
    path = edf(tmp_path / "k.edf", signals=[TWO], records=[[np.full(500, 2573)]])
    assert set(read(path, "mne")["signal"]["signal"].values[0]) == {2573}


def test_a_start_is_a_date_and_a_time_where_the_header_has_one(tmp_path):
    tree = read(edf(tmp_path / "a.edf", signals=[ONE], records=[[noise(0, 4)]]), "mne")
    assert tree["signal"].attrs["recorded_at"] == "2001-01-01T00:00:00"
    content = bytearray((tmp_path / "a.edf").read_bytes())
    content[168:176] = b"99.99.99"
    (tmp_path / "a.edf").write_bytes(content)
    assert "recorded_at" not in read(tmp_path / "a.edf", "mne")["signal"].attrs
