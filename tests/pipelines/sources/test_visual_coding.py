"""Visual Coding - Neuropixels: known defects, tables joined by id, the published list, and a damaged file's fate."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray as xr

from connectome import schema
from connectome.errors import FormatError
from connectome.pipelines import read
from connectome.pipelines.cli import main
from connectome.pipelines.homogenise.id_tables import join, read_id_table
from connectome.pipelines.homogenise.invalid_times import observed_by_probe
from connectome.pipelines.homogenise.patches import Session, apply_patches
from connectome.pipelines.homogenise.visual_coding_patches import PATCHES
from connectome.pipelines.ingest import ingest
from connectome.pipelines.jobs import Job, RawFile, RawFiles
from connectome.pipelines.sources import load_source
from connectome.schema.events import observed_sets
from connectome.spikes.filters import unit_filter
from connectome.store import Repository
from support import allen_layouts
from support.ingesting import catalogue_of

SESSION = "allen_visual_coding/session_900000001/session_900000001.nwb"
CUT = "allen_visual_coding_trunc10/sub-738651046_ses-760693773.trunc10.nwb"


def raw_files(folder: Path) -> RawFiles:
    """Return what lies in a folder."""
    return RawFiles(
        [
            RawFile(path.relative_to(folder).as_posix(), path, path.stat().st_size,
                    hashlib.sha256(path.read_bytes()).hexdigest(), verified=False)
            for path in folder.rglob("*") if path.is_file()
        ]
    )  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A mirror with a generated session, an LFP file and the tables of the SDK's cache."""
    made = tmp_path_factory.mktemp("allen")
    allen_layouts.session(made / SESSION)
    allen_layouts.lfp(made / "allen_visual_coding/session_900000001/probe_810000001_lfp.nwb")
    allen_layouts.cache_tables(made / "allen_visual_coding")
    return made


@pytest.fixture(scope="module")
def jobs(folder: Path) -> dict[str, Job]:
    """The jobs of the mirror."""
    return {job.record: job for job in load_source("allen_visual_coding").discover(raw_files(folder)).jobs}


@pytest.fixture(scope="module")
def tree(jobs: dict[str, Job]) -> xr.DataTree:
    """The session with its tables."""
    return load_source("allen_visual_coding").read(jobs["900000001"])


@pytest.fixture(scope="module")
def bare(folder: Path) -> xr.DataTree:
    """The session without any table."""
    raw = raw_files(folder)
    found = load_source("allen_visual_coding").discover(RawFiles([raw[SESSION]]))
    return load_source("allen_visual_coding").read(found.jobs[0])


def test_a_mended_session_is_valid_and_says_what_was_done_and_why(tree: xr.DataTree) -> None:
    schema.validate(tree, subject="900000001")
    assert tree.attrs["patches"] == [
        "vcn-z-copies-y@1", "vcn-unregistered@1", "vcn-packaging-date@1", "vcn-swapped-receptive-field@1",
        "vcn-invalid-times-order@1",
    ]  # fmt: skip
    told = {item["code"]: item["message"] for item in tree.attrs["warnings"]}
    for name in tree.attrs["patches"]:
        assert PATCHES[name.partition("@")[0]].defect in told[name.partition("@")[0]]
    for patch in PATCHES.values():
        assert patch.evidence


def test_the_versions_of_all_patches_are_part_of_the_recipe(jobs: dict[str, Job]) -> None:
    assert jobs["900000001"].params["patches"] == {name: patch.version for name, patch in PATCHES.items()}


def test_z_is_missing_unless_the_table_of_channels_gives_it(tree: xr.DataTree, bare: xr.DataTree) -> None:
    assert np.isnan(bare["electrodes"]["z"].values).all()
    np.testing.assert_array_equal(tree["electrodes"]["z"].values, [7000.0, np.nan, 7020.0, 7030.0])


def test_channels_that_were_not_registered_have_no_place(bare: xr.DataTree) -> None:
    np.testing.assert_array_equal(bare["electrodes"]["x"].values, [8000.0, np.nan, 8020.0, np.nan])
    np.testing.assert_array_equal(bare["electrodes"]["y"].values, [1000.0, np.nan, 1020.0, np.nan])


def test_the_date_of_packaging_is_not_the_start_of_the_session(tree: xr.DataTree) -> None:
    assert tree.attrs["stated_start_time"].startswith("2019-01-19")
    assert "session_start_time" not in tree.attrs
    assert "timestamps_reference_time" not in tree.attrs


def test_receptive_field_columns_change_places_only_where_they_are_swapped(tree: xr.DataTree) -> None:
    spikes = tree["spikes"].to_dataset()
    np.testing.assert_array_equal(spikes["on_screen_rf"].values, [0.0, 1.0, 0.0, 1.0, np.nan])
    np.testing.assert_array_equal(spikes["p_value_rf"].values, [0.001, 0.002, 0.003, 0.004, np.nan])
    session = Session(1, {"spikes": spikes}, {})
    assert apply_patches(session, PATCHES)[0].groups["spikes"].identical(spikes)


def test_invalid_times_come_in_the_order_of_time_with_their_tags(tree: xr.DataTree) -> None:
    table = tree["intervals/invalid_times"]
    assert table["start_time"].values.tolist() == [4.0, 11.0, 20.0]
    assert table["tags_2"].values.tolist() == ["probeA", "stimulus", "all_probes"]


def test_invalid_times_are_not_observed_time_of_the_probes_that_they_name(tree: xr.DataTree) -> None:
    spikes = tree["spikes"].to_dataset()
    probe = dict(zip(tree["electrodes"]["id"].values.tolist(), tree["electrodes"]["group_name"].values, strict=True))
    sets, which = observed_sets(spikes)
    assert set(probe.values()) == {"probeA", "probeB"}
    for channel, at in zip(spikes["peak_channel_id"].values.tolist(), which.tolist(), strict=True):
        gaps = [(low, high) for low, high in zip(sets[at][:-1, 1], sets[at][1:, 0], strict=True)]
        assert gaps == ([(4.0, 4.5)] if probe[channel] == "probeA" else []) + [(20.0, 21.0)]
    assert spikes["observed_start"].values[1:].tolist() == [4.5, 21.0]


def test_ragged_tags_and_units_without_a_probe_leave_out_all_that_is_invalid(tree: xr.DataTree) -> None:
    groups = {path.strip("/"): group for path, group in schema.groups(tree)}
    invalid = groups["intervals/invalid_times"]
    ragged = schema.table(
        {"table_row": schema.column("row", np.array([0, 1, 2]), "row", "1"),
         "tags": schema.column("row", ["probeB", "optotagging", "stimulus"], "tag")}
    )  # fmt: skip
    bare = {"spikes": groups["spikes"], "intervals/invalid_times": invalid, "intervals/invalid_times_tags": ragged}
    found, warnings = observed_by_probe(bare)
    assert "5 units without a known probe" in warnings[0]["message"]
    assert found["spikes"]["observed_stop"].values[0] == 4.0
    same, none = observed_by_probe({**bare, "intervals/invalid_times_tags": ragged.isel(row=slice(1, None))})
    assert same["spikes"].identical(groups["spikes"])
    assert none == []


def test_rows_of_a_ragged_column_follow_the_rows_of_invalid_times() -> None:
    start = schema.column("row", np.array([9.0, 2.0, 5.0]), "start", "s")
    ragged = schema.table(
        {"table_row": schema.column("row", np.array([0, 0, 1, 2]), "row", "1"),
         "tags": schema.column("row", ["a", "b", "c", "d"], "tag")}
    )  # fmt: skip
    groups = {
        "intervals/invalid_times": schema.table({"start_time": start, "stop_time": start}),
        "intervals/invalid_times_tags": ragged,
    }
    mended = apply_patches(Session(1, groups, {}), PATCHES)[0].groups["intervals/invalid_times_tags"]
    assert mended["table_row"].values.tolist() == [0, 1, 2, 2]
    assert mended["tags"].values.tolist() == ["c", "d", "a", "b"]


def test_the_session_without_lfp_says_so() -> None:
    session, warnings = apply_patches(Session(839557629, {}, {}), PATCHES)
    assert session.attrs == {"lfp_published": False, "patches": ["vcn-no-lfp@1"]}
    assert [item["code"] for item in warnings] == ["vcn-no-lfp"]


def test_a_session_without_defects_is_left_as_it_is() -> None:
    electrodes = schema.table(
        {name: schema.column("row", np.array([1.0, at]), name, "1") for at, name in enumerate("xyz")}
    )
    before = Session(1, {"electrodes": electrodes}, {})
    after, warnings = apply_patches(before, PATCHES)
    assert after.groups["electrodes"].identical(electrodes)
    assert (warnings, dict(after.attrs)) == ([], {})


def test_parameters_have_one_type_over_all_stimulus_tables(bare: xr.DataTree) -> None:
    for name in ("spatial_frequency", "phase", "size", "size_1", "color", "color_2"):
        for stimulus in ("flashes", "static_gratings"):
            assert bare[f"stimulus/{stimulus}"][name].dtype == np.float64, (stimulus, name)


def test_units_get_the_structure_of_their_channel_and_the_default_filter_applies(bare: xr.DataTree) -> None:
    assert bare["spikes"]["structure"].values.tolist() == ["VISp", "", "CA1", "grey", ""]
    found = unit_filter("allen_default").apply(bare["spikes"].to_dataset())
    assert found.mask.tolist() == [True, False, False, False, False]
    assert found.passed["structure known"] == 3


def test_tables_are_joined_by_id_and_rows_they_lack_are_missing(tree: xr.DataTree) -> None:
    spikes = tree["spikes"]
    assert spikes["ecephys_structure_acronym"].values.tolist() == ["VISp"] * 4 + [""]
    assert np.isnan(spikes["g_osi_sg"].values).tolist() == [False] * 4 + [True]
    assert tree.attrs["table_session_type"] == "brain_observatory_1.1"
    missing = [item["message"] for item in tree.attrs["warnings"] if item["code"] == "not-in-table"]
    assert sum(message.startswith("1 of 5 rows are not in") for message in missing) == 2


def test_lfp_of_a_probe_is_a_record_of_its_own(jobs: dict[str, Job]) -> None:
    tree = load_source("allen_visual_coding").read(jobs["900000001-lfp-810000001"])
    assert tree["lfp/probe_810000001_lfp_data"].sizes == {"channel": 2, "time": 60}
    inputs = [item.path.rpartition("/")[2] for item in jobs["900000001-lfp-810000001"].inputs]
    assert inputs == ["channels.csv", "probe_810000001_lfp.nwb"]


def test_the_archive_lists_32_sessions_and_182_lfp_files_with_their_checksums() -> None:
    files = [file for file in load_source("allen_visual_coding").files() if "/000021/" in file.path]
    sessions = [file for file in files if "-lfp-" not in file.records[0]]
    assert (len(sessions), len(files) - len(sessions)) == (32, 182)
    assert sum(file.size_bytes or 0 for file in files) == 477_562_344_354
    assert len({file.sha256 for file in files}) == len(files)
    assert len({file.path.split("/")[2] for file in files}) == 32
    for file in files:
        assert len(file.sha256 or "") == 64
        assert file.url.startswith("https://api.dandiarchive.org/api/assets/")


def test_the_terms_of_use_are_shown_by_the_plan_and_before_an_ingest(
    tmp_path: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = ["--root", str(tmp_path / "root")]
    assert main(["plan", "mouse-visual-coding", "--select", "715093703", "--json", *root]) == 0
    document = json.loads(capsys.readouterr().out)
    assert {item["licence"] for item in document["terms"]} == {"Allen-terms", "Allen-software"}
    assert document["fetch_bytes"] == 2_856_232_912 + sum(
        file.size_bytes or 0 for file in load_source("allen_visual_coding").files() if "/article/" in file.path
    )
    assert [(item["record"], item["action"]) for item in document["records"]] == [("715093703", "make")]
    assert main(["ingest", "mouse-visual-coding", "--mirror", str(folder), "--allow-missing", *root]) == 0
    told = capsys.readouterr().err
    assert "terms: Terms of use of the Allen Institute (Allen-terms)" in told


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id,a\n1,2\n1,3\n", "twice"),
        ("unit,a\n1,2\n", "column of ids"),
        ("id,a\n1,2,3\n", "not a row"),
        ("id,a\n1.5,2\n", "not a row"),
        ("", "column of ids"),
    ],
)
def test_a_table_that_cannot_be_joined_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "units.csv").write_text(text)
    with pytest.raises(FormatError, match=message):
        read_id_table(tmp_path / "units.csv", key="id")


@pytest.mark.data
def test_the_tables_of_the_article_are_joined_to_real_units_by_id(data_dir: Path) -> None:
    tables = data_dir / "neuropixels/allen_tables"
    with h5py.File(data_dir / "neuropixels" / CUT) as file:
        ids = file["units/id"][:]
    layers = read_id_table(tables / "layer_info.csv", key="ecephys_unit_id")
    first = read_id_table(tables / "time_to_first_spike.csv", key="ecephys_unit_id")
    scales = read_id_table(tables / "timescale_metrics.csv", key="ecephys_unit_id")
    assert (len(layers.ids), len(first.ids), len(scales.ids)) == (99180, 99180, 23524)
    assert set(layers.ids.tolist()) == set(first.ids.tolist()) > set(scales.ids.tolist())
    assert np.isfinite(first.columns["time_to_first_spike_fl"]).sum() == 84387
    assert (layers.columns["cortical_layer"] == 0).sum() == 50136
    assert len(set(scales.columns["session"].tolist())) == 58
    # One of the file's ten units is a noise unit that the tables leave out.
    assert (~np.isin(ids, layers.ids)).sum() == 1
    spikes = xr.Dataset(coords={"unit_id": ids.astype(str).astype(object)})
    for table in (layers, first, scales):
        spikes, n_absent = join(spikes, table, ids, dim="unit_id", prefix="article")
        assert n_absent == (~np.isin(ids, table.ids)).sum()
    lines = dict(line.split(",", 1) for line in (tables / "layer_info.csv").read_text().splitlines()[1:])
    for at, unit in enumerate(ids.tolist()):
        depth, layer = lines.get(str(unit), "nan,nan").split(",")
        np.testing.assert_array_equal(spikes["cortical_depth"].values[at], float(depth))
        np.testing.assert_array_equal(spikes["cortical_layer"].values[at], float(layer))


@pytest.mark.data
def test_the_real_cut_session_is_quarantined_by_its_index_and_its_lfp_kept(
    data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "mirror/allen_visual_coding/session_760693773"
    place.mkdir(parents=True)
    shutil.copy(data_dir / "neuropixels" / CUT, place / "session_760693773.nwb")
    lfp = data_dir / "neuropixels/allen_visual_coding_trunc10"
    shutil.copy(next(lfp.glob("*_ecephys.trunc10.nwb")), place / "probe_769322820_lfp.nwb")
    monkeypatch.setenv("CONNECTOME_CATALOG", str(catalogue_of("allen_visual_coding", tmp_path)))
    result = ingest(
        Repository(tmp_path / "root"), "mouse-visual-coding", mirror=tmp_path / "mirror", allow_missing=True
    )
    assert result.added == ("760693773-lfp-769322820",)
    reasons = {item["file"].rpartition("/")[2]: item for item in result.rejected if item["kind"] != "unavailable"}
    assert "index beyond data" in reasons["session_760693773.nwb"]["reason"]
    assert reasons["session_760693773.nwb"]["kind"] == "format"
    manifest = Repository(tmp_path / "root").find("mouse-visual-coding")
    assert "Allen-terms" in str(manifest.to_bytes())


@pytest.mark.data
def test_the_stimulus_tables_of_the_real_cut_session_have_one_type_per_parameter(data_dir: Path) -> None:
    tree = read(data_dir / "neuropixels" / CUT, spikes="skip")
    tables = {path: dataset for path, dataset in schema.groups(tree) if path.startswith("/stimulus/")}
    assert {path.rpartition("/")[2] for path in tables} >= {
        "gabors", "flashes", "drifting_gratings", "natural_movie_one", "natural_movie_three", "natural_scenes",
        "static_gratings", "spontaneous",
    }  # fmt: skip
    for name in ("spatial_frequency", "orientation", "contrast", "size", "phase"):
        found = {str(dataset[name].dtype) for dataset in tables.values() if name in dataset}
        assert found == {"float64"}, name
    groups = {path.lstrip("/"): dataset for path, dataset in schema.groups(tree)}
    mended, _ = apply_patches(Session(760693773, groups, tree.attrs), PATCHES)
    assert mended.attrs["patches"] == ["vcn-packaging-date@1", "allen-ellipse-half-axes@1"]
    ellipse = mended.groups["eye_tracking/pupil_ellipse_fits"]
    named = dict(zip(ellipse["channel"].values.tolist(), ellipse["measure"].values.tolist(), strict=True))
    assert (named["width"], named["height"], named["center_x"]) == ("half axis", "half axis", "centre")
    assert ellipse["signal"].identical(groups["eye_tracking/pupil_ellipse_fits"]["signal"])
    assert mended.attrs["stated_start_time"] == "2018-10-26T12:59:23-07:00"
