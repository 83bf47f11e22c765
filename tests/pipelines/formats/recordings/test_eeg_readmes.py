"""Every recording at hand, against what the README beside it states: channels, rates, lengths and events."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from fractions import Fraction

import pytest

from connectome import schema
from connectome.pipelines.formats import read, recognise
from connectome.schema.series import rate_hz
from support.eeg_files import HFO, TINY

IMAGINED = {"T0": 15, "T1": 7, "T2": 8}
STAGES = {"W": 12, "1": 24, "2": 40, "3": 48, "4": 23, "R": 6, "?": 1}


@dataclass(frozen=True)
class Stated:
    """What a README says of one file."""

    name: str
    signals: dict[str, tuple[int, Fraction, int]]
    """Group to channels, rate and samples."""
    events: dict[str, int] = field(default_factory=dict)
    table: str = "annotation"
    kinds: dict[str, int] = field(default_factory=dict)
    dtype: str = "int16"


def one(n_channels: int, rate: Fraction | int, n_samples: int) -> dict[str, tuple[int, Fraction, int]]:
    return {"signal": (n_channels, Fraction(rate), n_samples)}


README = (
    Stated("physionet_eegmmidb/S001R04.edf", one(64, 160, 20000), {"T0": 15, "T1": 8, "T2": 7}),
    *(Stated(f"physionet_eegmmidb/S001R{run}.edf", one(64, 160, 20000), IMAGINED) for run in ("06", "10", "14")),
    Stated("gdf_from_eegmmidb/S001R04_22ch.gdf", one(22, 160, 20000), {"769": 8, "770": 7}),
    Stated(
        "physionet_sleepedf_sc4001/short_psg.edf",
        {"signal/100hz": (3, Fraction(100), 30000), "signal/1hz": (4, Fraction(1), 300)},
    ),
    Stated(
        "physionet_sleepedf_sc4001/SC4001EC-Hypnogram.edf",
        {},
        {f"Sleep stage {name}": number for name, number in STAGES.items()},
    ),
    Stated("physionet_chbmit_meta/stub_chb05_06_random_signal.edf", one(23, 256, 512)),
    Stated(HFO, one(50, 2000, 10000), table="events", kinds={"ecog": 50}, dtype="float32"),
    Stated(
        "mne_misc_ecog_seizure/sub-pat01_ses-test_acq-ecog_ieeg.edf",
        one(78, 238 / Fraction("0.23814"), 21658),
        {"eeg sz start": 1},
    ),
    Stated("mne_misc_seeg/sample_seeg.edf", one(98, 1000, 20000), {"test annotation": 2, "test mark": 1}),
    Stated("eeglab_sample/eeglab_data.set", one(32, 128, 30504), {"square": 80, "rt": 74}, dtype="float32"),
    Stated(
        TINY,
        one(69, 5000, 10000),
        {"start_experiment": 1, "show_stimulus": 1},
        table="events",
        kinds={"eeg": 64, "eog": 2, "ecg": 1, "gsr": 1, "temp": 1},
    ),
    # Thirteen markers of five kinds, and the new segment at the start.
    Stated(
        "mne_python_formats/test.vhdr",
        one(32, 1000, 7900),
        {"S255": 5, "254": 3, "S253": 2, "R255": 1, "Sync On": 1, "O  1": 1, "": 1},
    ),
    Stated("mne_python_formats/biosemi_test.bdf", one(73, 2048, 2048), dtype="int32"),
    Stated(
        "mne_python_formats/kit_test.sqd",
        one(193, 1000, 2000),
        kinds={"mag": 157, "ref_meg": 3, "misc": 32, "stim": 1},
        dtype="float64",
    ),
    Stated("mne_python_formats/ctf_comp_raw.fif", one(340, 480, 241), dtype="float64"),
)


@pytest.mark.data
@pytest.mark.parametrize("stated", README, ids=[item.name.rpartition("/")[2] for item in README])
def test_a_recording_is_what_its_readme_says(stated, data_dir):
    path = data_dir / "eeg" / stated.name
    assert recognise([path]).name == "mne"
    tree = read(path, "mne")
    schema.validate(tree, subject=stated.name)
    series = {name.strip("/"): data for name, data in schema.groups(tree) if schema.kind_of(data) == "series"}
    found = {name: (data.sizes["channel"], rate_hz(data), data.sizes["time"]) for name, data in series.items()}
    assert found == stated.signals
    assert {str(data["signal"].dtype) for data in series.values()} <= {stated.dtype}
    texts = tree[stated.table]["text" if stated.table == "events" else "description"].values.tolist()
    if stated.events:
        assert Counter(texts) == stated.events
    elif stated.table == "annotation":
        assert texts == []
    for kind, number in stated.kinds.items():
        assert series["signal"]["kind"].values.tolist().count(kind) == number


@pytest.mark.data
def test_no_recording_at_hand_is_left_out(data_dir):
    named = {item.name for item in README}
    suffixes = {".edf", ".bdf", ".gdf", ".set", ".vhdr", ".fif", ".sqd"}
    present = {path.relative_to(data_dir / "eeg").as_posix() for path in (data_dir / "eeg").rglob("*")}
    assert {name for name in present if any(name.endswith(suffix) for suffix in suffixes)} == named


@pytest.mark.data
def test_events_lie_where_the_readmes_put_them(data_dir):
    trials = read(data_dir / "eeg/physionet_eegmmidb/S001R06.edf", "mne")["annotation"]
    assert set(trials["duration_s"].values) == {4.1, 4.2}
    seeg = read(data_dir / "eeg/mne_misc_seeg/sample_seeg.edf", "mne")["annotation"]
    assert seeg["onset_s"].values.tolist() == [5.0, 7.0, 10.0]
    hfo = read(data_dir / "eeg" / HFO, "mne")
    texts = hfo["events"]["text"].values.tolist()
    assert len(texts) == 68
    assert {text.partition("_")[0] for text in texts} == {"ripple", "fr", "frandr"}
