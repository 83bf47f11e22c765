"""Every registered derived dataset, held to the contract."""

from __future__ import annotations

import pytest
from contract.derived_contract import DerivedContract
from contract.source_contract import GOLDEN

from connectome.catalog import load_catalog
from connectome.pipelines.derived import DERIVED, load_derived


@pytest.mark.data
class TestCelegansConsensus(DerivedContract):
    derived = "celegans_consensus"
    mirror = "worm"


def test_every_registered_derived_dataset_is_held_to_the_contract_once() -> None:
    assert sorted(item.derived for item in DerivedContract.__subclasses__()) == sorted(DERIVED)
    assert {path.stem for path in (GOLDEN / "derived").glob("*.json")} == set(DERIVED)


def test_every_registered_derived_dataset_is_in_the_catalogue() -> None:
    entries = {entry.derived: name for name, entry in load_catalog().items() if entry.derived}
    assert entries == {name: load_derived(name).dataset for name in DERIVED}
