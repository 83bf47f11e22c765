"""A unit that the importer gives: where it holds, where it is refused, and that it changes no number. Generated."""

from __future__ import annotations

import mne
import numpy as np
import pytest

from connectome.errors import UsageError
from connectome.pipelines.formats import FORMATS, read
from connectome.pipelines.formats.recordings.units import ORIGINS
from connectome.pipelines.importing import import_files, parse_options
from connectome.store import Repository, open_version
from support.eeg_files import codes, edf, sidecar, vhdr
from support.mne_layouts import bci2000
from support.persyst_files import persyst

INTS = np.arange(40, dtype=np.int16).reshape(2, 20)


def units(tree) -> list[tuple[str, str]]:
    signal = tree["signal"]
    return list(zip(signal["channel_unit"].values.tolist(), signal["unit_origin"].values.tolist(), strict=True))


def plain_edf(folder, *given):
    signals = [(f"S{at}", unit, "-100", "100", "-2048", "2047") for at, unit in enumerate(given)]
    return edf(folder / "a.edf", signals=signals, records=[[np.arange(4)] * len(given)])


def test_a_unit_is_given_where_none_is_stated_and_no_number_changes(tmp_path):
    path = plain_edf(tmp_path, "", "uV", "degC")
    before, after = read(path, "mne"), read(path, "mne", unit="uV")
    assert units(before) == [("", ""), ("uV", "file"), ("degC", "file")]
    assert units(after) == [("uV", "given"), ("uV", "file"), ("degC", "file")]
    for name in ("signal", "gain", "offset"):
        assert np.array_equal(before["signal"][name].values, after["signal"][name].values)
    assert codes(after) == codes(before)
    assert {origin for tree in (before, after) for _, origin in units(tree)} <= set(ORIGINS)


def test_a_unit_is_given_where_the_form_implies_one_and_micro_signs_are_spelled_alike(tmp_path):
    assert units(read(persyst(tmp_path, INTS), "mne", unit="mV")) == [("mV", "given")] * 2
    path = vhdr(tmp_path, Ch1="Fz,,0.5,", Ch2="Cz,,0.5,µV")
    assert units(read(path, "mne", unit="µV")) == [("uV", "given"), ("uV", "file")]


def test_a_unit_that_the_file_contradicts_is_refused_unless_it_corrects(tmp_path):
    path = plain_edf(tmp_path, "", "V")
    with pytest.raises(UsageError, match="states another unit") as caught:
        read(path, "mne", unit="uV")
    assert (caught.value.expected, caught.value.found) == ("V for S1", "uV")
    assert caught.value.hint is not None
    assert "unit_corrects" in caught.value.hint
    tree = read(path, "mne", unit="uV", unit_corrects=True)
    assert units(tree) == [("uV", "given")] * 2
    assert tree["signal"]["source_unit"].values.tolist() == ["", "V"]
    assert codes(tree) == ["unit-corrected"]


def test_microvolts_that_were_saved_as_volts_are_corrected_in_what_mne_reads(tmp_path):
    path = tmp_path / "a_raw.fif"
    raw = mne.io.RawArray(np.full((2, 10), 35.0), mne.create_info(["a", "s"], 10.0, ["eeg", "stim"]), verbose="error")
    raw.save(path, fmt="double", verbose="error")
    with pytest.raises(UsageError, match="states another unit"):
        read(path, "mne", unit="uV")
    tree = read(path, "mne", unit="uV", unit_corrects=True)
    assert units(tree) == [("uV", "given"), ("V", "file")]
    assert tree["signal"]["signal"].values[0, 0] == 35.0


def test_channels_tsv_gives_units_one_by_one_and_a_given_one_holds_before_it(tmp_path):
    path = vhdr(tmp_path, Ch1="Fz,,0.5,", Ch2="Cz,,0.5,")
    table = sidecar(tmp_path, "channels.tsv", "name\ttype\tunits\nFz\tEEG\tmV\nCz\tEEG\tuV\n")
    assert units(read([path, table], "mne")) == [("mV", "channels.tsv"), ("uV", "channels.tsv")]
    tree = read([path, table], "mne", unit="uV")
    assert units(tree) == [("uV", "given")] * 2
    assert any(item["code"] == "units-differ" and "what is given holds" in item["message"] for item in
               tree.attrs["warnings"])  # fmt: skip


def test_numbers_without_a_scale_get_a_unit_from_either(tmp_path):
    path = bci2000(tmp_path / "a.dat", INTS, np.zeros(20, np.uint8))
    assert units(read(path, "mne", unit="uV"))[:2] == [("uV", "given")] * 2
    table = sidecar(tmp_path, "channels.tsv", "name\tunits\nEEG1\tuV\nEEG2\tmV\nSTI 014\tn/a\n")
    assert units(read([path, table], "mne"))[:2] == [("uV", "channels.tsv"), ("mV", "channels.tsv")]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"unit": "banana"}, "not a unit"),
        ({"unit": "degC"}, "not a unit"),
        ({"unit_corrects": True}, "nothing to correct"),
        ({"unit": "fT"}, "no channel can have"),
    ],
)
def test_units_that_cannot_be_are_refused(options, message, tmp_path):
    with pytest.raises(UsageError, match=message):
        read(plain_edf(tmp_path, "uV", "degC"), "mne", **options)


def test_the_command_line_gives_a_unit_and_the_recipe_keeps_it(tmp_path):
    options = parse_options("mne", ["unit=uV", "unit_corrects=yes"])
    assert options == {"unit": "uV", "unit_corrects": True}
    path = plain_edf(tmp_path, "V")
    assert FORMATS["mne"].inputs([path], options) == [path]
    import_files(Repository(tmp_path / "store"), [path], dataset="mine", format="mne", options=options)
    version = open_version("mine", root=tmp_path / "store")
    assert units(version.open("a")) == [("uV", "given")]
    (recipe,) = [receipt.recipe for receipt in version.manifest.records.values()]
    assert "unit_corrects" in str(recipe)
