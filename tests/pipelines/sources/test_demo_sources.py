"""The sources of the demo, fetched from the package index, against facts counted from the files by other means."""

from __future__ import annotations

import gzip
import struct
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from connectome import schema
from connectome.errors import FormatError
from connectome.pipelines.export import export
from connectome.pipelines.fetch import fetch
from connectome.pipelines.jobs import Job, RawFile, RawFiles
from connectome.pipelines.sources import SOURCES, load_source

IDS = ("nilearn_mni", "nitime_grasshopper", "py_neuromodulation_ecog")

pytestmark = pytest.mark.package


@pytest.fixture(scope="module")
def raw(tmp_path_factory) -> dict[str, RawFiles]:
    """Fetch the real files of all three sources once."""
    cache = tmp_path_factory.mktemp("raw")
    return {name: RawFiles(fetch(load_source(name).files(), cache).files) for name in IDS}


@pytest.fixture(scope="module")
def records(raw):
    """Read every record once: source id to record id to tree."""
    return {
        name: {job.record: load_source(name).read(job) for job in load_source(name).discover(raw[name]).jobs}
        for name in IDS
    }


@pytest.mark.parametrize("name", IDS)
def test_every_file_is_used_or_rejected_and_every_record_is_valid(name, raw, records):
    source, found = load_source(name), load_source(name).discover(raw[name])
    assert (source.id, SOURCES[name].partition(":")[0]) == (name, name)
    used = {file.path for job in found.jobs for file in job.inputs}
    rejected = {item.file for item in found.rejected}
    assert used | rejected == {remote.path for remote in source.files()} == set(raw[name])
    assert not used & rejected
    assert len({job.record for job in found.jobs}) == len(found.jobs) == source.expected().n_records
    for record, tree in records[name].items():
        schema.validate(tree, subject=record)
        assert {"title", "species", "citation", "licence", "source"} <= set(tree.attrs)


@pytest.mark.parametrize("name", IDS)
def test_the_expected_facts_are_measured(name, records):
    expected = load_source(name).expected().records
    assert set(expected) == set(records[name])
    for record, groups in expected.items():
        facts = schema.measure(records[name][record])
        for path, about in groups.items():
            assert {key: facts[path][key] for key in about} == about


@pytest.mark.parametrize("name", IDS)
def test_reading_twice_gives_the_same_record(name, raw, records):
    source = load_source(name)
    for job in source.discover(raw[name]).jobs:
        assert source.read(job).identical(records[name][job.record])


def test_the_template_has_the_header_that_struct_reads(raw, records):
    (file,) = raw["nilearn_mni"].values()
    content = gzip.decompress(file.local.read_bytes())
    axes = struct.unpack_from("<8h", content, 40)
    volume = records["nilearn_mni"]["mni152_2009a_t1w_1mm"]["t1w"]
    assert axes[:4] == (3, 197, 233, 189)
    assert struct.unpack_from("<h", content, 70) == (2,)
    assert (volume["qform"].attrs["code"], volume["sform"].attrs["code"]) == struct.unpack_from("<2h", content, 252)
    rows = np.array(struct.unpack_from("<12f", content, 280)).reshape(3, 4)
    assert np.array_equal(volume["affine"].values[:3], rows)
    stored = np.frombuffer(content, np.uint8, offset=352)
    assert stored.size == 197 * 233 * 189
    assert int(volume["image"].values.sum(dtype=np.int64)) == int(stored.sum(dtype=np.int64))
    assert volume["image"].values[100, 120, 90] == stored[100 + 197 * (120 + 233 * 90)]


def test_the_template_gives_its_bytes_back(raw, records, tmp_path):
    (file,) = raw["nilearn_mni"].values()
    tree = records["nilearn_mni"]["mni152_2009a_t1w_1mm"]
    (path,) = export(tree, to="nifti", destination=tmp_path / "t1w.nii.gz")
    assert gzip.decompress(path.read_bytes()) == gzip.decompress(file.local.read_bytes())


def test_the_template_says_that_its_sources_disagree(records):
    warnings = records["nilearn_mni"]["mni152_2009a_t1w_1mm"].attrs["warnings"]
    assert [item["code"] for item in warnings] == ["space-unit-unknown", "sources-disagree"]


def test_the_ecog_samples_are_those_of_the_file_and_mne_agrees(raw, records):
    import mne

    files = raw["py_neuromodulation_ecog"]
    tree = records["py_neuromodulation_ecog"]["sub-testsub_ses-EphysMedOff_task-gripforce_run-0"]
    signal = tree["ecog"]
    (data,) = (file.local for path, file in files.items() if path.endswith(".eeg"))
    stored = np.fromfile(data, "<f4").reshape(-1, 10).T
    assert np.array_equal(signal["signal"].values.view(np.uint32), stored.view(np.uint32))
    folder = data.parent / "together"
    folder.mkdir(exist_ok=True)
    for path, file in files.items():
        (folder / Path(path).name).write_bytes(file.local.read_bytes())
    (header,) = folder.glob("*.vhdr")
    other = mne.io.read_raw_brainvision(header, verbose="error")
    volts = signal["signal"].values.astype(np.float64) * signal["gain"].values[:, None] * 1e-6
    np.testing.assert_allclose(other.get_data(), volts, rtol=1e-9, atol=0)
    assert other.info["sfreq"] == 1000.0


def test_the_ecog_channels_carry_what_the_sidecars_say(records):
    tree = records["py_neuromodulation_ecog"]["sub-testsub_ses-EphysMedOff_task-gripforce_run-0"]
    ecog = tree["ecog"]
    assert ecog["kind"].values.tolist() == ["dbs"] * 3 + ["ecog"] * 6 + ["misc"]
    assert set(ecog["channel_unit"].values) == {"uV"}
    assert schema.decode(ecog["status"]).tolist() == ["good"] * 10
    assert ecog["x"].attrs["units"] == "m"
    assert ecog["x"].values[3] == 0.037318173999999996
    assert np.isnan(ecog["x"].values[9])
    assert ecog.attrs["sidecar"]["TaskName"] == "gripforce"
    assert [item["code"] for item in tree.attrs["warnings"]] == ["byte-order-mark", "implausible-units"]


@pytest.mark.parametrize(
    ("record", "number", "first", "last"), [("gauss_st6_co200", 1, 6700, 9999300), ("gauss_st6_co800", 2, 7300, None)]
)
def test_the_spikes_are_the_microseconds_of_the_file(record, number, first, last, raw, records):
    files = raw["nitime_grasshopper"]
    times = np.loadtxt(files[f"nitime_grasshopper/grasshopper_spike_times{number}.txt"].local)
    spikes = records["nitime_grasshopper"][record]["spikes"]
    assert spikes["tick"].values.tolist() == times.tolist()
    assert (spikes.attrs["tick_hz_numerator"], spikes.attrs["tick_hz_denominator"]) == (10**6, 1)
    assert spikes["tick"].values[0] == first
    assert last is None or spikes["tick"].values[-1] == last
    (comments,) = spikes.attrs["comments"].values()
    assert len(comments) == 14
    assert any("intensity" in line for line in comments)


def test_the_stimulus_is_stored_on_its_own_exact_clock(raw, records):
    for number, record in ((1, "gauss_st6_co200"), (2, "gauss_st6_co800")):
        table = np.loadtxt(raw["nitime_grasshopper"][f"nitime_grasshopper/grasshopper_stimulus{number}.txt"].local)
        sound = records["nitime_grasshopper"][record]["stimulus"]
        assert np.array_equal(sound["signal"].values[0], table[:, 1])
        assert Fraction(sound.attrs["rate_hz_numerator"], sound.attrs["rate_hz_denominator"]) == 20000
        assert np.array_equal(np.diff(table[:, 0]), np.full(len(table) - 1, 50.0))


def test_the_spikes_follow_the_sound(records):
    """Microseconds are right: the sound before a spike is louder than the sound at any time, most so 5 ms before.

    Nitime's example finds the same: the spike-triggered average peaks a few milliseconds before the spike.
    """
    for record in ("gauss_st6_co200", "gauss_st6_co800"):
        tree = records["nitime_grasshopper"][record]
        at = tree["spikes"]["tick"].values // 50
        sound = tree["stimulus"]["signal"].values[0]
        average = [sound[at[at >= lag] - lag].mean() for lag in range(400)]
        peak_ms = int(np.argmax(average)) / 20
        assert 2 <= peak_ms <= 10
        assert max(average) > sound.mean() + 0.5 * sound.std()


def test_a_stimulus_that_skips_a_step_is_refused(raw, tmp_path):
    source = load_source("nitime_grasshopper")
    job = source.discover(raw["nitime_grasshopper"]).jobs[0]
    spikes, stimulus = job.inputs
    cut = tmp_path / "grasshopper_stimulus1.txt"
    lines = stimulus.local.read_text().splitlines(keepends=True)
    cut.write_text("".join(lines[:700] + lines[701:]))
    changed = RawFile(stimulus.path, cut, cut.stat().st_size, "0" * 64)
    with pytest.raises(FormatError, match="evenly sampled") as caught:
        source.read(Job(job.source, job.record, (spikes, changed)))
    assert caught.value.place == "line 701"
