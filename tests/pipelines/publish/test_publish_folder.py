"""The published folder: opened offline by the libraries that others use, equal in every build, complete."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.parquet
import pytest
import yaml

from connectome.errors import DamagedError, UsageError
from connectome.pipelines.publish import build_folder
from connectome.pipelines.publish import parquet as publish_parquet
from connectome.rows import arrow_schema, tables
from connectome.store import open_version

if TYPE_CHECKING:
    from connectome.store import Version

# Warnings that the libraries raise about their own dependencies.
LIBRARY_WARNINGS = (
    "ignore:ConjunctiveGraph is deprecated:DeprecationWarning",
    "ignore:The inplace keyword in DataFrame.reset_index:Warning",
)
REJECTED = ({"file": "notes.txt", "reason": "no data | in it", "kind": "not-data"},)


@pytest.fixture(scope="module")
def version(tmp_path_factory: pytest.TempPathFactory, all_kinds: Any) -> Version:
    """Make a generated version of four records, one of which no part of the split holds."""
    split = all_kinds.whole_split({"train": ["animal-0", "animal-2"], "test-late": ["animal-1"]})
    return all_kinds.commit(tmp_path_factory.mktemp("store"), splits=[split], rejected=REJECTED)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, version: Version) -> Path:
    """Build the folder once, the voxels too."""
    place = tmp_path_factory.mktemp("built") / "folder"
    build_folder(version, place, place="hf://datasets/org/generated", voxels=True)
    return place


def run_offline(code: str, *arguments: str, home: Path) -> Any:
    """Run code in a fresh interpreter that must not use the network; return the JSON that it prints last."""
    environment = {
        **os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(home), "HF_DATASETS_CACHE": str(home / "datasets"),
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    }  # fmt: skip
    for name in [name for name in environment if name.lower().endswith("_proxy")]:
        del environment[name]
    environment |= dict.fromkeys(("http_proxy", "https_proxy"), "http://127.0.0.1:9")  # nothing listens there
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_every_table_loads_offline_with_the_splits_of_the_version(
    version: Version, folder: Path, tmp_path: Path
) -> None:
    code = """
import json, sys, datasets
datasets.disable_progress_bars()
found = {}
for name in datasets.get_dataset_config_names(sys.argv[1]):
    loaded = datasets.load_dataset(sys.argv[1], name)
    found[name] = {
        split: [rows.num_rows, sorted(set(rows["record"])), list(map(repr, rows.to_list()))]
        for split, rows in loaded.items()
    }
print(json.dumps(found))
"""
    found = run_offline(code, str(folder), home=tmp_path)
    listed = tables(version)
    assert set(found) == set(listed)
    for name, splits in found.items():
        table = listed[name]
        assert sum(rows for rows, _, _ in splits.values()) == sum(table.n_rows.values())
        if not table.group:
            assert set(splits) == {"whole"}, "tables about the version are not divided"
            continue
        expected = {"train": ["animal-0", "animal-2"], "test_late": ["animal-1"], "unassigned": ["animal-3"]}
        expected["train"] = [record for record in expected["train"] if record in table.n_rows]
        assert {split: records for split, (_, records, _) in splits.items()} == expected
    from connectome.loaders import huggingface

    for name in ("activity.signal", "wiring.edges", "labels.mask", "labels.mask.voxels"):
        own = list(map(repr, huggingface.to_dataset(version, name, split="train").to_list()))
        assert found[name]["train"][2] == own, "a published table and one from the store are the same"


def test_the_main_table_is_what_opens_without_a_name(folder: Path, tmp_path: Path) -> None:
    code = """
import json, sys, datasets
datasets.disable_progress_bars()
print(json.dumps(list(datasets.load_dataset(sys.argv[1], split="train").features)))
"""
    assert "signal" in run_offline(code, str(folder), home=tmp_path)


def test_rows_that_are_missing_from_a_file_are_noticed_on_load(folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    (file,) = (copy / "data" / "trials").glob("train-*.parquet")
    rows = pyarrow.parquet.read_table(file)
    pyarrow.parquet.write_table(rows.slice(1), file)
    code = """
import json, sys, datasets
datasets.disable_progress_bars()
try:
    datasets.load_dataset(sys.argv[1], "trials")
except Exception as error:
    print(json.dumps(type(error).__name__))
"""
    assert run_offline(code, str(copy), home=tmp_path) == "NonMatchingSplitsSizesError"


@pytest.mark.filterwarnings(*LIBRARY_WARNINGS)
def test_croissant_validates_and_gives_the_rows_offline(version: Version, folder: Path) -> None:
    import mlcroissant

    dataset = mlcroissant.Dataset(str(folder / "croissant.json"))
    issues = dataset.metadata.ctx.issues
    assert not issues.errors
    assert not issues.warnings
    assert dataset.metadata.license == ["https://creativecommons.org/licenses/by/4.0/"]
    assert version.digest in dataset.metadata.cite_as
    listed = tables(version)
    assert {item.uuid for item in dataset.metadata.record_sets} == set(listed)
    for name in ("trials", "wiring.edges", "eeg.signal"):
        rows = list(dataset.records(name))
        assert len(rows) == sum(listed[name].n_rows.values())
    signals = [row["eeg.signal/signal"] for row in dataset.records("eeg.signal")]
    own = pyarrow.parquet.read_table(folder / "data" / "eeg.signal")["signal"].to_pylist()
    assert sorted(map(list, signals)) == sorted(own)


@pytest.mark.filterwarnings(*LIBRARY_WARNINGS)
def test_croissant_notices_an_altered_file(folder: Path, tmp_path: Path) -> None:
    import mlcroissant

    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    file = copy / "data" / "records" / "whole-00000-of-00001.parquet"
    data = bytearray(file.read_bytes())
    data[20] ^= 1
    file.write_bytes(data)
    with pytest.raises(Exception, match="Download"):
        list(mlcroissant.Dataset(str(copy / "croissant.json")).records("records"))


def test_croissant_lists_every_file_with_its_sha256(version: Version, folder: Path) -> None:
    document = json.loads((folder / "croissant.json").read_bytes())
    listed = {item["@id"]: item["sha256"] for item in document["distribution"] if item["@type"] == "cr:FileObject"}
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert set(listed) == files - {"README.md", "croissant.json", f"{version.dataset}/refs/latest"}
    for path, digest in listed.items():
        assert hashlib.sha256((folder / path).read_bytes()).hexdigest() == digest


@pytest.mark.filterwarnings(*LIBRARY_WARNINGS)
def test_a_large_table_is_cut_into_files_and_row_groups_and_still_reads_as_one(
    version: Version, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import mlcroissant

    monkeypatch.setattr(publish_parquet, "ROW_GROUP_BYTES", 2000)
    monkeypatch.setattr(publish_parquet, "SHARD_BYTES", 4000)
    build_folder(version, tmp_path / "cut")
    files = sorted(path.name for path in (tmp_path / "cut" / "data" / "activity.signal").iterdir())
    n_train = sum(name.startswith("train-") for name in files)
    assert n_train > 1
    assert [name for name in files if name.startswith("train-")] == [
        f"train-{at:05d}-of-{n_train:05d}.parquet" for at in range(n_train)
    ]
    rows = list(mlcroissant.Dataset(str(tmp_path / "cut" / "croissant.json")).records("activity.signal"))
    assert len(rows) == 12
    code = """
import json, sys, datasets
datasets.disable_progress_bars()
print(json.dumps({name: rows.num_rows for name, rows in datasets.load_dataset(sys.argv[1], "activity.signal").items()}))
"""
    found = run_offline(code, str(tmp_path / "cut"), home=tmp_path)
    assert found == {"train": 6, "test_late": 3, "unassigned": 3}


def test_two_builds_have_the_same_bytes_and_the_list_tells_them(version: Version, tmp_path: Path) -> None:
    one = build_folder(version, tmp_path / "one")
    two = build_folder(version, tmp_path / "elsewhere" / "two")
    assert one == two
    for file in one:
        data = (tmp_path / "one" / file.path).read_bytes()
        assert (len(data), hashlib.sha256(data).hexdigest()) == (file.size_bytes, file.sha256)
    assert {file.path for file in one} == {
        path.relative_to(tmp_path / "one").as_posix() for path in (tmp_path / "one").rglob("*") if path.is_file()
    }
    assert not list(tmp_path.glob(".*.tmp"))


def test_types_in_the_files_are_those_of_the_source(version: Version, folder: Path) -> None:
    for name, table in tables(version).items():
        for file in (folder / "data" / name).glob("*.parquet"):
            assert pyarrow.parquet.read_schema(file).equals(arrow_schema(table), check_metadata=False), name
    types = {name: pyarrow.parquet.read_schema(next((folder / "data" / name).iterdir())) for name in ("eeg.signal",)}
    assert str(types["eeg.signal"].field("signal").type.value_type) == "int16"


def test_the_folder_is_a_store_that_this_package_opens(version: Version, folder: Path) -> None:
    again = open_version(version.dataset, root=folder)
    assert again.digest == version.digest
    assert (
        again.open("animal-1")["eeg/signal"].values.tobytes() == version.open("animal-1")["eeg/signal"].values.tobytes()
    )


def test_without_being_asked_for_voxels_stay_in_the_record_files(version: Version, tmp_path: Path) -> None:
    files = {file.path for file in build_folder(version, tmp_path / "folder")}
    assert not any("voxels" in path for path in files)
    assert any(path.startswith("data/labels.mask/") for path in files)


def test_the_card_tells_licence_version_splits_census_and_facts(version: Version, folder: Path) -> None:
    text = (folder / "README.md").read_text(encoding="utf-8")
    _, header, body = text.split("---\n", 2)
    front = yaml.safe_load(header)
    assert front["license"] == "cc-by-4.0"
    assert front["pretty_name"] == "Generated: all kinds | with *marks*"
    assert [item["config_name"] for item in front["configs"] if item.get("default")] == ["activity.signal"]
    for part in (
        f"sha256:{version.digest}", "generated-all-kinds", "5 files were seen: 4 used, 1 rejected", "notes.txt",
        "no data \\| in it", "author = {Doe, Jane", "connectome.open('generated-all-kinds@1.0.0'",
        "load_dataset('org/generated', 'activity.signal', split='train')", "`unassigned`", "n\\_samples 200",
        "&lt;b&gt;no animal&lt;/b&gt;",
    ):  # fmt: skip
        assert part in body, part
    assert "<b>" not in body


def test_unsplit_data_are_in_train_and_the_card_says_so(tmp_path: Path, all_kinds: Any) -> None:
    version = all_kinds.commit(tmp_path / "store", {"one": all_kinds.tree(1)})
    build_folder(version, tmp_path / "folder")
    names = {path.name.partition("-")[0] for path in (tmp_path / "folder" / "data").rglob("*.parquet")}
    assert names == {"train"}
    assert "This version stores no split" in (tmp_path / "folder" / "README.md").read_text(encoding="utf-8")


def test_a_split_in_time_divides_no_rows_and_nothing_is_called_train(tmp_path: Path, all_kinds: Any) -> None:
    from connectome.splits import Split
    from connectome.splits.split import Entry

    entries = (Entry("one", "train", 0.0, 1.0), Entry("one", "test", 1.5, 2.0))
    split = Split(name="default", plan={"kind": "generated"}, entries=entries, groups={})
    version = all_kinds.commit(tmp_path / "store", {"one": all_kinds.tree(1)}, splits=[split])
    build_folder(version, tmp_path / "folder")
    names = {path.name.partition("-")[0] for path in (tmp_path / "folder" / "data").rglob("*.parquet")}
    assert names == {"whole"}
    rows = pyarrow.parquet.read_table(tmp_path / "folder" / "data" / "splits").to_pylist()
    assert [(row["part"], row["start_s"], row["stop_s"]) for row in rows] == [("train", 0.0, 1.0), ("test", 1.5, 2.0)]


def test_a_damaged_record_is_not_published(tmp_path: Path, all_kinds: Any) -> None:
    version = all_kinds.commit(tmp_path / "store", {"one": all_kinds.tree(1)})
    file = version.file("one")
    file.chmod(0o644)
    data = bytearray(file.read_bytes())
    data[-40] ^= 1
    file.write_bytes(data)
    with pytest.raises(DamagedError, match="not what its version says"):
        build_folder(version, tmp_path / "folder")
    assert not (tmp_path / "folder").exists()
    assert not list(tmp_path.glob(".*.tmp")), "nothing half-made stays"


def test_a_folder_that_exists_is_left_alone(version: Version, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    with pytest.raises(UsageError, match="the folder exists"):
        build_folder(version, tmp_path / "mine")
    assert not list((tmp_path / "mine").iterdir())
