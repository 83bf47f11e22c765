"""The join of traces and cells by name: nothing guessed, nothing lost, every reason told."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectome import schema
from connectome.errors import NotFoundError, UsageError
from connectome.loaders.reading.chunks import RecordReader
from connectome.loaders.recordings.alignment import COLUMNS, join_report, read_labels, rows_of
from connectome.loaders.recordings.alignment import identify as identify_columns
from connectome.loaders.recordings.windows import WindowSource
from connectome.store.archive import LocalBytes


def identify(tree, **options):
    """Identify the channels of a tree that is in memory."""
    labels = {name: schema.decode(tree["neuron"][name].variable) for name in COLUMNS}
    return identify_columns(labels, [str(name) for name in tree["activity"]["channel"].values.tolist()], **options)


ROWS = [
    ("1", "AVAL", "AVAL", "exact"),
    ("2", "VB02", "VB2", "normalised"),
    ("3", "SAAD?", "", "ambiguous"),
    ("4", "URADL", "URADL", "duplicate"),
    ("5", "URADL", "URADL", "duplicate"),
    ("6", "", "", "unlabelled"),
    ("7", "glia", "", "unknown"),
    ("9", "AVBL", "AVBL", "exact"),
]


@pytest.fixture
def tree(generated):
    return generated.worm(np.zeros((7, 5)), ROWS)


def test_every_row_is_identified_or_has_a_reason(tree):
    found = identify(tree)
    assert dict(found.channel_of) == {"AVAL": 0, "VB2": 1}
    assert dict(zip(found.table["roi"], found.table["reason"], strict=True)) == {
        "1": "",
        "2": "",
        "3": "the label fits ",
        "4": "several labels claim URADL",
        "5": "several labels claim URADL",
        "6": "the ROI has no label",
        "7": "the label is unknown",
        "9": "the ROI has no trace",
    }


def test_the_exact_policy_leaves_normalised_labels_out_and_says_so(tree):
    found = identify(tree, policy="exact")
    assert list(found.channel_of) == ["AVAL"]
    assert found.table["reason"][1] == "the policy does not take normalised labels"


def test_an_roi_with_two_names_and_a_neuron_of_two_rois_are_left_out(generated):
    rows = [("1", "AVAL", "AVAL", "exact"), ("1", "AVAR", "AVAR", "exact")]
    rows += [("2", "AVBL", "AVBL", "exact"), ("3", "AVBL", "AVBL", "exact"), ("4", "RIS", "RIS", "exact")]
    found = identify(generated.worm(np.zeros((4, 5)), rows))
    assert dict(found.channel_of) == {"RIS": 3}
    assert found.table["reason"].tolist()[:4] == ["the ROI has several names"] * 2 + ["several ROIs claim AVBL"] * 2


def with_candidates(generated, rows):
    """Return a tree whose rows are (roi, neuron, candidates, status)."""
    tree = generated.worm(np.zeros((6, 5)), [(roi, "label", neuron, status) for roi, neuron, _, status in rows])
    tree["neuron"]["candidates"].values[:] = [candidates for _, _, candidates, _ in rows]
    return tree


CANDIDATES = [
    ("1", "AVAL", "AVAL", "exact"),
    ("2", "", "AVAL AVAR", "ambiguous"),
    ("3", "", "RMFL RMFR", "ambiguous"),
    ("4", "", "SAADL SAADR", "ambiguous"),
    ("5", "", "SAADL SAADR", "ambiguous"),
    ("6", "", "", "unlabelled"),
]


def test_all_candidates_shows_an_ambiguous_roi_as_each_neuron_that_it_alone_may_be(generated):
    tree = with_candidates(generated, CANDIDATES)
    assert dict(identify(tree).channel_of) == {"AVAL": 0}
    found = identify(tree, policy="all-candidates")
    assert dict(found.channel_of) == {"AVAL": 0, "AVAR": 1, "RMFL": 2, "RMFR": 2}
    assert found.table["used_as"].tolist() == ["AVAL", "AVAR", "RMFL RMFR", "", "", ""]
    assert found.table["reason"].tolist()[3:] == ["other ROIs claim SAADL, SAADR"] * 2 + ["the ROI has no label"]
    report = join_report({"r": found}, {"RMFR", "AVAR"}, where="the graph")
    assert report["matched"].tolist() == [False, True, True, False, False, False]
    assert report["reason"][0] == "the graph has no such cell"


@pytest.mark.parametrize(
    ("policy", "used"),
    [
        ("exact", {"exact": 1, "normalised": 0, "ambiguous": 0, "unlabelled": 0}),
        ("exact+normalised", {"exact": 1, "normalised": 1, "ambiguous": 0, "unlabelled": 0}),
        ("all-candidates", {"exact": 1, "normalised": 1, "ambiguous": 1, "unlabelled": 0}),
    ],
)
def test_every_policy_reports_how_many_rois_it_used(generated, make_store, policy, used):
    rows = [CANDIDATES[0], ("2", "VB2", "VB2", "normalised"), CANDIDATES[2], ("4", "", "", "unlabelled")]
    version = make_store({"r": with_candidates(generated, rows)})
    source = WindowSource(version, window=2, neurons=["AVAL", "VB2", "RMFL", "RMFR"], policy=policy)
    counts = source.identity_counts().set_index("status")
    assert counts["n_used"].to_dict() == used
    assert counts["n_rois"].to_dict() == dict.fromkeys(used, 1)
    shown = source.coverage().loc["r"]
    assert shown.tolist() == [True, policy != "exact", *[policy == "all-candidates"] * 2]
    assert WindowSource(version, window=2).identity_counts().empty


def test_the_report_adds_what_the_other_side_does_not_have(tree):
    report = join_report({"r": identify(tree)}, {"AVAL", "URADL"}, where="the graph")
    assert report["matched"].tolist() == [True] + [False] * 7
    assert report["reason"][1] == "the graph has no such cell"
    assert (report["matched"] == (report["reason"] == "")).all()
    assert len(report) == len(ROWS)
    assert len(join_report({}, {"AVAL"}, where="x")) == 0


def test_labels_are_read_from_the_file_as_the_tree_has_them(tree, make_store):
    version = make_store({"r": tree})
    found = read_labels(RecordReader(LocalBytes(version.file("r"))), record="r")
    assert {name: values.tolist() for name, values in found.items()} == {
        name: schema.decode(tree["neuron"][name].variable).tolist() for name in COLUMNS
    }


def test_a_record_without_identities_and_an_unknown_policy_are_refused(tree, make_store, generated):
    version = make_store({"r": schema.record({"activity": generated.series(np.zeros((2, 5)))})})
    with pytest.raises(NotFoundError, match="which channel is which neuron"):
        read_labels(RecordReader(LocalBytes(version.file("r"))), record="r")
    with pytest.raises(UsageError, match="unknown policy"):
        identify(tree, policy="nearest")


NAMES = ["AVAL", "AVAR", "RIS", "DVA"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(
        st.tuples(st.integers(1, 6).map(str), st.sampled_from(NAMES), st.sampled_from(["exact", "normalised"])),
        max_size=12,
    )
)
def test_names_and_channels_are_joined_one_to_one_whatever_the_table_says(generated, rows):
    made = generated.worm
    found = identify(made(np.zeros((5, 3)), [(roi, name, name, status) for roi, name, status in rows]))
    assert len(set(found.channel_of.values())) == len(found.channel_of)
    claims = {(roi, name) for roi, name, _ in rows if int(roi) <= 5}
    for name, channel in found.channel_of.items():
        assert [claim for claim in claims if claim[1] == name] == [(str(channel + 1), name)]
        assert [claim for claim in claims if claim[0] == str(channel + 1)] == [(str(channel + 1), name)]
    assert rows_of(NAMES, found.channel_of).tolist() == [found.channel_of.get(name, -1) for name in NAMES]


def test_the_labels_of_a_real_animal_are_joined_without_inventing_one(data_dir):
    from connectome.pipelines import read

    folder = data_dir / "worm" / "dag2023"
    tree = read([folder / "2022-07-27-38-data.h5", folder / "NeuroPAL_labels_dict.jld2"], uid="2022-07-27-38")
    found = identify(tree)
    joined = found.table[found.table["identified"]]
    assert (joined["label"] == joined["neuron"]).sum() == 86
    assert len(found.table) == 135
    assert not set(joined["neuron"]) & {"SAADL", "SAADR", "RMFL", "RMFR", "URADL"}
