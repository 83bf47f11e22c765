"""The catalogue and the source adapters speak of the same things."""

from __future__ import annotations

from connectome.catalog import LICENCES, load_catalog
from connectome.pipelines.sources import SOURCES, load_source


def test_every_source_adapter_is_described_and_every_description_has_an_adapter():
    described = {source.id: entry.id for entry in load_catalog().values() for source in entry.sources}
    assert {identifier: load_source(identifier).dataset for identifier in SOURCES} == described


def test_the_licences_of_a_source_are_those_of_its_files():
    for entry in load_catalog().values():
        for source in entry.sources:
            found = {file.licence or "" for file in load_source(source.id).files()}
            assert found <= set(LICENCES)
            assert tuple(sorted(found)) == source.licences, source.id
