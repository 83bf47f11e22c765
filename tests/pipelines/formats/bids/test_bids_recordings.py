"""Recordings in BIDS trees: a record per run, with and without signals, and one table over all of them."""

from __future__ import annotations

import csv
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import connectome
from connectome import schema, seizures
from connectome.cohorts import cohort_table
from connectome.errors import FormatError, TruncatedError, UnsafeError, UsageError
from connectome.pipelines.formats import read, recognise
from connectome.pipelines.formats.bids.dataset import divide
from connectome.pipelines.formats.bids.listed import read_index
from connectome.pipelines.importing import import_files
from connectome.store import Repository
from support import bids_trees, eeg_files

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

DS003029, DS004100, HFO, TINY = (
    f"eeg/{name}"
    for name in ("openneuro_ds003029_meta", "openneuro_ds004100_meta", "openneuro_ds003498_hfo", "mne_bids_tiny")
)
HUP = "sub-HUP060_ses-presurgery_task-ictal_acq-seeg_run-01"
PT01 = "sub-pt01_ses-presurgery_task-ictal_acq-ecog_run-01"


def codes(tree: xr.DataTree) -> list[str]:
    """Return the codes of a record's warnings."""
    return [item["code"] for item in tree.attrs.get("warnings", [])]


def facts(tree: xr.DataTree) -> dict[str, Any]:
    """Return the one row of facts in words."""
    return {str(name): schema.decode(item)[0] for name, item in tree["recording"].to_dataset().variables.items()}


@pytest.fixture(scope="module")
def hup_table(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[pd.DataFrame, Any]:
    """HUP's metadata imported once: one table over all records, and the version."""
    root = tmp_path_factory.mktemp("hup")
    import_files(Repository(root), [data_dir / DS004100], dataset="hup", format="bids")
    version = connectome.open("hup", root=root)
    return cohort_table(version, group="recording"), version


@pytest.mark.data
def test_an_index_of_ds004100_without_signals_has_the_published_facts(hup_table):
    table, _ = hup_table
    assert len(table) == 319
    assert table["subject"].nunique() == 57
    assert abs(table["duration_s"].sum() / 3600 - 25.717898949652767) < 1e-9
    assert table["sampling_frequency_hz"].value_counts().to_dict() == {512: 165, 1024: 78, 500: 69, 256: 7}
    assert int(table["size_bytes"].sum()) == 14_193_660_858
    assert table["checksum"].str.fullmatch("md5:[0-9a-f]{32}").all()
    assert not table["signals_at_hand"].any()
    assert table["task"].value_counts().to_dict() == {"ictal": 208, "interictal": 111}


@pytest.mark.data
def test_seizures_are_known_where_the_source_says_so_and_unknown_elsewhere(hup_table):
    table, version = hup_table
    ictal = table[table["task"] == "ictal"]
    assert (table[table["task"] == "interictal"]["n_seizures"] == 0).all()
    # The events of two subjects are not at hand: nobody knows here when their seizures begin.
    assert sorted(ictal[ictal["n_seizures"].isna()]["subject"].unique()) == ["sub-HUP158", "sub-HUP188"]
    assert int(ictal["n_seizures"].sum()) == 202
    tree = version.open(HUP)
    assert seizures.seizures_of(tree["seizure"].to_dataset()) == [seizures.Seizure(120.0, 317.998, "sz", "events.tsv")]
    silent = version.open("sub-HUP188_ses-presurgery_task-ictal_acq-seeg_run-01")
    assert "seizure" not in silent.children


@pytest.mark.data
def test_a_run_without_signals_says_what_is_missing_and_keeps_all_else(hup_table):
    _, version = hup_table
    tree = version.open(HUP)
    schema.validate(tree, subject=HUP)
    assert tree.attrs["signals"] == "not at hand"
    absent = next(item for item in tree.attrs["warnings"] if item["code"] == "signals-not-at-hand")
    assert "22360708 bytes" in absent["message"]
    channels = tree["channels"].to_dataset()
    assert channels.sizes["row"] == 59
    assert schema.decode(channels["status"].variable).tolist().count("bad") == 23
    assert set(channels["source_unit"].values) == {"µV"}
    assert channels["sampling_frequency"].attrs["units"] == "Hz"
    marks = {name: schema.decode(channels[name].variable).tolist().count("true") for name in ("soz", "resected")}
    texts = [set(str(text).split(",")) for text in schema.decode(channels["status_description"].variable)]
    assert marks == {"soz": sum("soz" in text for text in texts), "resected": sum("resect" in text for text in texts)}
    assert tree["electrodes"]["x"].attrs["units"] == "m"
    assert tree["electrodes"]["x"].attrs["frame"] == "fsaverage"
    assert tree["subject"]["participant_id"].values.tolist() == ["sub-HUP060"]
    assert "byte-order-mark" in codes(tree)


@pytest.mark.data
def test_positions_in_metres_that_fit_no_head_are_kept_and_told(data_dir):
    tree = read(data_dir / DS004100, "bids", run=HUP)
    assert float(np.nanmax(np.abs(tree["electrodes"]["x"].values))) > 1
    assert "implausible-positions" in codes(tree)


@pytest.mark.data
def test_a_person_without_recordings_is_told_in_the_census(hup_table):
    _, version = hup_table
    assert "participants.tsv#sub-HUP132" in {item["file"] for item in version.manifest.rejected}


@pytest.mark.data
def test_importing_an_index_again_reads_nothing_again(data_dir, tmp_path):
    repository = Repository(tmp_path)
    first = import_files(repository, [data_dir / DS003029], dataset="fragility", format="bids")
    again = import_files(repository, [data_dir / DS003029], dataset="fragility", format="bids")
    assert len(first.added) == 106
    assert len(again.reused) == 106
    assert again.version == first.version
    table = cohort_table(connectome.open("fragility", root=tmp_path), group="recording")
    assert table["subject"].nunique() == 35
    assert round(table["duration_s"].sum() / 3600, 3) == 8.209
    # Rates are kept as the source writes them.
    assert 999.9999999999999 in set(table["sampling_frequency_hz"])
    assert int(table["n_seizures"].sum()) == 63
    assert table["n_seizures"].isna().sum() == 43


@pytest.mark.data
def test_onsets_are_corrected_with_a_record_of_what_they_were(data_dir):
    tree = read(data_dir / DS003029, "bids", run=PT01)
    events = tree["events"].to_dataset()
    at = events["text"].values.tolist().index("onset")
    assert float(events["onset_s"][at]) == 76.0
    assert float(events["source_onset_s"][at]) == 75.95
    assert events["onset_corrected_by"].values[at] == "nihon-kohden-time-mark"
    assert events["label"].values[at] == "seizure_onset"
    assert tree["seizure"]["onset_s"].values.tolist() == [76.0]
    assert tree["seizure"]["offset_s"].values.tolist() == [162.0]
    assert "onsets-corrected" in codes(tree)
    plain = read(data_dir / DS003029, "bids", run=PT01, events="none")
    assert float(plain["events"]["onset_s"][at]) == 75.95
    assert "seizure" not in plain.children


@pytest.mark.data
def test_a_clone_with_links_gives_the_same_index_as_the_list(data_dir, tmp_path):
    """The release of ds004100 as a clone leaves it: sidecars, and links into an annex that is empty."""
    root = tmp_path / "clone"
    source = data_dir / DS004100
    folders = ["sub-HUP060", "sub-HUP064"]
    for path in (item for folder in folders for item in sorted((source / folder).rglob("*")) if item.is_file()):
        target = root / path.relative_to(source)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
    for name in ("dataset_description.json", "participants.tsv", "participants.json"):
        (root / name).write_bytes((source / name).read_bytes())
    with (source / "annex_index.tsv").open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream, delimiter="\t"):
            if row["path"].startswith(tuple(folders)):
                key = row["annex_key"]
                (root / row["path"]).symlink_to(f"../../../.git/annex/objects/aa/bb/{key}/{key}")
    cloned, listed = divide([root]), divide([source])
    of = {portion.record: portion for portion in listed.portions}
    assert len(cloned.portions) == 7
    for portion in cloned.portions:
        one, other = facts(portion.read()), facts(of[portion.record].read())
        assert one == other
        assert one["size_bytes"] > 0
    assert {item.kind for item in cloned.unused if item.file.endswith(".edf")} == {"unavailable"}


@pytest.mark.data
def test_a_run_with_signals_has_its_channels_joined_by_name(data_dir):
    tree = read(data_dir / HFO, "bids")
    schema.validate(tree, subject="hfo")
    assert tree["signal"].sizes == {"channel": 50, "time": 10_000}
    assert tree["events"].sizes["row"] == 68
    row = facts(tree)
    assert (row["signals_at_hand"], row["duration_s"], row["sampling_frequency_hz"]) == ("true", 5.0, 2000.0)
    assert row["size_bytes"] == sum(
        path.stat().st_size for path in (data_dir / HFO).rglob("*_ieeg.*") if path.suffix in {".eeg", ".vhdr", ".vmrk"}
    )
    assert tree.attrs["subject"] == "sub-01"
    assert tree["subject"].sizes["row"] == 1
    assert codes(tree).count("byte-order-mark") == 3


@pytest.mark.data
def test_two_electrode_files_and_the_session_of_a_run_are_kept(data_dir):
    tree = read(data_dir / TINY, "bids")
    assert {"electrodes", "electrodes_CapTrak", "session", "subject"} <= set(tree.children)
    assert tree["session"]["pathology"].values.tolist() == ["Parkinson's disease"]
    assert tree["events"]["hed"].values.tolist() == ["Experiment-structure", "Sensory-event, Visual-presentation"]
    assert tree["electrodes"]["x"].attrs == {
        "long_name": "Position, x", "units": "m", "frame": "CapTrak",
    }  # fmt: skip
    assert codes(tree).count("several-electrode-files") == 1


@pytest.mark.data
def test_signals_can_be_left_out_and_demanded(data_dir):
    skipped = read(data_dir / HFO, "bids", signals="skip")
    assert "signal" not in skipped.children
    assert codes(skipped)[-1] != "signals-not-at-hand"
    assert "signals-skipped" in codes(skipped)
    assert facts(skipped)["duration_s"] == 4.9995
    with pytest.raises(FormatError):
        read(data_dir / DS004100, "bids", run=HUP, signals="read")
    with pytest.raises(UsageError, match="unknown value"):
        read(data_dir / HFO, "bids", signals="maybe")


@pytest.mark.data
def test_trees_of_recordings_are_recognised(data_dir):
    for name in (DS003029, DS004100, HFO, TINY):
        assert recognise([data_dir / name]).name == "bids"


CHANNELS = "name\ttype\tunits\tstatus\tstatus_description\nB\tECOG\tV\tbad\tresect,soz\nA\tSEEG\tn/a\tGood\tn/a\n"
EVENTS = (
    "\ufeffonset\tduration\ttrial_type\tvalue\r\n1.5\t0\tsz onset\t1\r\nn/a\t0\tblink\t2\r\n2.5\t0\tsz offset\t3\r\n"
)
RUN = "sub-1/ses-a/ieeg/sub-1_ses-a_task-rest_run-1"


def signal(*labels: str, n_records: int = 4) -> bytes:
    """Return an EDF file of some channels at 10 Hz."""
    signals = [(label, *eeg_files.ONE[1:]) for label in labels]
    records = [[np.arange(10) + record for _ in labels] for record in range(n_records)]
    with tempfile.TemporaryDirectory() as folder:
        return eeg_files.edf(Path(folder) / "x.edf", signals=signals, records=records).read_bytes()


def generated(tmp_path: Path, **changed: Any) -> Path:
    """Write a tree with one run of an EDF file of two channels and its tables; None leaves a file out."""
    files: dict[str, Any] = {
        "dataset_description.json": {"Name": "Generated", "BIDSVersion": "1.10.0"},
        "participants.tsv": "participant_id\tage\r\nsub-1\t30\r\n",
        "task-rest_ieeg.json": {"TaskName": "rest", "PowerLineFrequency": 50},
        f"{RUN}_ieeg.json": {"SamplingFrequency": 10, "RecordingDuration": 4.0, "PowerLineFrequency": 60},
        f"{RUN}_ieeg.edf": signal("A", "B"),
        f"{RUN}_channels.tsv": CHANNELS,
        f"{RUN}_events.tsv": EVENTS,
        "sub-1/ses-a/ieeg/sub-1_ses-a_electrodes.tsv": "name\tx\ty\tz\nA\t1\t2\t3\nC\t4\tn/a\t6\n",
        "sub-1/ses-a/ieeg/sub-1_ses-a_coordsystem.json": {
            "iEEGCoordinateSystem": "ACPC", "iEEGCoordinateUnits": "mm",
        },
        "sub-1/ses-a/sub-1_ses-a_scans.tsv": (
            f"filename\tacq_time\nieeg/{Path(RUN).name}_ieeg.edf\t2020-01-01T00:00:00\n"
        ),
    }  # fmt: skip
    names = {name.rpartition("_")[2].partition(".")[0]: name for name in files if name.startswith(("sub-1", "part"))}
    names |= {"signal": f"{RUN}_ieeg.edf", "sidecar": f"{RUN}_ieeg.json"}
    for key, content in changed.items():
        files[names[key]] = content
    return bids_trees.write(tmp_path, {name: content for name, content in files.items() if content is not None})


def test_channels_and_electrodes_are_joined_by_name_and_what_does_not_match_is_named_both_ways(tmp_path):
    channels = CHANNELS + "X\tSEEG\tuV\tgood\tn/a\n"
    tree = read(generated(tmp_path, channels=channels.replace("A\tSEEG\tn/a\tGood\tn/a\n", "")), "bids")
    schema.validate(tree, subject="generated")
    signal = tree["signal"].to_dataset()
    assert signal["source_label"].values.tolist() == ["A", "B"]
    assert signal["kind"].values.tolist() == ["", "ecog"]
    assert schema.decode(signal["status"].variable).tolist() == ["", "bad"]
    assert signal["x"].values.tolist()[0] == 1.0
    assert (signal["x"].attrs["units"], signal["x"].attrs["frame"]) == ("mm", "ACPC")
    told = {(item["code"], item["place"]): item["message"] for item in tree.attrs["warnings"]}
    assert told["channels-without-row", "channels.tsv"] == "no row for A"
    assert told["rows-without-channel", "channels.tsv"] == "no channel for X"
    assert told["channels-without-row", "electrodes.tsv"] == "no row for B"
    assert told["rows-without-channel", "electrodes.tsv"] == "no channel for C"


def test_repairs_and_doubts_of_events_are_told_and_no_event_is_dropped(tmp_path):
    tree = read(generated(tmp_path), "bids")
    events = tree["events"].to_dataset()
    assert events["text"].values.tolist() == ["sz onset", "blink", "sz offset"]
    assert np.isnan(events["onset_s"].values[1])
    assert {"byte-order-mark", "windows-line-ends", "onset-missing"} <= set(codes(tree))
    assert tree["seizure"]["onset_s"].values.tolist() == [1.5]
    assert tree["signal"].attrs["sidecar"]["PowerLineFrequency"] == 60
    assert tree["signal"].attrs["sidecar"]["TaskName"] == "rest"
    assert facts(tree)["acquired_at"] == "2020-01-01T00:00:00"
    assert facts(tree)["n_bad_channels"] == 1


def test_events_that_are_codes_of_szcore_make_the_seizures(tmp_path):
    head = "onset\tduration\teventType\tconfidence\tchannels\tdateTime\trecordingDuration\n"
    none = read(generated(tmp_path / "none", events=head + "0\t4\tbckg\tn/a\tn/a\tn/a\t4\n"), "bids")
    assert none["seizure"].sizes["row"] == 0
    # The table speaks of the length that it states, and of all time where it states none.
    assert none["seizure"].attrs["observed_s"] == [[0.0, 4.0]]
    open_ = read(generated(tmp_path / "open", events=head + "0\t4\tbckg\tn/a\tn/a\tn/a\tn/a\n"), "bids")
    assert "observed_s" not in open_["seizure"].attrs
    some = read(generated(tmp_path / "some", events=head + "1\t2\tsz_foc_ia\tn/a\tA\tn/a\t4\n"), "bids")
    assert some["seizure"]["label"].values.tolist() == ["sz_foc_ia"]
    assert some["seizure"]["offset_s"].values.tolist() == [3.0]
    without = read(generated(tmp_path / "without", events=None), "bids")
    assert "seizure" not in without.children


def test_an_end_without_an_onset_leaves_unknown_what_was_before_it(tmp_path):
    rows = "onset\tduration\ttrial_type\n0.5\tn/a\tsz offset\n1\tn/a\tsz onset\n2\tn/a\tsz offset\n"
    tree = read(generated(tmp_path / "lone", events=rows), "bids")
    assert tree["seizure"]["onset_s"].values.tolist() == [1.0]
    assert tree["seizure"].attrs["observed_s"] == [[0.5, None]]
    whole = read(generated(tmp_path / "pair", events=rows.replace("0.5\tn/a\tsz offset\n", "")), "bids")
    assert "observed_s" not in whole["seizure"].attrs


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"events": "onset\tduration\n1\t2\t3\n"}, "does not fit the columns"),
        ({"events": b"\xff\xfe\x00"}, "not UTF-8"),
        ({"events": "time\tlabel\n1\tx\n"}, "a column is missing"),
        ({"events": "onset\tonset_s\n1\t2\n"}, "one name"),
        ({"channels": "name\tname\nA\tB\n"}, "column names repeat"),
        ({"channels": ""}, "empty"),
        ({"sidecar": "{"}, "not JSON"),
        ({"sidecar": '{"SamplingFrequency": NaN}'}, "not a JSON number"),
        ({"sidecar": "[" * 100_000}, "not JSON"),
        ({"signal": b"0       " + b"\0" * 100}, "ends inside the header"),
    ],
)
def test_a_hostile_file_refuses_its_run_with_a_reason(tmp_path, changed, message):
    division = divide([generated(tmp_path, **changed)])
    with pytest.raises(FormatError, match=message):
        division.portions[0].read()


@pytest.mark.parametrize("missing", ["n/a", "nan", "inf", "-inf", "1_0", "", "twelve"])
def test_an_onset_that_is_no_number_is_kept_as_missing(tmp_path, missing):
    tree = read(generated(tmp_path, events=f"onset\tduration\ttrial_type\n{missing}\t1\tsz onset\n"), "bids")
    assert np.isnan(tree["events"]["onset_s"].values).all()
    assert "onset-missing" in codes(tree)
    assert "seizure" not in tree.children


def test_a_broken_run_is_rejected_and_the_others_are_imported(tmp_path):
    root = generated(tmp_path / "data")
    other = RUN.replace("run-1", "run-2")
    bids_trees.write(root, {f"{other}_ieeg.edf": signal("A", "B")[:-3]})
    result = import_files(Repository(tmp_path / "root"), [root], dataset="mine", format="bids")
    assert list(result.added) == ["sub-1_ses-a_task-rest_run-1"]
    reasons = {item["file"]: item["kind"] for item in result.rejected}
    assert reasons[f"{other}_ieeg.edf"] == "truncated"


def test_sidecars_without_any_signal_are_a_run_all_the_same(tmp_path):
    root = generated(tmp_path, signal=None)
    tree = read(root, "bids")
    row = facts(tree)
    assert (row["duration_s"], row["sampling_frequency_hz"], row["file"]) == (4.0, 10.0, "")
    assert "size_bytes" not in row
    assert tree.attrs["signals"] == "not at hand"
    with pytest.raises(UsageError, match="no signal to read"):
        read(root, "bids", signals="read")


def test_a_pointer_in_place_of_a_signal_is_named_with_its_size(tmp_path):
    key = f"MD5E-s123456789--{'0' * 32}.edf"
    root = generated(tmp_path, signal=f"/annex/objects/{key}\n")
    row = facts(read(root, "bids"))
    assert (row["size_bytes"], row["checksum"]) == (123456789, f"md5:{'0' * 32}")
    with pytest.raises(TruncatedError, match="data were not fetched") as caught:
        read(root, "bids", signals="read")
    assert caught.value.expected == "123456789 bytes"


def test_two_datatypes_of_one_run_are_two_records(tmp_path):
    root = generated(tmp_path)
    bids_trees.write(root, {"sub-1/ses-a/eeg/sub-1_ses-a_task-rest_run-1_eeg.edf": signal("Cz", n_records=1)})
    records = [portion.record for portion in divide([root]).portions]
    assert records == ["sub-1_ses-a_task-rest_run-1_eeg", "sub-1_ses-a_task-rest_run-1_ieeg"]


def test_two_tables_about_one_run_are_refused(tmp_path):
    root = generated(tmp_path)
    for name in ("sub-1_ses-a_task-rest", "sub-1_ses-a_run-1"):
        bids_trees.write(root, {f"sub-1/ses-a/ieeg/{name}_channels.tsv": CHANNELS})
    (root / f"{RUN}_channels.tsv").unlink()
    with pytest.raises(FormatError, match="two tables"):
        divide([root])


def test_positions_without_a_unit_are_kept_and_told(tmp_path):
    tree = read(generated(tmp_path, coordsystem=None), "bids")
    assert tree["electrodes"]["x"].attrs["units"] == "unknown"
    assert "position-unit-not-stated" in codes(tree)


def index(tmp_path: Path, *rows: str, head: str = "path\tannex_key\tbytes\tmd5") -> Path:
    """Write a list of files that are not here."""
    path = tmp_path / "annex_index.tsv"
    path.write_text("\n".join([head, *rows]) + "\n")
    return path


@pytest.mark.parametrize("name", ["../x.edf", "/etc/x.edf", "a/../../x.edf", "./x.edf", "a//b.edf"])
def test_a_listed_path_that_leads_out_of_the_tree_is_refused(tmp_path, name):
    with pytest.raises(UnsafeError, match="none of the tree"):
        read_index(index(tmp_path, f"{name}\tn/a\t5\tn/a"))


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (f"a.edf\tMD5E-s5--{'0' * 32}.edf\t6\tn/a", "differ"),
        (f"a.edf\tMD5E-s5--{'0' * 32}.edf\t5\t{'1' * 32}", "differ"),
        ("a.edf\tno key\t5\tn/a", "not a key"),
        ("a.edf\tn/a\t-5\tn/a", "not a number"),
        ("a.edf\tn/a\tnan\tn/a", "not a number"),
        ("a.edf\tn/a\t5\tabc", "not a checksum"),
        ("a.edf\tn/a\t5\tn/a\na.edf\tn/a\t5\tn/a", "there twice"),
    ],
)
def test_a_list_that_contradicts_itself_is_refused(tmp_path, row, message):
    with pytest.raises(FormatError, match=message):
        read_index(index(tmp_path, *row.split("\n")))


def test_a_link_that_leads_up_is_not_followed(tmp_path):
    root = generated(tmp_path / "data")
    (root / "sub-1" / "loop").symlink_to("..")
    assert [portion.record for portion in divide([root]).portions] == ["sub-1_ses-a_task-rest_run-1"]
