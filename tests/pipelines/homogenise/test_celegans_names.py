"""The one normaliser of neuron names, and what is known of each class."""

from __future__ import annotations

import csv
import re
import warnings
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectome.pipelines.homogenise.celegans_cells import describe
from connectome.pipelines.homogenise.celegans_facts import ROLE_OF_CLASS, TRANSMITTER_OF_CLASS
from connectome.pipelines.homogenise.celegans_names import (
    HERMAPHRODITE_NEURONS,
    LABEL_STATUSES,
    MALE_NEURONS,
    NEURON_CLASSES,
    NEURONS,
    mark_duplicates,
    match_alternatives,
    match_label,
    match_labels,
    match_side,
)

names = st.sampled_from(sorted(NEURONS))
numbered = st.sampled_from([name for name in sorted(NEURONS) if re.fullmatch(r"[A-Z]+[0-9]+", name)])


def test_the_table_has_302_neurons_in_118_classes_and_no_name_twice() -> None:
    assert len(HERMAPHRODITE_NEURONS) == len(set(HERMAPHRODITE_NEURONS)) == 302
    assert len({NEURONS[name].neuron_class for name in HERMAPHRODITE_NEURONS}) == 118
    assert len(set(MALE_NEURONS) & set(HERMAPHRODITE_NEURONS)) == 294
    assert sum(len(members) for members in NEURON_CLASSES.values()) == len(NEURONS)


def test_the_table_agrees_with_the_published_lists(data_dir: Path) -> None:
    folder = data_dir / "worm/neuron_metadata"
    listed = folder.joinpath("neuron_labels.txt").read_text().split()
    assert set(HERMAPHRODITE_NEURONS) - set(listed) == {"CANL", "CANR"}
    assert set(listed) <= set(HERMAPHRODITE_NEURONS)
    with folder.joinpath("neuron_master_sheet.csv").open(encoding="utf-8-sig", newline="") as file:
        classes = {row["label"]: row["class"] for row in csv.DictReader(file)}
    assert {name: NEURONS[name].neuron_class for name in classes} == classes
    with folder.joinpath("all_cell_info.csv").open(newline="") as file:
        cells = list(csv.DictReader(file))
    male = {re.sub(r"^(CA|CP)0", r"\1", row["Cell name"]) for row in cells if re.match(r"Male .*neuron", row["Type"])}
    assert male == set(MALE_NEURONS) - set(HERMAPHRODITE_NEURONS)


def test_sides_follow_pairs_and_not_the_last_letter() -> None:
    assert {name: NEURONS[name].side for name in ("AVAL", "AVAR", "SABVL", "RMER", "SDQL")} == {
        "AVAL": "L", "AVAR": "R", "SABVL": "L", "RMER": "R", "SDQL": "L",
    }  # fmt: skip
    for name in ("AVL", "AQR", "PQR", "PVR", "RIR", "RMED", "SABD", "VA1", "ALA"):
        assert NEURONS[name].side == "none", name


@given(names)
def test_every_name_is_itself(name: str) -> None:
    match = match_label(name)
    assert (match.name, match.status, match.rule, match.candidates) == (name, "exact", "", (name,))


@given(numbered, st.integers(1, 4))
def test_zero_padding_is_taken_off(name: str, zeros: int) -> None:
    letters, digits = re.fullmatch(r"([A-Z]+)([0-9]+)", name).groups()  # type: ignore[union-attr]
    match = match_label(letters + "0" * zeros + digits)
    assert (match.name, match.status, match.rule) == (name, "normalised", "zero-padding")


@given(names, st.sampled_from(["?", " ?", "??"]))
def test_a_question_mark_never_gives_a_name(name: str, doubt: str) -> None:
    match = match_label(name + doubt)
    assert (match.name, match.status, match.candidates) == ("", "ambiguous", (name,))


@given(names, names)
def test_alternatives_never_give_a_name(one: str, other: str) -> None:
    match = match_label(f"{one}/{other}")
    assert match.name == ""
    assert match.status == "ambiguous"
    assert set(match.candidates) == {one, other}


@given(st.text(max_size=12))
def test_any_text_gets_a_status_and_a_name_only_when_there_is_one(text: str) -> None:
    match = match_label(text)
    assert match.raw == text
    assert match.status in LABEL_STATUSES
    assert bool(match.name) == match.identified
    assert set(match.candidates) <= set(NEURONS)
    if match.identified:
        assert match.candidates == (match.name,)
        assert match_label(match.name).status == "exact"


@given(names)
def test_case_is_never_guessed(name: str) -> None:
    assert match_label(name.lower()).status == "unknown"


@pytest.mark.parametrize(
    ("label", "candidates"),
    [
        ("SAAD?", ("SAADL", "SAADR")),
        ("RMF?", ("RMFL", "RMFR")),
        ("RMED/RID", ("RID", "RMED")),
        ("RMDD/V", ("RMDDL", "RMDDR", "RMDVL", "RMDVR")),
        ("SMDDL/R", ("SMDDL", "SMDDR")),
        ("AVA", ("AVAL", "AVAR")),
        ("IL1D", ("IL1DL", "IL1DR")),
        ("VB02?", ("VB2",)),
        ("AWCON", ("AWCL", "AWCR")),
        ("AWCOFF", ("AWCL", "AWCR")),
    ],
)
def test_what_fits_several_cells_keeps_them_all(label: str, candidates: tuple[str, ...]) -> None:
    match = match_label(label)
    assert (match.status, match.name, match.candidates) == ("ambiguous", "", candidates)


@pytest.mark.parametrize("label", ["", "  ", "?", "---", "???"])
def test_labels_that_say_nothing_are_unlabelled(label: str) -> None:
    assert match_label(label).status == "unlabelled"


@pytest.mark.parametrize("label", ["merge", "avfl", "IL2V4", "VA0", "VA13", "AVAL/XYZ", "AVHL/", "VB02x"])
def test_what_is_no_name_stays_unknown(label: str) -> None:
    match = match_label(label)
    assert (match.status, match.name, match.candidates) == ("unknown", "", ())


def test_an_alias_counts_only_for_the_source_that_lists_it() -> None:
    assert match_label("avfl", aliases={"avfl": "AVFL"}).name == "AVFL"
    assert match_label("avfl", aliases={"avfl": "AVFL"}).rule == "alias"
    assert match_label("avfl").name == ""


def test_two_labels_for_one_neuron_make_both_duplicates() -> None:
    matches = match_labels(["URADL", "VB02", "URADL", "VB2", "AVAL", "URADL?"])
    assert [match.status for match in matches] == [
        "duplicate", "duplicate", "duplicate", "duplicate", "exact", "ambiguous",
    ]  # fmt: skip
    assert [match.name for match in matches] == ["URADL", "VB2", "URADL", "VB2", "AVAL", ""]
    assert not matches[0].identified


@given(st.lists(st.one_of(names, st.text(max_size=4)), max_size=8))
def test_matching_a_list_keeps_order_and_raw_labels(labels: list[str]) -> None:
    matches = match_labels(labels)
    assert [match.raw for match in matches] == labels
    identified = [match.name for match in matches if match.identified]
    assert len(identified) == len(set(identified))


@pytest.mark.parametrize(
    ("label", "name", "kind", "side"),
    [
        ("dBWML8", "MDL08", "muscle", "L"),
        ("BWM-VR03", "MVR03", "muscle", "R"),
        ("MDL08", "MDL08", "muscle", "L"),
        ("g1p", "g1P", "gland", "none"),
        ("CEPshDL", "CEPshDL", "glia", "L"),
        ("GLRR", "GLRR", "glia", "R"),
        ("CANL", "CANL", "canal_neuron", "L"),
        ("M1", "M1", "neuron", "none"),
        ("NMJ", "", "unresolved", ""),
        ("vncfrag", "", "fragment", ""),
        ("something", "", "", ""),
    ],
)
def test_other_cells_are_told_by_their_nomenclature(label: str, name: str, kind: str, side: str) -> None:
    cell = describe(label)
    assert (cell.name, cell.kind, cell.side) == (name, kind, side)
    assert cell.node == label


def test_every_cell_of_the_toolbox_list_has_a_kind(data_dir: Path) -> None:
    with (data_dir / "worm/neuron_metadata/all_cell_info.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 629
    for row in rows:
        kind = describe(row["Cell name"]).kind
        assert kind, row
        if kind == "muscle":
            assert "muscle" in row["Type"].lower() or "male specific" in row["Type"], row


def test_transmitters_and_roles_are_those_of_the_published_table(data_dir: Path) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        sheet = openpyxl.load_workbook(data_dir / "worm/neuron_metadata/Hobert2016_BrainAtlas.xlsx").worksheets[0]
    legend = {sheet.cell(row, 1).fill.fgColor.rgb: str(sheet.cell(row, 1).value).lower() for row in range(308, 312)}
    words = {
        "ACh": "acetylcholine", "Ach": "acetylcholine", "Glu": "glutamate", "DA": "dopamine", "5HT": "serotonin",
        "Octopamine": "octopamine", "ACh (minor)": "acetylcholine (minor)", "Glu & 5HT": "glutamate, serotonin",
        "unknown MA (cat-1)": "unknown monoamine", "GABA": "GABA", "Unknown (orphan)": None,
    }  # fmt: skip
    seen = 0
    for row in range(5, 307):
        if sheet.cell(row, 2).value is None:
            continue
        neuron_class = NEURONS[str(sheet.cell(row, 2).value).strip()].neuron_class
        assert TRANSMITTER_OF_CLASS.get(neuron_class) == words[sheet.cell(row, 4).value]
        assert ROLE_OF_CLASS.get(neuron_class) == legend.get(sheet.cell(row, 1).fill.fgColor.rgb)
        seen += 1
    assert seen == 302


def test_the_master_sheet_differs_in_the_transmitters_of_two_classes_and_the_roles_of_three(data_dir: Path) -> None:
    words = {"ACh": "acetylcholine", "Ach": "acetylcholine", "Glu": "glutamate", "DA": "dopamine", "5HT": "serotonin",
             "Octopamine": "octopamine", "GABA": "GABA", "Unknown (orphan)": None}  # fmt: skip
    with (data_dir / "worm/neuron_metadata/neuron_master_sheet.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    transmitters = {row["class"]: words[row["neurotransmitter"]] for row in rows}
    roles = {row["class"]: row["type"] for row in rows}
    assert {name for name in transmitters if TRANSMITTER_OF_CLASS.get(name) != transmitters[name]} == {"HSN", "I5"}
    assert {name for name in roles if ROLE_OF_CLASS.get(name) != roles[name]} == {"PLN", "RIV", "RMG"}


@pytest.mark.parametrize(
    ("raw", "label", "name", "candidates", "status", "rule"),
    [
        (["RIML", "RIMR"], "RIML|RIMR", "", ("RIML", "RIMR"), "ambiguous", "candidates"),
        (["RIMR", "RIML"], "RIMR|RIML", "", ("RIML", "RIMR"), "ambiguous", "candidates"),
        (["", "AVAL", " "], "AVAL", "AVAL", ("AVAL",), "exact", ""),
        (["VB02"], "VB02", "VB2", ("VB2",), "normalised", "zero-padding"),
        (["VB02", "VB2"], "VB02|VB2", "VB2", ("VB2",), "normalised", "candidates+zero-padding"),
        (["AVA", "AVAL"], "AVA|AVAL", "", ("AVAL", "AVAR"), "ambiguous", "candidates+class"),
        (["AVAL", "XYZ"], "AVAL|XYZ", "", ("AVAL",), "ambiguous", "candidates"),
        (["AVAL?", "AVAL"], "AVAL?|AVAL", "", ("AVAL",), "ambiguous", "candidates+question-mark"),
        (["XYZ", "QQQ"], "XYZ|QQQ", "", (), "unknown", ""),
        (["---", ""], "---", "", (), "unlabelled", ""),
        ([], "", "", (), "unlabelled", ""),
    ],
)
def test_a_list_of_candidates_keeps_them_all_and_chooses_none(raw, label, name, candidates, status, rule) -> None:
    match = match_alternatives(raw)
    assert (match.raw, match.name, match.candidates, match.status, match.rule) == (
        label, name, candidates, status, rule,
    )  # fmt: skip


@given(st.lists(names, min_size=2, max_size=4, unique=True))
def test_several_neurons_in_a_list_are_never_one(listed: list[str]) -> None:
    match = match_alternatives(listed)
    assert (match.status, match.name) == ("ambiguous", "")
    assert set(match.candidates) == set(listed)


@pytest.mark.parametrize(
    ("raw", "side", "name", "candidates", "status"),
    [
        ("AVA", "L", "AVAL", ("AVAL",), "normalised"),
        ("SMDV", "R", "SMDVR", ("SMDVR",), "normalised"),
        ("RMD", "R", "RMDR", ("RMDR",), "normalised"),
        ("RME", "L", "RMEL", ("RMEL",), "normalised"),
        ("SAA", "L", "", ("SAADL", "SAAVL"), "ambiguous"),
        ("AVA?", "L", "", ("AVAL",), "ambiguous"),
        ("AVG", "L", "", ("AVG",), "ambiguous"),
        ("AVAL", "R", "", ("AVAL",), "ambiguous"),
        ("VB", "L", "", tuple(f"VB{number}" for number in range(1, 12)), "ambiguous"),
        ("XYZ", "L", "", (), "unknown"),
        ("", "R", "", (), "unlabelled"),
    ],
)
def test_a_side_given_apart_completes_a_class_and_nothing_else(raw, side, name, candidates, status) -> None:
    match = match_side(raw, side)
    assert (match.raw, match.name, match.candidates, match.status) == (raw, name, candidates, status)


@given(names)
def test_class_and_side_of_a_neuron_never_lead_to_another_neuron(name: str) -> None:
    cell = NEURONS[name]
    if cell.side == "none":
        return
    match = match_side(cell.neuron_class, cell.side)
    assert match.name in {"", name, cell.neuron_class + cell.side}
    assert all(NEURONS[other].side == cell.side for other in match.candidates)


def test_lists_and_labels_of_one_recording_are_told_apart_as_duplicates_together() -> None:
    matches = match_labels(["AVAL", ["AVAL", ""], ["AVAR", "AVAL"], "AVAR"])
    assert [match.status for match in matches] == ["duplicate", "duplicate", "ambiguous", "exact"]
    assert mark_duplicates(matches) == matches
