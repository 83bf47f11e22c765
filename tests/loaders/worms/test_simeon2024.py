"""The columns of the 2024 release: code that was written for it runs, and what was not measured is not there."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np
import pytest

from connectome.errors import UsageError
from connectome.pipelines.homogenise.celegans_names import HERMAPHRODITE_NEURONS

RELEASE_COLUMNS = [
    "source_dataset",
    "raw_data_file",
    "worm",
    "neuron",
    "slot",
    "is_labeled_neuron",
    "smooth_method",
    "interpolate_method",
    "normalization_method",
    "original_calcium_data",
    "calcium_data",
    "original_time_in_seconds",
    "time_in_seconds",
    "original_max_timesteps",
    "max_timesteps",
]
TIME_S = np.cumsum(np.r_[1000.0, np.full(39, 0.6), 8.0, np.full(39, 0.6)])


@pytest.fixture(scope="module", autouse=True)
def offline(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Keep the library away from the network and from the user's cache; it reads the environment on import."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_HUB_OFFLINE", "1")
        patch.setenv("HF_HOME", str(tmp_path_factory.mktemp("hf")))
        yield


@pytest.fixture
def release() -> Any:
    """Import the module only when the environment is set."""
    from connectome.loaders.worms import simeon2024

    return simeon2024


@pytest.fixture
def version(make_store: Any, generated: Any) -> Any:
    """Return a generated version: irregular stamps with a gap, missing samples, and a record that counts frames."""
    rng = np.random.default_rng(7)
    signal = rng.normal(3.0, 2.0, size=(4, len(TIME_S)))
    signal[1, 10:13] = np.nan
    rows = [("1", "AVAL", "AVAL", "exact"), ("2", "VB02", "VB2", "normalised"), ("3", "SAAD?", "", "ambiguous")]
    rows += [("4", "CANL", "CANL", "exact")]
    worm = generated.worm(signal, rows, time_s=TIME_S)
    worm["neuron"]["candidates"].values[2] = "SAADL SAADR"
    frames = generated.worm(signal, rows, frame_start=0)
    return make_store({"worm-b": worm, "worm-a": worm, "frames": frames})


def test_the_slots_are_the_release_order_of_300_neurons(release: Any, data_dir: Any) -> None:
    published = (data_dir / "worm" / "neuron_metadata" / "neuron_labels.txt").read_text(encoding="utf-8").split()
    assert list(release.SLOTS) == published
    assert set(HERMAPHRODITE_NEURONS) - set(release.SLOTS) == {"CANL", "CANR"}


def test_the_columns_are_those_of_the_release_then_ours(release: Any, version: Any) -> None:
    from datasets import List, Value

    rows = release.to_predecessor_rows(version).rows
    assert rows.column_names[: len(RELEASE_COLUMNS)] == RELEASE_COLUMNS
    assert rows.features == release.predecessor_features()
    for name, dtype in [("calcium_data", "float32"), ("time_in_seconds", "float64")]:
        assert rows.features[name] == rows.features[f"original_{name}"] == List(Value(dtype))


def test_rows_say_who_is_who_and_never_where_nobody_knows(release: Any, version: Any) -> None:
    made = release.to_predecessor_rows(version)
    rows = made.rows.filter(lambda row: row["record"] == "worm-a", keep_in_memory=True)
    assert rows["neuron"][:] == ["AVAL", "VB2", "3", "CANL"]
    assert rows["slot"][:] == [release.SLOTS.index("AVAL"), release.SLOTS.index("VB2"), None, None]
    assert rows["is_labeled_neuron"][:] == [True, True, False, False]
    assert rows["status"][:] == ["exact", "normalised", "ambiguous", "exact"]
    assert rows["candidates"][2] == ["SAADL", "SAADR"]
    assert made.report["record"].tolist() == ["frames", "worm-a", "worm-b"]
    assert made.report["worm"].tolist() == ["", "worm0", "worm1"]
    assert made.report["reason"].tolist() == ["the record counts frames and has no time in seconds", "", ""]
    assert made.report["n_rows"].tolist() == [0, 4, 4]
    assert made.report["n_labeled"].tolist() == [0, 2, 2]


def test_no_sample_is_invented(release: Any, version: Any) -> None:
    row = release.to_predecessor_rows(version, records=["worm-a"]).rows[1]
    original, valid = np.array(row["original_calcium_data"]), np.array(row["valid"])
    stored = version.open("worm-a")["activity"]["signal"].values[1].astype(np.float32)
    assert np.array_equal(original, stored, equal_nan=True)
    assert np.array_equal(row["original_time_in_seconds"], TIME_S)
    assert np.array_equal(row["original_valid"], ~np.isnan(stored))
    times = np.array(row["time_in_seconds"])
    assert np.array_equal(valid, ~np.isnan(row["calcium_data"]))
    for first, last in [(TIME_S[39], TIME_S[40]), (TIME_S[9], TIME_S[13])]:
        assert not valid[(times > first + 1e-3) & (times < last - 1e-3)].any()
    assert valid.sum() > 100
    assert times[-1] > TIME_S[-1] - release.STEP_S
    assert row["max_timesteps"] == len(times) == len(valid)


def test_the_default_scaling_never_looks_ahead_and_the_flag_is_honest(
    release: Any, make_store: Any, generated: Any, version: Any
) -> None:
    from connectome.loaders.recordings.smoothing import Smooth

    changed = version.open("worm-a")["activity"]["signal"].values.copy()
    changed[:, 60:] *= -50
    rows = [("1", "AVAL", "AVAL", "exact")]
    other = make_store({"worm-a": generated.worm(changed, rows, time_s=TIME_S)}, dataset="changed")
    for smoothing in (None, Smooth("exponential", 2.0, causal=True), Smooth("boxcar", 3.0, causal=False)):
        for step_s, until in ((None, 60), (0.333, None)):
            for normalisation in ("causal", "standard", "none"):
                options = {"records": ["worm-a"], "step_s": step_s, "smoothing": smoothing}
                options["normalisation"] = normalisation
                one = release.to_predecessor_rows(version, **options).rows[0]
                two = release.to_predecessor_rows(other, **options).rows[0]
                causal = step_s is None and normalisation != "standard" and (smoothing is None or smoothing.causal)
                assert one["is_causal"] == causal
                times = np.array(one["time_in_seconds"])
                past = slice(0, until) if until else slice(0, int(np.searchsorted(times, TIME_S[59])))
                same = np.array_equal(one["calcium_data"][past], two["calcium_data"][past], equal_nan=True)
                if causal:
                    assert same
                if normalisation == "standard" or (smoothing is not None and not smoothing.causal):
                    assert not same


def test_the_standard_scaling_is_that_of_the_release_over_valid_samples(release: Any, version: Any) -> None:
    row = release.to_predecessor_rows(version, records=["worm-a"], normalisation="standard").rows[0]
    valid = np.array(row["valid"])
    values = np.array(row["calcium_data"])[valid]
    assert abs(values.mean()) < 1e-5
    assert values.std() == pytest.approx(1, abs=1e-5)
    plain = release.to_predecessor_rows(version, records=["worm-a"], normalisation="none").rows[0]
    assert plain["normalization_method"] == "none"
    assert np.corrcoef(np.array(plain["calcium_data"])[valid], values)[0, 1] == pytest.approx(1, abs=1e-6)


def test_code_written_for_the_release_runs_on_ours(release: Any, version: Any) -> None:
    # A consumer as they are written: group rows by worm, put every trace into its slot.
    rows = release.to_predecessor_rows(version, unlabelled=False).rows
    worms: dict[tuple[str, str], dict[str, Any]] = defaultdict(dict)
    for row in rows:
        worm = worms[row["source_dataset"], row["worm"]]
        worm.setdefault("calcium", np.zeros((row["max_timesteps"], 300), dtype=np.float32))
        worm.setdefault("labeled", np.zeros(300, dtype=bool))
        worm["calcium"][:, int(row["slot"])] = np.asarray(row["calcium_data"], dtype=np.float32)
        worm["labeled"][int(row["slot"])] = row["is_labeled_neuron"]
        worm["dt"] = np.median(np.diff(row["time_in_seconds"]))
    assert set(worms) == {("generated", "worm0"), ("generated", "worm1")}
    for worm in worms.values():
        assert worm["labeled"].sum() == 2
        assert worm["dt"] == pytest.approx(0.333)
        assert np.nanstd(worm["calcium"][:, release.SLOTS.index("AVAL")]) > 0.5
    frame = rows.to_pandas()
    assert frame.groupby(["source_dataset", "worm"]).size().tolist() == [2, 2]
    assert set(frame["neuron"]) == {"AVAL", "VB2"}


def test_equal_requests_have_equal_fingerprints_and_others_do_not(release: Any, version: Any) -> None:
    first = release.to_predecessor_rows(version).rows
    assert first._fingerprint == release.to_predecessor_rows(version).rows._fingerprint
    assert first._fingerprint != release.to_predecessor_rows(version, step_s=0.5).rows._fingerprint


def test_arguments_that_cannot_be_used_are_refused(release: Any, version: Any) -> None:
    with pytest.raises(UsageError, match="unknown way to scale"):
        release.to_predecessor_rows(version, normalisation="minmax")
    with pytest.raises(UsageError, match="not a step"):
        release.to_predecessor_rows(version, step_s=0.0)


@pytest.mark.data
def test_the_published_animals_come_with_every_roi(release: Any, data_dir: Any, tmp_path: Any) -> None:
    from connectome.pipelines.cli import main

    arguments = [
        "--select",
        "dag2023-*",
        "--mirror",
        str(data_dir / "worm"),
        "--allow-missing",
        "--root",
        str(tmp_path),
    ]
    assert main(["ingest", "celegans-activity", "--quiet", "--json", *arguments]) == 0
    made = release.to_predecessor_rows("celegans-activity", root=tmp_path)
    used = made.report[made.report["reason"] == ""].set_index("record")
    assert used["n_rows"].to_dict() == {
        "dag2023-2022-01-16-01": 130,
        "dag2023-2022-07-26-31": 146,
        "dag2023-2022-07-27-38": 135,
        "dag2023-2022-07-27-45": 140,
    }
    assert set(used["source_dataset"]) == {"Dag2023"}
    assert made.rows.num_rows == 551
    assert made.rows[0]["raw_data_file"] == "2022-01-16-01-data.h5"
