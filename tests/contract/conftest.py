"""Options of the contract suite."""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite(
    "contract.cohort_contract",
    "contract.graph_contract",
    "contract.derived_contract",
    "contract.layout_contract",
    "contract.source_contract",
    "support.ingesting",
    "support.killing",
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that writes golden digests anew."""
    parser.addoption("--update-golden", action="store_true", help="write tests/contract/golden/*.json anew")


@pytest.fixture(scope="session")
def update_golden(request: pytest.FixtureRequest) -> bool:
    """Whether golden digests are to be written. Only known where tests/contract is named on the command line."""
    return bool(request.config.getoption("update_golden", default=False))
