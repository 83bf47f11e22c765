"""The join of traces and cells by name: nothing guessed, nothing lost, every reason told."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectome import schema
from connectome.errors import NotFoundError, UsageError
from connectome.loaders.alignment import COLUMNS, join_report, read_labels, rows_of
from connectome.loaders.alignment import identify as identify_columns
from connectome.loaders.reading import RecordReader
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
