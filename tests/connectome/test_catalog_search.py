"""Searching, listing, joining to a store, and the forms in which the catalogue is shown."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import connectome
from connectome.catalog import (
    Catalog,
    Citation,
    Dataset,
    DataSource,
    about,
    from_about,
    imported,
    load_catalog,
    open_catalog,
)
from connectome.errors import NotFoundError, UsageError


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return load_catalog()


def entry(identifier: str, **changes: object) -> Dataset:
    return Dataset(**{
        "id": identifier, "title": "A title", "description": "What it is", "kinds": ("graph",),
        "species": ("Mus musculus",), "licence": "MIT", **changes,
    })  # type: ignore[arg-type]  # fmt: skip


def test_search_looks_at_ids_titles_descriptions_keywords_authors_and_species(catalog: Catalog):
    assert list(catalog.search("ecog-demo")) == ["ecog-demo"]
    assert list(catalog.search("BRAIN TEMPLATE")) == ["mni-template"]
    assert list(catalog.search("stimuli clocks")) == ["celegans-activity"]
    assert list(catalog.search("gcamp")) == ["celegans-activity"]
    assert list(catalog.search("Emmons")) == ["celegans-connectomes", "celegans-consensus"]
    assert list(catalog.search("locusta")) == ["grasshopper-spikes"]
    assert list(catalog.search("no such thing anywhere")) == []
    assert list(catalog.search()) == sorted(catalog)


def test_search_puts_hits_in_id_or_title_first_and_then_goes_by_alphabet():
    entries = [
        entry("z-deep", description="about retina"),
        entry("b-front", title="Retina of mice"),
        entry("a-deep", keywords=("retina",)),
        entry("a-front-retina"),
        entry("retina", title="Last by alphabet"),
        entry("other"),
    ]
    expected = ["retina", "a-front-retina", "b-front", "a-deep", "z-deep"]
    assert list(Catalog(entries).search("RETINA")) == expected
    assert list(Catalog(entries[::-1]).search("retina")) == expected


def test_search_by_kind_wants_all_of_them_and_by_species_any(catalog: Catalog):
    graphs = ["celegans-connectomes", "celegans-consensus", "celegans-signalling"]
    flies = ["flyvis", "flywire", "hemibrain", "larva-connectome", "malecns"]
    vessels = ["human-vessels", "simulated-retina-vessels", "vessel-samples", "vesselgraph"]
    assert list(catalog.search(kinds="graph")) == sorted([*graphs, *flies, *vessels, "microns"])
    mice = [f"mouse-{name}" for name in ("alm-delayed-response", "brainwide-map", "head-direction", "visual-behavior",
                                         "visual-coding", "visual-decisions")]  # fmt: skip
    recordings = ["bci-iv-2a", "chb-mit", "eegmmidb", "fragility-ieeg", "hup-ieeg", "sleep-edf", "tuh-eeg"]
    recordings += ["swec-ethz", "swec-ieeg", "zurich-hfo"]
    assert list(catalog.search(kinds=["series", "table"])) == sorted(["celegans-activity", *mice, *recordings])
    assert list(catalog.search(kinds=["events", "series"])) == mice
    assert list(catalog.search(kinds=["graph", "volume"])) == []
    worms = ["celegans-activity", *graphs]
    assert list(catalog.search(species="Caenorhabditis elegans")) == worms
    assert list(catalog.search(species="c. ELEGANS")) == worms
    assert list(catalog.search(species=["C. elegans", "locusta"])) == [*worms, "grasshopper-spikes"]
    assert list(catalog.search(species="melanogaster")) == flies
    assert list(catalog.search(species="Mus musculus")) == ["microns", *mice, "vessel-samples", "vesselgraph"]
    assert list(catalog.search("blood vessel", species="Homo sapiens")) == ["human-vessels", "simulated-retina-vessels"]
    assert list(catalog.search(species="Danio rerio")) == []


def test_search_by_licence_takes_the_beginning_of_an_id_and_looks_at_every_source(catalog: Catalog):
    worms = ["celegans-activity", "celegans-connectomes", "celegans-consensus"]
    assert list(catalog.search("worm", licence="cc-by")) == worms
    mice = [
        f"mouse-{name}" for name in ("alm-delayed-response", "brainwide-map", "visual-behavior", "visual-decisions")
    ]
    assert list(catalog.search(licence="cc-by-4.0")) == [*worms, "flywire", "hemibrain", "malecns", "microns", *mice]
    assert list(catalog.search(licence="allen-terms")) == ["mouse-visual-coding"]
    assert list(catalog.search("worm", licence="GPL-3.0-only")) == ["celegans-activity"]
    assert list(catalog.search(licence=["bsd", "mni"])) == ["grasshopper-spikes", "mni-template", "vessel-samples"]
    graphs = ["celegans-connectomes", "celegans-consensus", "celegans-signalling"]
    assert list(catalog.search("worm", kinds="graph", licence="mixed")) == graphs


def test_search_refuses_kinds_and_licences_that_do_not_exist(catalog: Catalog):
    with pytest.raises(UsageError, match="graphs"):
        catalog.search(kinds="graphs")
    with pytest.raises(UsageError, match="no such licence"):
        catalog.search(licence="CC-BY-9")
    with pytest.raises(UsageError, match="no such licence"):
        catalog.search(licence="")


words = st.text(alphabet="abcXYZ éß.{}", min_size=0, max_size=6)


@given(st.lists(st.tuples(words, words), max_size=8), words)
def test_search_finds_exactly_the_datasets_that_hold_every_word(titles: list[tuple[str, str]], query: str):
    entries = [entry(f"d{at}", title=title, description=text) for at, (title, text) in enumerate(titles)]
    found = Catalog(entries).search(query)
    for item in entries:
        hay = "\n".join((item.id, item.title, item.description, *item.species)).casefold()
        assert (item.id in found) == all(word in hay for word in query.casefold().split())
    assert list(found) == list(Catalog(reversed(entries)).search(query))


def test_an_unknown_dataset_is_an_error_that_lists_the_known_ones(catalog: Catalog):
    with pytest.raises(NotFoundError, match="celegans-activity"):
        catalog["celegans"]
    assert "celegans" not in catalog
    assert catalog.get("celegans") is None


def test_two_datasets_of_one_id_are_refused():
    with pytest.raises(UsageError, match="same id"):
        Catalog([entry("a"), entry("a")])


def test_the_json_form_is_the_contract_of_list(catalog: Catalog):
    versions = {"celegans-activity": ["1.10.0", "1.0.0", "1.2.0"]}
    lines = catalog.as_json(lambda dataset: versions.get(dataset, []))
    assert json.loads(json.dumps(lines)) == lines
    assert {tuple(line) for line in lines} == {
        ("dataset", "title", "kinds", "species", "licence", "versions", "latest")
    }
    activity = next(line for line in lines if line["dataset"] == "celegans-activity")
    assert activity["versions"] == ["1.0.0", "1.2.0", "1.10.0"]
    assert activity["latest"] == "1.10.0"
    assert activity["kinds"] == ["series", "table", "volume"]
    other = next(line for line in lines if line["dataset"] == "mni-template")
    assert (other["versions"], other["latest"]) == ([], None)


def test_a_store_adds_its_versions_and_the_datasets_that_only_it_has(catalog: Catalog):
    own = [imported("my-mice", kinds=["graph", "graph"], species=["Mus musculus"]), imported("mni-template")]
    joined = catalog.with_store(lambda dataset: ["1.0.0"] if dataset == "my-mice" else [], others=own)
    assert list(joined) == sorted([*catalog, "my-mice"])
    assert not joined["my-mice"].listed
    assert joined["my-mice"].licence == "none-stated"
    assert joined["mni-template"].listed
    assert joined.versions("my-mice") == ["1.0.0"]
    assert joined.search("my-mice").as_json()[0]["latest"] == "1.0.0"
    frame = joined.to_frame()
    assert list(frame.columns) == ["title", "kinds", "species", "licence", "sources", "versions", "latest"]
    assert frame.loc["my-mice", "latest"] == "1.0.0"
    assert frame.loc["mni-template", "sources"] == "nilearn_mni"
    assert frame.loc["celegans-connectomes", "sources"] == ", ".join(
        source.id for source in catalog["celegans-connectomes"].sources
    )
    assert len(Catalog([]).to_frame()) == 0


def test_the_catalogue_is_listed_even_where_there_is_no_store_yet(tmp_path: Path):
    opened = open_catalog(tmp_path / "nothing")
    assert set(opened) == set(load_catalog())
    assert all(line["versions"] == [] for line in opened.as_json())
    assert not (tmp_path / "nothing").exists()


def test_the_package_is_callable_and_still_a_package(tmp_path: Path):
    assert list(connectome.catalog(tmp_path)) == sorted(load_catalog())
    code = "import connectome, connectome.catalog.model as m; assert isinstance(connectome.catalog(), m.Catalog)"
    subprocess.run([sys.executable, "-c", code], check=True, env={"CONNECTOME_ROOT": str(tmp_path)})


def test_reading_the_catalogue_imports_nothing_heavy():
    code = (
        "import sys; from connectome.catalog import load_catalog; load_catalog().search('worm').as_json();"
        "heavy = {'xarray', 'zarr', 'pandas', 'numpy', 'matplotlib', 'torch'} & set(sys.modules);"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_description_survives_being_stored_with_a_version(catalog: Catalog):
    for dataset in catalog.values():
        stored = json.loads(json.dumps(about(dataset)))
        again = from_about(dataset.id, stored)
        assert about(again) == about(dataset)
        assert again.works == dataset.works
        assert again.cite(version="1.0.0") == dataset.cite(version="1.0.0")


def test_the_little_that_is_known_of_a_users_own_data_is_enough():
    dataset = from_about("mine", {})
    assert (dataset.title, dataset.licence, dataset.works) == ("mine", "none-stated", ())
    assert from_about("mine", {"species": "Mus musculus", "licence": None}).species == ("Mus musculus",)


def test_the_text_form_is_one_aligned_line_per_dataset(catalog: Catalog):
    lines = repr(catalog).splitlines()
    assert lines[0] == f"Catalog of {len(catalog)} datasets"
    assert len(lines) == len(catalog) + 3
    at = lines[1].index("kinds")
    assert all(line[at - 2 : at] == "  " for line in lines[1:])
    assert repr(Catalog([])) == "Catalog of 0 datasets"


def test_works_of_sources_are_cited_once():
    work = Citation(("Doe, Jane",), "A work", 2020, doi="10.1000/AB")
    twin = Citation(("Doe, Jane",), "A Work", 2020, doi="10.1000/ab")
    sources = tuple(DataSource(name, name, ("MIT",), (cited,), "") for name, cited in (("a", work), ("b", twin)))
    assert entry("x", sources=sources).works == (work,)
