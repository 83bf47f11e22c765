"""The connectomes of *C. elegans*: every published count by two routes, every form against every other.

The second route reads the raw files here in the test, with nothing of the package: cells by openpyxl, xlrd, csv and
json, names by taking off zeros and looking them up in the list of 300 that the files come with.
"""

from __future__ import annotations

import csv
import functools
import hashlib
import json
import re
import warnings
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from connectome.errors import FactsError, FormatError, NotFoundError
from connectome.pipelines.jobs import Job, RawFile, RawFiles
from connectome.pipelines.making import check_facts
from connectome.pipelines.sources import SOURCES, load_source
from connectome.pipelines.sources.celegans_connectomes import ConnectomeSource
from connectome.schema import decode, measure, validate

if TYPE_CHECKING:
    import xarray as xr

openpyxl = pytest.importorskip("openpyxl")
xlrd = pytest.importorskip("xlrd")
loadmat = pytest.importorskip("scipy.io").loadmat

IDS = ("cook2019", "varshney2011", "white1986", "witvliet2020", "openworm", "randi2023")
PRIMARY = {
    "cook2019-hermaphrodite", "cook2019-male", "varshney2011", "white1986-whole", "white1986-n2u", "white1986-jsh",
    "white1986-jse", "witvliet2020-7", "witvliet2020-8", "openworm", "randi2023",
}  # fmt: skip
FURTHER = {
    "cook2019-hermaphrodite.csv", "varshney2011.mat", "witvliet2020-7.tsv", "witvliet2020-8.tsv",
    "witvliet2020-7.wormneuroatlas", "witvliet2020-8.wormneuroatlas", "witvliet2020-7.nemanode",
}  # fmt: skip
ATLAS = "neuron_metadata/LowResAtlasWithHighResHeadsAndTails.csv"

Edges = dict[tuple[str, str], float]


def source(name: str) -> ConnectomeSource:
    made = load_source(name)
    assert isinstance(made, ConnectomeSource)
    return made


@pytest.fixture(scope="module")
def worm(data_dir: Path) -> Path:
    return data_dir / "worm"


@pytest.fixture(scope="module")
def raw(worm: Path) -> dict[str, RawFiles]:
    found = {}
    for name in IDS:
        files = []
        for remote in source(name).files():
            content = (worm / remote.path).read_bytes()
            files.append(RawFile(remote.path, worm / remote.path, len(content), hashlib.sha256(content).hexdigest()))
        found[name] = RawFiles(files)
    return found


@pytest.fixture(scope="module")
def jobs(raw: dict[str, RawFiles]) -> dict[str, Job]:
    return {job.record: job for name in IDS for job in source(name).discover(raw[name]).jobs}


@pytest.fixture(scope="module")
def records(jobs: dict[str, Job]) -> dict[str, xr.DataTree]:
    return {record: source(job.source).read(job) for record, job in jobs.items()}


@pytest.fixture(scope="module")
def neurons(worm: Path) -> set[str]:
    return set((worm / "neuron_metadata/neuron_labels.txt").read_text().split())


def graph_of(tree: xr.DataTree) -> xr.Dataset:
    return tree["connectome"].to_dataset()


def edges(tree: xr.DataTree, edge_type: str, *, kind: str | None = None) -> Edges:
    """Return the edges of a type by names, summed over parallel ones."""
    graph = graph_of(tree)
    names, kinds = graph["node"].values.tolist(), decode(graph["node_kind"])
    found: Edges = {}
    for at in np.flatnonzero(decode(graph["edge_type"]) == edge_type):
        ends = int(graph["source"].values[at]), int(graph["target"].values[at])
        if kind is None or (kinds[ends[0]] == kind and kinds[ends[1]] == kind):
            pair = (names[ends[0]], names[ends[1]])
            found[pair] = found.get(pair, 0) + graph["weight"].values[at].item()
    return found


def counted(tree: xr.DataTree, edge_type: str) -> tuple[int, float]:
    """Return number and weight sum of the edges among neurons, as facts have them."""
    item = measure(tree)["/connectome"]["within"]["neuron"]["edges"][edge_type]
    return item["n"], item["weight_sum"]


def plain(name: str) -> str:
    return re.sub(r"^([A-Z]+)0+(?=[1-9])", r"\1", name)


def within(rows: list[tuple[str, str, float]], names: set[str]) -> Edges:
    found: Edges = {}
    for one, other, weight in rows:
        pair = (plain(one), plain(other))
        if set(pair) <= names:
            found[pair] = found.get(pair, 0) + weight
    return found


def both_ways(pairs: Edges) -> Edges:
    return {**{(b, a): weight for (a, b), weight in pairs.items()}, **pairs}


def total(pairs: Edges) -> tuple[int, float]:
    return len(pairs), sum(pairs.values())


@functools.cache
def table(path: Path, sheet: str | None = None) -> list[list[Any]]:
    if path.suffix == ".csv":
        text = path.read_text()
        return list(csv.reader(text.splitlines(), delimiter="\t" if "\t" in text else ","))
    if path.suffix == ".xls":
        held = xlrd.open_workbook(path)
        chosen = held.sheet_by_name(sheet) if sheet else held.sheet_by_index(0)
        return [chosen.row_values(at) for at in range(1, chosen.nrows)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
        rows = [list(row) for row in (book[sheet] if sheet else book.worksheets[0]).iter_rows(values_only=True)]
        book.close()
        return rows


def typed(rows: list[list[Any]], word: str) -> list[tuple[str, str, float]]:
    return [(row[0], row[1], int(row[3])) for row in rows if row[2] == word]


# What is there ------------------------------------------------------------------------------------------------------


def test_every_annotation_is_a_record_and_every_further_form_too(jobs: dict[str, Job]) -> None:
    assert set(jobs) == {*PRIMARY, *FURTHER}
    assert all(SOURCES[name] for name in IDS)


def test_sizes_and_checksums_are_those_of_the_manifest(worm: Path, raw: dict[str, RawFiles]) -> None:
    with (worm / "MANIFEST.tsv").open(newline="") as file:
        manifest = {row["path"]: (int(row["bytes"]), row["sha256"]) for row in csv.DictReader(file, delimiter="\t")}
    for name in IDS:
        for remote in source(name).files():
            assert (remote.size_bytes, remote.sha256) == manifest[remote.path], remote.path
            assert raw[name][remote.path].sha256 == remote.sha256
            assert remote.licence


def test_every_connectome_file_is_used_or_rejected_with_a_reason(worm: Path, raw: dict[str, RawFiles]) -> None:
    folders = ("cook2019", "varshney2011", "white1986_witvliet2020", "openworm", "randi2023")
    there = {
        str(path.relative_to(worm))
        for folder in folders
        for path in (worm / folder).iterdir()
        if path.name != "README.md"
    }
    used: set[str] = set()
    rejected: set[str] = set()
    for name in IDS:
        found = source(name).discover(raw[name])
        used |= {file.path for job in found.jobs for file in job.inputs}
        rejected |= {item.file.partition("#")[0] for item in found.rejected}
        assert all(item.reason and item.kind for item in found.rejected)
        assert set(raw[name]) <= used | rejected
    assert there <= used | rejected
    assert rejected - used == {"varshney2011/A_sendjoint.mat"}


def test_a_selection_needs_only_its_own_files_and_what_the_demo_needs_lies_in_packages() -> None:
    needed = [file for file in source("cook2019").files() if "cook2019-male" in file.records and not file.optional]
    assert [file.path.rpartition("/")[2] for file in needed] == [
        "SI 5 Connectome adjacency matrices, corrected July 2020.xlsx", "all_cell_info.csv",
    ]  # fmt: skip
    for name in ("cook2019", "varshney2011", "witvliet2020", "openworm"):
        required = [file for file in source(name).files() if not file.optional]
        assert all(file.url.startswith("pypi:cect==0.3.5#cect/data/") for file in required), name
    white = {file.url.partition("#")[0] for file in source("white1986").files() if "white1986-whole" in file.records}
    assert "pypi:wormneuroatlas==0.0.7.3" in white


def test_every_record_is_valid_and_says_what_it_is(records: dict[str, xr.DataTree]) -> None:
    for name, tree in records.items():
        validate(tree, subject=name)
        for key in ("title", "species", "sex", "stage", "annotation", "form", "release", "citation"):
            assert tree.attrs[key], (name, key)
        assert tree.attrs["annotation"] == name.partition(".")[0]
        assert ("agreement" in tree.attrs) == (name in FURTHER), name
        for item in tree.attrs.get("warnings", []):
            assert set(item) == {"code", "place", "message"}
            assert all(item.values())


def test_every_edge_type_states_unit_meaning_and_lineage_and_derived_ones_their_rule(
    records: dict[str, xr.DataTree],
) -> None:
    for name, tree in records.items():
        for edge_type, about in graph_of(tree).attrs["edge_types"].items():
            assert all(about[key] for key in ("weight_units", "weight_meaning", "lineage")), (name, edge_type)
            assert "not stated" not in about.values()
            if edge_type == "gap_junction":
                assert about["derived_from"] == "gap_junction_listed"
                assert about["rule"]
    units = {name: graph_of(tree).attrs["edge_types"] for name, tree in records.items()}
    assert units["cook2019-male"]["chemical"]["weight_units"] == "EM sections"
    assert units["white1986-whole"]["chemical"]["weight_units"] == "synapses"
    assert "N2U" in units["white1986-n2u"]["chemical"]["lineage"]
    assert "White" in units["varshney2011"]["chemical"]["lineage"]
    assert "White" not in units["witvliet2020-7"]["chemical"]["lineage"]


def test_the_measured_facts_are_the_expected_ones(records: dict[str, xr.DataTree]) -> None:
    for name in IDS:
        expected = source(name).expected()
        for record in expected.records:
            check_facts(records[record], expected, record=record)
    assert {record for name in IDS for record in source(name).expected().records} == set(records)
    with pytest.raises(FactsError):
        check_facts(records["cook2019-male"], source("cook2019").expected(), record="cook2019-hermaphrodite")


def test_symmetrised_gap_junctions_are_symmetric(records: dict[str, xr.DataTree]) -> None:
    for name, tree in records.items():
        pairs = edges(tree, "gap_junction")
        assert all(pairs[b, a] == weight for (a, b), weight in pairs.items()), name
        assert set(edges(tree, "gap_junction_listed")) <= set(pairs), name


def test_reading_twice_gives_the_same_record(jobs: dict[str, Job], records: dict[str, xr.DataTree]) -> None:
    for name in ("cook2019-male", "varshney2011", "randi2023", "witvliet2020-7.nemanode"):
        again = source(jobs[name].source).read(jobs[name])
        assert again.identical(records[name]), name


# Counts by a second route -------------------------------------------------------------------------------------------


def matrix(rows: list[list[Any]]) -> list[tuple[str, str, float]]:
    names = [(at, name) for at, name in enumerate(rows[2]) if at > 2 and name]
    return [(row[2], name, row[at]) for row in rows[3:] if row[2] for at, name in names if row[at]]


def test_cook_hermaphrodite_has_the_published_counts(
    worm: Path, records: dict[str, xr.DataTree], neurons: set[str]
) -> None:
    tree = records["cook2019-hermaphrodite"]
    path = worm / "cook2019/SI 5 Connectome adjacency matrices, corrected July 2020.xlsx"
    chemical = matrix(table(path, "hermaphrodite chemical"))
    symmetric = matrix(table(path, "hermaphrodite gap jn symmetric"))
    assert counted(tree, "chemical") == total(within(chemical, neurons)) == (3707, 20905)
    assert counted(tree, "gap_junction") == total(within(symmetric, neurons)) == (2188, 9519)
    assert counted(tree, "gap_junction_listed")[0] == 1101
    assert measure(tree)["/connectome"]["within"]["neuron"]["n_nodes"] == len(neurons) == 300
    assert edges(tree, "chemical", kind="neuron") == within(chemical, neurons)
    assert edges(tree, "gap_junction", kind="neuron") == within(symmetric, neurons)
    union = set(edges(tree, "chemical", kind="neuron")) | set(edges(tree, "gap_junction", kind="neuron"))
    assert len(union) == 5138
    everything = measure(tree)["/connectome"]["edges"]
    assert (
        (everything["chemical"]["n"], everything["gap_junction"]["n"])
        == (len(chemical), len(symmetric))
        == (4879, 2883)
    )
    assert {tuple(sorted(pair)) for pair in edges(tree, "gap_junction")} == {
        tuple(sorted(map(plain, row[:2]))) for row in symmetric
    }
    assert everything["gap_junction_listed"]["n"] == 1450


def test_cook_male_has_the_counts_of_its_sheets(worm: Path, records: dict[str, xr.DataTree], neurons: set[str]) -> None:
    tree = records["cook2019-male"]
    path = worm / "cook2019/SI 5 Connectome adjacency matrices, corrected July 2020.xlsx"
    with (worm / "neuron_metadata/all_cell_info.csv").open(newline="") as file:
        male = {plain(row["Cell name"]) for row in csv.DictReader(file) if re.match(r"Male .*neuron", row["Type"])}
    names = (neurons | male) - {"HSNL", "HSNR", *(f"VC{at}" for at in range(1, 7))}
    chemical, symmetric = matrix(table(path, "male chemical")), matrix(table(path, "male gap jn symmetric"))
    assert counted(tree, "chemical") == total(within(chemical, names)) == (4046, 36919)
    assert counted(tree, "gap_junction") == total(within(symmetric, names)) == (2576, 17355)
    assert edges(tree, "chemical", kind="neuron") == within(chemical, names)
    assert edges(tree, "gap_junction", kind="neuron") == within(symmetric, names)
    assert measure(tree)["/connectome"]["within"]["neuron"]["n_nodes"] == len(names) == 382


def test_the_csv_export_of_cook_is_the_workbook_with_some_pairs_turned(
    worm: Path, records: dict[str, xr.DataTree]
) -> None:
    book, export = records["cook2019-hermaphrodite"], records["cook2019-hermaphrodite.csv"]
    assert graph_of(book)["node"].values.tolist() == graph_of(export)["node"].values.tolist()
    for edge_type in ("chemical", "gap_junction"):
        assert edges(book, edge_type) == edges(export, edge_type)
    one, other = edges(book, "gap_junction_listed"), edges(export, "gap_junction_listed")
    assert len(set(other) - set(one)) == 535
    assert both_ways(one) == both_ways(other)
    listed = table(worm / "cook2019/GHermElec_Sym_Nodes.csv")[1:] + table(worm / "cook2019/GHermChem_Nodes.csv")[1:]
    groups = dict(zip(graph_of(export)["source_label"].values, graph_of(export)["group"].values, strict=True))
    assert len(groups) == len({row[0] for row in listed}) == 473
    assert all(groups[row[0]].split("/")[0] == row[1] for row in listed)


def test_varshney_edge_list_matrices_and_received_view_agree(
    worm: Path, records: dict[str, xr.DataTree], neurons: set[str]
) -> None:
    rows = table(worm / "varshney2011/NeuronConnect.xls")
    sent = within([(a, b, n) for a, b, word, n in rows if word in {"S", "Sp"}], neurons)
    electric = within([(a, b, n) for a, b, word, n in rows if word == "EJ"], neurons)
    tree, sparse = records["varshney2011"], records["varshney2011.mat"]
    for item in (tree, sparse):
        assert counted(item, "chemical") == total(sent) == (2194, 6394)
        assert counted(item, "gap_junction") == counted(item, "gap_junction_listed") == total(electric) == (1031, 1777)
        assert edges(item, "chemical") == sent
        assert edges(item, "gap_junction") == electric
        assert measure(item)["/connectome"]["within"]["neuron"]["n_nodes_connected"] == 279
    assert edges(tree, "chemical_received") == edges(tree, "chemical_listed") == sent
    held = loadmat(worm / "varshney2011/ConnOrdered_040903.mat")
    assert (held["A_init_t_ordered"].nnz, held["A_init_t_ordered"].sum()) == total(sent)
    assert (held["Ag_t_ordered"].nnz, held["Ag_t_ordered"].sum()) == total(electric)
    words = Counter(row[2] for row in rows)
    facts = measure(tree)["/connectome"]["edges"]
    assert facts["chemical_listed"]["n"] == words["S"] + words["Sp"] == 2575
    assert facts["chemical_received"]["n"] == words["R"] + words["Rp"] == 2658
    assert facts["neuromuscular"] == {"n": words["NMJ"], "weight_sum": 1410} == {"n": 153, "weight_sum": 1410}
    assert sum(
        facts[name]["n"] for name in ("chemical_listed", "chemical_received", "neuromuscular", "gap_junction_listed")
    ) == len(rows)
    codes = Counter(item["code"] for item in tree.attrs["warnings"])
    assert codes == {"zero-weight": 3, "alias": 2}
    listed = Counter(graph_of(tree)["listed_type"].values.tolist())
    assert {word: listed[word] for word in words} == dict(words)


def test_varshney_type_codes_follow_the_order_of_the_names(records: dict[str, xr.DataTree]) -> None:
    graph = graph_of(records["varshney2011.mat"])
    codes = dict(zip(graph["node"].values, graph["type_code"].values, strict=True))
    assert "" not in codes.values()
    for name, code in codes.items():
        if name.endswith(("L", "R")) and name[:-1] + ("R" if name[-1] == "L" else "L") in codes:
            assert code[1] == name[-1], (name, code)


@pytest.mark.parametrize(
    ("record", "file", "chemical", "gap"),
    [
        ("white1986-whole", "aconnectome_white_1986_whole.csv", (2266, 6509), (569, 965)),
        ("white1986-n2u", "aconnectome_white_1986_A.csv", (1414, 3740), (264, 331)),
        ("white1986-jsh", "aconnectome_white_1986_L4.csv", (1291, 3702), (286, 757)),
        ("white1986-jse", "white_1986_jse.csv", (94, 261), (0, 0)),
        ("witvliet2020-7", "witvliet_2020_7 adult.xlsx", (1944, 6587), (267, 369)),
        ("witvliet2020-8", "witvliet_2020_8 adult.xlsx", (1933, 7099), (304, 424)),
        ("witvliet2020-7.tsv", "witvliet_2020_7.csv", (1944, 6587), (267, 369)),
        ("witvliet2020-8.tsv", "witvliet_2020_8.csv", (1933, 7099), (304, 424)),
        ("witvliet2020-7.wormneuroatlas", "aconnectome_witvliet_2020_7.csv", (1944, 6587), (268, 371)),
        ("witvliet2020-8.wormneuroatlas", "aconnectome_witvliet_2020_8.csv", (1936, 7108), (304, 424)),
    ],
)
def test_edge_lists_of_white_and_witvliet_have_their_counts(
    worm: Path, records: dict[str, xr.DataTree], neurons: set[str], record: str, file: str, chemical: Any, gap: Any
) -> None:
    rows = table(worm / "white1986_witvliet2020" / file)[1:]
    tree = records[record]
    sent, electric = within(typed(rows, "chemical"), neurons), within(typed(rows, "electrical"), neurons)
    assert counted(tree, "chemical") == total(sent) == chemical
    assert edges(tree, "chemical", kind="neuron") == sent
    listed = counted(tree, "gap_junction_listed") if electric else (0, 0)
    assert listed == total(electric) == gap
    assert edges(tree, "gap_junction", kind="neuron") == both_ways(electric)
    everything = measure(tree)["/connectome"]["edges"]
    listed_all = everything.get("gap_junction_listed", {"n": 0})["n"]
    assert everything["chemical"]["n"] + listed_all == len(rows)


def test_white_whole_joins_300_neurons_in_3145_directed_pairs(records: dict[str, xr.DataTree]) -> None:
    tree = records["white1986-whole"]
    union = set(edges(tree, "chemical", kind="neuron")) | set(edges(tree, "gap_junction", kind="neuron"))
    assert len(union) == 3145
    connected = {name for pair in edges(tree, "chemical", kind="neuron") for name in pair}
    assert len(connected) == 299


def undirected(tree: xr.DataTree) -> dict[tuple[str, ...], float]:
    pairs = {("chemical", *pair): weight for pair, weight in edges(tree, "chemical").items()}
    listed = edges(tree, "gap_junction_listed").items()
    return pairs | {("electrical", *sorted(pair)): weight for pair, weight in listed}


def test_the_two_releases_of_witvliet_adult_7_differ_in_eleven_pairs(records: dict[str, xr.DataTree]) -> None:
    book, atlas = undirected(records["witvliet2020-7"]), undirected(records["witvliet2020-7.wormneuroatlas"])
    assert set(book) <= set(atlas)
    extra = set(atlas) - set(book)
    assert len(extra) == 7
    assert {pair for pair in extra if pair[0] == "chemical"} == {
        ("chemical", "RIVL", "excgl"),
        ("chemical", "SMBVL", "excgl"),
    }
    changed = {pair: (book[pair], atlas[pair]) for pair in book if book[pair] != atlas[pair]}
    # Three by the text of the rows; the fourth is a gap junction written the other way round in the other release.
    assert changed == {
        ("chemical", "RIVL", "BWM-VR07"): (15, 14),
        ("chemical", "RMER", "BWM-DL04"): (15, 14),
        ("chemical", "RMGR", "BWM-DR06"): (8, 6),
        ("electrical", "RIPL", "RIPR"): (1, 2),
    }
    # By the text of the rows it looks like 133 against 140: almost all are one gap junction written the other way.
    rows = [
        {(name, *pair) for name in ("chemical", "gap_junction_listed") for pair in edges(records[record], name)}
        for record in ("witvliet2020-7", "witvliet2020-7.wormneuroatlas")
    ]
    assert (len(rows[0] - rows[1]), len(rows[1] - rows[0])) == (133, 140)


def test_the_two_releases_of_witvliet_adult_8_differ_in_chemical_pairs_only(records: dict[str, xr.DataTree]) -> None:
    book, atlas = undirected(records["witvliet2020-8"]), undirected(records["witvliet2020-8.wormneuroatlas"])
    assert (len(set(atlas) - set(book)), len(set(book) - set(atlas))) == (15, 7)
    changed = {pair for pair in set(book) & set(atlas) if book[pair] != atlas[pair]}
    assert len(changed) == 50
    assert {pair[0] for pair in changed | (set(book) ^ set(atlas))} == {"chemical"}


def test_the_tsv_of_witvliet_is_the_workbook_row_by_row(records: dict[str, xr.DataTree]) -> None:
    for animal in "78":
        book, text = graph_of(records[f"witvliet2020-{animal}"]), graph_of(records[f"witvliet2020-{animal}.tsv"])
        for name in ("node", "source", "target", "edge_type", "weight"):
            assert np.array_equal(book[name].values, text[name].values), name


def test_every_synapse_of_the_nemanode_export_is_kept_and_sums_to_the_workbook(
    worm: Path, records: dict[str, xr.DataTree]
) -> None:
    tree, book = records["witvliet2020-7.nemanode"], records["witvliet2020-7"]
    entries = json.loads((worm / "white1986_witvliet2020/witvliet_2020_7.json").read_text())
    facts = measure(tree)["/connectome"]["edges"]
    for edge_type, typ, n_pairs, n_synapses in (("chemical", 0, 2202, 7467), ("gap_junction", 2, 579, 797)):
        chosen = [entry for entry in entries if entry["typ"] == typ]
        assert (len(chosen), sum(len(entry["syn"]) for entry in chosen)) == (n_pairs, n_synapses)
        assert facts[f"{edge_type}_listed"]["n"] == n_synapses
    assert edges(tree, "chemical") == edges(book, "chemical")
    found, wanted = edges(tree, "gap_junction"), edges(book, "gap_junction")
    extra = set(found) - set(wanted)
    assert {name for pair in extra for name in pair} == {"AQR", "NR_fragment", "ASJL", "SMDVR", "vncfrag"}
    assert {pair: weight for pair, weight in found.items() if pair not in extra} == wanted
    graph = graph_of(tree)
    listed = decode(graph["edge_type"]) == "chemical_listed"
    numbers = [number for entry in entries if entry["typ"] == 0 for number in entry["ids"]]
    assert graph["synapse_id"].values[listed].tolist() == numbers


def test_openworm_has_its_counts_and_the_stated_rule_settles_five_pairs(
    worm: Path, records: dict[str, xr.DataTree], neurons: set[str]
) -> None:
    path = worm / "openworm/CElegansNeuronTables.xls"
    rows = table(path, "Connectome")
    tree = records["openworm"]
    sent = within([(row[0], row[1], row[3]) for row in rows if row[2] == "Send"], neurons)
    listed = within([(row[0], row[1], row[3]) for row in rows if row[2] == "GapJunction"], neurons)
    settled = {pair: max(weight, listed.get(pair[::-1], 0)) for pair, weight in both_ways(listed).items()}
    assert counted(tree, "chemical") == total(sent) == (2279, 6465)
    assert counted(tree, "gap_junction_listed") == total(listed) == (1084, 1847)
    assert counted(tree, "gap_junction") == total(settled) == (1109, 1881)
    assert edges(tree, "gap_junction") == settled
    assert Counter(item["code"] for item in tree.attrs["warnings"]) == {"asymmetric-gap-junction": 5}
    muscles = table(path, "NeuronsToMuscle")
    facts = measure(tree)["/connectome"]["edges"]["neuromuscular"]
    assert facts == {"n": len(muscles), "weight_sum": sum(row[2] for row in muscles)} == {"n": 564, "weight_sum": 1881}
    graph = graph_of(tree)
    assert set(decode(graph["node_kind"])) == {"neuron", "muscle"}
    transmitters = Counter(row[4] for row in rows) + Counter(row[3] for row in muscles if row[3])
    given = graph["listed_transmitter"].values[decode(graph["edge_type"]) != "gap_junction"]
    assert Counter(value for value in given.tolist() if value) == transmitters


def test_openworm_keeps_the_sheet_of_sensory_neurons(worm: Path, records: dict[str, xr.DataTree]) -> None:
    rows = table(worm / "openworm/CElegansNeuronTables.xls", "Sensory")
    sensory = records["openworm"]["sensory"].to_dataset()
    assert sensory.sizes["row"] == len(rows) == 86
    assert sensory["neuron"].values.tolist() == [row[0] for row in rows]
    assert sensory["landmark_position"].values.tolist() == [row[2] for row in rows]
    assert sensory["function"].values.tolist() == [row[6].strip() for row in rows]


def test_randi_has_1124_significant_pairs_with_q_and_effect_from_stimulated_to_responding(
    worm: Path, records: dict[str, xr.DataTree]
) -> None:
    path = worm / "randi2023/CElegansFunctionalConnectivity.xlsx"
    effect, alpha = table(path, "Figure2a, df_over_f"), table(path, "Figure2a, alpha=(1 - q_val)")
    names = [name.replace("IL2V4", "IL2VR") for name in effect[0][1:]]
    tree = records["randi2023"]
    graph = graph_of(tree)
    finite = {
        (names[j], names[i]): effect[i + 1][j + 1]
        for i in range(168) for j in range(168) if effect[i + 1][j + 1] is not None
    }  # fmt: skip
    assert edges(tree, "signal_propagation") == finite
    assert len(finite) == 22521
    strong = {
        (names[j], names[i]) for i in range(168) for j in range(168)
        if i != j and alpha[i + 1][j + 1] > 0.9 and (names[j], names[i]) in finite
    }  # fmt: skip
    found = edges(tree, "signal_propagation_significant")
    assert set(found) == strong
    assert len(found) == 1124
    assert len({pair for pair in strong if pair[::-1] not in strong}) > 0
    first = decode(graph["edge_type"]) == "signal_propagation"
    q, censored, opacity = (graph[name].values for name in ("q", "q_censored", "alpha"))
    assert np.array_equal(np.isnan(q), censored)
    assert np.array_equal(censored, opacity == 0)
    assert np.allclose(q[~censored], (1 - opacity[~censored]) / 2, rtol=0, atol=0)
    assert (q[~censored] < 0.5).all()
    significant = graph["significant"].values
    assert significant[~first].all()
    loops = graph["source"].values == graph["target"].values
    assert int((significant & first & ~loops).sum()) == 1124
    assert int((significant & first & loops).sum()) == 159
    assert int(loops.sum()) == 168


def test_randi_direction_on_a_pair_that_is_significant_one_way_only(
    worm: Path, records: dict[str, xr.DataTree]
) -> None:
    path = worm / "randi2023/CElegansFunctionalConnectivity.xlsx"
    effect = table(path, "Figure2a, df_over_f")
    alpha = table(path, "Figure2a, alpha=(1 - q_val)")
    names = effect[0]
    pairs = edges(records["randi2023"], "signal_propagation_significant")
    responding, stimulated = names.index("ADEL"), names.index("AQR")
    assert alpha[responding][stimulated] > 0.9 > alpha[stimulated][responding]
    assert pairs["AQR", "ADEL"] == effect[responding][stimulated]
    assert ("ADEL", "AQR") not in pairs


def test_randi_tells_of_the_misspelt_name_and_of_the_pair_without_effect(records: dict[str, xr.DataTree]) -> None:
    tree = records["randi2023"]
    told = {item["code"]: item for item in tree.attrs["warnings"]}
    assert set(told) == {"alias", "no-effect-size"}
    assert told["alias"]["place"] == "IL2V4"
    assert "ADER to URYDL" in told["no-effect-size"]["message"]
    graph = graph_of(tree)
    labels = dict(zip(graph["node"].values, graph["source_label"].values, strict=True))
    assert labels["IL2VR"] == "IL2V4"
    assert {name for name, label in labels.items() if name != label} == {"IL2VR"}


# Nodes ---------------------------------------------------------------------------------------------------------------


def test_nodes_have_class_side_transmitter_kind_and_keep_their_label(records: dict[str, xr.DataTree]) -> None:
    graph = graph_of(records["cook2019-hermaphrodite"])
    at = graph["node"].values.tolist().index
    told = {name: decode(graph[name]) for name in ("neuron_class", "side", "transmitter", "role", "node_kind")}
    assert {name: values[at("VA1")] for name, values in told.items()} == {
        "neuron_class": "VA", "side": "none", "transmitter": "acetylcholine", "role": "motor", "node_kind": "neuron",
    }  # fmt: skip
    assert graph["source_label"].values[at("VA1")] == "VA01"
    assert decode(graph["label_status"])[at("VA1")] == "normalised"
    assert graph["label_rule"].values[at("VA1")] == "zero-padding"
    assert told["side"][at("AVAL")] == "L"
    assert graph["cell_name"].values[at("dBWML8")] == "MDL08"
    assert told["node_kind"][at("dBWML8")] == "muscle"
    assert told["node_kind"][at("CANL")] == "canal_neuron"
    assert (decode(graph["label_status"])[decode(graph["node_kind"]) == "neuron"] == "normalised").sum() == 64


def test_no_node_of_any_record_is_of_unknown_kind(records: dict[str, xr.DataTree]) -> None:
    for name, tree in records.items():
        assert "" not in decode(graph_of(tree)["node_kind"]), name


def test_positions_are_those_of_the_atlas_with_unit_and_frame(worm: Path, records: dict[str, xr.DataTree]) -> None:
    with (worm / ATLAS).open(newline="") as file:
        atlas = {row[0]: [float(value) for value in row[1:]] for row in csv.reader(file)}
    with (worm / "neuron_metadata/neuron_master_sheet.csv").open(encoding="utf-8-sig", newline="") as file:
        master = {row["label"]: [float(row[axis]) for axis in "yxz"] for row in csv.DictReader(file)}
    # The master sheet has the same numbers with the first two axes exchanged.
    assert master == atlas
    graph = graph_of(records["white1986-whole"])
    for at, name in enumerate(graph["node"].values):
        found = [graph[axis].values[at] for axis in "xyz"]
        if name in atlas:
            assert found == atlas[name]
        else:
            assert np.isnan(found).all()
    for axis in "xyz":
        assert graph[axis].attrs["units"] == "um"
        assert graph[axis].attrs["frame"]
        assert graph[axis].attrs["axis"]
    assert atlas["I1L"][0] < 10 < 700 < atlas["PHAL"][0]
    assert atlas["RMED"][1] > atlas["RMEV"][1]
    turned = {
        name[:-1]
        for name in atlas
        if name[-1] == "L" and name[:-1] + "R" in atlas and atlas[name][2] < atlas[name[:-1] + "R"][2]
    }
    assert turned == {"ALM", "BDU", "HSN", "PDE", "PVD", "SDQ"}
    assert all(name in graph["z"].attrs["axis"] for name in turned)


def test_a_record_made_without_the_positions_says_so(raw: dict[str, RawFiles]) -> None:
    files = RawFiles([file for path, file in raw["white1986"].items() if path != ATLAS])
    made = source("white1986")
    job = next(job for job in made.discover(files).jobs if job.record == "white1986-jse")
    tree = made.read(job)
    validate(tree, subject=job.record)
    assert [item["code"] for item in tree.attrs["warnings"]] == ["no-positions"]
    assert np.isnan(graph_of(tree)["x"].values).all()


def test_files_that_are_not_here_make_no_job_and_no_error(raw: dict[str, RawFiles]) -> None:
    files = RawFiles([file for path, file in raw["varshney2011"].items() if not path.endswith(".mat")])
    found = source("varshney2011").discover(files)
    assert [job.record for job in found.jobs] == ["varshney2011"]
    assert found.rejected == ()


def test_an_unknown_record_is_refused(raw: dict[str, RawFiles]) -> None:
    with pytest.raises(NotFoundError):
        source("openworm").read(Job("openworm", "nothing", tuple(raw["openworm"].values())))


def test_a_changed_workbook_of_randi_is_refused(worm: Path, tmp_path: Path, raw: dict[str, RawFiles]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        book = openpyxl.Workbook()
        book.remove(book.active)
        for name in ("Figure2a, df_over_f", "Figure2a, alpha=(1 - q_val)"):
            sheet = book.create_sheet(name)
            sheet.append([None, "AVAL", "AVAR"])
            sheet.append(["AVAL", 0.1, 0.2])
            sheet.append(["AVAR", 0.3, "x" if name.endswith("over_f") else 0.5])
        path = tmp_path / "CElegansFunctionalConnectivity.xlsx"
        book.save(path)
    made = source("randi2023")
    inputs = [
        RawFile(file.path, path, 1, "0") if file.path.startswith("randi2023/") else file
        for file in raw["randi2023"].values()
    ]
    with pytest.raises(FormatError) as caught:
        made.read(Job("randi2023", "randi2023", tuple(inputs)))
    assert caught.value.place == "sheet 'Figure2a, df_over_f', cell C3"
