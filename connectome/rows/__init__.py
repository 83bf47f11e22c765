"""A version as tables of rows, for consumers that think in rows: the Hugging Face Hub, Parquet, SQL.

``columns`` joins types without loss, ``parts`` says which tables a group gives, ``tables`` and ``about`` which a
version gives, ``division`` follows stored splits, and ``arrow`` reads rows as Arrow batches. Publishing and the Hugging
Face loader both go through here, so a published file and a dataset that is read from a store have the same columns
and types.
"""

from __future__ import annotations

from .arrow import arrow_schema, batches
from .columns import IDENTIFIERS, Column
from .division import DEFAULT_SPLIT, is_whole, records_of
from .parts import SAMPLES_PER_ROW
from .tables import Table, choose, tables

__all__ = [
    "DEFAULT_SPLIT",
    "IDENTIFIERS",
    "SAMPLES_PER_ROW",
    "Column",
    "Table",
    "arrow_schema",
    "batches",
    "choose",
    "is_whole",
    "records_of",
    "tables",
]
