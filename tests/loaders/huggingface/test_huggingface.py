"""Hugging Face datasets straight from a store: the same rows by random access, as a stream, and after a resume."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest

from connectome.errors import NotFoundError, UsageError

if TYPE_CHECKING:
    from connectome.store import Version


@pytest.fixture(scope="module", autouse=True)
def offline(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Keep the library away from the network and from the user's cache; it reads the environment on import."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_HUB_OFFLINE", "1")
        patch.setenv("HF_HOME", str(tmp_path_factory.mktemp("hf")))
        yield


@pytest.fixture(scope="module")
def version(tmp_path_factory: pytest.TempPathFactory, all_kinds: Any) -> Version:
    """Make a generated version of four records with a split of whole records."""
    split = all_kinds.whole_split({"train": ["animal-0", "animal-2"], "test": ["animal-1"]})
    return all_kinds.commit(tmp_path_factory.mktemp("store"), splits=[split])


@pytest.fixture
def huggingface() -> Any:
    """Import the module only when the environment is set."""
    from connectome.loaders import huggingface

    return huggingface


def test_features_are_explicit_and_typed_as_the_source_types(huggingface: Any, version: Version) -> None:
    from datasets import Features, List, Value

    expected = {
        "record": Value("string"),
        "group": Value("string"),
        "channel": Value("string"),
        "channel_index": Value("int32"),
        "first_sample": Value("int64"),
        "n_samples": Value("int32"),
        "start_s": Value("float64"),
        "signal": List(Value("int16")),
    }
    assert huggingface.features(version, "eeg") == Features(expected)
    assert huggingface.to_dataset(version, "eeg").features == Features(expected)
    assert huggingface.to_iterable(version, "eeg").features == Features(expected)


def test_signals_are_those_of_the_store_to_the_bit(huggingface: Any, version: Version) -> None:
    dataset = huggingface.to_dataset(version, "activity", samples_per_row=64).with_format("arrow")
    for record in version.manifest.records:
        signal = version.open(record)["activity/signal"].values
        for number, channel in enumerate(signal):
            rows = dataset.filter(
                lambda table, record=record, number=number: pa.compute.and_(
                    pa.compute.equal(table["record"], record), pa.compute.equal(table["channel_index"], number)
                ),
                batched=True,
                keep_in_memory=True,
            )[:]
            joined = np.concatenate([cell.values.to_numpy() for cell in rows["signal"]])
            assert joined.astype(channel.dtype).tobytes() == channel.tobytes()


def test_every_table_gives_the_same_rows_as_a_dataset_and_as_a_stream(huggingface: Any, version: Version) -> None:
    for name in huggingface.table_names(version):
        rows = huggingface.to_dataset(version, name).to_list()
        streamed = list(huggingface.to_iterable(version, name))
        # repr, because NaN is not equal to itself
        assert [repr(row) for row in rows] == [repr(row) for row in streamed], name


def test_a_version_is_found_by_its_name(huggingface: Any, version: Version) -> None:
    root = version.repository.path
    assert huggingface.to_dataset(f"{version.dataset}@1", "trials", root=root).num_rows == 12
    assert huggingface.to_dataset(version.dataset, "trials", root=root).info.version == "1.0.0"


def test_a_part_of_the_stored_split_holds_its_records_only(huggingface: Any, version: Version) -> None:
    train = huggingface.to_dataset(version, "wiring", split="train")
    assert set(train["record"]) == {"animal-0", "animal-2"}
    assert str(train.split) == "train"
    streamed = huggingface.to_iterable(version, "wiring", split="test")
    assert {row["record"] for row in streamed} == {"animal-1"}
    with pytest.raises(NotFoundError, match="no such part"):
        huggingface.to_dataset(version, "wiring", split="validation")


def test_a_split_that_cuts_records_in_time_is_refused(huggingface: Any, tmp_path: Path, all_kinds: Any) -> None:
    from connectome.splits import Split
    from connectome.splits.split import Entry

    entries = (Entry("one", "train", 0.0, 1.0), Entry("one", "test", 1.5, 2.0))
    split = Split(name="default", plan={"kind": "generated"}, entries=entries, groups={})
    version = all_kinds.commit(tmp_path, {"one": all_kinds.tree(1)}, splits=[split])
    with pytest.raises(UsageError, match="cuts records in time"):
        huggingface.to_dataset(version, "eeg", split="train")


def test_the_fingerprint_depends_on_content_and_arguments_only(
    huggingface: Any, version: Version, tmp_path: Path, all_kinds: Any
) -> None:
    split = all_kinds.whole_split({"train": ["animal-0", "animal-2"], "test": ["animal-1"]})
    elsewhere = all_kinds.commit(tmp_path, splits=[split])
    one, two = (huggingface.to_dataset(item, "eeg")._fingerprint for item in (version, elsewhere))
    assert one == two
    assert huggingface.to_dataset(version, "eeg", samples_per_row=10)._fingerprint != one
    assert huggingface.to_dataset(version, "eeg", split="train")._fingerprint != one


def test_a_cached_table_is_written_once_and_mapped_into_memory(
    huggingface: Any, version: Version, tmp_path: Path
) -> None:
    first = huggingface.to_dataset(version, "activity", cache_dir=tmp_path)
    (file,) = (Path(item["filename"]) for item in first.cache_files)
    assert file.is_relative_to(tmp_path)
    before = file.stat()
    second = huggingface.to_dataset(version, "activity", cache_dir=tmp_path)
    assert (file.stat().st_mtime_ns, file.stat().st_ino) == (before.st_mtime_ns, before.st_ino)
    held = huggingface.to_dataset(version, "activity")
    assert first._fingerprint == second._fingerprint == held._fingerprint
    assert repr(second.to_list()) == repr(held.to_list())
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == [file.name], "nothing half-made"


@pytest.mark.parametrize("seen", [0, 1, 5, 11])
def test_a_stream_resumes_where_its_state_was_taken(huggingface: Any, version: Version, seen: int) -> None:
    def make() -> Any:
        return huggingface.to_iterable(version, "eeg", samples_per_row=17)

    whole = [repr(row) for row in make()]
    stream = make()
    rows = iter(stream)
    for _ in range(seen):
        next(rows)
    state = stream.state_dict()
    resumed = make()
    resumed.load_state_dict(state)
    assert [repr(row) for row in resumed] == whole[seen:]
    assert len(whole) > 11


def test_records_are_the_shards_of_a_stream(huggingface: Any, version: Version) -> None:
    stream = huggingface.to_iterable(version, "trials")
    assert stream.num_shards == 4
    parts = [list(stream.shard(2, index)) for index in range(2)]
    assert [{row["record"] for row in part} for part in parts] == [{"animal-0", "animal-1"}, {"animal-2", "animal-3"}]
    shuffled = [[row["onset"] for row in stream.shuffle(seed=3, buffer_size=4)] for _ in range(2)]
    assert shuffled[0] == shuffled[1]
    assert sorted(map(str, shuffled[0])) == sorted(str(row["onset"]) for row in stream)


def test_a_stream_travels_to_other_processes(huggingface: Any, version: Version) -> None:
    torch_data = pytest.importorskip("torch.utils.data")
    stream = huggingface.to_iterable(version, "trials")
    again = pickle.loads(pickle.dumps(stream))  # what a worker that is spawned gets
    assert [row["record"] for row in again] == [row["record"] for row in stream]
    loader = torch_data.DataLoader(stream, num_workers=2, batch_size=None)
    assert sorted(str(row["record"]) for row in loader) == sorted(row["record"] for row in stream)


def test_a_stream_reads_nothing_before_it_is_asked(huggingface: Any, tmp_path: Path, all_kinds: Any) -> None:
    version = all_kinds.commit(tmp_path, {"one": all_kinds.tree(1), "two": all_kinds.tree(3)})
    stream = iter(huggingface.to_iterable(version, "trials"))
    next(stream)
    version.file("two").unlink()
    with pytest.raises(Exception, match="missing"):
        list(stream)


def test_the_librarys_numpy_format_narrows_floats_unless_told_otherwise(huggingface: Any, version: Version) -> None:
    """The documented work-around: if this fails, the library has changed and the module's text must too."""
    dataset = huggingface.to_dataset(version, "activity.time")
    assert dataset.with_format("numpy")[0]["time"].dtype == np.float32
    assert dataset.with_format("numpy", dtype=np.float64)[0]["time"].dtype == np.float64


def test_which_table_must_be_said_when_there_are_several(huggingface: Any, version: Version) -> None:
    with pytest.raises(UsageError, match="say which table"):
        huggingface.to_dataset(version)
    with pytest.raises(NotFoundError, match="no such table"):
        huggingface.to_dataset(version, "nothing")


def test_the_info_says_how_to_cite(huggingface: Any, version: Version) -> None:
    info = huggingface.to_dataset(version, "eeg").info
    assert info.license == "CC-BY-4.0"
    assert version.digest in info.citation
    assert "Doe" in info.citation
