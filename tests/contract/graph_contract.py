"""The contract for sources of published graphs: some files are at hand, others can be had by few or are very large.

:class:`PartlyAtHand` holds a source to the contract on the real files that are here; what is expected of the records
whose files are not stays unproved, and those files must be told in the census. :class:`GraphLayoutContract` holds a
source of which nothing is at hand to the contract on generated files of its published layout.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from contract.layout_contract import LayoutContract
from contract.source_contract import SourceContract

from connectome import schema
from connectome.pipelines.making import check_measured

if TYPE_CHECKING:
    from connectome.pipelines.ingest import IngestResult
    from connectome.pipelines.jobs import Job, Source
    from connectome.store import Manifest


class PartlyAtHand(SourceContract):
    """Inherit, and say which source and folder."""

    def test_the_published_facts_are_met_and_every_record_has_some(self, adapter: Source, manifest: Manifest) -> None:
        """Records whose files are not at hand may have facts too, or none that anybody published."""
        expected = adapter.expected()
        json.loads(expected.as_json())
        assert set(manifest.records) <= set(expected.records)
        for name, receipt in manifest.records.items():
            assert any(expected.records[name].values()), f"nothing is expected of {name}"
            check_measured(receipt.facts, expected, record=name)

    def test_every_record_names_its_files_its_licence_and_where_it_was_published(self, manifest: Manifest) -> None:
        for name, receipt in manifest.records.items():
            assert receipt.attributes["licence"], name
            assert receipt.attributes.get("doi") or receipt.attributes.get("url"), name
            assert receipt.attributes["data_file"] == ", ".join(sorted(receipt.inputs)), name
            assert receipt.attributes["source"] == self.source


class GraphLayoutContract(LayoutContract):
    """Inherit, say which source and records, and write its files."""

    def test_every_roi_has_its_row_and_nothing_is_stored_in_half_precision(
        self, adapter: Source, jobs: dict[str, Job]
    ) -> None:
        """A graph has no ROIs; its ids are whole numbers or text, and every edge has a type that is described."""
        for name, job in jobs.items():
            for path, dataset in schema.groups(adapter.read(job)):
                assert not [key for key, item in dataset.variables.items() if str(item.dtype) == "float16"], (
                    name,
                    path,
                )
                if dataset.attrs["encoding-type"] == "graph":
                    assert dataset["node"].dtype.kind in "iO", (name, path)

    def test_every_record_names_its_animal_its_condition_and_its_file(
        self, result: IngestResult, manifest: Manifest
    ) -> None:
        for name in result.added:
            attributes = manifest.records[name].attributes
            for attribute in ("species", "data_file", "doi", "licence"):
                assert attributes.get(attribute), f"{name} has no {attribute}"
