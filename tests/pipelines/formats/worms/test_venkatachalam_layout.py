"""The Venkatachalam laboratory's wide tables, on generated files of that layout."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

import numpy as np
import pytest

from connectome.errors import FormatError, UsageError
from connectome.pipelines.formats import read, recognise
from connectome.pipelines.jobs import RawFile, RawFiles
from connectome.pipelines.sources import load_source
from connectome.schema import decode, validate
from support.worm_layouts import venkatachalam_table


def raw_files(folder: Path) -> RawFiles:
    found = []
    for path in sorted(folder.iterdir()):
        data = path.read_bytes()
        digest = hashlib.sha256(data).hexdigest()
        found.append(RawFile(f"venkatachalam2024/{path.name}", path, len(data), digest, verified=False))
    return RawFiles(found)


@pytest.mark.parametrize("name", ["20220327_herm_2.csv", "20220327_herm_2.zip"])
def test_layout_samples_are_the_columns_whose_names_are_numbers(tmp_path: Path, name: str) -> None:
    made = venkatachalam_table(tmp_path / name)
    assert recognise([tmp_path / name]).name == "csv-celegans"
    tree = read(tmp_path / name)
    validate(tree, subject="generated")
    activity = tree["activity"]
    np.testing.assert_array_equal(activity["signal"].values, made["traces"])
    np.testing.assert_array_equal(activity["valid"].values, ~np.isnan(made["traces"]))
    np.testing.assert_array_equal(activity["time"].values, np.arange(160) * 0.375)
    assert not activity["valid"].values[:, :98].any(), "empty samples are kept as not taken"
    assert tree.attrs["source_uid"] == "20220327_herm_2"


def test_layout_time_follows_the_name_of_the_sample_and_the_stated_interval(tmp_path: Path) -> None:
    venkatachalam_table(tmp_path / "worm.csv", changes={"159": "400"})
    times = read(tmp_path / "worm.csv")["activity"]["time"].values
    assert times[-2:].tolist() == [158 * 0.375, 400 * 0.375]
    assert read(tmp_path / "worm.csv", frame_interval_s=0.5)["activity"]["time"].values[-1] == 200
    with pytest.raises(UsageError):
        read(tmp_path / "worm.csv", frame_interval_s=0.0)


def test_layout_a_neuron_that_is_named_twice_is_a_duplicate_both_times(tmp_path: Path) -> None:
    made = venkatachalam_table(tmp_path / "worm.csv")
    neuron = read(tmp_path / "worm.csv")["neuron"]
    assert neuron["raw_label"].values.tolist() == made["neurons"]
    assert decode(neuron["status"]).tolist() == ["exact", "duplicate", "duplicate", "ambiguous", "ambiguous"]
    assert neuron["candidates"].values.tolist()[3:] == ["AWCL AWCR", "I2L I2R"]
    assert neuron["source_x"].values.tolist() == ["0.0", "3.5", "7.0", "10.5", "14.0"]


def test_layout_stimuli_and_words_that_all_rows_share_are_kept(tmp_path: Path) -> None:
    made = venkatachalam_table(tmp_path / "worm.csv")
    tree = read(tmp_path / "worm.csv")
    assert tree["stimulus"]["stimulus"].values.tolist() == ["100mM NaCl", "1uM ascr#3"]
    assert tree["stimulus"]["frame"].values.tolist() == [110, 140]
    assert tree["stimulus"]["time"].values.tolist() == [110 * 0.375, 140 * 0.375]
    assert tree.attrs["source_fields"]["stimulus"] == made["stimulus"]
    assert tree.attrs["source_fields"]["z"] == "9"


def test_layout_a_list_of_stimuli_that_is_not_one_is_reported_and_kept_as_text(tmp_path: Path) -> None:
    venkatachalam_table(tmp_path / "worm.csv", changes={"sex": "stimulus", "stimulus": "list"})
    tree = read(tmp_path / "worm.csv")
    assert "stimulus" not in tree
    assert [item["code"] for item in tree.attrs["warnings"]] == ["not-stored"]
    assert tree.attrs["source_fields"]["stimulus"] == "herm"


def replaced(path: Path, old: str, new: str) -> Path:
    path.write_text(path.read_text().replace(old, new, 1))
    return path


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda path: replaced(path, ",neuron,", ",cell,"), "not a table"),
        (lambda path: replaced(path, ",120,", ",98.5,"), "not in order"),
        (lambda path: replaced(path, ",,,,", ",,x,,"), "not a number"),
        (lambda path: path.write_text(path.read_text() + "1,2,3\n"), "another number of cells"),
        (lambda path: path.write_text(""), "not a table"),
        (lambda path: path.write_bytes(b"neuron,\xff\xfe"), "not a table"),
    ],
)
def test_layout_tables_that_contradict_themselves_are_refused(tmp_path: Path, change, message) -> None:
    venkatachalam_table(tmp_path / "worm.csv")
    change(tmp_path / "worm.csv")
    with pytest.raises(FormatError, match=message) as caught:
        read(tmp_path / "worm.csv", "csv-celegans")
    assert caught.value.subject == str(tmp_path / "worm.csv")


def test_layout_archives_without_one_table_are_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "two.zip", "w") as archive:
        archive.writestr("a.csv", "neuron")
        archive.writestr("b.csv", "neuron")
    with pytest.raises(FormatError, match="not one table"):
        read(tmp_path / "two.zip", "csv-celegans")
    venkatachalam_table(tmp_path / "worm.zip")
    (tmp_path / "cut.zip").write_bytes((tmp_path / "worm.zip").read_bytes()[:900])
    with pytest.raises(FormatError, match="not a readable archive"):
        read(tmp_path / "cut.zip", "csv-celegans")


def test_layout_every_animal_becomes_a_record_with_its_sex(tmp_path: Path) -> None:
    for name in ("20220327_herm_2.zip", "20220327_herm_2.csv", "20220403_male_1.csv"):
        venkatachalam_table(tmp_path / name)
    (tmp_path / "index.csv").write_text("name\nworm\n")
    source = load_source("venkatachalam2024")
    found = source.discover(raw_files(tmp_path))
    assert [job.record for job in found.jobs] == [
        "venkatachalam2024-20220327_herm_2", "venkatachalam2024-20220403_male_1",
    ]  # fmt: skip
    assert {item.file: item.kind for item in found.rejected} == {
        "venkatachalam2024/20220327_herm_2.zip": "not-data",
        "venkatachalam2024/index.csv": "format",
    }
    assert [source.read(job).attrs["sex"] for job in found.jobs] == ["hermaphrodite", "male"]
