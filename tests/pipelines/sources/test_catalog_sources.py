"""The catalogue and the source adapters speak of the same things."""

from __future__ import annotations

from connectome.catalog import LICENCES, load_catalog
from connectome.pipelines.derived import DERIVED, load_derived
from connectome.pipelines.sources import SOURCES, load_source


def test_every_source_adapter_is_described_and_every_description_has_an_adapter():
    entries = [entry for entry in load_catalog().values() if not entry.derived]
    described = {source.id: entry.id for entry in entries for source in entry.sources}
    assert {identifier: load_source(identifier).dataset for identifier in SOURCES} == described


def test_every_derived_dataset_is_described_and_says_where_its_parents_come_from():
    catalog = load_catalog()
    described = {entry.derived: entry.id for entry in catalog.values() if entry.derived}
    assert {name: load_derived(name).dataset for name in DERIVED} == described
    for name, dataset in described.items():
        parents = {parent.partition("/")[0] for parent in load_derived(name).parents()}
        assert parents <= set(catalog) - {dataset}
        known = {source.id for parent in parents for source in catalog[parent].sources}
        assert {source.id for source in catalog[dataset].sources} <= known


def test_the_licences_of_a_source_are_those_of_its_files():
    for entry in load_catalog().values():
        for source in entry.sources:
            found = {file.licence or "" for file in load_source(source.id).files()}
            assert found <= set(LICENCES)
            assert tuple(sorted(found)) == source.licences, source.id
